"""Where a stage or command keeps unfinished work, so that a killed run goes on where it was."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

from halo_forge.hashing import fingerprint
from halo_forge.records import shapes

_held: dict[Path, tuple[int, Path | None]] = {}
"""Of this process: lock file -> its descriptor, and the state folder to remove with it, None where others work too."""


def state_dir(name: str, inputs: object, part: str = "") -> Path:
    """The folder for the unfinished work of stage `name`, kept over a kill and removed once the stage succeeded.

    It lies outside the DVC outputs, at `$DVC_ROOT/.state/<name>-<hash of inputs>`; `inputs` is JSON (settings, and the
    `digest` of every input file), pydantic models and paths included, so that other inputs never resume this work, nor
    does a program whose records have other fields.
    A run that wants a folder in use by another process waits for it. Where several do parts of the work in one folder,
    each names its `part`: it waits for those of the same name alone, and leaves the folder to the run without one.
    """
    root = Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()
    folder = root / ".state" / f"{name}-{fingerprint([inputs, shapes()])}"
    lock = folder.with_name(f"{folder.name}.{part}.lock" if part else f"{folder.name}.lock")
    if lock not in _held:
        _held[lock] = _lock(lock), None if part else folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _lock(path: Path) -> int:
    """Take the lock file `path` for the life of this process; it vanishes with its owner's success."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode() or "unknown"
            print(f"process {owner} is doing the same work; waiting for it to end", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(os.fstat(lock), path.stat()):
            os.truncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            return lock
        os.close(lock)  # its last owner removed the file: what we locked is no longer the lock


def drop_state() -> None:
    """Remove the unfinished work of this process, now finished, and let go of its locks."""
    for lock, (descriptor, folder) in _held.items():
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(descriptor)
    _held.clear()
