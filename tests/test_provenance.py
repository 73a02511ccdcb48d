"""What an output says of its origin: enough to make it again, nothing that differs from run to run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from halo_forge.errors import InputError
from halo_forge.provenance import gpus, provenance
from halo_forge.toolchains import COMPILERS, judged_with
from halo_forge.verify.registry import BY_LANGUAGE


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with code, params and one commit; it is the working directory."""
    monkeypatch.chdir(tmp_path)
    for key in [key for key in os.environ if key.startswith("GIT_")]:
        monkeypatch.delenv(key)
    for name in ("src/a.py", "results/base.json", "params.yaml", "data/rows.jsonl"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    git("init", "-q")
    git("add", ".")
    git("-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first")
    return tmp_path


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_it_names_the_commit_and_sees_changed_and_new_code(checkout):
    clean = provenance({"seed": 13}, [])
    assert (clean["git_revision"], clean["git_dirty"], clean["seed"]) == (git("rev-parse", "HEAD"), False, 13)
    Path("src/new.py").write_text("x = 1")
    assert provenance({"seed": 13}, [])["git_dirty"] is True


def test_results_of_earlier_stages_do_not_make_the_code_dirty(checkout):
    Path("results/base.json").write_text("changed by the run itself")
    assert provenance({}, [])["git_dirty"] is False


def test_the_same_run_gives_the_same_bytes_without_paths_of_the_machine(checkout):
    first, second = (json.dumps(provenance({"seed": 1}, ["data", checkout / "params.yaml"])) for _ in range(2))
    assert first == second
    assert list(json.loads(first)["inputs"]) == ["data", "params.yaml"]
    assert str(checkout) not in first


def test_settings_are_told_apart_by_value_not_by_order():
    hashes = [provenance(p, [])["params_sha256"] for p in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 3})]
    assert hashes[0] == hashes[1] != hashes[2]


def test_without_a_repository_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    origin = provenance({}, [])
    assert (origin["git_revision"], origin["git_dirty"]) == (None, None)


def test_without_git_installed_it_says_so(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance({}, [])["git_revision"] is None


def test_a_missing_input_is_an_error(checkout):
    with pytest.raises(InputError, match="gone.jsonl"):
        provenance({}, ["gone.jsonl"])


@pytest.fixture
def judged(make_task, make_judged):
    """judged((verifier, language, isolation), …) -> tasks and their verdicts, as `judged_with` takes them."""

    def judged(*how: tuple[str, str, str]):
        tasks = [make_task(f"t{n}", language=language) for n, (_, language, _) in enumerate(how)]
        verdicts = [make_judged(f"t{n}", 0, 1.0)[1] for n in range(len(how))]
        changes = [{"verifier": verifier, "isolation": isolation} for verifier, _, isolation in how]
        return tasks, [verdict.model_copy(update=own) for verdict, own in zip(verdicts, changes, strict=True)]

    return judged


BOX = "bubblewrap+rlimits"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH with stand-ins for compilers and the sandbox: each says its name, `1.0` and the words it was given."""
    for name in ("g++", "gcc", "clang++", "x86_64-w64-mingw32-g++", "wine", "rustc", "go", "bwrap"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} 1.0 $*"; echo more\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("verifier", "language", "isolation", "names"),
    [
        ("gcc", "cpp", BOX, {"g++", "bwrap", "libc", "python"}),
        ("gcc-compile", "c", "none", {"gcc", "libc", "python"}),
        ("clang", "cpp", BOX, {"clang++", "bwrap", "libc", "python"}),
        ("mingw", "cpp", BOX, {"x86_64-w64-mingw32-g++", "wine", "bwrap", "libc", "python"}),
        ("rust", "rust", BOX, {"rustc", "bwrap", "libc", "python"}),
        ("go", "go", BOX, {"go", "bwrap", "libc", "python"}),
        ("python", "python", BOX, {"bwrap", "libc", "python"}),
        ("custom", "python", BOX, {"bwrap", "libc", "python"}),
        ("msvc", "cpp", "remote-windows+job-object", set()),  # nothing of this machine judged
    ],
)
def test_verdicts_say_what_they_were_reached_with_and_nothing_else(
    judged, tools, verifier, language, isolation, names
) -> None:
    found = judged_with(*judged((verifier, language, isolation)))
    assert found.keys() == names
    asked = {"go": "version"}
    for name in names - {"libc", "python"}:
        assert found[name] == f"{name} 1.0 {asked.get(name, '--version')}"


def test_every_language_of_a_verifier_that_judges_here_has_its_compiler_named() -> None:
    compiled = {(name, language) for language, name in BY_LANGUAGE.items() if name != "python"}
    assert compiled <= {(name, language) for name, own in COMPILERS.items() for language in own}


def test_a_tool_that_is_gone_or_broken_is_left_out(judged, tools) -> None:
    (tools / "g++").unlink()
    (tools / "bwrap").write_text("no program")
    (tools / "rustc").write_text("#!/bin/sh\nexit 1\n")
    found = judged_with(*judged(("gcc", "cpp", BOX), ("rust", "rust", BOX)))
    assert found.keys() == {"libc", "python"}


def test_a_thousand_verdicts_ask_each_program_once(judged, tools) -> None:
    (tools / "g++").write_text(f"#!/bin/sh\necho x >>{tools}/calls\necho g++ 1.0\n")
    judged_with(*judged(*[("gcc", "cpp", "none")] * 1000))
    assert (tools / "calls").read_text() == "x\n"


def test_gpus_are_what_the_driver_reports_unless_hidden(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA A10, rev B, 23028'\necho 'Tesla T4, 15360'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [(gpu.name, round(gpu.memory_gb, 1)) for gpu in gpus()] == [("NVIDIA A10, rev B", 22.5), ("Tesla T4", 15.0)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == []
