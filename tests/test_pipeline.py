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

import pytest
from checkout import Checkout
from safetensors.torch import load_file

from halo_forge.settings.params import Params, load_params

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

STEPS_OF_A_SET = ("set_sample", "set_judge", "set_score")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("pipeline") / "tree", tiny_model)
    ran = checkout.dvc("repro")
    assert {"sft", "train@c1", "train@c2", "baseline_score@base", "benchmark_score@c2", "report", "track"} <= set(ran)
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
    assert "filter@c1" in ran
    assert not ran & {"prepare", "split", "base_model", "sft", "raft_sample@c1", "raft_judge@c1"}
    assert not any(name.startswith("baseline_") for name in ran)
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_one_more_cycle_redoes_nothing_of_the_earlier_ones(finished: Checkout) -> None:
    ran = set(finished.dvc("exp", "run", "-S", "+raft.cycles.c3={from:c2,temperature:0.7,learning_rate:1e-06}"))
    steps = ["raft_sample", "raft_judge", "filter", "train"]
    steps += ["validation_sample", "validate"]
    steps += ["benchmark_sample", "benchmark_judge", "benchmark_score", "benchmark_entropy"]
    assert ran == {f"{step}@c3" for step in steps} | {"best", "report", "track"}
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_one_more_benchmark_task_trains_nothing(finished: Checkout) -> None:
    params = load_params(finished.folder / "params.yaml")
    assert isinstance(params, Params)
    finished.edit("presets.yaml", lambda presets: presets["tiny"]["split"]["max_tasks"].update(benchmark=3))
    ran = set(finished.dvc("repro"))
    assert {"split", "baseline_score@base", "baseline_score@sft", "benchmark_score@c1", "benchmark_score@c2"} <= ran
    assert not any(name.startswith(("sft", "raft_", "filter", "train")) for name in ran)
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_one_more_public_set_asks_base_sft_and_best_and_redoes_nothing_else(finished: Checkout) -> None:
    def ask(sets: dict) -> set[str]:
        finished.edit("params.yaml", lambda params: params["benchmark"].update(sets=sets))
        return set(finished.dvc("repro"))

    ran = ask({"humaneval": {"limit": 2, "max_new_tokens": 8}})
    steps = {f"{step}@humaneval-{model}" for step in STEPS_OF_A_SET for model in ("base", "sft", "best")}
    assert ran == {"benchmark_sets", "split", "report", "track"} | steps
    summary = json.loads((finished.folder / "results/summary.json").read_text())
    assert set(summary["sets"]["humaneval"]["gain"]) == {"sft", "best"}
    assert json.loads((finished.folder / "results/split.json").read_text())["sets"]["humaneval"]["tasks"] == 2
    assert ask({}) == {"split", "report", "track"}  # benchmark_sets comes from the run cache
    assert not list((finished.folder / "results/benchmark").glob("*/*.json"))
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_an_edit_in_the_verifiers_judges_again_and_samples_nothing(finished: Checkout) -> None:
    """From the cache where the key holds none of the edited code: the same bytes, so nothing after it runs."""
    path = finished.folder / "src/halo_forge/verify/python/compare.py"
    path.write_text(path.read_text() + "# an edit\n")
    ran = set(finished.dvc("repro"))
    steps = ("raft_judge", "validate", "benchmark_judge")
    judging = {f"{step}@{cycle}" for step in steps for cycle in ("c1", "c2")}
    judging |= {"baseline_validate@sft", "baseline_judge@base", "baseline_judge@sft"}
    assert ran == judging | {"generate_data", "prepare", "audit"}
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_an_edit_in_scoring_neither_samples_nor_judges(finished: Checkout) -> None:
    path = finished.folder / "src/halo_forge/statistics/passk.py"
    path.write_text(path.read_text() + "# an edit\n")
    ran = set(finished.dvc("repro"))
    scored = {"baseline_score@base", "baseline_score@sft", "benchmark_score@c1", "benchmark_score@c2"}
    validated = {"baseline_validate@sft", "validate@c1", "validate@c2"}
    assert scored <= ran <= scored | validated | {"report", "track"}
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_another_default_in_the_code_redoes_what_reads_it_and_a_comment_beside_it_nothing(finished: Checkout) -> None:
    path = finished.folder / "src/halo_forge/settings/raft.py"
    text = path.read_text()
    assert "max_keep_per_task: Positive = 2" in text
    path.write_text(text.replace("max_keep_per_task: Positive = 2", "max_keep_per_task: Positive = 3") + "# an edit\n")
    changed = [line for line in finished.output("status").splitlines() if line.endswith(":") and line[0] != "\t"]
    path.write_text(text + "# an edit\n")
    assert (changed, finished.dvc("repro")) == (["filter@c1:", "filter@c2:"], [])
    finished.git("checkout", ".")


