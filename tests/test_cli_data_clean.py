"""`halo-forge data validate` and `data split`, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import REPOSITORY

from halo_forge.cli.data import app
from halo_forge.files import read_json
from halo_forge.jsonl import read_rows
from halo_forge.process import exit_code

RUN = "import sys; from halo_forge.cli.data import app; from halo_forge.process import exit_code; sys.exit(exit_code(app))"
BENCHMARK = (
    "A lighthouse keeper writes down the height of every wave that hits the rock during the night. Read the number of "
    "waves and their heights, then print how many of them were higher than both of their neighbours."
)
LEAK = (
    "A lighthouse keeper notes the height of each wave that hits the rock during one night. Take the number of waves "
    "and their heights; print how many of them were higher than both of their neighbours."
)


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """The command line in this process (a new one takes seconds to import), with its exit code and output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["data", *map(str, arguments)])
        try:
            code = exit_code(app)
        except SystemExit as end:
            code = end.code or 0
        return Done(code, *capsys.readouterr())

    return run


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def story(number: int) -> str:
    return (
        f"In town{number} the clerk{number} asks how many{number} of the boats{number} left port{number} before dawn."
    )


@pytest.fixture
def rows(tmp_path) -> Path:
    many = [{"prompt": story(number), "completion": f"print({number})"} for number in range(40)]
    return write(tmp_path / "rows.jsonl", [*many, {"prompt": LEAK}])


@pytest.fixture
def benchmark(tmp_path) -> Path:
    return write(tmp_path / "bench.jsonl", [{"prompt": "Say something else."}, {"prompt": BENCHMARK}])


def test_a_good_file_is_described(rows, run) -> None:
    done = run("validate", rows)
    assert done.returncode == 0, done.stderr
    assert "41 good rows, 0 with errors" in done.stdout
    assert [line.split() for line in done.stdout.splitlines() if line.startswith(("completion ", "prompt  "))] == [
        ["completion", "40", "40"],
        ["prompt", "1", "0"],
    ]
    assert "no tokenizer at hand" in done.stdout


def test_tokens_are_counted_with_a_tokenizer(rows, tiny_model, run) -> None:
    done = run("validate", rows, "--model", tiny_model)
    assert "prompt and answer, tokens" in done.stdout and "no tokenizer" not in done.stdout


def test_errors_have_their_lines_and_beyond_the_limit_a_count(tmp_path, run) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"prompt": "good"}\n' + '{"promt": "bad"}\n' * 5 + "{\n")
    done = run("validate", path, "--max-errors", "4")
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert [line.split(":")[2] for line in lines[:4]] == ["2", "3", "4", "5"] and "2 more" in lines[4]
    assert "1 good rows, 6 with errors" in done.stdout


def test_a_file_of_nothing_ends_with_2(tmp_path, run) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    done = run("validate", path)
    assert done.returncode == 2 and done.stderr == f"error: {path}: no rows; the file is empty\n"


def test_an_overlap_with_a_benchmark_is_shown_and_fails_only_on_request(rows, benchmark, run) -> None:
    done = run("validate", rows, "--benchmark", benchmark)
    assert done.returncode == 0 and "1 of 41 rows" in done.stdout
    assert f"{rows}:41" in done.stdout and f"{benchmark}:2" in done.stdout
    assert run("validate", rows, "--benchmark", benchmark, "--fail-on-overlap").returncode == 1
    clean = write(benchmark.with_name("other.jsonl"), [{"prompt": "Something about horses that jump over fences."}])
    assert run("validate", rows, "--benchmark", clean, "--fail-on-overlap").returncode == 0


def test_repetitions_are_counted(tmp_path, run) -> None:
    path = write(
        tmp_path / "rows.jsonl",
        [{"prompt": BENCHMARK, "completion": "a"}, {"prompt": BENCHMARK.upper(), "completion": "A"}, {"prompt": LEAK}],
    )
    found = [line.rsplit(None, 1) for line in run("validate", path).stdout.splitlines()]
    counts = {name.strip().split(" ")[0]: number for name, number in (line for line in found if len(line) == 2)}
    assert "1" in [number for name, number in counts.items() if name == "prompt"] and counts["problems,"] == "1"


def test_csv_with_other_columns_is_read_with_a_mapping(tmp_path, run) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('question,reply\n"Sort, please ""now""",ok\n')
    assert run("validate", path).returncode == 2
    done = run("validate", path, "--mapping", "prompt=question", "--mapping", "completion=reply")
    assert done.returncode == 0 and "1 good rows" in done.stdout


def test_a_split_keeps_every_row_as_it_is_and_no_problem_on_two_sides(tmp_path, rows, run) -> None:
    with rows.open("a") as file:
        file.write(json.dumps({"prompt": BENCHMARK, "more": [1, 2]}) + "\n")
    for seed in range(3):
        folder = tmp_path / f"out{seed}"
        done = run("split", rows, "--output-dir", folder, "--shares", "sft=.5,raft=.25,benchmark=.25", "--seed", seed)
        assert done.returncode == 0, done.stderr
        parts = {side: [row for _, row in read_rows(folder / f"{side}.jsonl")] for side in ("sft", "raft", "benchmark")}
        written = sorted(json.dumps(row) for part in parts.values() for row in part)
        assert written == sorted(json.dumps(row) for _, row in read_rows(rows))
        homes = [side for side, part in parts.items() for row in part if "lighthouse" in row["prompt"]]
        assert len(homes) == 2 and len(set(homes)) == 1
        report = read_json(folder / "split.json")
        assert report["rows"] == {side: len(part) for side, part in parts.items()}
        assert sum(report["families"].values()) == 41


def test_the_same_split_twice_gives_the_same_bytes(tmp_path, rows, run) -> None:
    contents = []
    for name in ("one", "two"):
        run("split", rows, "--output-dir", tmp_path / name, "--shares", "sft=.6,benchmark=.4")
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1] and set(contents[0]) == {"sft.jsonl", "benchmark.jsonl", "split.json"}


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ("sft=.8,benchmark=.3", "adds up to 1.1, not to 1"),
        ("sft", "as side=share"),
        ("sft=.5,sft=.5", "each side once"),
        ("../x=.5,sft=.5", "as side=share"),
        ("sft=nan,b=1", "as side=share"),
    ],
)
def test_shares_that_mean_nothing_are_refused(tmp_path, rows, shares, message, run) -> None:
    done = run("split", rows, "--output-dir", tmp_path / "out", "--shares", shares)
    assert done.returncode == 2 and message in done.stderr and not (tmp_path / "out").exists()


def test_a_side_without_rows_and_a_file_with_errors_write_nothing(tmp_path, rows, run) -> None:
    one = write(tmp_path / "one.jsonl", [{"prompt": "Sort."}])
    done = run("split", one, "--output-dir", tmp_path / "out")
    assert done.returncode == 2 and "no row is drawn for" in done.stderr
    with rows.open("a") as file:
        file.write("{\n")
    done = run("split", rows, "--output-dir", tmp_path / "out")
    assert done.returncode == 2 and f"{rows}:42: not JSON" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_killed_split_leaves_no_half_file(tmp_path, rows, run) -> None:
    """Killed while it writes: what bears a final name is whole, and the next run replaces what was left."""
    slow = (
        "import json, time\n"
        "real = json.dumps\n"
        "def dumps(*a, **k):\n"
        "    time.sleep(0.05)\n"
        "    return real(*a, **k)\n"
        "json.dumps = dumps\n"
    )
    folder = tmp_path / "out"
    command = [sys.executable, "-c", slow + RUN, "split", str(rows), "--output-dir", str(folder), "--seed", "1"]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob(".*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(folder.glob(".*.tmp")) and not list(folder.glob("*.jsonl"))
    assert run("split", rows, "--output-dir", folder, "--seed", 1).returncode == 0
    assert sum(1 for path in folder.glob("*.jsonl") for _ in read_rows(path)) == 41


def test_checkers_and_rows_that_lack_one_are_described(tmp_path, run) -> None:
    asked = {"prompt": "If there are several answers, print any of them.", "language": "cpp"}
    plain = asked | {"tests": [{"input": "6", "output": "2"}]}
    python = plain | {"checker": "import sys\nprint(int(open(sys.argv[3]).read() > '1'))"}
    cpp = plain | {"checker": '#include "testlib.h"\nint main(int argc, char **argv) { return 0; }'}
    done = run("validate", write(tmp_path / "rows.jsonl", [plain, python, cpp]))
    assert done.returncode == 0, done.stderr
    assert "task, cpp, checker tests" in done.stdout
    assert "testlib.h (verify.testlib)" in done.stdout and "score" in done.stdout
    assert "warning: rows that take any of several answers for right and have no checker: 1, the first" in done.stderr
    assert "rows.jsonl:1;" in done.stderr
    broken = python | {"checker": "print(1"}
    done = run("validate", write(tmp_path / "rows.jsonl", [plain, broken]))
    assert done.returncode == 2 and "rows.jsonl:2: tests: its checker is not Python" in done.stderr
