"""`halo-forge verify`: exit codes, resuming, and errors that name file and line."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml

pytestmark = pytest.mark.needs("python")
TASK = {
    "task_id": "double",
    "language": "python",
    "prompt": "Double it.",
    "tests": {"kind": "stdio", "cases": [{"stdin": "4\n", "stdout": "8\n"}]},
    "source": {"dataset": "x"},
    "family": "f",
}
RIGHT, WRONG = "```python\nprint(2 * int(input()))\n```", "```python\nprint(3)\n```"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tasks.jsonl").write_text(json.dumps(TASK) + "\n")
    rows = [{"task_id": "double", "completion": text} for text in (RIGHT, WRONG, RIGHT)]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


PARAMS = "{seed: 1, preset: p, base_model: {provider: local, id: none}}"


def verify(folder, *arguments, path=None, cache=None, environment=()):
    own = {"HALO_FORGE_CACHE": str(cache or folder / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment = {**os.environ, **own, **dict(environment)}
    environment["PATH"] = path or environment["PATH"]
    command = [sys.executable, "-m", "halo_forge", "verify", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


RUN = ("run", "--verifier", "python", "--tasks", "tasks.jsonl", "--samples", "samples.jsonl", "--output", "v.jsonl")


def test_verdicts_are_written_in_order_whatever_they_say(folder):
    done = verify(folder, *RUN)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (folder / "v.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["pass", "wrong_answer", "pass"]
    assert "2 programs judged, 0 taken from the cache, 1 samples were duplicates" in done.stdout
    assert "2 taken from the cache" in verify(folder, *RUN).stdout
    assert not list((folder / ".state").glob("*"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"task_id": "other", "completion": "x"}', "samples.jsonl:4: task_id 'other' is not among the tasks"),
        ('{"task_id": "double"}', "samples.jsonl:4: no completion"),
        ('{"task_id": "double", "completion"', "samples.jsonl:4"),
    ],
)
def test_bad_input_names_file_and_line(folder, line, words):
    with (folder / "samples.jsonl").open("a") as file:
        file.write(line + "\n")
    done = verify(folder, *RUN)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "v.jsonl").exists()


def test_an_unknown_verifier_is_bad_input(folder):
    done = verify(folder, *("nope" if word == "python" else word for word in RUN))
    assert done.returncode == 2 and "known: " in done.stderr


def test_a_missing_sandbox_is_the_machines_trouble(folder):
    done = verify(folder, *RUN, path="/nonexistent")
    assert done.returncode == 3 and "bubblewrap not found: apt install bubblewrap" in done.stderr


@pytest.mark.slow  # it sets up every verifier, in a cache of its own
def test_the_list_says_what_works_and_what_is_missing(folder):
    done = verify(folder, "list")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "works here" in lines["python"] and "verify.msvc" in lines["msvc"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_is_one_line_and_the_next_run_completes(folder):
    small = folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(small)], check=True)
    try:
        shutil.copy(folder / "tasks.jsonl", small)
        shutil.copy(folder / "samples.jsonl", small)
        with contextlib.suppress(OSError), (small / "filler").open("wb") as file:
            file.write(bytes(1 << 20))
        done = verify(small, *RUN, cache=folder / "cache")
        assert done.returncode == 3 and "the disk is full" in done.stderr and "Traceback" not in done.stderr
        assert not (small / "v.jsonl").exists()
        (small / "filler").unlink()
        done = verify(small, *RUN, cache=folder / "cache")
        assert done.returncode == 0, done.stderr
        assert len((small / "v.jsonl").read_text().splitlines()) == 3
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_compiler_that_was_removed_stops_the_run_and_says_which_package(folder):
    (folder / "tasks.jsonl").write_text(json.dumps(TASK | {"language": "cpp"}) + "\n")
    tools = folder / "bin"
    tools.mkdir()
    for name in ("bwrap", "sh", "ls"):
        (tools / name).symlink_to(shutil.which(name))
    done = verify(folder, *("gcc" if word == "python" else word for word in RUN), path=str(tools))
    assert done.returncode == 3 and "apt install g++" in done.stderr and not (folder / "v.jsonl").exists()


@pytest.mark.slow
def test_the_conformance_suite_ends_well_for_a_sound_verifier_and_badly_for_one_that_trusts_exit_codes(folder):
    done = verify(folder, "selfcheck", "python", "--only", "python_stdio/exit", "--stress", "0")
    assert done.returncode == 0 and "0 failed" in done.stdout, done.stdout + done.stderr
    settings = {**yaml.safe_load(PARAMS), "verify": {"custom": {"command": ["python3", "{file}"], "file": "main.py"}}}
    (folder / "params.yaml").write_text(yaml.safe_dump(settings))
    (folder / "presets.yaml").write_text("p: {}\n")
    done = verify(folder, "selfcheck", "custom", "--only", "python_stdio/exit", "--stress", "0")
    assert done.returncode == 1 and "accepted" in done.stdout, done.stdout + done.stderr


def test_trusting_a_host_that_is_not_there_is_the_machines_trouble(folder):
    done = verify(folder, "trust", "--host", "127.0.0.1", "--port", "1", "--known-hosts", str(folder / "known"))
    assert done.returncode == 3 and "shows no host key" in done.stderr and not (folder / "known").exists()


def test_prepared_rows_are_tasks_with_their_tests_and_bare_prompts_are_only_compiled(folder):
    text = "<|im_start|>user\nDouble it.<|im_end|>\n<|im_start|>assistant\nx<|im_end|>"
    rows = [TASK | {"text": text}, {"prompt": "Write anything in Python."}]
    (folder / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (folder / "samples.jsonl").open("a") as file:
        file.write(json.dumps({"task_id": "tasks/2", "completion": WRONG}) + "\n")
    done = verify(folder, *RUN)
    assert done.returncode == 0 and "1 prompts of 2 have no tests" in done.stderr, done.stderr
    rows = [json.loads(line) for line in (folder / "v.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["pass", "wrong_answer", "pass", "pass"]


def test_answers_that_say_nothing_are_no_code_and_not_the_end_of_the_run(folder):
    rows = [{"task_id": "double", "completion": text} for text in (None, "", RIGHT)]
    rows.append({"task_id": "double", "tool_calls": [{"id": "1"}], "completion": None})
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = verify(folder, *RUN)
    assert done.returncode == 0, done.stderr
    statuses = [json.loads(line)["status"] for line in (folder / "v.jsonl").read_text().splitlines()]
    assert statuses == ["no_code", "no_code", "pass", "no_code"]


def test_columns_of_other_tools_are_mapped(folder):
    (folder / "samples.jsonl").write_text(json.dumps({"problem": "double", "answer": RIGHT}) + "\n")
    done = verify(folder, *RUN, "--mapping", "completion=answer", "--mapping", "task_id=problem")
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "v.jsonl").read_text())["status"] == "pass"


def test_a_task_whose_tests_cannot_be_run_does_not_stop_the_others(folder):
    odd = {"kind": "python", "code": "import numpy as np\nassert np.allclose(f(1), 1)", "entry_point": "f"}
    tasks = [TASK, TASK | {"task_id": "odd", "tests": odd}]
    (folder / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    numpy = "```python\ndef f(x):\n    return x\ndef allclose(*a):\n    return True\n```"
    rows = [{"task_id": "double", "completion": RIGHT}, {"task_id": "odd", "completion": numpy}]
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = verify(folder, *RUN)
    assert done.returncode == 2 and "odd" in done.stderr and "numpy" in done.stderr
    found = [json.loads(line) for line in (folder / "v.jsonl").read_text().splitlines()]
    assert [(row["status"], row["reward"]) for row in found] == [("pass", 1.0), ("infra_error", None)]
    (folder / "v.jsonl").unlink()
    assert verify(folder, *RUN, "--strict").returncode == 2
    assert not (folder / "v.jsonl").exists()
