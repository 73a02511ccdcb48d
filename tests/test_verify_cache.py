"""Verdicts are kept between runs, by everything that can change them, and never where the machine may be to blame."""

from __future__ import annotations

import shutil

import pytest
from verify_tasks import stdio_tests, task_of

from halo_forge.records import Sample
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.judge import Tally, judge_samples
from halo_forge.verify.verdict_cache import VerdictCache

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
SETTINGS = Verify(run_timeout_s=0.5, workers=2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))


def task(expected="8"):
    return task_of(stdio_tests(("4\n", expected)))


def judge(tmp_path, programs, settings=SETTINGS, the_task=None):
    samples = [
        Sample(
            sample_id=f"s{number}",
            task_id="t",
            prompt="",
            completion=f"```python\n{program}\n```",
            model="m",
            index=number,
            seed=0,
            n_tokens=1,
            finish_reason="stop",
        )
        for number, program in enumerate(programs)
    ]
    tally = Tally()
    (tmp_path / "wip").unlink(missing_ok=True)
    verdicts = judge_samples({"t": the_task or task()}, samples, settings, wip=tmp_path / "wip", tally=tally)
    return [verdict.model_dump(exclude={"duration_s"}) for verdict in verdicts], tally


PROGRAMS = ["print(2 * int(input()))", "print(7)", "raise ValueError('no')", "print(2 * int(input()))"]


def test_a_second_run_judges_nothing_and_says_the_same(tmp_path):
    first, tally = judge(tmp_path, PROGRAMS)
    assert (tally.judged, tally.cached, tally.duplicates) == (3, 0, 1)
    second, tally = judge(tmp_path, PROGRAMS)
    assert second == first and (tally.judged, tally.cached) == (0, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"the_task": task("9")},
        {"settings": SETTINGS.model_copy(update={"run_timeout_s": 0.6})},
        {"settings": SETTINGS.model_copy(update={"memory_mb": 300})},
        {"settings": SETTINGS.model_copy(update={"sandbox": "none"})},
        {"settings": SETTINGS.model_copy(update={"cache": False})},
    ],
    ids=["tests", "time", "memory", "isolation", "switched off"],
)
def test_what_can_change_a_verdict_has_it_judged_again(tmp_path, change):
    judge(tmp_path, PROGRAMS[:1])
    _, tally = judge(tmp_path, PROGRAMS[:1], **change)
    assert (tally.judged, tally.cached) == (1, 0)


def test_a_timeout_is_judged_again(tmp_path):
    verdicts, _ = judge(tmp_path, ["while True: pass"])
    assert verdicts[0]["status"] == "timeout"
    _, tally = judge(tmp_path, ["while True: pass"])
    assert tally.judged == 1


def test_an_infrastructure_error_is_never_kept(tmp_path):
    cache = VerdictCache(tmp_path / "verdicts.sqlite")
    cache.put([(b"k", Judgement("infra_error", None, 0, 0, "no disk", ""))])
    assert cache.get(b"k") is None
    cache.put([(b"k", Judgement("pass", 1.0, 1, 1, "", "x"))])
    assert cache.get(b"k") == Judgement("pass", 1.0, 1, 1, "", "x")


def test_what_timed_out_in_the_crowd_is_judged_once_more_alone(tmp_path, monkeypatch):
    """A program that is late the first time only: the second judgement counts."""
    from halo_forge.verify.python.verifier import PythonVerifier

    seen = []
    judge_really = PythonVerifier.judge

    def late_once(self, the_task, completion):
        seen.append(completion)
        if len(seen) == 1:
            return Judgement("timeout", 0.5, 0, 1, "late", "x")
        return judge_really(self, the_task, completion)

    monkeypatch.setattr(PythonVerifier, "judge", late_once)
    verdicts, _ = judge(tmp_path, PROGRAMS[:1])
    assert verdicts[0]["status"] == "pass" and len(seen) == 2


def test_a_slow_reference_solution_buys_the_answer_time(tmp_path):
    slow = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    patient = task().model_copy(update={"solution": slow + PROGRAMS[0]})
    answer = slow.replace("0.3", "1.2") + PROGRAMS[0]
    assert judge(tmp_path, [answer], the_task=patient)[0][0]["status"] == "pass"
    assert judge(tmp_path, [answer])[0][0]["status"] == "timeout"
