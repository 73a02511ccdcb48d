"""Where files that can be made again are kept between runs: models, converted models, precompiled headers, …"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """The folder `kind` of `$HALO_FORGE_CACHE`, else of `$XDG_CACHE_HOME/halo-forge`, else of `~/.cache/halo-forge`.

    It is made if missing. Deleting it costs time, nothing else.
    """
    own, base = os.environ.get("HALO_FORGE_CACHE"), os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    folder = (Path(own) if own else root / "halo-forge").absolute() / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, made by `make(temporary)` and renamed when whole; safe when two processes try at once."""
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        make(temporary)
        temporary.chmod(0o755)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.exists():
                raise
        return folder
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
