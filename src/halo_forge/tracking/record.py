"""The MLflow record of one execution of the pipeline: a parent run, and a child run for every model.

Everything is read from the files that the stages wrote, after the fact, so models that DVC took from its cache are
recorded like those trained just now (tag `source`: `run` or `cache`), and no training process waits for a server.
MLflow takes seconds to import: it is imported when a record is written, never before.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from halo_forge.benchmark.ladder import ladder
from halo_forge.benchmark.results import Results, load_results
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.hashing import digest
from halo_forge.model.base import ADAPTERS
from halo_forge.provenance import provenance
from halo_forge.settings.params import Params
from halo_forge.tracking.execution import Execution, current_execution

EXPERIMENT = "halo-forge"
_PARENT_FILES = ("params.yaml", "dvc.lock", "models/base.json", "results/split.json")
_PARENT_RESULTS = ("report.html", "ladder.json", "summary.json", "raft_statistics.json")
_DIGEST_CHARACTERS = 36  # MLflow's limit for the digest of a dataset
_BATCH = {"metrics": 800, "params": 100, "tags": 100}  # MLflow takes 1,000 in one request, 100 params, 100 tags


class Recorded(NamedTuple):
    """Where the record is: the store, and the ids of its runs."""

    uri: str
    parent: str
    children: dict[str, str]


def record_execution(params: Params, root: Path) -> Recorded:
    """Write or complete the MLflow record of the current execution from the files under `root`.

    The store is `$MLFLOW_TRACKING_URI`, else `mlflow.db` in `$DVC_ROOT` (or the working directory) with artifacts in
    `mlruns` beside it; the experiment `$MLFLOW_EXPERIMENT_NAME`, else `halo-forge`. A record that a killed call left
    unfinished is completed; a finished one is never touched: the next execution gets a new one.
    Raises InputError for unusable result files, InfrastructureError when MLflow is missing or its store unreachable.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the default waits for minutes
    try:
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise InfrastructureError(f"mlflow cannot be imported ({error}); pip install mlflow") from error
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)

    home = Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}"
    results = load_results(params, root)
    try:
        return _record(results, current_execution(params, root), home, uri)
    except MlflowException as error:
        reason = " ".join(str(error).split())[:300]
        raise InfrastructureError(
            f"MLflow store {uri}: {reason}; set MLFLOW_TRACKING_URI to a store that works"
        ) from error


def _record(results: Results, execution: Execution, home: Path, uri: str) -> Recorded:
    from mlflow.tracking import MlflowClient

    with _one_at_a_time(home):
        client = MlflowClient(tracking_uri=uri)
        experiment = _experiment(client, home, is_own=not os.environ.get("MLFLOW_TRACKING_URI"))
        parent = _parent(client, experiment, execution)
    known = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    children = {run.data.tags.get("model"): run.info.run_id for run in known}
    for model in results.params.models():
        if model not in results.benchmark and model not in results.training:
            continue
        if model not in children:
            tags = {"mlflow.parentRunId": parent, "model": model}
            children[model] = client.create_run(experiment, tags=tags, run_name=model).info.run_id
        _fill_child(client, children[model], results, model, execution)
        client.set_terminated(children[model])
    _fill_parent(client, parent, results, execution)
    client.set_terminated(parent)  # last: a record that is not finished is completed by the next call
    return Recorded(uri, parent, children)


@contextlib.contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """Two processes that create the same SQLite store at once break each other's schema migration."""
    path = home / ".state" / "mlflow.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _experiment(client: Any, home: Path, is_own: bool) -> str:
    """The experiment's id. Our own store gets an absolute artifact folder: DVC may run us in a temporary checkout."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name, artifact_location=(home / "mlruns").as_uri() if is_own else None)
    if found.lifecycle_stage != "active":
        raise InputError(f"MLflow experiment {name!r} was deleted; restore it or set MLFLOW_EXPERIMENT_NAME to another")
    return found.experiment_id


def _parent(client: Any, experiment: str, execution: Execution) -> str:
    """The unfinished parent run of this execution, left by a call that was killed, or a new one."""
    tags = {"pipeline": execution.name, "params_sha256": execution.params_sha256}
    same = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
    unfinished = client.search_runs([experiment], f"{same} and attributes.status = 'RUNNING'", max_results=1)
    if unfinished:
        return unfinished[0].info.run_id
    start_ms = None if execution.start is None else int(execution.start * 1000)
    return client.create_run(experiment, start_time=start_ms, tags=tags, run_name=execution.name).info.run_id


def _fill_child(client: Any, run: str, results: Results, model: str, execution: Execution) -> None:
    params, root = results.params, results.root
    benchmark, training, raft = (part.get(model) for part in (results.benchmark, results.training, results.raft))
    trained = root / "data" / "train" / f"{model}.json"
    benchmarked = root / "results" / "benchmark" / f"{model}.json"
    adapter = root / ADAPTERS / model / "adapter_model.safetensors"
    lock = root / "models" / "base.json"
    tags = {
        "source": execution.source(trained if training else benchmarked),
        "source.benchmark": execution.source(benchmarked) if benchmark else None,
        "from": training and training.get("from"),
        "adapter_sha256": digest(adapter) if adapter.exists() else None,
        "base_lock_sha256": digest(lock) if lock.exists() else None,
        "git_revision": ((training or {}).get("provenance") or {}).get("git_revision"),
        "isolation": benchmark and benchmark["isolation"],
        "verifier": benchmark and benchmark["verifier"],
    }
    depth = params.depth(model)
    metrics = [*_numbers("benchmark", benchmark, depth), *_numbers("raft", raft, depth)]
    measured = _on_sets(results, model)
    for (name, _), card in measured.items():
        metrics += _numbers(f"benchmark.{name}", card, depth)
    if training:
        metrics += _numbers("train", {key: value for key, value in training.items() if key != "loss"}, depth)
        for row in training["loss"]:
            metrics += [(name, row.get(name), row["step"]) for name in ("loss", "learning_rate", "grad_norm")]
    files = [trained, benchmarked, root / "results" / "raft" / f"{model}.json"]
    files += [root / "results" / "benchmark" / name / f"{called}.json" for name, called in measured]
    _log(client, run, _metric_time(files), metrics, _settings_of(params, model), tags)
    _log_datasets(client, run, root, model, [name for name, _ in measured])
    for path in files:
        if path.exists():
            client.log_artifact(run, str(path), path.parent.relative_to(root).as_posix())


def _on_sets(results: Results, model: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(public set, what it calls the model) -> result: `best` is the model that was chosen, which may be sft too."""
    names = {model, "best"} if results.chosen and results.chosen["model"] == model else {model}
    return {
        (name, called): card
        for name, cards in results.sets.items()
        for called, card in cards.items()
        if called in names and (called == model or model not in cards)
    }


