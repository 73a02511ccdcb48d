"""Settings of the control arms."""

from __future__ import annotations

from typing import Literal

from halo_forge.settings.base import Section


class Control(Section):
    """A model trained as the best one was, cycle by cycle, on other rows."""

    rows: Literal["unfiltered", "references"]
    """unfiltered: a random choice of the same samples, right or wrong; references: solutions that SFT was taught."""