def test_a_users_own_file_is_watched_and_one_where_nobody_looks_is_refused(finished: Checkout) -> None:
    row = json.loads((finished.folder / "data/prepared/tasks.jsonl").read_text().splitlines()[0])
    own = finished.folder / "data/own/mine.jsonl"
    own.write_text(json.dumps(row | {"task_id": "mine/1"}) + "\n")
    finished.edit("params.yaml", lambda params: params["prepare"].update(files=[{"path": "data/own/mine.jsonl"}]))
    finished.dvc("repro", "prepare")
    assert finished.dvc("repro", "prepare") == []
    own.write_text(own.read_text() + json.dumps(row | {"task_id": "mine/2"}) + "\n")
    assert "prepare" in finished.dvc("repro", "prepare")
    assert "mine/2" in (finished.folder / "data/prepared/tasks.jsonl").read_text()
    finished.edit("params.yaml", lambda params: params["prepare"].update(files=[{"path": "mine.jsonl"}]))
    done = subprocess.run(
        [sys.executable, "stages/prepare.py"],
        cwd=finished.folder,
        env=finished.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "prepare.files: mine.jsonl lies outside of data/own" in done.stderr
    own.unlink()
    finished.git("checkout", ".")
    finished.dvc("checkout", "--force")


def test_another_learning_rate_is_the_one_that_the_statistics_and_the_report_name(finished: Checkout) -> None:
    ran = set(finished.dvc("exp", "run", "-S", "+raft.cycles.c2.learning_rate=2.5e-4"))
    measured = {
        "validation_sample@c2",
        "validate@c2",
        "benchmark_sample@c2",
        "benchmark_judge@c2",
        "benchmark_score@c2",
        "benchmark_entropy@c2",
    }
    assert ran == {"train@c2", *measured, "best", "report", "track"}
    statistics = json.loads((finished.folder / "results/raft_statistics.json").read_text())
    assert [row["learning_rate"] for row in statistics] == [
        load_params(finished.folder / "params.yaml").raft.train.learning_rate,
        2.5e-4,
    ]
    finished.git("checkout", ".")
    finished.dvc("checkout")


def test_the_curve_of_every_training_is_a_plot_with_a_line_a_step(finished: Checkout) -> None:
    for model in ("sft", "c1", "c2"):
        training = json.loads((finished.folder / f"data/train/{model}.json").read_text())
        rows = list(csv.DictReader((finished.folder / f"data/train/{model}.tsv").open(), delimiter="\t"))
        assert [int(row["step"]) for row in rows] == [entry["step"] for entry in training["loss"]]
    drawn = json.loads(finished.output("plots", "show", "--json"))["data"]
    assert {"data/train/sft.tsv", "data/train/c1.tsv", "data/train/c2.tsv", "results/ladder.json"} <= set(drawn)


def test_experiments_are_compared_by_the_summary_alone(finished: Checkout) -> None:
    rows = list(csv.DictReader(io.StringIO(finished.output("exp", "show", "--csv"))))
    metrics = json.loads(finished.output("metrics", "show", "--json"))[""]["data"]
    assert list(metrics) == ["results/summary.json"]
    assert {"pass@1.sft", "raft_gain.pass@1"} <= set(rows[0])
    assert not {"pass_rate", "pass_at_k.1", "kept", "families.sft"} & {
        name.partition(":")[2] or name for name in rows[0]
    }


def test_a_finished_run_goes_to_another_clone_by_a_remote_run_cache_and_models_included(
    finished: Checkout, tmp_path
) -> None:
    finished.output("remote", "add", "--default", "storage", str(tmp_path / "storage"))
    finished.git("add", "-A")
    finished.git("commit", "-qm", "remote")
    finished.output("push", "--run-cache")
    identity = {
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@t",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@t",
    }
    subprocess.run(
        ["gto", "register", "sft", "--version", "v1.0.0"], cwd=finished.folder, env=finished.environment() | identity,
        check=True, capture_output=True,
    )  # fmt: skip
    other = Checkout.clone(finished, tmp_path / "other" / "tree")
    other.output("pull", "--run-cache")
    assert "up to date" in other.output("status")
    (other.folder / "dvc.lock").unlink()
    for folder in ("data/split", "data/raft", "data/validation", "data/benchmark", "data/train", "models/pipeline"):
        shutil.rmtree(other.folder / folder)
    ran = set(other.dvc("repro"))
    assert not any(name.startswith(("sft", "train", "raft_", "baseline_sample", "benchmark_sample")) for name in ran)
    other.output("artifacts", "get", str(finished.folder), "sft", "--out", "taken")
    adapter = "adapter_model.safetensors"
    assert (other.folder / "taken" / adapter).read_bytes() == (
        finished.folder / "models/pipeline/sft" / adapter
    ).read_bytes()


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
        [sys.executable, "stages/judge.py", "--run", "raft/c1"],
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
        [sys.executable, "stages/judge.py", "--run", "raft/c1"],
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


def test_all_weights_are_trained_by_sft_and_by_the_cycle_after_it_and_the_best_of_them_is_sampled(
    tiny_model, tmp_path
) -> None:
    checkout = Checkout(tmp_path / "tree", tiny_model)

    def whole(params: dict) -> None:
        params["sft"]["lora"] = None
        del params["raft"]["cycles"]["c2"]

    checkout.edit("params.yaml", whole)
    ran = checkout.dvc("repro")
    assert {"sft", "train@c1", "benchmark_score@c1", "report", "track"} <= set(ran)
    models = checkout.folder / "models"
    weights = {name: load_file(models / f"pipeline/{name}/model.safetensors") for name in ("sft", "c1")}
    before = load_file(tiny_model / "model.safetensors")
    for name, tensor in before.items():
        assert not tensor.equal(weights["sft"][name]) and not weights["sft"][name].equal(weights["c1"][name])
    lock = json.loads((models / "base.json").read_text())
    assert json.loads((models / "pipeline/c1/base.json").read_text()) == lock
    assert checkout.dvc("repro") == []
