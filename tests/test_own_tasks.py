"""A task of one's own: the template is a sound task, and the check says what a bad one lacks."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from halo_forge.cli.main import app
from halo_forge.errors import InputError
from halo_forge.jsonl import read_records
from halo_forge.own.tasks import add_tasks, new_task, read_task
from halo_forge.records import Task


def check(*words):
    return CliRunner().invoke(app, ["task", "check", *map(str, words)])


@pytest.mark.needs("python")
def test_the_template_is_a_sound_task_which_goes_to_the_pipeline(tmp_path) -> None:
    path, out = tmp_path / "mine.yaml", tmp_path / "own/tasks.jsonl"
    new_task("rises", "python", path)
    done = check(path, "--output", out, "--mutants", 8)
    assert done.exit_code == 0, done.output
    assert "mine/rises: its reference passes; the tests find" in done.output
    assert read_records(out, Task) == [read_task(path)]


@pytest.mark.slow
@pytest.mark.needs("gcc")
def test_the_template_in_cpp_is_sound_too(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    new_task("rises", "cpp", path)
    done = check(path)
    assert done.exit_code == 0, done.output


@pytest.mark.needs("python")
def test_a_fault_that_tests_do_not_find_is_shown_with_the_test_that_would(tmp_path) -> None:
    path, out = tmp_path / "mine.yaml", tmp_path / "tasks.jsonl"
    new_task("rises", "python", path)
    lines = path.read_text().splitlines(keepends=True)
    first, *others = [line for line in lines if line.startswith("  - {stdin")]
    path.write_text("".join(line for line in lines if line not in others))
    done = check(path, "--output", out, "--min-kill-rate", 1, "--mutants", 20)
    assert done.exit_code == 1 and "passes with a fault" in done.output and "a test that tells" in done.output
    assert not out.exists()


@pytest.mark.needs("python")
def test_a_reference_that_fails_its_tests_is_not_taken(tmp_path) -> None:
    path, out = tmp_path / "mine.yaml", tmp_path / "tasks.jsonl"
    new_task("rises", "python", path)
    path.write_text(path.read_text().replace("print(count)", "print(count + 1)"))
    done = check(path, "--output", out)
    assert done.exit_code == 1 and "its reference does not pass: wrong_answer" in done.output
    assert not out.exists()


def test_a_misspelt_field_is_named_with_the_right_one(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    new_task("rises", "cpp", path)
    path.write_text(path.read_text().replace("\nsolution:", "\nsolutoin:"))
    with pytest.raises(InputError, match="mine.yaml: solutoin: unknown key.*solution"):
        read_task(path)


def test_what_is_there_is_not_overwritten(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        new_task("rises", "cpp", path)
    for name, language in (("Rises", "cpp"), ("rises", "cobol")):
        with pytest.raises(InputError):
            new_task(name, language, tmp_path / "other.yaml")


def test_a_task_checked_again_takes_the_place_of_the_older_one(tmp_path) -> None:
    out, tasks = tmp_path / "tasks.jsonl", []
    for name in ("one", "two"):
        new_task(name, "cpp", tmp_path / f"{name}.yaml")
        tasks.append(read_task(tmp_path / f"{name}.yaml"))
    assert add_tasks(tasks, out) == 2
    changed = tasks[0].model_copy(update={"prompt": "Otherwise."})
    assert add_tasks([changed], out) == 2
    assert read_records(out, Task) == [changed, tasks[1]]
