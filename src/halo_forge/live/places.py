"""Where what is known of running stages lies: in the checkout that was started, outside DVC's outputs and Git."""

from __future__ import annotations

import os
from pathlib import Path

from halo_forge.cache import cache_folder


def home() -> Path:
    """The checkout in which `dvc` was called: its queue runs stages in a copy, which it deletes."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def live_folder() -> Path:
    return home() / ".state" / "live"


def durations_file() -> Path:
    """How long stages took on this machine, a line a stage."""
    return cache_folder("durations") / "stages.jsonl"
