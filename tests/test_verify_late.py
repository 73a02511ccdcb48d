"""Late answers: judged again with the patience that the reference's run asks for, bounded, and several at once."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from verify_tasks import stdio_tests, task_of

from halo_forge.records import Sample
from halo_forge.settings.verify import Verify
from halo_forge.verify import late
from halo_forge.verify.core import grade
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.judge import judge_samples
from halo_forge.verify.registry import VERIFIERS, get_verifier
from halo_forge.verify.sandbox.job import Report, Run

SETTINGS = Verify(run_timeout_s=0.5, workers=6, cache=False)
TASK = task_of(stdio_tests(("4\n", "8\n"))).model_copy(update={"solution": "reference"})


class Slow:
    """Every answer is late, however long it may run; the reference's run takes `slowest_s`, its compiling 0.3 s."""

    name, isolation = "slow", "none"
    made: list[Slow] = []
    slowest_s: float | None = 0.001
    together: threading.Barrier | None = None
    used_up = False

    def __init__(self, settings):
        self.limit_s = settings.run_timeout_s
        self.running, self.most, self.counting = 0, 0, threading.Lock()
        self.references = self.answers = 0
        self.made.append(self)

    def probe(self):
        pass

    def check(self, task):
        pass

    def extract(self, task, completion):
        return completion

    def judge(self, task, completion):
        if "reference" in completion:
            self.references += 1
            time.sleep(0.3)
            return Judgement("pass", 1.0, 1, 1, "", completion, self.slowest_s)
        with self.counting:
            self.running += 1
            self.answers += 1
            self.most = max(self.most, self.running)
        if self.together and self is not self.made[0]:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.together.wait(5)
        with self.counting:
            self.running -= 1
        return Judgement("timeout", 0.5, 0, 1, "late", completion, used_up=self.used_up)


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setitem(VERIFIERS, "slow", Slow)
    monkeypatch.setattr(Slow, "made", [])
    return Slow


def judge(tmp_path, answers):
    samples = [Sample.of_reference(TASK, answer, answer) for answer in answers]
    return judge_samples({TASK.task_id: TASK}, samples, SETTINGS, verifier="slow", wip=tmp_path / "wip")


def test_what_compiling_the_reference_takes_buys_no_time(tmp_path, slow):
    """Ten times 0.3 s would be six limits; ten times 0.001 s is within the one that there is."""
    judge(tmp_path, ["endless"])
    assert [one.limit_s for one in slow.made] == [0.5]


@pytest.mark.parametrize(
    ("slowest_s", "limits"),
    [(0.06, [2]), (0.149, [3]), (0.3, [late.MOST_LIMITS]), (9.0, [late.MOST_LIMITS]), (None, [late.MOST_LIMITS])],
    ids=["a little more than a limit", "between", "slow", "slower than may be", "not measured: the whole time counts"],
)
def test_the_reference_asks_for_ten_times_its_slowest_test_and_gets_a_bounded_number_of_limits(
    tmp_path, slow, monkeypatch, slowest_s, limits
):
    monkeypatch.setattr(slow, "slowest_s", slowest_s)
    judge(tmp_path, ["endless", "endless too"])
    assert [one.limit_s for one in slow.made[1:]] == [times * 0.5 for times in limits]


@pytest.mark.parametrize(("slowness", "times"), [(0.5, 3), (1.0, 3), (1.3, 4), (9.0, late.MOST_LIMITS)])
def test_without_a_reference_a_late_answer_gets_some_limits_and_more_on_a_slow_machine(
    tmp_path, slow, monkeypatch, slowness, times
):
    """The slowest reference of MBPP takes more than one limit, and rows of data sets often come without it."""
    monkeypatch.setattr(late, "_slowness", lambda: slowness)
    task = TASK.model_copy(update={"solution": None})
    sample = Sample.of_reference(task, "endless", "endless")
    judge_samples({task.task_id: task}, [sample], SETTINGS, verifier="slow", wip=tmp_path / "wip")
    assert [one.limit_s for one in slow.made[1:]] == [times * 0.5]


