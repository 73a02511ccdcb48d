"""What a cycle keeps and counts, and what a benchmark says, of a few thousand answers: by digests of what the records
held whole gave."""

from __future__ import annotations

import hashlib
import json
import random
import weakref

import pytest
from judged_answers import GENERATION, write_answers

from halo_forge.benchmark.evaluate import summarise
from halo_forge.jsonl import read_records, write_records
from halo_forge.pairing import JudgedFiles
from halo_forge.raft.cycle import close_cycle
from halo_forge.records import Verdict
from halo_forge.settings.benchmark import Benchmark
from halo_forge.settings.params import Params

BASE = {"seed": 3, "preset": "p", "base_model": {"provider": "local", "id": "m"}}
ONE_RANKING = {"selection": "global", "keep_top_percent": 0.3, "max_keep_per_task": 5, "drop_solved": True}
EVERYTHING = {
    "reward_threshold": 0.5,
    "keep_top_percent": 0.7,
    "max_keep_per_task": 4,
    "max_pass_rate": 0.8,
}


class Watched:
    """Pairs of files, counted while they live."""

    def __init__(self, pairs: JudgedFiles):
        self._pairs, self._seen, self.most = pairs, [], 0

    def __iter__(self):
        for pair in self._pairs:
            self._seen += map(weakref.ref, pair)
            self._seen = [record for record in self._seen if record() is not None]
            self.most = max(self.most, len(self._seen))
            yield pair


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """(tasks, folder) of 2,400 judged answers."""
    folder = tmp_path_factory.mktemp("answers")
    return write_answers(folder), folder


def digest_of(*values) -> str:
    """Of JSON values; floats to nine digits, as every machine has them."""
    rounded = json.loads(json.dumps(values), parse_float=lambda text: round(float(text), 9))
    return hashlib.sha256(json.dumps(rounded).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("settings", "rows", "digests"),
    [
        ({}, 217, ["81b37c4b9bd82eb5"]),
        (ONE_RANKING, 99, ["9146858869aa9674"]),
        (EVERYTHING, 406, ["98cb121cf01c8e84", "f40c02fbc04acdd8"]),
    ],
    ids=["as it is", "one ranking", "everything, two cycles"],
)
def test_a_cycle_keeps_and_counts_what_it_did_with_all_records_in_memory(answers, settings, rows, digests) -> None:
    tasks, folder = answers
    params = Params.model_validate(BASE | {"raft": settings})
    history = []
    for name, digest in zip(("c1", "c2"), digests, strict=False):
        pairs = Watched(JudgedFiles(folder, where="raft"))
        task_of = {task.task_id: task for task in tasks}
        outcome = close_cycle(name, params, task_of, pairs, GENERATION, history)
        history = outcome.history
        kept, known = ([record.model_dump() for record in records] for records in (outcome.rows, history))
        assert (len(kept), digest_of(kept, known, outcome.statistics)) == (rows, digest)
        assert pairs.most <= 4, "records are held"


@pytest.mark.parametrize("order", ["as judged", "shuffled"])
def test_a_benchmark_says_what_it_did_with_all_records_in_memory(answers, tmp_path, order: str) -> None:
    tasks, folder = answers
    verdicts = read_records(folder / "verdicts.jsonl", Verdict)
    if order == "shuffled":
        random.Random(0).shuffle(verdicts)
    write_records(tmp_path / "verdicts.jsonl", verdicts)
    (tmp_path / "samples.jsonl").write_bytes((folder / "samples.jsonl").read_bytes())
    settings = Benchmark(samples_per_task=16, k=[1, 5], bootstrap=200)
    pairs = Watched(JudgedFiles(tmp_path, where="benchmark"))
    card = summarise("sft", tasks, pairs, settings, 3, GENERATION)
    assert digest_of(card) == "88b9ec0bbcf1567f"
    if order == "as judged":
        assert pairs.most <= 4, "records are held"
