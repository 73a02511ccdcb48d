"""Verdicts are kept between runs, by everything that can change them, and never where the machine may be to blame."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from pathlib import Path

import pytest
from verify_tasks import stdio_tests, task_of

from halo_forge.cache import cache_folder
from halo_forge.records import Sample
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.judge import Tally, judge_samples
from halo_forge.verify.verdict_cache import KEPT, VerdictCache, open_cache

pytestmark = pytest.mark.needs("python")
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
            completion="no" if program is None else f"```python\n{program}\n```",
            model="m",
            index=number,
            seed=0,
            n_tokens=1,
            finish_reason="stop",
        )
        for number, program in enumerate(programs)
    ]
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=tmp_path) as wip:  # nothing is resumed
        verdicts = judge_samples({"t": the_task or task()}, samples, settings, wip=Path(wip) / "wip", tally=tally)
        tally.written = sum(path.read_bytes().count(b"\n") for path in Path(wip).iterdir())
    return [verdict.model_dump() for verdict in verdicts], tally


PROGRAMS = ["print(2 * int(input()))", "print(7)", "raise ValueError('no')", "print(2 * int(input()))"]


def test_a_second_run_judges_nothing_and_says_the_same(tmp_path):
    first, tally = judge(tmp_path, PROGRAMS)
    assert (tally.judged, tally.cached, tally.duplicates) == (3, 0, 1)
    second, tally = judge(tmp_path, PROGRAMS)
    assert second == first and (tally.judged, tally.cached) == (0, 3)


def test_what_the_cache_knows_is_not_written_to_disk_sample_by_sample(tmp_path):
    _, tally = judge(tmp_path, PROGRAMS)
    assert tally.written == len(PROGRAMS)
    _, tally = judge(tmp_path, [*PROGRAMS, "print(8)"])
    assert (tally.judged, tally.cached, tally.written) == (1, 3, 1)


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


MIXED = [
    *PROGRAMS,
    "print(8)  # another right one",
    "def f(:",
    "import os\nos._exit(3)",
    "while True: print('x' * 1000)",
    None,
]


def test_verdicts_from_the_cache_are_those_that_were_given_byte_for_byte(tmp_path):
    first, tally = judge(tmp_path, MIXED)
    assert tally.cached == 0 and all(verdict["duration_s"] > 0 for verdict in first[:3])
    assert {verdict["status"] for verdict in first} == {*KEPT, "no_code"}
    second, tally = judge(tmp_path, MIXED)
    assert json.dumps(second) == json.dumps(first)
    assert (tally.judged, tally.cached) == (1, 7)  # what holds no program is looked at again


def test_duplicates_carry_no_seconds_whether_judged_or_taken_from_the_cache(tmp_path):
    for _ in range(2):
        verdicts, _ = judge(tmp_path, [PROGRAMS[0]] * 3)
        assert [verdict["duration_s"] > 0 for verdict in verdicts] == [True, False, False]


def test_a_cache_of_an_earlier_version_which_knows_no_seconds_is_not_read(tmp_path):
    with contextlib.closing(sqlite3.connect(cache_folder("verdicts") / "verdicts.sqlite")) as old, old:
        old.execute("CREATE TABLE verdicts (key BLOB PRIMARY KEY, judgement TEXT NOT NULL)")
        row = {"status": "pass", "reward": 1.0, "tests_passed": 1, "tests_total": 1, "detail": "", "code": "x"}
        old.execute("INSERT INTO verdicts VALUES (?, ?)", (b"k", json.dumps(row)))
    with open_cache(True) as cache:
        assert cache.get(b"k") is None
    judge(tmp_path, PROGRAMS)
    assert judge(tmp_path, PROGRAMS)[1].cached == 3


def test_a_timeout_is_judged_again(tmp_path):
    verdicts, _ = judge(tmp_path, ["while True: pass"])
    assert verdicts[0]["status"] == "timeout"
    _, tally = judge(tmp_path, ["while True: pass"])
    assert tally.judged == 1


def test_an_infrastructure_error_is_never_kept(tmp_path):
    cache = VerdictCache(tmp_path / "verdicts.sqlite")
    cache.put(b"k", Judgement("infra_error", None, 0, 0, "no disk", ""), 0.1)
    assert cache.get(b"k") is None
    cache.put(b"k", Judgement("pass", 1.0, 1, 1, "", "x"), 0.1)
    assert cache.get(b"k") == (Judgement("pass", 1.0, 1, 1, "", "x"), 0.1)


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
    hasty = task().model_copy(update={"solution": PROGRAMS[0]})
    assert judge(tmp_path, [answer], the_task=hasty)[0][0]["status"] == "timeout"
