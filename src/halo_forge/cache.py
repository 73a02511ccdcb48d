"""Where files that can be made again are kept between runs: models, converted models, precompiled headers, …"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """The folder `kind` of `$HALO_FORGE_CACHE`, else of `$XDG_CACHE_HOME/halo-forge`, else of `~/.cache/halo-forge`.

    It is made if missing. Deleting it costs time, nothing else; of the answers in `llm` it costs their price.
    """
    folder = cache_root() / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_root() -> Path:
    """Where all kinds lie; it may not be there yet."""
    own, base = os.environ.get("HALO_FORGE_CACHE"), os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return (Path(own) if own else root / "halo-forge").absolute()


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, made by `make(temporary)` and renamed when whole; of two processes that want it one waits."""
    if folder.exists():
        return folder
    with unfinished(folder) as temporary:
        if not folder.exists():
            make(temporary)
            temporary.chmod(0o755)
            temporary.rename(folder)
    return folder


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A folder beside `path` for what is to become it, while no other process makes the same.

    What is left in it goes with it, and so does what a killed process left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.parent / f".{path.name}~lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go of when this process ends, however it ends
        for left in path.parent.glob(f".{glob.escape(path.name)}~*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}~", dir=path.parent))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
