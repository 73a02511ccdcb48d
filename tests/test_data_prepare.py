"""The stage prepare: several sources as one list of tasks, and nothing new where none is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import REPOSITORY

from halo_forge.data.prepare import prepare
from halo_forge.errors import InputError
from halo_forge.settings.data import DataSource, Prepare, TaskFile

DATA = Path(__file__).parent / "data"


def source(name: str, *files: str, **settings) -> DataSource:
    return DataSource(dataset=name, local=[str(DATA / file) for file in files], **settings)


def test_sources_of_every_kind_are_one_list_in_order(tmp_path, make_task):
    (tmp_path / "own.jsonl").write_text(make_task("own/1").model_dump_json() + "\n")
    (tmp_path / "mine.csv").write_text('question,io\nDouble it.,"[{""input"": ""2"", ""output"": ""4""}]"\n')
    settings = Prepare(
        builtin=False,
        languages=["cpp", "python"],
        files=[TaskFile(path="own.jsonl")],
        sources=[
            source("mbpp", "mbpp.jsonl"),
            source("codeforces_cpp", "codeforces_cots.jsonl", "codeforces.jsonl"),
            DataSource(dataset="mine.csv", language="cpp", mapping={"prompt": "question", "tests": "io"}),
        ],
    )
    tasks, report = prepare(settings, tmp_path)
    ids = ["own/1", "mbpp/601", "mbpp/602", "codeforces/cpp/9001/A", "mine/1"]
    assert [task.task_id for task in tasks] == ids
    assert report["by_source"] == {"own.jsonl": 1, "mbpp": 2, "codeforces_cpp": 1, "mine.csv": 1}
    assert report["left_out"]["mbpp: no tests"] == 1
    assert report["left_out"]["codeforces_cpp: interactive"] == 1


def test_without_sources_the_report_is_what_it_was():
    _, report = prepare(Prepare(), REPOSITORY)
    assert set(report) == {"tasks", "by_source", "left_out"}


def test_tasks_in_another_language_are_left_out_and_counted():
    with pytest.raises(InputError, match="no tasks"):
        prepare(Prepare(builtin=False, languages=["cpp"], sources=[source("mbpp", "mbpp.jsonl")]), REPOSITORY)


def test_questions_without_tests_count_only_where_their_language_is_given():
    asked = Prepare(languages=["python"], sources=[source("code_feedback", "code_feedback.jsonl")])
    tasks, report = prepare(asked, REPOSITORY)
    assert report["left_out"] == {"code_feedback: no tests": 1}
    given = Prepare(languages=["python"], sources=[source("code_feedback", "code_feedback.jsonl", language="python")])
    more = prepare(given, REPOSITORY)[0]
    assert len(more) == len(tasks) + 1
    assert (more[-1].tests.kind, more[-1].solution) == ("compile", "print(sorted([2, 1]))\n")
    assert more[-1].source.dataset == "m-a-p/CodeFeedback-Filtered-Instruction"


def test_a_set_to_measure_with_is_refused_unless_insisted_upon():
    settings = source("humaneval", "humaneval.jsonl")
    with pytest.raises(InputError, match="for evaluation only"):
        prepare(Prepare(sources=[settings]), REPOSITORY)
    allowed = settings.model_copy(update={"allow_evaluation_only": True})
    tasks, _ = prepare(Prepare(builtin=False, languages=["python"], sources=[allowed]), REPOSITORY)
    assert tasks[0].tags == ["evaluation-only"]


def test_a_set_that_is_named_twice_is_refused():
    with pytest.raises(InputError, match="'mbpp/601' occurs 2 times"):
        twice = [source("mbpp", "mbpp.jsonl")] * 2
        prepare(Prepare(builtin=False, languages=["python"], sources=twice), REPOSITORY)


def test_a_prepared_file_of_text_rows_is_a_source_of_the_same_tasks(tmp_path):
    from typer.main import get_command

    from halo_forge.cli import data as cli_data

    arguments = ["prepare", "--dataset", "mbpp", "--from", str(DATA / "mbpp.jsonl"), "-o", str(tmp_path / "p.jsonl")]
    get_command(cli_data.app).main(arguments, standalone_mode=False)
    assert "text" in json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    asked = {"builtin": False, "languages": ["python"]}
    direct, _ = prepare(Prepare(sources=[source("mbpp", "mbpp.jsonl")], **asked), tmp_path)
    again, _ = prepare(Prepare(sources=[DataSource(dataset="p.jsonl")], **asked), tmp_path)
    assert again == direct


ANY = {"question": "Print any divisor. If there are several, print any of them.", "io": [{"input": "6", "output": "2"}]}


def test_own_tasks_that_take_any_answer_are_kept_with_a_warning(tmp_path, make_task):
    (tmp_path / "mine.jsonl").write_text(json.dumps(ANY) + "\n")
    own = make_task("own/1").model_copy(update={"prompt": ANY["question"]})
    (tmp_path / "own.jsonl").write_text(own.model_dump_json() + "\n")
    mine = DataSource(dataset="mine.jsonl", language="cpp", mapping={"prompt": "question", "tests": "io"})
    settings = Prepare(builtin=False, languages=["cpp", "python"], files=[TaskFile(path="own.jsonl")], sources=[mine])
    tasks, report = prepare(settings, tmp_path)
    assert len(tasks) == 2
    (warning,) = report["warnings"]
    assert "have no checker: 2, the first own.jsonl: own/1" in warning
