"""Where files that speed up judging are kept between runs: `$XDG_CACHE_HOME/halo-forge`, by content."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """`~/.cache/halo-forge/<kind>`, made if missing. Deleting it costs time, nothing else."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    folder = root / "halo-forge" / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder
