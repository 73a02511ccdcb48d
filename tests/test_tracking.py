"""MLflow records against a real SQLite store."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from benchmark_tree import make_tasks, small_params, write_tree
from conftest import REPOSITORY, wait_until

from halo_forge.errors import InfrastructureError
from halo_forge.files import read_json, write_json
from halo_forge.hashing import digest
from halo_forge.jsonl import write_records
from halo_forge.live.execution import Identity, identity
from halo_forge.settings.params import Params
from halo_forge.tracking import follow
from halo_forge.tracking.curves import send
from halo_forge.tracking.execution import Execution
from halo_forge.tracking.record import Recorded, record_execution
from halo_forge.tracking.store import open_store

MODULES = f"{REPOSITORY / 'tests'}{os.pathsep}{REPOSITORY / 'src'}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose empty MLflow store the tests share: creating one takes seconds."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def run_root(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_ROOT", str(store))
    monkeypatch.setenv("DVC_EXP_NAME", request.node.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def client_of(recorded: Recorded):
    from mlflow.tracking import MlflowClient  # not at the top: it takes seconds, and every test process reads this file

    return MlflowClient(tracking_uri=recorded.uri)


NOTE = "mlflow.note.content"
RATES = ["compile_rate", "pass_at_01", "pass_at_05", "pass_at_10"]


def recorded_tree(root: Path, params: Params) -> Recorded:
    write_tree(root, params)
    return record_execution(params, root)


def test_every_model_is_a_child_of_one_parent(run_root: Path, store: Path) -> None:
    params = small_params(("c1",))
    recorded = recorded_tree(run_root, params)
    client = client_of(recorded)
    assert recorded.uri == f"sqlite:///{store / 'mlflow.db'}"
    assert list(recorded.children) == ["base", "sft", "c1"]
    for model, run in recorded.children.items():
        child = client.get_run(run)
        assert child.data.tags["mlflow.parentRunId"] == recorded.parent
        result = read_json(run_root / f"results/benchmark/{model}.json")
        assert child.data.metrics["benchmark/pass_at_k.01"] == result["pass_at_k"]["1"]
        assert child.data.metrics["benchmark/intervals.pass_at_01.low"] == result["intervals"]["pass@1"][0]
    ladder = client.get_metric_history(recorded.parent, "ladder/pass_at_01")
    assert sorted(point.step for point in ladder) == [-1, 0, 1]


def test_the_rates_of_the_ladder_stand_under_a_heading_of_their_own(run_root: Path) -> None:
    """MLflow draws a chart a metric: among bounds and counts nobody would see them without looking."""
    recorded = recorded_tree(run_root, small_params(("c1",)))
    names = client_of(recorded).get_run(recorded.parent).data.metrics
    assert sorted(name for name in names if name.startswith("ladder/")) == [f"ladder/{rate}" for rate in RATES]
    assert "ladder_intervals/pass_at_01_low" in names and "ladder_counts/n_samples" in names


def test_lineage_datasets_loss_and_artifacts_are_recorded(run_root: Path) -> None:
    params = small_params(("c1",))
    recorded = recorded_tree(run_root, params)
    client = client_of(recorded)
    child = client.get_run(recorded.children["c1"])
    assert child.data.tags["from"] == "sft"
    assert len(child.data.tags["adapter_sha256"]) == 64
    assert child.data.params["cycle.learning_rate"] == "0.0002"
    inputs = {entry.dataset.name: entry.tags[0].value for entry in child.inputs.dataset_inputs}
    assert inputs == {"data/split/benchmark.jsonl": "evaluation", "data/raft/c1/kept.jsonl": "training"}
    assert len(client.get_metric_history(recorded.children["c1"], "loss")) == 20
    assert {file.path for file in client.list_artifacts(recorded.children["c1"], "results/raft")} == {
        "results/raft/c1.json"
    }
    assert "params.yaml" in {file.path for file in client.list_artifacts(recorded.parent)}


def test_every_trained_model_has_its_card_and_a_cycle_that_kept_nothing_is_a_model_of_its_own(run_root: Path) -> None:
    params = small_params(("c1",))
    write_tree(run_root, params)
    weights = "models/pipeline/{}/adapter_model.safetensors".format
    (run_root / weights("c1")).write_bytes((run_root / weights("sft")).read_bytes())
    recorded = record_execution(params, run_root)
    client = client_of(recorded)
    assert recorded.versions["sft"] != recorded.versions["c1"]
    for model in ("sft", "c1"):
        version = client.get_model_version(*recorded.versions[model])
        assert version.tags["model"] == model and version.description.startswith(f"{model}: ")
        card = client.download_artifacts(recorded.children[model], "card/README.md", str(run_root))
        said = Path(card).read_text()
        own = read_json(run_root / f"results/benchmark/{model}.json")
        assert f"| **{model}**, this model | {100 * own['compile_rate']:.1f} %" in said
    assert "card" not in {file.path for file in client.list_artifacts(recorded.children["base"])}


def test_a_control_arm_is_a_version_beside_the_model_that_it_measures(run_root: Path) -> None:
    recorded = recorded_tree(run_root, small_params(("c1",), controls={"unfiltered": {"rows": "unfiltered"}}))
    client = client_of(recorded)
    assert list(recorded.versions) == ["sft", "c1", "unfiltered"]
    best = client.get_model_version_by_alias(recorded.versions["c1"].name, "best")
    assert best.tags["model"] == "c1"
    child = client.get_run(recorded.children["unfiltered"])
    own = read_json(run_root / "results/benchmark/unfiltered.json")
    (point,) = client.get_metric_history(recorded.children["unfiltered"], "benchmark/pass_at_k.01")
    assert (point.value, point.step) == (own["pass_at_k"]["1"], 1)
    assert child.data.params["control.rows"] == "unfiltered" and "unfiltered: pass@1" in child.data.tags[NOTE]


def test_every_model_is_a_version_with_its_metrics_and_where_it_came_from(run_root: Path) -> None:
    params = small_params(("c1",))
    recorded = recorded_tree(run_root, params)
    client, name = client_of(recorded), recorded.versions["c1"].name
    assert name == f"halo-forge.{os.environ['DVC_EXP_NAME']}" and list(recorded.versions) == ["sft", "c1"]
    best = client.get_model_version_by_alias(name, "best")
    assert (str(best.version), best.run_id) == (recorded.versions["c1"].version, recorded.children["c1"])
    adapter = run_root / "models/pipeline/c1/adapter_model.safetensors"
    assert best.tags["adapter_sha256"] == digest(adapter) and best.tags["from"] == "sft"
    assert best.tags["base_lock_sha256"] == digest(run_root / "models/base.json")
    model = client.get_logged_model(best.tags["model_id"])
    of_key = {metric.key: metric for metric in model.metrics}
    card = read_json(run_root / "results/benchmark/c1.json")
    measured = of_key["benchmark/pass_at_k.01"]
    assert (measured.value, measured.step) == (card["pass_at_k"]["1"], 1)
    assert digest(run_root / "data/split/benchmark.jsonl").startswith(measured.dataset_digest)
    started_from = client.get_run(recorded.children["c1"]).inputs.model_inputs[0].model_id
    assert client.get_logged_model(started_from).name == "sft"


def test_the_best_model_comes_back_by_its_alias(run_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = recorded_tree(run_root, small_params(("c1",)))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded.uri)
    import mlflow

    folder = mlflow.artifacts.download_artifacts(
        f"models:/{recorded.versions['c1'].name}@best", dst_path=str(run_root / "got"), tracking_uri=recorded.uri
    )
    stored = run_root / "models/pipeline/c1/adapter_model.safetensors"
    assert (Path(folder) / stored.name).read_bytes() == stored.read_bytes()


def test_a_model_that_is_there_is_not_stored_again(run_root: Path) -> None:
    params = small_params(("c1",))
    first = recorded_tree(run_root, params)
    again = record_execution(params, run_root)
    assert again.parent != first.parent and again.versions == first.versions
    client = client_of(first)
    outputs = [client.get_run(run.children["c1"]).outputs.model_outputs[0].model_id for run in (first, again)]
    assert outputs[0] == outputs[1]
    runs = {metric.run_id for metric in client.get_logged_model(outputs[0]).metrics}
    assert {first.children["c1"], again.children["c1"]} <= runs


def test_the_description_is_the_ladder_and_the_plots_are_artifacts(run_root: Path) -> None:
    recorded = recorded_tree(run_root, small_params(("c1",)))
    client = client_of(recorded)
    words = client.get_run(recorded.parent).data.tags["mlflow.note.content"]
    assert "; pass@1: base " in words.splitlines()[0]
    assert [line.split("|")[1].strip(" *") for line in words.splitlines() if "%" in line and line[0] == "|"] == [
        "model",
        "base",
        "sft",
        "c1** (best)",
    ]
    assert "plots/ladder.svg" in {file.path for file in client.list_artifacts(recorded.parent, "plots")}


def begin_journal(params: Params, stage: str, *lines: dict) -> Path:
    """As a stage of this execution leaves it."""
    own = identity(params)
    begin = {"at": 100.0, "event": "begin", "stage": stage, "pid": 0, "process_start": 0.0, **own._asdict()}
    path = own.folder / f"{stage}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in (begin, *lines)))
    return path


def progress_line(at: float, done: int, **fields: float) -> dict:
    return {"at": at, "event": "progress", "label": "", "done": done, "total": 20, "fields": fields}


def test_what_was_not_sent_while_a_stage_ran_is_sent_afterwards_and_nothing_twice(run_root: Path) -> None:
    params = small_params(("c1",))
    write_tree(run_root, params)
    losses = {row["step"]: row["loss"] for row in read_json(run_root / "data/train/c1.json")["loss"]}
    trained = begin_journal(
        params,
        "train@c1",
        progress_line(110.0, 3, loss=losses[3]),
        {"at": 111.0, "event": "machine", "system": {"gpu_0_power_usage_watts": 90.0}, "stage": {}},
    )
    begin_journal(params, "sample@c1", progress_line(130.0, 12, tokens_per_s=80.0))
    with open_store() as store:
        parent = store.parent(identity(params))
        send(store, parent, {}, trained)
        assert store.client.get_run(parent).data.tags["running"] == "train@c1: 3 of 20 (15 %)"
        with trained.open("a") as file:
            file.write(json.dumps(progress_line(112.0, 5, loss=losses[5])) + "\n")
    recorded = record_execution(params, run_root)
    assert recorded.parent == parent and not trained.exists()
    client = client_of(recorded)
    points = client.get_metric_history(recorded.children["c1"], "loss")
    assert {point.step: point.value for point in points} == losses and len(points) == 20
    assert {point.timestamp for point in points if point.step in (3, 5)} == {110_000, 112_000}
    run = client.get_run(parent)
    assert run.data.metrics["live/sample.c1.tokens_per_s"] == 80 and "running" not in run.data.tags
    assert run.data.metrics["system/gpu_0_power_usage_watts"] == 90


def test_public_sets_are_recorded_with_the_models_that_were_asked_them(run_root: Path) -> None:
    params = small_params(("c1",), benchmark={"bootstrap": 100, "sets": {"humaneval": {"samples_per_task": 10}}})
    write_tree(run_root, params)
    for model, of in (("base", "base"), ("sft", "sft"), ("best", "c1")):
        card = read_json(run_root / f"results/benchmark/{of}.json") | {"model": model}
        write_json(run_root / f"results/benchmark/humaneval/{model}.json", card)
    write_records(run_root / "data/sets/humaneval.jsonl", make_tasks())
    recorded = record_execution(params, run_root)
    client = client_of(recorded)
    ladder = client.get_metric_history(recorded.parent, "sets/humaneval.pass_at_01")
    parent = {point.step: point.value for point in ladder}
    assert list(parent) == [-1, 0, 1]
    for model, called in (("base", "base"), ("sft", "sft"), ("c1", "best")):
        child, path = client.get_run(recorded.children[model]), f"results/benchmark/humaneval/{called}.json"
        assert child.data.metrics["sets/humaneval/pass_at_k.01"] == parent[params.depth(model)]
        assert "data/sets/humaneval.jsonl" in {entry.dataset.name for entry in child.inputs.dataset_inputs}
        found = client.list_artifacts(recorded.children[model], "results/benchmark/humaneval")
        assert [file.path for file in found] == [path]


def test_a_killed_record_is_completed_and_a_finished_one_is_left_alone(run_root: Path) -> None:
    params = small_params(("c1",))
    first = recorded_tree(run_root, params)
    client = client_of(first)
    points = len(client.get_metric_history(first.children["sft"], "loss"))
    client.update_run(first.parent, status="RUNNING")  # as a kill before the last line leaves it
    client.update_run(first.children["c1"], status="RUNNING")
    again = record_execution(params, run_root)
    assert again == first
    assert len(client.get_metric_history(first.children["sft"], "loss")) == points
    assert client.get_run(first.parent).info.status == client.get_run(first.children["c1"]).info.status == "FINISHED"
    assert record_execution(params, run_root).parent != first.parent


def test_other_settings_are_another_execution_though_the_name_is_the_same(run_root: Path) -> None:
    first = recorded_tree(run_root, small_params(("c1",)))
    client_of(first).update_run(first.parent, status="RUNNING")
    changed = record_execution(small_params(("c1",), seed=14), run_root)
    assert changed.parent != first.parent


def test_an_incomplete_run_is_recorded_and_says_what_is_missing(run_root: Path) -> None:
    params = small_params(("c1", "c2"))
    write_tree(run_root, params)
    (run_root / "results/benchmark/c2.json").unlink()
    (run_root / "data/train/c2.json").unlink()
    recorded = record_execution(params, run_root)
    assert list(recorded.children) == ["base", "sft", "c1"]
    assert client_of(recorded).get_run(recorded.parent).data.tags["missing"] == (
        "data/train/c2.json, results/benchmark/c2.json"
    )


def test_an_unreachable_store_is_an_infrastructure_error(run_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = small_params(())
    write_tree(run_root, params)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InfrastructureError, match="127.0.0.1:9.*MLFLOW_TRACKING_URI"):
        record_execution(params, run_root)


def test_files_older_than_the_execution_come_from_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "models/pipeline/sft/adapter_model.safetensors"
    write_json(path, {})
    os.utime(path, (1_000, 1_000))
    assert Execution(Identity("e", "", start=2_000.0), tmp_path).source(path) == "cache"
    assert Execution(Identity("e", "", start=500.0), tmp_path).source(path) == "run"
    assert Execution(Identity("e", "", start=None), tmp_path).source(path) == "unknown"


def test_a_copy_restored_by_dvc_counts_as_cached_though_it_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    path = tmp_path / "models/pipeline/sft/adapter_model.safetensors"
    write_json(path, {})
    stored = tmp_path / ".dvc/cache/files/md5/ab/cdef.dir"
    write_json(stored, [])
    os.utime(stored, (1_000, 1_000))
    execution = Execution(Identity("e", "", start=2_000.0), tmp_path, {"models/pipeline/sft": "abcdef.dir"})
    assert execution.source(path) == "cache"


@pytest.mark.slow
def test_dvc_tells_a_stage_that_ran_from_one_it_restored(tmp_path: Path) -> None:
    """A real `dvc repro`: the models of the second execution come from the run cache, by copy."""
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from benchmark_tree import small_params
        from halo_forge.tracking.execution import current_execution
        execution = current_execution(small_params(()), Path())
        Path("sources.txt").open("a").write(execution.source(Path("models/pipeline/sft/adapter_model.safetensors")) + "\\n")
    """)
    (tmp_path / "track.py").write_text(script)
    (tmp_path / "dvc.yaml").write_text(
        textwrap.dedent(f"""
        stages:
          sft:
            cmd: sleep 1 && mkdir -p models/pipeline/sft && cat input > models/pipeline/sft/adapter_model.safetensors
            deps: [input]
            outs: [models/pipeline/sft]
          track:
            cmd: {sys.executable} track.py
            deps: [models/pipeline/sft]
        """)
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
    environment["PYTHONPATH"] = MODULES
    dvc = Path(sys.executable).with_name("dvc")

    def repro(text: str) -> None:
        (tmp_path / "input").write_text(text)
        subprocess.run([dvc, "repro"], cwd=tmp_path, env=environment, check=True, capture_output=True)

    subprocess.run([dvc, "init", "--no-scm", "-q"], cwd=tmp_path, env=environment, check=True)
    for text in ("one", "two", "one"):
        repro(text)
    assert (tmp_path / "sources.txt").read_text().split() == ["run", "run", "cache"]


@pytest.mark.slow
def test_processes_that_create_the_store_at_once_all_record(tmp_path: Path) -> None:
    """Without the lock two of three died in the migration of the new database."""
    params = small_params(())
    write_tree(tmp_path, params)
    script = (
        "from pathlib import Path; from benchmark_tree import small_params;"
        "from halo_forge.tracking.record import record_execution;"
        "print(record_execution(small_params(()), Path()).parent)"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": MODULES, "DVC_EXP_NAME": f"exp-{i}"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(3)
    ]
    parents = {process.communicate()[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(parents) == 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Start a real MLflow server with a store and artifacts of its own; the address is known before it is there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri, folder, started = f"http://127.0.0.1:{port}", tmp_path / "server", []
    folder.mkdir()

    def start() -> str:
        if not started:
            command = [Path(sys.executable).with_name("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
            command += ["--backend-store-uri", f"sqlite:///{folder / 'db'}", "--workers", "1"]
            command += ["--artifacts-destination", str(folder / "artifacts")]
            with (folder / "log").open("wb") as log:
                started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True))
            assert wait_until(lambda: answers(uri), 240), (folder / "log").read_text()[-2000:]
        return uri

    start.uri = uri
    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def answers(uri: str) -> bool:
    try:
        return urllib.request.urlopen(f"{uri}/health", timeout=5).status == 200
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_was_dead_while_stages_ran_has_the_whole_record_afterwards(
    run_root: Path, server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP: the curve, the runs, the versions, and the best adapter fetched back through the server."""
    params = small_params(("c1",))
    write_tree(run_root, params)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    path = begin_journal(params, "train@c1", progress_line(110.0, 3, loss=0.25))
    begin = json.loads(path.read_text().splitlines()[0])
    assert not follow._send(path, begin) and path.exists()
    server()
    recorded = record_execution(params, run_root)
    client = client_of(recorded)
    assert 110_000 in {point.timestamp for point in client.get_metric_history(recorded.children["c1"], "loss")}
    name, version = recorded.versions["c1"]
    best = client.get_model_version_by_alias(name, "best")
    assert (str(best.version), best.run_id) == (version, recorded.children["c1"])
    assert client.get_logged_model(best.tags["model_id"]).metrics
    import mlflow

    folder = mlflow.artifacts.download_artifacts(f"models:/{name}@best", dst_path=str(run_root / "got"))
    stored = run_root / "models/pipeline/c1/adapter_model.safetensors"
    assert (Path(folder) / stored.name).read_bytes() == stored.read_bytes()
    assert record_execution(params, run_root).versions == recorded.versions