def _fill_parent(client: Any, run: str, results: Results, execution: Execution) -> None:
    made = provenance(results.params, [])
    versions = {f"version.{name}": version for name, version in made["versions"].items()}
    tags = {key: made[key] for key in ("git_revision", "git_dirty", "device", "cpu", "cores")}
    missing = ", ".join(results.missing) or None
    metrics = [
        (key.replace("@", "_at_"), value, row["cycle"])
        for row in ladder(results)
        for key, value in row.items()
        if key not in ("cycle", "model")
    ]
    for name, cards in results.sets.items():
        metrics += [(f"{name}.{model}.pass_at_1", card["pass_at_k"]["1"], 0) for model, card in cards.items()]
    settings = _flat(results.params.model_dump(mode="json", by_alias=True))
    files = [results.root / name for name in _PARENT_FILES] + [
        results.root / "results" / name for name in _PARENT_RESULTS
    ]
    _log(client, run, _metric_time(files), metrics, settings, tags | versions | {"missing": missing})
    for path in files:
        if path.exists():
            client.log_artifact(run, str(path))


def _log(
    client: Any,
    run: str,
    time_ms: int,
    metrics: list[tuple[str, Any, int]],
    params: dict[str, Any],
    tags: dict[str, Any],
) -> None:
    """Log in as few requests as MLflow allows. Values that are None or not finite are left out."""
    from mlflow.entities import Metric, Param, RunTag

    finite = [(key, float(value), step) for key, value, step in metrics if value is not None and math.isfinite(value)]
    records = {
        "metrics": [Metric(key, value, time_ms, step) for key, value, step in finite],
        "params": [Param(key, str(value)) for key, value in params.items()],
        "tags": [RunTag(key, str(value)) for key, value in tags.items() if value is not None],
    }
    while any(records.values()):
        client.log_batch(run, **{kind: records[kind][:most] for kind, most in _BATCH.items()})
        records = {kind: records[kind][most:] for kind, most in _BATCH.items()}


def _metric_time(files: list[Path]) -> int:
    """Time of the metrics in milliseconds: when the files were written, so that logging twice adds no second point."""
    return int(max((path.stat().st_mtime for path in files if path.exists()), default=time.time()) * 1000)


def _numbers(prefix: str, values: dict[str, Any] | None, step: int) -> list[tuple[str, Any, int]]:
    """The numbers of a result as (name, value, step); per-task rows stay in the artifact."""
    flat = _flat({key: value for key, value in (values or {}).items() if key not in ("per_task", "provenance", "seed")})
    return [
        (f"{prefix}.{key}".replace("@", "_at_"), value, step)
        for key, value in flat.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _settings_of(params: Params, model: str) -> dict[str, Any]:
    """The settings that made and judged `model`."""
    every = params.model_dump(mode="json", by_alias=True)
    chosen = {key: every[key] for key in ("seed", "preset", "base_model", "generate", "verify", "benchmark")}
    if model == "sft":
        chosen["sft"] = every["sft"]
    elif model != "base":
        chosen["raft"] = {key: value for key, value in every["raft"].items() if key != "cycles"}
        chosen["cycle"] = every["raft"]["cycles"][model]
    return _flat(chosen)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; lists as JSON, except a pair of numbers, an interval: .low and .high."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat |= _flat(value, f"{name}.")
        elif isinstance(value, list) and len(value) == 2 and all(isinstance(end, float) for end in value):
            flat |= {f"{name}.low": value[0], f"{name}.high": value[1]}
        else:
            flat[name] = json.dumps(value) if isinstance(value, list) else value
    return flat


def _log_datasets(client: Any, run: str, root: Path, model: str, sets: Sequence[str]) -> None:
    """The files that `model` was trained on and judged by, with their digests."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    used = {"data/split/benchmark.jsonl": "evaluation"} | {f"data/sets/{name}.jsonl": "evaluation" for name in sets}
    if model == "sft":
        used["data/split/sft.jsonl"] = "training"
    elif model != "base":
        used |= {"data/split/raft.jsonl": "prompts", f"data/raft/{model}/kept.jsonl": "training"}
    inputs = []
    for path, context in used.items():
        if not (root / path).exists():
            continue  # load_results has named what is missing, and the parent run is tagged with it
        sha256 = digest(root / path)
        with (root / path).open("rb") as file:
            profile = {"sha256": sha256, "rows": sum(1 for _ in file)}
        dataset = Dataset(
            path, sha256[:_DIGEST_CHARACTERS], "local", json.dumps({"uri": path}), profile=json.dumps(profile)
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
    client.log_inputs(run, inputs)
