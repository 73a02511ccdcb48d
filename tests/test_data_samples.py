"""Samples as other tools write them are read as what they are."""

from __future__ import annotations

import json

import pytest

from halo_forge.data.left_out import LeftOut
from halo_forge.data.samples import read_samples
from halo_forge.errors import InputError


@pytest.fixture
def tasks(make_task):
    return {name: make_task(name, language="python") for name in ("humaneval/0", "humaneval/1", "abc/7")}


def read(tmp_path, tasks, *rows, **more):
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_samples(path, tasks, **more)


@pytest.mark.parametrize(
    "row",
    [
        {"task_id": "humaneval/0", "completion": "x = 1"},
        {"task_id": "HumanEval/0", "completion": "x = 1"},
        {"question_id": "humaneval/0", "response": "x = 1"},
        {"task_id": "humaneval/0", "completion": [{"type": "text", "text": "x ="}, {"type": "text", "text": " 1"}]},
        {"task_id": "humaneval/0", "completion": {"role": "assistant", "content": "x = 1"}},
        {"task_id": "humaneval/0", "completion": [{"role": "assistant", "content": "x = 1"}]},
        {
            "custom_id": "HumanEval/0-3",
            "response": {"status_code": 200, "body": {"choices": [{"message": {"content": "x = 1"}}]}},
        },
    ],
)
def test_what_a_row_says_and_which_task_it_answers(tmp_path, tasks, row):
    (sample,) = read(tmp_path, tasks, row)
    assert (sample.task_id, sample.completion) == ("humaneval/0", "x = 1")


def test_a_program_is_put_into_a_fence(tmp_path, tasks):
    (sample,) = read(tmp_path, tasks, {"task_id": "humaneval/0", "solution": "x = 1"})
    assert sample.completion == "```python\nx = 1\n```"


def test_several_programs_in_a_row_are_as_many_samples(tmp_path, tasks):
    samples = read(tmp_path, tasks, {"question_id": "abc/7", "code_list": ["x = 1", "x = 2"]})
    assert len({sample.sample_id for sample in samples}) == 2
    assert [sample.task_id for sample in samples] == ["abc/7", "abc/7"]


@pytest.mark.parametrize(
    "said",
    [
        {"completion": None},
        {"completion": ""},
        {"completion": {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}},
        {"tool_calls": [{"id": "1"}]},
    ],
)
def test_an_answer_that_says_nothing_is_an_answer_without_code(tmp_path, tasks, said):
    (sample,) = read(tmp_path, tasks, {"task_id": "abc/7", **said})
    assert sample.completion == ""


def test_columns_of_other_names_are_read_with_a_mapping(tmp_path, tasks):
    row = {"problem": "abc/7", "model": {"answer": "x = 1"}, "completion": "not this"}
    (sample,) = read(
        tmp_path,
        tasks,
        row | {"model": row["model"]},
        mapping={"task_id": "problem", "completion": "model.answer", "model": "problem"},
    )
    assert (sample.task_id, sample.completion) == ("abc/7", "x = 1")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"task_id": "abc/8", "completion": "x"}, r"samples.jsonl:1: task_id 'abc/8' is not among the tasks"),
        ({"task_id": "abc/7", "text": "x"}, r"samples.jsonl:1: no completion .*--mapping completion="),
        ({"completion": "x"}, r"samples.jsonl:1: no task_id"),
        ({"task_id": "abc/7", "completion": 3}, r"expected text, got 3"),
        ({"custom_id": "abc/7", "response": {"status_code": 429, "body": None}}, r"was not answered: 429"),
        ({"task_id": "abc/7", "completion": "x", "seed": "s"}, r"samples.jsonl:1: seed: .*got 's'"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, tasks, row, words):
    with pytest.raises(InputError, match=words):
        read(tmp_path, tasks, row)


def test_one_bad_row_of_many_is_left_out(tmp_path, tasks):
    left_out = LeftOut()
    rows = [{"task_id": "abc/7", "completion": "x"}] * 20
    samples = read(tmp_path, tasks, *rows, {"task_id": "gone", "completion": "x"}, left_out=left_out)
    assert len(samples) == 20 and "'gone'" in left_out.words()
