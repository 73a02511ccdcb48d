"""What a verifier is: anything with a name, an isolation, `probe()` and `judge(task, completion)`.

`judge` may be called from several threads at once. It returns a `Judgement` for everything that is the answer's
doing, and raises `InfrastructureError` for everything that is not (no compiler, full disk, dead host): the caller
retries that and never turns it into a reward.

What a verifier may have beside that, and is asked for where it does:
- `fingerprint()`: all that decides its verdicts beside the task, the program and its own code, without which they are
  not kept between runs;
- `workers`: how many threads are worth judging with;
- `outputs(task, completion)`: what a program gives for the inputs of a task's tests, None where it fails;
- `close()`: called when all is judged;
- `patient(times)`: the verifier that judges late answers again, with so many times the time limit;
- `look_again(task, code)`: what the sanitizers say of a program that passes (`Verdict.sanitizers`), and
  `cannot_look_again(task)`: why they cannot be asked, "" if there is nothing to ask them, None if they can;
- `lacks`: what right answers may ask for elsewhere and its compiler does not have (see `selfcheck.cases`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from halo_forge.cache import cache_root
from halo_forge.records import Status, Task, Verdict

DETAIL_BYTES = 2000
_IN_VERDICTS = ("status", "reward", "tests_passed", "tests_total", "detail", "code")


@dataclass(frozen=True)
class Judgement:
    """What a verifier found of one program; `code` is what was extracted, "" if nothing was."""

    status: Status
    reward: float | None
    tests_passed: int
    tests_total: int
    detail: str
    code: str
    slowest_s: float | None = None
    """The time limit that the slowest test's run would have needed, in CPU seconds (`Run.limit_s`); None if the
    verifier does not measure runs. It buys answers time that are slower than the reference, and is in no verdict."""
    used_up: bool = False
    """Whether what was late had used its processor's time, which waiting for a crowded machine does not. In no verdict
    either."""

    @classmethod
    def of(cls, verdict: Verdict) -> Judgement:
        return cls(*(getattr(verdict, name) for name in _IN_VERDICTS))

    def verdict(self, sample_id: str, task_id: str, duration_s: float, verifier: Verifier) -> Verdict:
        """The record of what was found, for one sample."""
        return Verdict(
            sample_id=sample_id,
            task_id=task_id,
            **{name: getattr(self, name) for name in _IN_VERDICTS},
            duration_s=duration_s,
            verifier=verifier.name,
            isolation=verifier.isolation,
        )


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
    """At most `limit` bytes of UTF-8: the beginning, where compilers say it, and the end, where tracebacks do.

    Files of the cache, as the precompiled headers are, are named from there on: a verdict is the same in every home.
    """
    data = text.strip().replace(f"{cache_root()}/", "").encode("utf-8", "replace")
    if len(data) > limit:
        tail = limit // 3
        data = data[: limit - tail - 5] + "\n…\n".encode() + data[-tail:]
    return data.decode("utf-8", "ignore")
