"""What a verifier is: anything with a name, an isolation, `probe()` and `judge(task, completion)`.

`judge` may be called from several threads at once. It returns a `Judgement` for everything that is the answer's
doing, and raises `InfrastructureError` for everything that is not (no compiler, full disk, dead host): the caller
retries that and never turns it into a reward.

What a verifier may have beside that, and is asked for where it does: `fingerprint()`, all that decides its verdicts
beside the task and the program, without which they are not kept between runs; `workers`, how many threads are worth
judging with; `close()`, called when all is judged; `lacks`, what right answers may ask for elsewhere and its compiler
does not have (see `selfcheck_cases`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from halo_forge.records import Status, Task

DETAIL_BYTES = 2000


@dataclass(frozen=True)
class Judgement:
    """A Verdict without the ids of the sample it belongs to; `code` is what was extracted, "" if nothing was."""

    status: Status
    reward: float | None
    tests_passed: int
    tests_total: int
    detail: str
    code: str


@runtime_checkable
class Verifier(Protocol):
    name: str
    isolation: str
    """What contains the model's code: "bubblewrap+cgroup", "bubblewrap+rlimits" or "none"."""

    def probe(self) -> None:
        """Raise InfrastructureError, naming the cure, if this verifier cannot work on this machine."""

    def check(self, task: Task) -> None:
        """Raise InputError if this verifier does not know the task's language or kind of tests."""

    def extract(self, task: Task, completion: str) -> str | None:
        """The program in a completion, or None. Two completions with the same program get the same judgement."""

    def judge(self, task: Task, completion: str) -> Judgement:
        """Judge one completion. Thread-safe. Raises InfrastructureError when the answer is not to blame."""


def clip(text: str, limit: int = DETAIL_BYTES) -> str:
    """At most `limit` bytes of UTF-8: the beginning, where compilers say it, and the end, where tracebacks do."""
    data = text.strip().encode("utf-8", "replace")
    if len(data) > limit:
        tail = limit // 3
        data = data[: limit - tail - 5] + "\n…\n".encode() + data[-tail:]
    return data.decode("utf-8", "ignore")
