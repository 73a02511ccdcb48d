"""What goes into the box and what comes out: Job, Limits, Run, Report, and the reading of the runner's frames."""

from __future__ import annotations

import marshal
import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass, field

BOX_PATH = "/usr/bin:/bin"
"""PATH in a box, and of the compilers that prepare something for one outside of it."""
OPEN_FILES = 64
FILE_MB = 32
MAX_TIMEOUTS = 1
"""After so many timed-out tests the remaining ones are skipped: what is late once earns nothing by them."""
PATIENCE = 10
"""How many times its wall time a run may take if all of the excess was spent waiting for a core."""
LIMITS = ("cpu", "wall", "memory", "output")


@dataclass(frozen=True)
class Limits:
    """For one run and everything it starts."""

    cpu_s: float
    memory_mb: int
    processes: int
    output_kb: int
    file_mb: int = FILE_MB
    open_files: int = OPEN_FILES
    reserves: bool = False
    """Whether it may reserve addresses without end, as sanitizers do: then only what it has written to is limited."""

    @property
    def wall_s(self) -> float:
        """A backstop for sleepers. Time spent waiting for a core does not count."""
        return 2 * self.cpu_s + 1

    def as_job(self) -> dict[str, float | int]:
        return {
            "cpu_s": self.cpu_s,
            "wall_s": self.wall_s,
            "patience_s": (PATIENCE - 1) * self.wall_s,
            "memory_bytes": self.memory_mb << 20,
            "address_bytes": resource.RLIM_INFINITY if self.reserves else self.memory_mb << 20,
            "processes": self.processes,
            "output_bytes": self.output_kb << 10,
            "file_bytes": self.file_mb << 20,
            "open_files": self.open_files,
        }


@dataclass(frozen=True)
class Job:
    """One answer: `compile` if given, then for each case `run` or the Python `source`. It holds nothing expected."""

    files: dict[str, bytes]
    run_limits: Limits
    cases: Sequence[dict] = ()
    """{"stdin": bytes} and, for Python functions, "call": [name, arguments]."""
    compile: list[str] | None = None
    compile_limits: Limits | None = None
    run: list[str] | None = None
    """Words of a command; NAME=VALUE before it is for its environment, as in a shell."""
    source: bytes | None = None
    tests: bytes | None = None
    """What the referee runs against the Python `source`, marshalled; it never enters the answer's process."""

    @property
    def memory_mb(self) -> int:
        """What the box may take as a whole: the larger of compiling and running."""
        return max(limits.memory_mb for limits in (self.run_limits, self.compile_limits) if limits)

    @property
    def processes(self) -> int:
        return max(limits.processes for limits in (self.run_limits, self.compile_limits) if limits)

    @property
    def wall_s(self) -> float:
        """How long the runner may take before the machine, not the answer, is to blame."""
        compiling = self.compile_limits.wall_s if self.compile_limits else 0.0
        return 60 + PATIENCE * (compiling + len(self.cases) * self.run_limits.wall_s)

    def encode(self, folder: str, uid: int | None, tests_fd: int | None) -> bytes:
        return marshal.dumps(
            {
                "folder": folder,
                "uid": uid,
                "files": self.files,
                "compile": self.compile,
                "compile_limits": self.compile_limits.as_job() if self.compile_limits else None,
                "run": self.run,
                "source": self.source,
                "run_limits": self.run_limits.as_job(),
                "cases": list(self.cases),
                "tests_fd": tests_fd,
                "max_timeouts": MAX_TIMEOUTS,
            }
        )


@dataclass(frozen=True)
class Run:
    """What one process did. `limit` is what stopped it: "-", or one of LIMITS."""

    exit_code: int
    """As in subprocess: negative for a signal."""
    cpu_s: float
    wall_s: float
    limit: str
    stdout: bytes
    stderr: bytes
    value: bytes

    @property
    def limit_s(self) -> float:
        """The least `Limits.cpu_s` that lets a run like this one end: twice of it is granted on the clock."""
        return max(self.cpu_s, self.wall_s / 2)


@dataclass
class Report:
    compile: Run | None = None
    tests: list[Run] = field(default_factory=list)
    referee: bytes | None = None
    """The referee's result, empty if it was brought down; None if the job had none."""
    out_of_memory: bool = False
    """Whether the kernel killed a process of the box for want of memory."""
    ready: bool = False
    """Whether the runner came up at all; if not, the box is to blame."""
    trouble: str = ""
    """What the machine refused the runner, between two runs of the answer."""
    whole: bool = False
    """Whether the runner lived to the end of the job; if not, the answer brought it down."""


def read_report(data: bytes) -> Report:
    """Parse the runner's frames up to the first that is torn or garbled."""
    report = Report()
    head, newline, rest = data.partition(b"\n")
    report.ready = head == b"ready" and bool(newline)
    while report.ready and rest:
        head, _, rest = rest.partition(b"\n")
        if head == b"end":
            report.whole = not rest
            break
        if head.startswith(b"trouble "):
            report.trouble = head[8:].decode("utf-8", "replace")
            break
        if head.startswith(b"referee "):
            size = int(head[8:])
            report.referee, rest = rest[:size], rest[size:]
            continue
        run, rest = _read_run(head, rest)
        if run is None:
            break
        if head.startswith(b"compile "):
            report.compile = run
            report.whole = not rest and run.exit_code != 0
        elif head.startswith(b"test%d " % len(report.tests)):
            report.tests.append(run)
        else:
            break
    if not (report.whole or report.trouble or report.compile or report.tests):
        report.trouble = "the runner ended before the answer ran"
    return report


def _read_run(head: bytes, rest: bytes) -> tuple[Run | None, bytes]:
    try:
        _, status, cpu_ms, wall_ms, limit, *sizes = head.decode("ascii").split(" ")
        out, err, value = map(int, sizes)
        exit_code = os.waitstatus_to_exitcode(int(status))
        seconds = int(cpu_ms) / 1e3, int(wall_ms) / 1e3
    except (UnicodeDecodeError, ValueError):
        return None, rest
    if limit not in ("-", *LIMITS) or min(out, err, value) < 0 or len(rest) < out + err + value:
        return None, rest
    run = Run(exit_code, *seconds, limit, rest[:out], rest[out : out + err], rest[out + err : out + err + value])
    return run, rest[out + err + value :]
