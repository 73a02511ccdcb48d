"""Samples and their verdicts: told by their ids, read side by side, and held only while one waits for the other."""

from __future__ import annotations

import random
import weakref

import pytest
from judged_answers import write_answers

from halo_forge.errors import InputError
from halo_forge.jsonl import read_records
from halo_forge.pairing import JudgedFiles, paired
from halo_forge.records import Sample


@pytest.fixture
def two(make_judged):
    """Two samples of task t, and their verdicts."""
    return map(list, zip(*(make_judged("t", index, 1.0) for index in range(2)), strict=True))


def test_a_verdict_goes_with_its_own_sample_wherever_it_stands(make_judged) -> None:
    pairs = [make_judged(name, index, 1.0) for name in "tuv" for index in range(9)]
    samples, verdicts = (random.Random(seed).sample(part, 27) for seed, part in enumerate(zip(*pairs, strict=True)))
    found = list(paired(samples, verdicts, "raft"))
    assert sorted(found, key=lambda pair: pair[0].sample_id) == pairs


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda samples, verdicts: (samples, verdicts[1:]), r"sample 't/0' \(1 in all\) has no verdict"),
        (lambda samples, verdicts: (samples[1:], verdicts), r"verdict 't/0' \(1 in all\) has no sample"),
        (lambda samples, verdicts: (samples, []), r"sample 't/0' \(2 in all\) has no verdict"),
        (lambda samples, verdicts: (samples, [verdicts[1]] * 2), "verdicts: sample_id 't/1' is there more than once"),
        (lambda samples, verdicts: (samples, [verdicts[0]] * 2), "verdicts: sample_id 't/0' is there more than once"),
        (lambda samples, verdicts: (samples * 2, verdicts * 2), "samples: sample_id 't/0' is there more than once"),
        (
            lambda samples, verdicts: (samples, [verdicts[0].model_copy(update={"task_id": "u"}), verdicts[1]]),
            "sample 't/0' answers task 't', its verdict is of task 'u'",
        ),
    ],
)
def test_samples_and_verdicts_that_do_not_belong_together_are_refused(two, break_it, message: str) -> None:
    samples, verdicts = break_it(*two)
    with pytest.raises(InputError, match=f"^raft:? .*{message}|^raft {message}"):
        list(paired(samples, verdicts, "raft"))


def test_of_files_in_one_order_no_more_than_one_pair_is_held(tmp_path) -> None:
    write_answers(tmp_path, tasks=5)
    seen = []
    for pair in JudgedFiles(tmp_path, where="raft"):
        seen += map(weakref.ref, pair)
        assert sum(record() is not None for record in seen) <= 2
    assert len(seen) == 2 * 5 * 16


def test_files_are_gone_through_as_often_as_asked(tmp_path) -> None:
    write_answers(tmp_path, tasks=3)
    pairs = JudgedFiles(tmp_path, where="raft")
    first, again = list(pairs), list(pairs)
    assert first == again and [sample for sample, _ in first] == read_records(tmp_path / "samples.jsonl", Sample)


def test_one_sample_that_stands_there_twice_is_refused(tmp_path) -> None:
    write_answers(tmp_path, tasks=1)
    for name in ("samples.jsonl", "verdicts.jsonl"):
        path = tmp_path / name
        path.write_text(path.read_text() * 2)
    with pytest.raises(InputError, match="'task/000/0' is there more than once"):
        list(JudgedFiles(tmp_path, where="raft"))
