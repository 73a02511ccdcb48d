"""Output folders of the command line: whose they are, what is set aside and taken up again.

A run leaves a mark, the file `run.json`, with the fingerprint of what it was given. The same run started again goes on
where it was. Another one in the same place first sets the old files aside, mark and all, in `previous/<fingerprint>/`;
when its own turn comes again, a run takes up from there what it had. Nothing is mixed, overwritten or deleted.

A kill between two moves does no harm: the mark goes last when files are set aside and comes first when they return, and
the same call then moves the rest.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from halo_forge.files import read_json, write_json
from halo_forge.hashing import fingerprint
from halo_forge.state import state_dir

RUN_FILE = "run.json"
PREVIOUS = "previous"
UNKNOWN = "unknown"
"""In the place of a fingerprint, where no run left its mark."""


def claim(root: Path, mark: Path, inputs: Any, owned: Callable[[], Iterable[Path]]) -> bool:
    """Make the run with these inputs the owner of what `owned` lists, all of it directly in `root`.

    What is there of another run is set aside, what this run had before is taken up; whether there was anything of it.
    `mark` lies in `root`, or in one of the folders that `owned` lists.
    """
    own, before = fingerprint(inputs), owner(mark)
    if before != own:
        set_aside(root, [*owned(), mark], before or UNKNOWN, "a run with other data or settings", mark)
    taken = _take_up(root, own, mark)
    if not mark.exists():
        write_json(mark, {"fingerprint": own})
    return before == own or taken


def result_before(out: Path, answers: Path, inputs: Any) -> dict[str, Any] | None:
    """What `out` holds, if a run with these inputs has written it; else both are this run's to write, and None.

    `answers` is the folder beside it that holds the mark. Until this process ends nobody else writes there.
    """
    state_dir("benchmark-run", {"out": out.resolve()})
    if not (claim(out.parent, answers / RUN_FILE, inputs, lambda: [out, answers]) and out.exists()):
        return None
    print(f"{out}: measured before with the same inputs and settings; delete it to measure again")
    return read_json(out)


def owner(mark: Path) -> str | None:
    """The fingerprint of the run that left this mark; None if there is none."""
    return read_json(mark).get("fingerprint") if mark.exists() else None


def set_aside(root: Path, paths: Iterable[Path], name: str, whose: str, mark: Path | None = None) -> None:
    """Move what is there of `paths`, the mark last, to root/previous/<name>; to <name>-2, … if that has such files."""
    there = [path for path in paths if path.exists() and path.parent == root]
    if there == [mark]:  # of a run that had not begun
        mark.unlink()
        return
    if not there:
        return
    *_, place = [None, *_made(root, name)]
    if place is None or any((place / path.name).exists() for path in there):
        place = next(place for place in _places(root, name) if not place.exists())
    place.mkdir(parents=True, exist_ok=True)
    for path in reversed(_mark_first(there, mark)):
        os.replace(path, place / path.name)
    print(f"{root} held {whose}: moved to {place}: {_names(there)}", file=sys.stderr)


def _take_up(root: Path, name: str, mark: Path) -> bool:
    """Move back what was last set aside under `name`, where nothing stands in its place; whether there was any."""
    *_, place = [None, *_made(root, name)]
    if place is None:
        return False
    free = [path for path in sorted(place.iterdir()) if not (root / path.name).exists()]
    for path in _mark_first(free, place / mark.relative_to(root)):
        os.replace(path, root / path.name)
    for folder in (place, place.parent):
        if not any(folder.iterdir()):
            folder.rmdir()
    if free:
        print(f"{root}: taken up again from {place}: {_names(free)}", file=sys.stderr)
    return bool(free)


def _places(root: Path, name: str) -> Iterator[Path]:
    """root/previous/<name>, <name>-2, <name>-3, … without end."""
    yield root / PREVIOUS / name
    yield from (root / PREVIOUS / f"{name}-{number}" for number in itertools.count(2))


def _made(root: Path, name: str) -> Iterator[Path]:
    return itertools.takewhile(Path.is_dir, _places(root, name))


def _mark_first(paths: Iterable[Path], mark: Path | None) -> list[Path]:
    """`paths`, the mark or the folder that it lies in first."""
    return sorted(paths, key=lambda path: not (mark and mark.is_relative_to(path)))


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(path.name for path in paths)
