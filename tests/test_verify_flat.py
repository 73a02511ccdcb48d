"""Judging holds no text but those at hand, and what it holds on disk says what it said in memory."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from verify_tasks import stdio_tests, task_of

from halo_forge.cache import cache_folder
from halo_forge.jsonl import RecordFile, read_records, write_records
from halo_forge.records import Sample, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify import second_look
from halo_forge.verify.ahead import done_in_threads
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.identity import identity
from halo_forge.verify.judge import Tally, judge_samples, shelve_verdicts
from halo_forge.verify.registry import VERIFIERS
from halo_forge.verify.run import verify_file
from halo_forge.verify.shelf import Shelf

SETTINGS = Verify(workers=2, cache=False)
TASK = task_of(stdio_tests(("4\n", "8\n")), task_id="t")
TASKS = {"t": TASK}


class ByItsWords:
    """Judges at once, by the first word: late answers are late the first time, broken ones could not be judged."""

    name, isolation = "by_its_words", "none"
    asked: list[str] = []

    def __init__(self, settings):
        pass

    def probe(self):
        pass

    def check(self, task):
        pass

    def fingerprint(self):
        return "1"

    def extract(self, task, completion):
        return completion.partition("//")[0].strip() or None

    def cannot_look_again(self, task):
        return None

    def look_again(self, task, code):
        return "clean"

    def judge(self, task, completion):
        code = self.extract(task, completion)
        status, *words = (code or "no_code").split()[:2]
        program = " ".join([status, *words])
        again = program in self.asked
        self.asked.append(program)
        status = {"late": "pass" if again else "timeout", "broken": "infra_error"}.get(status, status)
        reward = None if status == "infra_error" else float(status == "pass")
        return Judgement(status, reward, int(status == "pass"), 1, status, code or "")


@pytest.fixture(autouse=True)
def by_its_words(tmp_path, monkeypatch):
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(VERIFIERS, "by_its_words", ByItsWords)
    monkeypatch.setattr(ByItsWords, "asked", [])


def samples_of(*answers):
    return [Sample.of_reference(TASK, answer, f"s{number}") for number, answer in enumerate(answers)]


def judge(tmp_path, samples, settings=SETTINGS, **more):
    return judge_samples(TASKS, samples, settings, verifier="by_its_words", wip=tmp_path / "wip.jsonl", **more)


def peak_mb(run) -> float:
    tracemalloc.start()
    run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


@pytest.mark.parametrize("times", ["judged", "resumed", "cached"])
def test_a_file_of_long_answers_is_judged_in_little_memory(tmp_path, monkeypatch, times) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    long = "x" * 50_000
    answers = (f"{'pass' if n % 2 else 'late'} {n} {long}" for n in range(200))
    write_records(tmp_path / "samples.jsonl", samples_of(*answers))
    write_records(tmp_path / "tasks.jsonl", [TASK])
    settings = SETTINGS.model_copy(update={"cache": times == "cached"})

    def run() -> None:
        verify_file(settings, tmp_path / "tasks.jsonl", tmp_path, "flat", "by_its_words", training=True)

    identity(ByItsWords(settings))  # reads the judge's own code, once a process
    if times != "judged":
        run()
        if times == "cached":
            for wip in (tmp_path / ".state").glob("*/verdicts-*.jsonl"):
                wip.unlink()
    asked = len(ByItsWords.asked)
    assert peak_mb(run) < 2.5, "of 10 MB"
    if times != "judged":
        assert len(ByItsWords.asked) == asked
    assert {one.sanitizers for one in read_records(tmp_path / "verdicts.jsonl", Verdict)} == {"clean"}


def test_a_file_and_a_list_get_the_same_verdicts_copies_and_late_ones_included(tmp_path) -> None:
    answers = ["late 1", "pass // one", "", "pass // two", "late 2", "wrong_answer", "late 1 // copy", "pass"]
    samples = samples_of(*answers)
    write_records(tmp_path / "samples.jsonl", samples)
    file, tally = RecordFile(tmp_path / "samples.jsonl", Sample), Tally()
    with shelve_verdicts(TASKS, file, SETTINGS, verifier="by_its_words", wip=tmp_path / "a", tally=tally) as shelf:
        found = list(shelf)
        assert list(shelf) == found
    assert [one.status for one in found] == ["pass"] * 2 + ["no_code"] + ["pass"] * 2 + ["wrong_answer"] + ["pass"] * 2
    assert [one.sample_id for one in found] == [sample.sample_id for sample in samples]
    assert (tally.judged, tally.duplicates) == (5, 3)
    ByItsWords.asked.clear()
    again = judge(tmp_path, samples)
    assert [one.model_copy(update={"duration_s": 0}) for one in again] == [
        one.model_copy(update={"duration_s": 0}) for one in found
    ]


def test_of_two_verdicts_that_a_killed_run_left_the_later_counts(tmp_path) -> None:
    samples = samples_of("pass 1", "wrong_answer 2")
    first = judge(tmp_path, samples)
    (wip,) = tmp_path.glob("wip-*.jsonl")
    later = first[0].model_copy(update={"status": "infra_error", "reward": None})
    with wip.open("a", encoding="utf-8") as file:
        file.write(later.model_dump_json() + "\n")
    ByItsWords.asked.clear()
    assert [one.status for one in judge(tmp_path, samples)] == ["pass", "wrong_answer"]
    assert ByItsWords.asked == ["pass 1"]


def test_a_resumed_copy_lends_its_verdict_and_keeps_its_own_seconds(tmp_path) -> None:
    samples = samples_of("pass // a", "pass // b", "pass // c")
    judge(tmp_path, samples[1:2])
    (wip,) = tmp_path.glob("wip-*.jsonl")
    row = json.loads(wip.read_text())
    wip.write_text(json.dumps(row | {"duration_s": 7.5}) + "\n")
    ByItsWords.asked.clear()
    found = judge(tmp_path, samples)
    assert [one.duration_s for one in found] == [0.0, 7.5, 0.0] and ByItsWords.asked == []


def test_what_the_cache_gives_carries_its_seconds_once(tmp_path) -> None:
    settings = SETTINGS.model_copy(update={"cache": True})
    judge(tmp_path / "one", samples_of("pass // a"), settings)
    assert cache_folder("verdicts").exists()
    tally = Tally()
    found = judge(tmp_path / "two", samples_of("pass // a", "pass // b"), settings, tally=tally)
    assert (tally.cached, tally.judged) == (1, 0) and found[1].duration_s == 0.0
    assert not list((tmp_path / "two").glob("wip*")), "what was cached is not work of this run"


def test_a_shelf_gives_what_was_put_last_at_each_place(tmp_path) -> None:
    (one, other) = judge(tmp_path, samples_of("pass 1", "wrong_answer 2"))
    with Shelf(tmp_path, 2) as shelf:
        shelf.put(1, one)
        shelf.put(0, one)
        shelf.put(1, other)
        assert list(shelf) == [one, other]
        shelf.take_off(0)
        assert 0 not in shelf and 1 in shelf
        with pytest.raises(KeyError):
            shelf.get(0)
    assert not any(path.is_file() and "shelf" in path.name for path in tmp_path.iterdir())


def test_items_are_taken_no_more_than_a_few_ahead() -> None:
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    for done, _ in enumerate(done_in_threads(lambda number: number, items(), 3, "test")):
        assert len(taken) <= done + 1 + 2 * 3
    assert len(taken) == 100


def test_a_program_that_comes_again_is_looked_at_once(tmp_path, monkeypatch) -> None:
    looked = []
    monkeypatch.setattr(ByItsWords, "look_again", lambda self, task, code: looked.append(code) or "clean")
    verdicts = judge(tmp_path, samples_of("pass // a", "wrong_answer", "pass // b"))
    found = list(second_look.look_again(TASKS, verdicts, SETTINGS, "by_its_words", "test"))
    assert [one.sanitizers for one in found] == ["clean", None, "clean"] and looked == ["pass"]
