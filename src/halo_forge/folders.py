"""A folder that is there is whole: made under another name beside its place, and renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A neighbour of `path`, not there yet: the block makes a folder of it, which then takes the place of `path`.

    If the block fails, `path` stays as it is. What a killed process left is cleared away.
    """
    path = Path(path)
    new, old = (path.with_name(f".{path.name}.{word}") for word in ("new", "old"))
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        yield new
        for file in filter(Path.is_file, new.rglob("*")):
            _to_disk(file)
        new.stat()  # else the older one would make room for nothing
        if path.exists():
            os.replace(path, old)
        os.replace(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _to_disk(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
