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
from pages import PAGES, blocks

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
    lines = [line for block in blocks(page) if block.kind == "sh" for line in block.lines]
    typed = [line for line in lines if re.match(r"(HALO_FORGE_GPUS=1 )?(make|dvc|gto) ", line)]
    return "".join(f"{line}\n" for line in typed if not any(re.match(pattern, line) for pattern in LEFT_OUT))


WITH_SCRIPT = [page for page in PAGES if script_of(page)]


class Typed(Checkout):
    """With a `.venv` that make takes for its own, and an origin to push to."""

    def __init__(self, folder: Path, model: Path):
        super().__init__(folder, model)
        sizes = TINY | {"base_model": self.base(model)}
        other = sizes | {"raft": TINY["raft"] | {"samples_per_task": 3}}
        self.edit("presets.yaml", lambda all: all.update({name: other for name in all if name != "tiny"}))
        (folder / ".venv").mkdir()
        for name in ("bin", "lib", "pyvenv.cfg"):
            (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
        (folder / ".venv/.ready").write_text(f"{folder}\n")
        subprocess.run(["git", "init", "-q", "--bare", "../origin"], cwd=folder, check=True)
        self.git("remote", "add", "origin", "../origin")
        self.git("commit", "-qam", "presets")

    def types(self, page: Path) -> str:
        """What the page's script shows. Its first command that fails fails the test."""
        script = script_of(page)
        for pattern, here in SUBSTITUTIONS:
            script = re.sub(pattern, here, script)
        for pattern, package in WANTS.items():
            if not importlib.util.find_spec(package):
                script = re.sub(rf"^.*{pattern}.*\n", "", script, flags=re.M)
        person = {f"GIT_{role}_{what}": "t@t" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        outer = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS")  # of a `make test-slow ARGS=…`
        environment = {name: value for name, value in self.environment().items() if name not in outer}
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=self.folder, env=environment | person, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory, tiny_model) -> Typed:
    """Where the README's own commands were typed, and the results committed."""
    checkout = Typed(tmp_path_factory.mktemp("typed") / "tree", tiny_model)
    shown = checkout.types(PAGES[0])
    assert "Running stage 'report'" in shown
    checkout.git("add", "-A")
    checkout.git("commit", "-qm", "results")
    return checkout


def check_cluster(tree: Typed, _shown: str) -> None:
    assert any((tree.folder.parent / "storage").rglob("*.dir"))
    assert (tree.folder / "best/adapter_model.safetensors").is_file()


def check_command_line(tree: Typed, shown: str) -> None:
    assert {"filter@c1", "raft_sample@c1", "train@c3"} <= set(re.findall(r"Running stage '(.+?)'", shown))
    table = shown.partition("+ make experiments")[2]
    assert "raft.keep_top_percent" in table and re.search(r"\b0\.5\b", table)


def check_gpu(tree: Typed, shown: str) -> None:
    assert shown.count("Ran experiment") + shown.count("Reproduced experiment") >= 1


def check_laptop(tree: Typed, shown: str) -> None:
    assert not (tree.folder / "data/raft/c1/samples.jsonl").exists()
    assert "laptop-long" in shown


def check_measured(tree: Typed, shown: str) -> None:
    assert "unfiltered" in shown and "continued" in shown
    assert json.loads((tree.folder / "results/benchmark/c1.json").read_text())


def check_own_model(tree: Typed, _shown: str) -> None:
    assert (tree.folder / "export/best/Modelfile").is_file() and list((tree.folder / "export/best").glob("*Q8_0.gguf"))


CHECKS = {
    name.removeprefix("check_").replace("_", "-"): check for name, check in list(globals().items()) if "check_" in name
}


def test_what_is_left_out_is_shown_and_every_page_has_a_check() -> None:
    lines = [line for page in PAGES for block in blocks(page) if block.kind == "sh" for line in block.lines]
    assert all(any(re.match(pattern, line) for line in lines) for pattern in LEFT_OUT)
    assert {page.stem for page in WITH_SCRIPT[1:]} == set(CHECKS)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.needs("gcc")
@pytest.mark.parametrize("page", WITH_SCRIPT[1:], ids=lambda page: page.stem)
def test_the_commands_of_make_and_dvc_run_as_written(tree, page) -> None:
    shown = tree.types(page)
    (tree.folder.parent / f"{page.stem}.log").write_text(shown)
    CHECKS[page.stem](tree, shown)
    tree.git("checkout", ".")
    tree.dvc("checkout", "--force")
