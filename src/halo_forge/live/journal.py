"""The journal of a stage: who runs it, since when, how far it is and how it ended, as JSON Lines that only grow.

The stage writes nothing else for those who watch, and waits for nobody: what goes to a server is read from here by a
process of its own (tracking/follow.py), or afterwards by the stage `track`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from halo_forge.live.durations import note_duration
from halo_forge.live.execution import identity
from halo_forge.progress import Progress, watchers
from halo_forge.settings.params import Params

AT_MOST_EVERY_S = 2.0
"""Progress is noted no faster than this."""
TRACK = "track"
"""The stage that completes the record: it sends all that is left itself, and is not followed."""
_FOLLOWER = "halo_forge.tracking.follow"


@contextlib.contextmanager
def journalled(params: Params, prepare: Callable[[], None] | None = None) -> Iterator[None]:
    """Keep the journal of the stage that DVC runs in this process; outside DVC there is none.

    `prepare` decides what the stage may use of the machine: what watches it has to know.
    """
    stage, prepare = os.environ.get("DVC_STAGE"), prepare or (lambda: None)
    if stage is None:
        prepare()
        yield
        return
    own = identity(params)
    path = own.folder / f"{stage}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="\n", buffering=1) as file:
        _begin_on_a_new_line(path, file)
        before, began = seconds_of(read(path)[0]), time.monotonic()

        def say(event: str, **values: Any) -> None:
            print(json.dumps({"at": round(time.time(), 3), "event": event, **values}), file=file)

        process = psutil.Process()
        say(
            "begin",
            stage=stage,
            pid=process.pid,
            process_start=process.create_time(),
            preset=params.preset,
            cwd=os.getcwd(),
            **own._asdict(),
        )
        noted = -AT_MOST_EVERY_S

        def note(shown: Progress, wanted: bool) -> None:
            nonlocal noted
            if wanted or time.monotonic() - noted >= AT_MOST_EVERY_S:
                noted = time.monotonic()
                say("progress", label=shown.label, done=shown.done, total=shown.total, fields=_numbers(shown.fields))

        watchers.append(note)
        how = "failed"
        try:
            prepare()
            if stage != TRACK:
                _follow(path)
            yield
            how = "done"
        except KeyboardInterrupt:
            how = "interrupted"
            raise
        finally:
            watchers.remove(note)
            say("end", how=how)
    if how == "done":  # the journal itself may be gone: the last stage puts away what has been sent
        note_duration(stage, params.preset, before + time.monotonic() - began)


def read(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The lines of a journal from a place in bytes on, and the place behind the last whole one."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    lines = []
    for line in whole.splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # torn by a kill or a crash of the machine
            lines.append(json.loads(line))
    return lines, offset + len(whole)


def seconds_of(lines: list[dict[str, Any]]) -> float:
    """How long a stage ran, all its attempts together; of a killed one up to the last that it said."""
    total = began = last = 0.0
    for line in lines:
        if line["event"] == "begin":
            total += last - began
            began = line["at"]
        last = line["at"]
    return total + last - began


def _begin_on_a_new_line(path: Path, file: Any) -> None:
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        print(file=file)


def _numbers(fields: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in fields.items() if isinstance(value, int | float)}


def _follow(path: Path) -> None:
    """Start what watches the machine and sends the journal, in a session of its own: a Ctrl-C must not end it before it
    has sent the last."""
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    with path.with_suffix(".log").open("wb") as log:
        subprocess.Popen(
            [sys.executable, "-m", _FOLLOWER, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
