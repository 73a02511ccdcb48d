"""The targets of the Makefile and what Git ignores, in scratch copies."""

from __future__ import annotations

import fcntl
import os
import re
import runpy
import subprocess
import sys
import time

import pytest
from conftest import REPOSITORY as ROOT
from conftest import wait_until
from scratch import copy_of_setup, program, ready, sh

from halo_forge.errors import InputError
from halo_forge.settings.params import load_params


@pytest.fixture
def checkout(tmp_path):
    return copy_of_setup(tmp_path)


def test_help_names_the_settings_of_setup_as_the_lock_promises(checkout):
    said = sh("make", cwd=checkout).stdout
    assert {"GPU=0", "GPU=1", "TORCH_INDEX=URL"} <= set(re.findall(r"[A-Z_]+=\w+", said))
    assert "`make help`" in (checkout / "requirements.lock").read_text()


def test_help_names_every_target(checkout):
    shown = set(re.findall(r"^make ([a-z-]+) ", sh("make", cwd=checkout).stdout, re.MULTILINE))
    assert shown == set(re.findall(r"^\.PHONY: ([a-z-]+)$", (checkout / "Makefile").read_text(), re.MULTILINE))


def test_the_commands_of_the_pipeline_come_from_the_venv(checkout):
    ready(checkout, checkout)
    (checkout / ".venv/bin").mkdir()
    for tool in ("dvc", "python"):
        program(checkout / ".venv/bin" / tool, f'echo "venv {tool} $*"')
    assert sh("make", "repro", cwd=checkout).stdout == "venv dvc --wait-for-lock repro\nvenv python .make/ladder.py\n"


@pytest.mark.slow
@pytest.mark.parametrize(("flag", "code"), [((), 255), (("--wait-for-lock",), 0)])
def test_a_repro_waits_for_another_dvc_at_the_end_of_a_stage(tmp_path, flag, code) -> None:
    """With the flag of the Makefile; the longest that DVC waits without is three seconds."""
    dvc = (sys.executable, "-m", "dvc")
    sh(*dvc, "init", "-q", "--no-scm", cwd=tmp_path)
    wait = "touch begun; while [ ! -e go ]; do sleep 0.1; done; touch made"
    (tmp_path / "dvc.yaml").write_text(f"stages: {{one: {{cmd: '{wait}', outs: [made]}}}}\n")
    repro = subprocess.Popen([*dvc, *flag, "repro"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert wait_until((tmp_path / "begun").exists)
    with (tmp_path / ".dvc/tmp/lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (tmp_path / "go").touch()
        time.sleep(5)
    said = repro.communicate(timeout=60)[0].decode()
    assert repro.returncode == code, said
    assert (tmp_path / "dvc.lock").exists() is (code == 0)


def test_clean_deletes_what_can_be_made_again_and_nothing_else(checkout):
    kept = ["data/mine.jsonl", "results/benchmark/c1.json", "models/base.json", "models/my own/x", "src/a.py"]
    kept += ["models/best.json"]
    kept += [".dvc/cache/x", "mlflow.db", ".venv/lib"]
    made = [
        "data/raft/c1/samples.jsonl",
        "models/c1/adapter",
        ".state/gen-1/s",
        ".smoke/tree/x",
        "src/__pycache__/a.pyc",
    ]
    for name in kept + made:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    (checkout / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n"
        "  raft_sample@c1:\n    cmd: x\n    deps:\n    - path: src/a.py\n      hash: md5\n    outs:\n"
        "    - path: data/raft/c1/samples.jsonl\n      hash: md5\n    - path: results/benchmark/c1.json\n"
        "  train@c1:\n    cmd: x\n    deps:\n    - path: data/mine.jsonl\n    outs:\n    - path: models/base.json\n"
        "    - path: models/best.json\n      hash: md5\n"
        "    - path: models/c1\n      hash: md5\n"
    )
    result = sh("make", "clean", cwd=checkout)
    assert result.returncode == 0, result.stderr
    assert [name for name in kept if not (checkout / name).exists()] == []
    assert [name for name in made if (checkout / name).exists()] == []


def test_smoke_runs_in_a_copy_of_what_git_would_see(checkout, tmp_path):
    for name in (
        "new.txt",
        "ignored.txt",
        "models/base.json",
        "models/sft/adapter",
        "results/ladder.svg",
        "results/tests_audit.jsonl",
        "dvc.lock",
        "deleted.txt",
        "a b/ü",
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("mine")
    sh("git", "init", "-q", cwd=checkout)
    sh("git", "add", "deleted.txt", "params.yaml", cwd=checkout)
    (checkout / "deleted.txt").unlink()
    (checkout / ".git/info/exclude").write_text("ignored.txt\n")
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file() and ".git/" not in str(path)}
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("dvc", "python"):
        program(tools / tool, f'echo "{tool} $*"')
    result = sh(".make/smoke.sh", cwd=checkout, PATH=f"{tools}:{os.environ['PATH']}")
    assert result.returncode == 0, result.stderr
    assert "dvc config --local core.no_scm true\ndvc --wait-for-lock repro\npython .make/ladder.py\n" in result.stdout
    tree = checkout / ".smoke/tree"
    there = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert {"new.txt", "a b/ü", "Makefile", ".make/ladder.py"} <= there
    assert not there & {"ignored.txt", "models/sft/adapter", "models/base.json", "dvc.lock", "deleted.txt"}
    assert not {path for path in there if path.startswith("results/")}
    params = load_params(tree / "params.yaml")
    assert (params.preset, params.benchmark.sets) == ("smoke", {})
    after = {path: path.read_bytes() for path in before}
    assert after == before


CYCLES = runpy.run_path(str(ROOT / ".make/cycles.py"))["arguments"]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_the_number_of_cycles_is_what_make_exp_was_asked_for(checkout, n):
    from dvc.utils.hydra import apply_overrides

    cycles = load_params(checkout / "params.yaml").raft.cycles
    changes = [change for change in CYCLES(cycles, n) if change != "-S"]
    apply_overrides(checkout / "params.yaml", changes)
    after = load_params(checkout / "params.yaml").raft.cycles
    assert [(name, cycle.start) for name, cycle in after.items()] == [
        (f"c{number}", f"c{number - 1}" if number > 1 else "sft") for number in range(1, n + 1)
    ]
    last, old = after[f"c{n}"], cycles.get(f"c{n}") or list(cycles.values())[-1]
    assert (last.temperature, last.learning_rate) == (old.temperature, old.learning_rate)


def test_cycles_that_are_no_chain_are_not_counted():
    cycles = load_params(ROOT / "params.yaml").raft.cycles
    cycles["hot"] = cycles["c1"]
    with pytest.raises(InputError, match="hot from sft"):
        CYCLES(cycles, 5)


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("data/raft/c1/samples.jsonl", True),
        ("data/benchmark/base/verdicts.jsonl", True),
        ("models/pipeline/c1/adapter_model.safetensors", True),
        (".state/x", True),
        ("mlflow.db", True),
        ("models/base.json", False),
        ("results/benchmark/base.json", False),
        ("results/raft/c1.json", False),
        ("results/report.html", False),
        ("data/builtin/loops.yaml", False),
        (".dvc/config", False),
    ],
)
def test_git_keeps_results_and_ignores_what_dvc_caches(checkout, path, ignored):
    sh("git", "init", "-q", cwd=checkout)
    assert (sh("git", "check-ignore", "-q", path, cwd=checkout).returncode == 0) is ignored
