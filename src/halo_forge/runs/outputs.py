"""Output folders of the command line: whose they are and what is set aside.

A folder that holds a run has a `run.json` with a fingerprint of what the run was given. The same run started again
goes on where it was; another one in the same folder sets the old files aside in `previous/` (one generation of them)
and starts anew: work is neither mixed nor lost.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from halo_forge.files import read_json, write_json
from halo_forge.hashing import fingerprint

RUN_FILE = "run.json"
PREVIOUS = "previous"


def claim(root: Path, mark: Path, inputs: Any, owned: Callable[[], Iterable[Path]]) -> bool:
    """Make the run with these inputs the owner of the folder of the file `mark`; whether it was already.

    If another run was, what `owned` lists, all of it directly in `root`, is set aside.
    """
    own = fingerprint(inputs)
    if mark.exists() and read_json(mark).get("fingerprint") == own:
        return True
    set_aside(root, owned(), "a run with other data or settings")
    write_json(mark, {"fingerprint": own})
    return False


def set_aside(root: Path, paths: Iterable[Path], whose: str) -> None:
    """Move what is there of `paths` to root/previous, in the place of what was set aside before."""
    there = [path for path in paths if path.exists()]
    if not there:
        return
    shutil.rmtree(root / PREVIOUS, ignore_errors=True)
    place = root / PREVIOUS
    place.mkdir(parents=True, exist_ok=True)
    for path in there:
        os.replace(path, place / path.name)
    names = ", ".join(path.name for path in there)
    print(f"{root} held {whose}: moved to {place}: {names}", file=sys.stderr)
