"""Sets read from a hub, here one on this machine: streamed or fetched, the commit recorded, later from the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import COMMIT, publish, serving

from halo_forge.data.public.registry import registry
from halo_forge.data.rows import read_file
from halo_forge.jsonl import read_records
from halo_forge.records import Task

DATA = Path(__file__).parent / "data"
RUNS = """
import json, sys
from typer.main import get_command
from halo_forge.cli.data import app
from halo_forge.errors import HaloForgeError
for arguments in json.loads(sys.argv[1]):
    try:
        get_command(app).main(["prepare", *arguments], standalone_mode=False)
    except HaloForgeError as error:
        print("error:", error)
"""
OWN = ["--dataset", "someone/problems", "--mapping", "prompt=question", "--mapping", "completion=reply"]


def rows_in(file: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / file).read_text().splitlines()]


def prepare(folder: Path, endpoint: str, *runs: list[str]) -> str:
    own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hf"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", RUNS, json.dumps(runs)]
    done = subprocess.run(command, cwd=folder, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> tuple[Path, str, str]:
    """(folder of the results, what was printed, what the hub was asked for); the hub is gone by then."""
    folder = tmp_path_factory.mktemp("hub")
    hub = folder / "served"
    publish(hub, "google-research-datasets/mbpp", rows_in("mbpp.jsonl"), "full")
    publish(hub, "open-r1/codeforces", rows_in("codeforces.jsonl"))
    publish(hub, "open-r1/codeforces-cots", rows_in("codeforces_cots.jsonl"), "solutions_decontaminated")
    (hub / "livecodebench" / "code_generation_lite").mkdir(parents=True)
    lines = (DATA / "livecodebench.jsonl").read_text().splitlines(keepends=True)
    for name in registry()["livecodebench"].files:  # two, none, none, …
        (hub / "livecodebench" / "code_generation_lite" / name).write_text(lines.pop() if lines else "")
    (hub / "livecodebench" / "code_generation_lite" / "code_generation_lite.py").write_text("raise SystemExit('ran')")
    (hub / "someone" / "problems").mkdir(parents=True)
    (hub / "someone" / "problems" / "train.jsonl").write_text('{"question": "Why?", "reply": "So."}\n')
    with serving(hub, folder / "log") as endpoint:
        shown = prepare(
            folder,
            endpoint,
            ["--dataset", "mbpp", "--output", "mbpp.jsonl"],
            ["--dataset", "codeforces_cpp", "--output", "cpp.jsonl"],
            ["--dataset", "livecodebench", "--format", "task", "--output", "lcb.jsonl"],
            [*OWN, "--output", "own.jsonl"],
            ["--dataset", "mbpp", "--split", "nosuch", "--output", "none.jsonl"],
            ["--dataset", "nobody/nothing", "--output", "none.jsonl"],
        )
    return folder, shown, (folder / "log").read_text()


def test_the_rows_are_those_of_the_set_and_name_its_pinned_commit(served):
    rows = list(read_file(served[0] / "mbpp.jsonl"))
    assert [row.task.task_id for row in rows] == ["mbpp/601", "mbpp/602"]
    assert {row.task.source.revision for row in rows} == {registry()["mbpp"].revision}
    (row,) = read_file(served[0] / "cpp.jsonl")
    assert row.task.source.revision == registry()["codeforces_cpp"].problems.revision


def test_the_licence_of_a_set_is_said_before_it_is_read(served):
    assert "google-research-datasets/mbpp: reading it from the hub; its licence: cc-by-4.0" in served[1]


def test_a_branch_is_recorded_as_the_commit_it_named(served):
    value = json.loads((served[0] / "own.jsonl").read_text())
    assert value["source"] == {"dataset": "someone/problems", "revision": COMMIT, "license": "unknown"}
    assert value["messages"] == [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]


def test_a_repository_that_wants_its_own_code_run_is_read_without(served):
    assert len(read_records(served[0] / "lcb.jsonl", Task)) == 3
    assert "code_generation_lite.py" not in served[2]


def test_a_split_or_a_set_that_is_not_there_is_named(served):
    assert "mbpp (config full, split nosuch): Unknown split" in served[1]
    assert "nobody/nothing: the hub has no such data set" in served[1]
    assert not (served[0] / "none.jsonl").exists()


@pytest.mark.slow
def test_without_the_hub_a_set_that_was_fetched_before_gives_the_same_bytes(served):
    folder, gone = served[0], "http://127.0.0.1:9"
    own = [*OWN, "--output", "own2.jsonl"]
    shown = prepare(folder, gone, ["--dataset", "mbpp", "--output", "mbpp2.jsonl"], own)
    assert "error" not in shown
    assert (folder / "mbpp2.jsonl").read_bytes() == (folder / "mbpp.jsonl").read_bytes()
    assert (folder / "own2.jsonl").read_bytes() == (folder / "own.jsonl").read_bytes()
