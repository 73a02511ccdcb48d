"""README.md and docs/: each command is one that its program takes, each link leads somewhere, each example runs."""

from __future__ import annotations

import functools
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import REPOSITORY
from pages import PAGES, Block, Command, anchors, blocks, commands, commands_of, links, spans, write_files
from ruamel.yaml import YAML
from shown_commands import ELSEWHERE, troubles

from halo_forge.jsonl import read_records
from halo_forge.records import Task, Verdict
from halo_forge.settings.checking import merge
from halo_forge.settings.params import load_params

KINDS = {"sh", "yaml", "yaml preset", "json", "python", "text"}
"""What may stand behind a fence, before ` file=NAME`."""
TRAINS = ("sft", "raft")
"""Commands of the examples that are parsed and not run: they train a model, or want one."""
ALL = [command for page in PAGES for command in commands(page)]


def page(name: str) -> Path:
    return REPOSITORY / "docs" / f"{name}.md"


def test_every_command_is_one_that_its_program_takes() -> None:
    assert len(ALL) > 100
    assert troubles(ALL) == []


@pytest.mark.parametrize(
    "line",
    [
        "halo-forge verify run --taks t.jsonl --samples s.jsonl --output v.jsonl",
        "halo-forge verify run --tasks t.jsonl --samples s.jsonl",
        "halo-forge export --model m --output out --gguf q9",
        "halo-forge benchmark run --model m --prompts p.jsonl --samples ten",
        "halo-forge verify selfcheck gcc clang",
        "halo-forge tusk new x",
        "make reproduce",
        "make exp NUMBER=5",
        'make export ARGS="--gguff q4_k_m"',
        'make exp SET="-S raft.keep_top_precent=0.6"',
        "dvc exp rum",
        "dvc exp run --quue",
        "dvc exp run -S raft.keep_top_percent=6",
        "dvc exp run -S preset=qwen-9b",
        "python stages/sample.py --runn raft/c1",
        "python stages/sampel.py",
        "python benchmarks/recipes.py --draws many",
        "pip install -r requirements-roy.lock",
        "pip install llama-cpp-pyhton",
        "cargo build",
    ],
)
def test_a_command_that_its_program_does_not_take_is_found(line) -> None:
    assert len(troubles(list(commands_of(line, "here")))) == 1


def test_each_exception_is_shown_somewhere() -> None:
    assert set(ELSEWHERE) <= {command.words[0] for command in ALL}


