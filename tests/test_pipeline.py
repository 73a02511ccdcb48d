"""The DAG itself: what re-runs, what does not, what a kill costs. Real stages on the tiny random model."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import REPOSITORY
from ruamel.yaml import YAML

from halo_forge.settings.params import Params, load_params

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TINY = {
    "split": {"variants": {"sft": 1, "raft": 1, "benchmark": 1}, "max_tasks": {"sft": 8, "raft": 2, "benchmark": 2}},
    "generate": {"dtype": "float32", "batch_size": 16, "chunk_size": 4},
    "sft": {"epochs": 1, "batch_size": 4, "micro_batch_size": 4, "max_tokens": 2048, "save_steps": 1},
    "raft": {
        "samples_per_task": 2,
        "max_new_tokens": 8,
        "train": {"epochs": 1, "batch_size": 4, "micro_batch_size": 4, "max_tokens": 2048},
    },
    "benchmark": {"samples_per_task": 10, "max_new_tokens": 8, "bootstrap": 100},
}


class Checkout:
    """A Git clone of this working tree with one cycle and the tiny model."""

    def __init__(self, folder: Path, model: Path):
        self.folder = folder
        names = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for name in names:
            if (
                name
                and (REPOSITORY / name).is_file()
                and not name.startswith(("results/", "models/", "tests/", "dvc.lock"))
            ):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, folder / name)
        self.edit("presets.yaml", lambda presets: presets.update(tiny=TINY | {"base_model": self.base(model)}))
        self.edit("params.yaml", lambda params: (params.update(preset="tiny"), params["raft"]["cycles"].pop("c3")))
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "checkout")

    @staticmethod
    def base(model: Path) -> dict:
        return {"provider": "local", "id": str(model)}

    def edit(self, name: str, change) -> None:
        yaml = YAML()
        value = yaml.load((self.folder / name).read_text())
        change(value)
        with (self.folder / name).open("w") as file:
            yaml.dump(value, file)

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "HALO_FORGE_CACHE": str(self.folder.parent / "cache"), "OMP_NUM_THREADS": "1"}
        return {name: value for name, value in os.environ.items() if not name.startswith("DVC_")} | own

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True)

    def dvc(self, *arguments: str) -> list[str]:
        """The stages that ran."""
        return [line.split("'")[1] for line in self.output(*arguments).splitlines() if line.startswith("Running stage")]

    def output(self, *arguments: str) -> str:
        done = subprocess.run(
            ["dvc", *arguments], cwd=self.folder, env=self.environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("pipeline") / "tree", tiny_model)
    ran = checkout.dvc("repro")
    assert {"sft", "raft_train@c1", "raft_train@c2", "benchmark_base", "benchmark@c2", "report", "track"} <= set(ran)
    checkout.git("add", "-A")
    checkout.git("commit", "-qm", "results")
    return checkout


def test_nothing_changed_runs_no_stage(finished: Checkout) -> None:
    assert finished.dvc("repro") == []


def test_every_model_has_its_row_in_the_ladder_and_its_run_in_mlflow(finished: Checkout) -> None:
    from mlflow.tracking import MlflowClient

    ladder = json.loads((finished.folder / "results" / "ladder.json").read_text())
    assert [row["model"] for row in ladder] == ["base", "sft", "c1", "c2"]
    client = MlflowClient(f"sqlite:///{finished.folder / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(runs) - len(children) == 1
    assert len(children) == 4


def test_another_share_to_keep_redoes_neither_sampling_nor_verification_of_the_first_cycle(finished: Checkout) -> None:
    ran = set(finished.dvc("exp", "run", "-S", "raft.keep_top_percent=0.6"))
    assert "raft_filter@c1" in ran
    assert not ran & {"prepare", "split", "base_model", "sft", "raft_generate@c1", "raft_verify@c1", "benchmark_sft"}
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_one_more_cycle_redoes_nothing_of_the_earlier_ones(finished: Checkout) -> None:
    ran = set(finished.dvc("exp", "run", "-S", "+raft.cycles.c3={from:c2,temperature:0.7,learning_rate:1e-06}"))
    assert ran == {f"raft_{step}@c3" for step in ("generate", "verify", "filter", "train")} | {
        "benchmark@c3",
        "report",
        "track",
    }
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_one_more_benchmark_task_trains_nothing(finished: Checkout) -> None:
    params = load_params(finished.folder / "params.yaml")
    assert isinstance(params, Params)
    finished.edit("presets.yaml", lambda presets: presets["tiny"]["split"]["max_tasks"].update(benchmark=3))
    ran = set(finished.dvc("repro"))
    assert {"split", "benchmark_base", "benchmark_sft", "benchmark@c1", "benchmark@c2"} <= ran
    assert not any(name.startswith(("sft", "raft_")) for name in ran)
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_a_killed_run_goes_on_and_ends_with_the_same_files(finished: Checkout, tmp_path, tiny_model) -> None:
    """dvc and its stage are killed with -9 several times; the models and samples must be those of the whole run."""
    checkout = Checkout(tmp_path / "tree", tiny_model)
    for seconds in (9, 14, 20):
        process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=checkout.folder,
            env=checkout.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    checkout.dvc("repro")
    for name in ("data/split/raft.jsonl", "data/raft/c2/samples.jsonl", "data/raft/c2/kept.jsonl"):
        assert (checkout.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name
    for model in ("sft", "c1", "c2"):
        for file in ("adapter_model.safetensors", "adapter_config.json"):
            name = f"models/pipeline/{model}/{file}"
            assert (checkout.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.edit("params.yaml", lambda p: p.update(sede=1)), r"unknown key (did you mean 'seed'?)"),
        (
            lambda c: (c.folder / "data/split/raft.jsonl").write_text('{"task_id": "torn'),
            "data/split/raft.jsonl:1: not JSON",
        ),
    ],
    ids=["misspelt key", "corrupt line"],
)
def test_bad_input_is_one_line_with_the_cure(finished: Checkout, change, message: str) -> None:
    change(finished)
    done = subprocess.run(
        [sys.executable, "stages/raft_verify.py", "--cycle", "c1"],
        cwd=finished.folder,
        env=finished.environment(),
        capture_output=True,
        text=True,
    )
    finished.git("checkout", ".")
    finished.dvc("checkout", "--force")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and message in done.stderr


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (("g++", "gcc", "python3"), ("bubblewrap", "verify.sandbox: none")),
        (("bwrap", "gcc", "python3"), ("g++", "apt install g++")),
    ],
    ids=["no bubblewrap", "no compiler"],
)
def test_what_is_missing_to_verify_is_named_with_its_cure(finished: Checkout, tmp_path, there, words) -> None:
    for tool in there:
        (tmp_path / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(
        [sys.executable, "stages/raft_verify.py", "--cycle", "c1"],
        cwd=finished.folder,
        env=finished.environment() | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3 and len(done.stderr.strip().splitlines()) == 1
    assert all(word in done.stderr for word in words)


def test_a_queue_of_three_values_runs_and_can_be_compared(finished: Checkout) -> None:
    finished.dvc("exp", "run", "--queue", "-S", "raft.keep_top_percent=0.3,0.4,0.7")
    finished.dvc("exp", "run", "--run-all")
    rows = list(csv.DictReader(io.StringIO(finished.output("exp", "show", "--csv"))))
    share = next(column for column in rows[0] if column.endswith("raft.keep_top_percent"))
    name_of = {row[share]: row["Experiment"] for row in rows if row["Experiment"]}
    assert {"0.3", "0.4", "0.7"} <= set(name_of)
    names = [name_of[value] for value in ("0.3", "0.4", "0.7")]
    finished.dvc("plots", "diff", *names, "--out", "plots")
    page = (finished.folder / "plots" / "index.html").read_text()
    assert all(name in page for name in names) and "pass@1" in page
