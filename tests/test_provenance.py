"""What an output says of its origin: enough to make it again, nothing that differs from run to run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from halo_forge.errors import InputError
from halo_forge.provenance import gpus, provenance


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


def test_gpus_are_what_the_driver_reports_unless_hidden(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA A10, rev B, 23028'\necho 'Tesla T4, 15360'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [(gpu.name, round(gpu.memory_gb, 1)) for gpu in gpus()] == [("NVIDIA A10, rev B", 22.5), ("Tesla T4", 15.0)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == []
