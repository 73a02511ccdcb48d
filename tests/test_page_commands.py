"""The commands of README.md and docs/, run as they stand there but for their sizes, with the embedded model.

`tests/test_docs.py` runs those of two pages whose examples bring their own files, and parses all.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import REPOSITORY
from gguf_files import write_gguf
from pages import PAGES, sh_lines, write_files
from reader import Reader, serving_sets, windows_host

from halo_forge.jsonl import read_records
from halo_forge.records import Verdict

RUN_HERE = ("README.md", "command-line.md", "own-model.md", "own-verifier.md", "verifiers.md", "windows.md")
RUN_ELSEWHERE = {
    "own-tasks.md": "test_docs.py",
    "gpu.md": "test_memory.py",  # the table that `presets` prints
    "laptop.md": "test_cli_cache.py",  # of a cache that is not the user's
    "measured.md": "test_cli_training.py",  # on the files of a run of hours
}
"""Pages whose commands another test runs, and which."""

CPP = "#include <iostream>\nint main() {{ int n; std::cin >> n; std::cout << {} << '\\n'; }}\n"


def test_every_page_with_commands_is_run_by_some_test() -> None:
    with_commands = {path.name for path in PAGES if script_of(path.name)}
    assert with_commands == {*RUN_HERE, *RUN_ELSEWHERE}
    assert all((Path(__file__).parent / name).is_file() for name in RUN_ELSEWHERE.values())


def script_of(name: str) -> str:
    """The lines of a page's `sh` blocks that begin with `halo-forge`, without their comments."""
    page = next(path for path in PAGES if path.name == name)
    return "".join(re.sub(r"\s+# .*", "", line) + "\n" for line in sh_lines(page) if line.startswith("halo-forge "))


def rows(path: Path, *values: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


@pytest.fixture
def reader(tmp_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("around")
    (folder / "sshd").mkdir()
    with serving_sets(folder) as hub, windows_host(folder / "sshd") as windows:
        yield Reader(tmp_path, hub, windows)


@pytest.fixture
def twice(reader) -> Reader:
    """A reader with two C++ tasks and an answer to each, the second of which is wrong."""
    cases = [{"stdin": f"{n}\n", "stdout": f"{2 * n}\n"} for n in (0, 3, 21)]
    task = {"language": "cpp", "prompt": "Double a number.", "tests": {"kind": "stdio", "cases": cases}, "family": "f"}
    task |= {"source": {"dataset": "x"}, "solution": CPP.format("2 * n")}
    rows(reader.folder / "tasks.jsonl", *({"task_id": one} | task for one in "ab"))
    answers = {"a": CPP.format("n + n"), "b": CPP.format("n + 3")}
    rows(
        reader.folder / "samples.jsonl",
        *({"task_id": one, "completion": f"```cpp\n{code}```"} for one, code in answers.items()),
    )
    return reader


def statuses(folder: Path) -> list[str]:
    return [verdict.status for verdict in read_records(folder / "verdicts.jsonl", Verdict)]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.needs("gcc", "python")
def test_the_commands_by_hand_train_measure_and_export_as_written(reader, tiny_model) -> None:
    here = reader.folder
    (here / "mine.csv").write_text('question,code\n"Print 1.","int main() { return 0; }"\n')
    cases = {"kind": "stdio", "cases": [{"stdin": "", "stdout": "1\n"}]}
    task = {"task_id": "one", "language": "cpp", "prompt": "Print 1.", "tests": cases, "family": "one"}
    rows(here / "data/split/benchmark.jsonl", task | {"source": {"dataset": "x"}})
    tests = {"kind": "python", "code": "def check(candidate):\n    assert candidate() == 1\n", "entry_point": "f"}
    task = {"task_id": "HumanEval/0", "language": "python", "prompt": "Write f.", "tests": tests, "family": "two"}
    rows(here / "data/humaneval.jsonl", task | {"source": {"dataset": "x"}})
    rows(here / "samples.jsonl", {"task_id": "HumanEval/0", "completion": "```python\ndef f():\n    return 1\n```"})
    compare = "halo-forge benchmark compare"
    script = script_of("command-line.md")
    reader.types(script.replace(compare, f"cp results/mine.json results/before.json\n{compare}"))
    assert (here / "models/raft/cycle_1_final/adapter_model.safetensors").is_file()
    assert json.loads((here / "results/theirs.json").read_text())["pass_at_k"]["1"] == 1.0

    shutil.copytree(tiny_model, here / "path/to/folder")
    write_gguf(here / "path/to/file.gguf")
    shown = reader.types(script_of("README.md") + script_of("own-model.md"))
    assert "of 1 tests" in shown
    assert (here / "export/sft/adapter_model.safetensors").is_file() and (here / "export/best/Modelfile").is_file()
    assert f"{reader.hub}/owner/name/commit/" in shown


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.needs("gcc")
def test_the_verifiers_judge_audit_and_check_themselves_as_written(twice) -> None:
    script = script_of("verifiers.md")
    twice.types(script if twice.windows else re.sub(r"^halo-forge verify trust .*", "", script, flags=re.M))
    assert statuses(twice.folder) == ["pass", "wrong_answer"]
    assert (twice.folder / "audit.jsonl").is_file()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.needs("mingw", "wine", "sshd")
def test_programs_for_windows_are_judged_and_trained_on_as_written(twice) -> None:
    here = twice.folder
    rows(here / "data/prompts.jsonl", {"prompt": "Write a program in C++ that prints 1."})
    rows(here / "first.jsonl", {"prompt": "Print 1.", "completion": "```cpp\nint main() {}\n```"})
    twice.types("halo-forge sft train --data first.jsonl --output models/sft\n" + script_of("windows.md"))
    assert statuses(here)[1] != "pass"
    assert (here / "models/raft/raft_statistics.json").is_file()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.needs("gcc")
def test_a_class_of_ones_own_teaches_a_model_as_written(reader) -> None:
    page = REPOSITORY / "docs/own-verifier.md"
    write_files(page, reader.folder)
    trains = [line for line in script_of(page.name).splitlines() if line.split()[1] in ("sft", "raft")]
    assert len(trains) == 2
    reader.types("\n".join(trains) + "\n")
    assert (reader.folder / "models/raft/raft_statistics.json").is_file()
