"""The commands of make and DVC in README.md and docs/, typed as they stand in a clone whose presets are all tiny."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import TINY, Checkout
from pages import PAGES, sh_lines

LEFT_OUT = {
    r"make gpu-check": "wants a GPU",
    r"make (setup && make test|lint|test-slow|smoke)": "the tests themselves",
    r"make drill-": "measures what no other machine gives again, for half an hour",
}
"""Beginnings of the commands that are not typed here, and why."""
SUBSTITUTIONS = [("s3://bucket/halo-forge", "../storage"), (r"\bREPOSITORY\b", '"$PWD"')]
"""What a page leaves to the reader -> what it is here."""
WANTS = {r"nf4": "bitsandbytes", r"q4_k_m": "llama_cpp"}
"""In a command -> the package without which it is not typed."""


def script_of(page: Path) -> str:
    """The lines of a page's `sh` blocks that begin with make, DVC, or the naming of a version."""
    typed = [line for line in sh_lines(page) if re.match(r"(HALO_FORGE_GPUS=1 )?(make|dvc|gto) ", line)]
    return "".join(f"{line}\n" for line in typed if not any(re.match(pattern, line) for pattern in LEFT_OUT))


TYPED = ("README", "cluster", "command-line", "gpu", "laptop", "measured", "own-model")
"""The pages with such commands; a test types those of each."""


class Typed(Checkout):
    """With a `.venv` that make takes for its own, and an origin to push to."""

    def __init__(self, folder: Path, model: Path):
        super().__init__(folder, model)
        sizes = TINY | {"base_model": self.base(model)}
        other = sizes | {"raft": TINY["raft"] | {"samples_per_task": 3}}
        self.edit("presets.yaml", lambda presets: presets.update({name: other for name in presets if name != "tiny"}))
        (folder / ".venv").mkdir()
        for name in ("bin", "lib", "pyvenv.cfg"):
            (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
        (folder / ".venv/.ready").write_text(f"{folder}\n")
        subprocess.run(["git", "init", "-q", "--bare", "../origin"], cwd=folder, check=True)
        self.git("remote", "add", "origin", "../origin")
        self.git("commit", "-qam", "presets")

    def types(self, name: str) -> str:
        """What the script of the page of that name shows. Its first command that fails fails the test."""
        script = script_of(next(page for page in PAGES if page.stem == name))
        for pattern, here in SUBSTITUTIONS:
            script = re.sub(pattern, here, script)
        for pattern, package in WANTS.items():
            if not importlib.util.find_spec(package):
                script = re.sub(rf"^.*{pattern}.*\n", "", script, flags=re.M)
        person = {f"GIT_{role}_{what}": "t@t" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=self.folder, env=self.environment() | person, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model) -> Typed:
    """Where the README's own commands were typed, and the results committed."""
    checkout = Typed(tmp_path_factory.mktemp("typed") / "tree", tiny_model)
    shown = checkout.types("README")
    assert "Running stage 'report'" in shown
    checkout.git("add", "-A")
    checkout.git("commit", "-qm", "results")
    return checkout


@pytest.fixture
def tree(finished) -> Typed:
    """As it was committed, for each test."""
    yield finished
    finished.git("checkout", ".")
    finished.dvc("checkout", "--force")


def typing(test):
    for mark in (pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.needs("gcc")):
        test = mark(test)
    return test


def test_what_is_left_out_is_shown_and_the_commands_of_every_page_are_typed() -> None:
    lines = [line for page in PAGES for line in sh_lines(page)]
    assert all(any(re.match(pattern, line) for line in lines) for pattern in LEFT_OUT)
    assert tuple(page.stem for page in PAGES if script_of(page)) == TYPED


@typing
def test_a_finished_run_goes_to_a_remote_and_its_best_model_is_got_by_name(tree) -> None:
    tree.types("cluster")
    assert any((tree.folder.parent / "storage").rglob("*.dir"))
    assert (tree.folder / "best/adapter_model.safetensors").is_file()


@typing
def test_experiments_run_as_the_command_line_shows_and_are_shown_side_by_side(tree) -> None:
    shown = tree.types("command-line")
    assert {"filter@c1", "raft_sample@c1", "train@c3"} <= set(re.findall(r"Running stage '(.+?)'", shown))
    table = shown.partition("+ make experiments")[2]
    assert "raft.keep_top_percent" in table and re.search(r"\b0\.5\b", table)


@typing
def test_another_preset_and_a_queue_run_as_the_page_of_gpus_shows(tree) -> None:
    shown = tree.types("gpu")
    assert "Ran experiment" in shown or "Reproduced experiment" in shown


@typing
def test_a_laptop_runs_another_preset_and_is_cleaned(tree) -> None:
    shown = tree.types("laptop")
    assert not (tree.folder / "data/raft/c1/samples.jsonl").exists()
    assert "laptop-long" in shown


@typing
def test_the_control_arms_and_a_single_setting_are_measured_as_written(tree) -> None:
    shown = tree.types("measured")
    assert "unfiltered" in shown and "continued" in shown
    assert json.loads((tree.folder / "results/benchmark/c1.json").read_text())


@typing
def test_the_best_model_is_exported_as_written(tree) -> None:
    tree.types("own-model")
    assert (tree.folder / "export/best/Modelfile").is_file() and list((tree.folder / "export/best").glob("*Q8_0.gguf"))