def test_a_reference_that_is_late_itself_asks_for_the_most_there_is():
    late_itself = Judgement("timeout", 0.5, 0, 1, "late", "reference", 2.1)
    assert late.limits_asked(late_itself, 2.5, 2.0) == late.MOST_LIMITS


def test_a_reference_that_fails_says_nothing(monkeypatch):
    monkeypatch.setattr(late, "_slowness", lambda: 1.0)
    assert late.limits_asked(Judgement("wrong_answer", 0.7, 0, 1, "", "", 0.01), 0.1, 2.0) == late.UNKNOWN_LIMITS


@pytest.mark.parametrize(
    ("used_up", "slowest_s", "times"),
    [(True, 0.001, 1), (True, 0.016, 1), (True, 0.017, 2), (True, None, 2), (False, 0.001, 2)],
    ids=["quick reference", "as slow as may be", "slower", "not measured", "late by the clock"],
)
def test_what_used_thirty_times_its_reference_is_late_for_certain(
    tmp_path, slow, monkeypatch, used_up, slowest_s, times
):
    """A crowd triples a run at most, and ten times the reference is what an answer may take; the limit is 0.5 s."""
    monkeypatch.setattr(slow, "used_up", used_up)
    monkeypatch.setattr(slow, "slowest_s", slowest_s)
    verdicts = judge(tmp_path, ["endless", "endless too", "endless three"])
    assert {verdict.status for verdict in verdicts} == {"timeout"}
    assert sum(one.answers for one in slow.made) == 3 * times


def test_a_reference_is_judged_once_however_many_answers_are_late(tmp_path, slow, monkeypatch):
    monkeypatch.setattr(slow, "used_up", True)
    judge(tmp_path, [f"endless {number}" for number in range(12)])
    assert sum(one.references for one in slow.made) == 1


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(("body", "used_up"), [("while (true) {}", True), ("std::cin.get(); sleep(9);", False)])
def test_a_judgement_says_whether_a_late_program_used_its_time(body, used_up):
    program = f"#include <iostream>\n#include <unistd.h>\nint main() {{ {body} }}"
    judgement = get_verifier("gcc", SETTINGS).judge(
        task_of(stdio_tests(("4\n", "8\n")), "cpp"), f"```cpp\n{program}\n```"
    )
    assert (judgement.status, judgement.used_up) == ("timeout", used_up)


def test_late_answers_are_judged_again_several_at_once_and_fewer_than_before(tmp_path, slow, monkeypatch):
    """Three of six workers: each waits until there are three."""
    monkeypatch.setattr(slow, "slowest_s", 0.3)
    monkeypatch.setattr(slow, "together", threading.Barrier(3))
    verdicts = judge(tmp_path, [f"endless {number}" for number in range(12)])
    assert {verdict.status for verdict in verdicts} == {"timeout"}
    assert not slow.together.broken and slow.made[1].most == 3


def test_a_report_measures_the_slowest_run_and_no_compiling():
    def run(cpu_s: float, wall_s: float) -> Run:
        return Run(0, cpu_s, wall_s, "-", b"1\n", b"", b"")

    report = Report(compile=run(9.0, 90.0), tests=[run(0.1, 0.1), run(0.4, 0.5), run(0.1, 0.6)], whole=True)
    task = task_of(stdio_tests(("0\n", "1\n"), ("1\n", "1\n"), ("2\n", "1\n")), "cpp")
    judgement = grade.grade(task, "int main() {}", report, Verify().rewards)
    assert (judgement.status, judgement.slowest_s) == ("pass", 0.4)


@pytest.mark.needs("python")
def test_a_run_that_waits_is_measured_by_the_clock():
    """A limit grants twice as much time on the clock as of the processor."""
    judgement = get_verifier("python", Verify()).judge(
        task_of(stdio_tests(("", ""))), "```python\nimport time\ntime.sleep(0.5)\n```"
    )
    assert judgement.status == "pass" and judgement.slowest_s >= 0.25