def test_a_line_is_split_as_a_shell_splits_it() -> None:
    line = "A=1 dvc repro && git commit -m 'a # b' x  # why; so"
    assert [command.words for command in commands_of(line, "")] == [
        ("dvc", "repro"),
        ("git", "commit", "-m", "a # b", "x"),
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_block_says_what_it_is(path) -> None:
    assert {block.kind.partition(" file=")[0] for block in blocks(path)} <= KINDS


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(path) -> None:
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.is_file() and target.is_relative_to(REPOSITORY), f"{path.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{path.name}: {link}: no such heading"


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {(REPOSITORY / link.partition("#")[0]).resolve() for link in links(REPOSITORY / "README.md")}
    assert set(PAGES[1:]) <= linked


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_of_the_repository_that_is_named_is_there(path) -> None:
    for span in spans(path):
        if re.fullmatch(r"(src|stages|tests|benchmarks|configs|docs|results/perf|\.make)/[\w./-]+", span):
            assert (REPOSITORY / span).exists(), f"{path.name}: {span}"
        elif re.fullmatch(r"(verify|model|halo_forge)/[\w/]+\.py", span):
            assert (REPOSITORY / "src/halo_forge" / span.removeprefix("halo_forge/")).exists(), f"{path.name}: {span}"


@functools.cache
def read(name: str) -> dict:
    return YAML(typ="safe").load((REPOSITORY / name).read_text())


def settings_blocks() -> list[Block]:
    found = [block for path in PAGES for block in blocks(path) if block.kind.startswith("yaml")]
    assert len(found) > 6
    return found


@pytest.mark.parametrize("block", settings_blocks(), ids=lambda block: f"{block.page.name}:{block.line}")
def test_the_settings_shown_are_settings(block, tmp_path) -> None:
    own, presets = read("params.yaml"), read("presets.yaml")
    shown = YAML(typ="safe").load(block.text)
    if block.kind == "yaml preset":
        name = own["preset"]
        presets = {name: presets[name] | shown}
    else:
        own = merge(own, shown)
    for name, value in (("params.yaml", own), ("presets.yaml", presets)):
        (tmp_path / name).write_text(json.dumps(value))
    assert load_params(tmp_path / "params.yaml").preset == own["preset"]


class Example:
    """The files of a page's `file=` blocks in a folder, where its commands are run as they stand there."""

    def __init__(self, path: Path, folder: Path):
        self.folder = folder
        write_files(path, folder)
        self.left = [command for command in commands(path) if re.search(r":\d+$", command.where)]

    def take(self, *words: str) -> Command:
        """The next command of the page that begins so."""
        found = next(command for command in self.left if command.words[: len(words)] == words)
        self.left.remove(found)
        return found

    def run(self, *words: str) -> subprocess.CompletedProcess:
        """Run the next `halo-forge` command of the page that begins so."""
        command = self.take("halo-forge", *words)
        program = [sys.executable, "-m", "halo_forge", *command.words[1:]]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
        return subprocess.run(program, cwd=self.folder, env=environment, capture_output=True, text=True)


def statuses(path: Path) -> list[str]:
    return [verdict.status for verdict in read_records(path, Verdict)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.needs("gcc")
def test_the_verifiers_of_ones_own_judge_as_the_page_says(tmp_path) -> None:
    example = Example(page("own-verifier"), tmp_path)
    done = example.run("verify", "run")
    assert done.returncode == 0, done.stderr
    first, second = read_records(tmp_path / "verdicts.jsonl", Verdict)
    assert first.status == "pass" and "nothing else was looked at" in first.detail
    assert second.status == "wrong_answer" and "unused" in second.detail

    done = example.run("verify", "run")
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "verdicts.jsonl") == ["pass", "wrong_answer", "pass", "compile_error"]
    done = example.run("benchmark", "score")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "score.json").read_text())["pass_at_k"]["1"] == 0.5

    fooled = example.run("verify", "selfcheck")
    assert fooled.returncode == 1 and "what is wrong" in fooled.stdout, fooled.stderr
    assert {command.words[1] for command in example.left} == set(TRAINS)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.needs("gcc")
def test_tasks_of_ones_own_come_into_the_pipeline_as_the_page_says(tmp_path) -> None:
    example = Example(page("own-tasks"), tmp_path)
    for words in (("task", "new"), ("task", "check"), ("data", "prepare"), ("data", "validate"), ("data", "split")):
        done = example.run(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert [task.task_id for task in read_records(tmp_path / "data/own/tasks.jsonl", Task)] == ["mine/rises"]
    assert len((tmp_path / "data/mine.jsonl").read_text().splitlines()) == 4
    sides = {path.name for path in (tmp_path / "data/split-mine").glob("*.jsonl")}
    assert {"sft.jsonl", "benchmark.jsonl"} <= sides
    done = example.run("data", "generate")
    assert done.returncode == 0, done.stderr
    assert [command.words[1:3] for command in example.left] == [("data", "generate")]  # which would ask a paid server


def test_the_recorded_session_is_of_commands_that_are_taken_and_a_small_picture() -> None:
    recording = runpy.run_path(str(REPOSITORY / "docs/recording.py"))
    own = [command for line in recording["COMMANDS"] for command in commands_of(line, "recording.py")]
    assert troubles([command for command in own if command.words[0] == "halo-forge"]) == []
    path = REPOSITORY / "docs/session.svg"
    svg = path.read_text(encoding="utf-8")
    texts = {element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert set(recording["COMMANDS"]) <= texts, "python docs/recording.py records them"
    assert path.stat().st_size < 200_000
    assert not re.search(r"<script|<foreignObject|\bon\w+=|href=|@import|url\((?!#)", svg)
