"""Carriage returns in the inputs of tests: said when a file is looked at or prepared, and taken out on request."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from halo_forge.cli.main import app
from halo_forge.data.prepare import prepare
from halo_forge.settings.data import DataSource, Prepare, TaskFile

CRLF, CR, LF = "1 2\r\n3\r\n", "1 2\r3\r", "1 2\n3\n"


def written(tmp_path, stdin):
    tests = {"kind": "stdio", "cases": [{"stdin": stdin, "stdout": stdin}]}
    row = {"task_id": "t", "language": "python", "prompt": "Add the numbers up.", "tests": tests}
    row |= {"source": {"dataset": "own"}, "family": "f"}
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return path


@pytest.mark.parametrize(("stdin", "said"), [(CRLF, True), (CR, True), (LF, False)])
def test_validate_warns_of_them(tmp_path, stdin, said):
    done = CliRunner().invoke(app, ["data", "validate", str(written(tmp_path, stdin))])
    assert done.exit_code == 0
    assert ("tasks.jsonl:1" in done.stderr and "--newlines lf" in done.stderr) == said


@pytest.mark.parametrize("stdin", [CRLF, CR])
def test_data_prepare_keeps_them_with_a_warning_and_takes_them_out_on_request(tmp_path, stdin):
    command = [
        "data",
        "prepare",
        "-d",
        str(written(tmp_path, stdin)),
        "--format",
        "task",
        "-o",
        str(tmp_path / "o.jsonl"),
    ]
    for more, expected in (([], stdin), (["--newlines", "lf"], LF)):
        done = CliRunner().invoke(app, [*command, *more])
        assert done.exit_code == 0
        (case,) = json.loads((tmp_path / "o.jsonl").read_text())["tests"]["cases"]
        assert case == {"stdin": expected, "stdout": expected}
        assert ("carriage returns" in done.stderr) == (not more)


def test_the_stage_counts_them_and_takes_them_out_on_request(tmp_path, capsys):
    written(tmp_path, CRLF)
    settings = Prepare(builtin=False, languages=["python"], files=[TaskFile(path="tasks.jsonl")])
    tasks, report = prepare(settings, tmp_path)
    assert report["carriage_returns"] == 1 and tasks[0].tests.cases[0].stdin == CRLF
    assert "carriage returns" in capsys.readouterr().out
    settings = Prepare(builtin=False, languages=["python"], sources=[DataSource(dataset="tasks.jsonl", newlines="lf")])
    tasks, report = prepare(settings, tmp_path)
    assert "carriage_returns" not in report and tasks[0].tests.cases[0].stdin == LF
