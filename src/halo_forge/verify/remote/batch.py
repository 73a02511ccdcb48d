"""The language between the judge and the driver on a remote host: a batch file there, a line for every step back.

The batch file is words, each ended by one white space character, and blobs: a length, a line feed, that many bytes.

    "halo-forge" version, programs at once, silence in ms, restricted (0 or 1), timeouts allowed, number of jobs;
    for each job:
        blob compiler command line, blob name of the program to run (empty: only compile),
        twice (compiling, running): CPU ms, wall ms, memory in bytes, processes, output in bytes,
        number of files, for each: blob name, blob content,
        number of tests, for each: blob standard input.

Nothing that is expected goes into it. What comes back is one JSON object a line, ASCII only, bytes as base64:

    {"step": "ready", "codepage": 437, "words": "<which compiler>"}
    {"step": "alive"}                                   now and then, whatever the programs do
    {"step": "compile" or "test", "job": 0, "exit_code": 0, "cpu_ms": 1, "wall_ms": 1, "limit": "-",
     "out": "", "err": ""}                              what one run did, as job.Run has it
    {"step": "end", "job": 0}                           nothing more of this job
    {"step": "trouble", "job": 0, "words": ""}          the machine's trouble, not the answer's
    {"step": "bye"}                                     nothing more at all
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from halo_forge.verify.sandbox.job import LIMITS, MAX_TIMEOUTS, Job, Limits, Run

VERSION = 1
_STEPS = ("ready", "alive", "compile", "test", "end", "trouble", "bye")


def encode_batch(jobs: Sequence[Job], *, at_once: int, silence_s: float, restricted: bool) -> bytes:
    """The batch file. `at_once`: programs side by side, 0 for as many as the host has cores; `silence_s`: how long
    each side bears the other's silence; `restricted`: whether programs run with fewer rights."""
    head = _words("halo-forge", VERSION, at_once, int(silence_s * 1000), int(restricted), MAX_TIMEOUTS, len(jobs))
    return head + b"".join(part for job in jobs for part in _job(job))


def _job(job: Job) -> Iterator[bytes]:
    yield _blob(subprocess.list2cmdline(job.compile or []).encode())
    yield _blob(job.run[0].encode() if job.run else b"")
    yield _limits(job.compile_limits or job.run_limits)
    yield _limits(job.run_limits)
    yield _words(len(job.files))
    for name, data in job.files.items():
        yield _blob(name.encode())
        yield _blob(data)
    yield _words(len(job.cases))
    for case in job.cases:
        yield _blob(case["stdin"])


def _limits(limits: Limits) -> bytes:
    milliseconds = int(limits.cpu_s * 1000), int(limits.wall_s * 1000)
    return _words(*milliseconds, limits.memory_mb << 20, limits.processes, limits.output_kb << 10)


def _words(*values: str | int) -> bytes:
    return (" ".join(map(str, values)) + "\n").encode("ascii")


def _blob(data: bytes) -> bytes:
    return b"%d\n" % len(data) + data


@dataclass(frozen=True)
class Event:
    """One line of the driver. `run` comes with "compile" and "test", `words` with "ready" and "trouble"."""

    step: str
    job: int = -1
    run: Run | None = None
    words: bytes = b""
    codepage: int = 65001


def read_event(line: bytes, jobs: int) -> Event:
    """Raises ValueError for anything but a well-formed line about one of the first `jobs` jobs."""
    row = json.loads(line.decode("ascii"))
    if not isinstance(row, dict) or row.get("step") not in _STEPS:
        raise ValueError("not a step")
    step = row["step"]
    job = -1 if step in ("ready", "alive", "bye") else _number(row, "job")
    if job >= jobs:
        raise ValueError(f"no job {job}")
    if step == "ready":
        return Event(step, words=_bytes(row, "words"), codepage=_number(row, "codepage"))
    if step == "trouble":
        return Event(step, job, words=_bytes(row, "words"))
    return Event(step, job, _run(row) if step in ("compile", "test") else None)


def _run(row: dict) -> Run:
    if row.get("limit") not in ("-", *LIMITS):
        raise ValueError(f"limit {row.get('limit')!r}")
    return Run(
        exit_code=_number(row, "exit_code", lowest=-(2**31)),
        cpu_s=_number(row, "cpu_ms") / 1e3,
        wall_s=_number(row, "wall_ms") / 1e3,
        limit=row["limit"],
        stdout=_bytes(row, "out"),
        stderr=_bytes(row, "err"),
        value=b"",
    )


def _number(row: dict, key: str, lowest: int = 0) -> int:
    value = row.get(key)
    if type(value) is not int or value < lowest:
        raise ValueError(f"{key} {value!r}")
    return value


def _bytes(row: dict, key: str) -> bytes:
    value = row.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key} {value!r}")
    return base64.b64decode(value, validate=True)
