"""`halo-forge verify audit`: the table, the tests that are missing, the rows, and errors that say what to give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("python")
TASK = {
    "task_id": "abs",
    "language": "python",
    "prompt": "Read an integer n. Print its absolute value.",
    "tests": {"kind": "stdio", "cases": [{"stdin": "4\n", "stdout": "4\n"}, {"stdin": "9\n", "stdout": "9\n"}]},
    "solution": "n = int(input())\nif n < 0:\n    n = -n\nprint(n)\n",
    "source": {"dataset": "x"},
    "family": "f",
}


def audit(folder: Path, *tasks: dict, arguments: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    (folder / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    own = {"HALO_FORGE_CACHE": str(folder / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "halo_forge", "verify", "audit", "--tasks", "tasks.jsonl", *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | own, capture_output=True, text=True)


def test_weak_tests_are_shown_with_the_fault_and_the_test_that_tells(tmp_path: Path) -> None:
    done = audit(tmp_path, TASK, TASK | {"task_id": "none", "solution": None}, arguments=("--output", "rows.jsonl"))
    assert done.returncode == 0, done.stderr
    table = next(line for line in done.stdout.splitlines() if line.startswith("abs"))
    assert table.endswith(" %")
    assert "abs passes with a fault:" in done.stdout and "a test that tells: '-" in done.stdout
    assert "1 tasks with weak tests (under 80 %); 1 not audited: no reference solution" in done.stdout
    (row,) = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert row["task_id"] == "abs" and row["survived"] >= 1 and row["kill_rate"] < 0.8
    assert row["mutants"] == row["killed"] + row["equivalent"] + row["survived"] + row["unknown"]
    assert not list((tmp_path / ".state").glob("*"))


@pytest.mark.slow
def test_a_reference_that_fails_is_said_and_ends_nothing(tmp_path: Path) -> None:
    done = audit(tmp_path, TASK | {"solution": "print(1)"}, arguments=("--mutants", "2"))
    assert done.returncode == 0, done.stderr
    assert "abs: its reference does not pass its own tests (wrong_answer)" in done.stderr
    assert "1 references fail their own tests" in done.stdout


def test_tasks_without_any_reference_are_an_error_that_says_what_to_give(tmp_path: Path) -> None:
    done = audit(tmp_path, TASK | {"solution": None})
    assert done.returncode == 2
    assert "tasks.jsonl: none of 1 tasks can be audited (1: no reference solution); give reference" in done.stderr


@pytest.mark.slow
def test_another_rate_and_fewer_mutants_may_be_asked_for(tmp_path: Path) -> None:
    done = audit(tmp_path, TASK, arguments=("--mutants", "3", "--min-kill-rate", "0", "--seed", "5"))
    assert done.returncode == 0, done.stderr
    assert "1 tasks, 3 mutants" in done.stdout and "0 tasks with weak tests (under 0 %)" in done.stdout
