"""The MLflow record of one execution of the pipeline: a parent run, a child run for every model, and the models.

What is recorded is read from the files that the stages wrote, after the fact, so models that DVC took from its cache
are recorded like those trained just now (tag `source`: `run` or `cache`), and no training process waits for a server.
While stages run, processes beside them send what their journals say (follow.py); what these could not, is sent here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from halo_forge.benchmark import plots
from halo_forge.benchmark.curves import curves_of
from halo_forge.benchmark.ladder import comparisons, control_rows, ladder
from halo_forge.benchmark.results import Results, load_results
from halo_forge.provenance import provenance
from halo_forge.settings.params import Params
from halo_forge.tracking import curves, describe
from halo_forge.tracking.cards import model_card
from halo_forge.tracking.execution import Execution, current_execution
from halo_forge.tracking.measures import (
    Data,
    Measure,
    data_of,
    flat,
    ladder_measures,
    model_measures,
    on_sets,
    set_file,
    settings_of,
    training_curve,
)
from halo_forge.tracking.registry import BEST, Version, identity_of, log_model, register
from halo_forge.tracking.store import Store, open_store

_NOTE = "mlflow.note.content"  # what MLflow shows as a description
_PARENT_FILES = ("params.yaml", "dvc.lock", "models/base.json", "results/split.json")
_PARENT_RESULTS = ("report.html", "ladder.json", "summary.json", "raft_statistics.json")


class Recorded(NamedTuple):
    """Where the record is: the store, the ids of its experiment and runs, and the versions of its models in the
    registry."""

    uri: str
    experiment: str
    parent: str
    children: dict[str, str]
    versions: dict[str, Version]


def record_execution(params: Params, root: Path) -> Recorded:
    """Write or complete the MLflow record of the current execution from the files under `root`.

    The store is that of `open_store`. A record that stages have begun, or that a killed call left unfinished, is
    completed; a finished one is never touched: the next execution gets a new one.
    Raises InputError for unusable result files, InfrastructureError when MLflow is missing or its store unreachable.
    """
    results = load_results(params, root)
    execution = current_execution(params, root)
    with open_store() as store:
        return _record(store, results, execution)


def _record(store: Store, results: Results, execution: Execution) -> Recorded:
    parent = store.parent(execution.identity)
    children = store.children(parent)
    curves.send_all(store, parent, children, execution.identity)
    rows = ladder(results)
    of_model = {row["model"]: row for row in rows + control_rows(results)}
    logged: dict[str, str] = {}
    versions: dict[str, Version] = {}
    for model in [*results.params.models(), *results.params.controls]:
        if not results.card(model) and model not in results.training:
            continue
        if model not in children:
            children[model] = store.new_child(parent, model)
        run, words = children[model], describe.of_model(results, model, of_model.get(model))
        tags = _fill_child(store, run, results, model, execution)
        data, measures = data_of(results, model), _finite(model_measures(results, model))
        _log_data(store, run, data)
        logged[model] = log_model(store, run, results, model, measures, data, logged.get(tags["from"] or ""))
        store.log(run, tags={_NOTE: words})
        version = register(store, results, model, logged[model], run, words, tags)
        if version:
            versions[model] = version
        store.client.set_terminated(run)
    _alias_best(store, results, versions)
    _fill_parent(store, parent, results, rows)
    store.client.set_terminated(parent)  # last: a record that is not finished is completed by the next call
    curves.forget(execution.identity)
    return Recorded(store.uri, store.experiment, parent, {model: children[model] for model in logged}, versions)


def _fill_child(store: Store, run: str, results: Results, model: str, execution: Execution) -> dict[str, Any]:
    """Log all but what hangs on the model; returns its tags."""
    root = results.root
    benchmark, training = results.card(model), results.training.get(model)
    trained = root / "data" / "train" / f"{model}.json"
    benchmarked = root / "results" / "benchmark" / f"{model}.json"
    tags = identity_of(results, model) | {
        "source": execution.source(trained if training else benchmarked),
        "source.benchmark": execution.source(benchmarked) if benchmark else None,
        "from": "sft" if model in results.params.controls else training and training.get("from"),
        "git_revision": ((training or {}).get("provenance") or {}).get("git_revision"),
        "isolation": benchmark and benchmark["isolation"],
        "verifier": benchmark and benchmark["verifier"],
    }
    store.log(run, _new_points(store, run, training_curve(results, model)), settings_of(results.params, model), tags)
    files = [trained, benchmarked, root / "results" / "raft" / f"{model}.json"]
    files += [set_file(results, name, called) for name, called in on_sets(results, model)]
    for path in files:
        if path.exists():
            store.client.log_artifact(run, str(path), path.parent.relative_to(root).as_posix())
    if card := model_card(results, model):
        store.client.log_text(run, card, "card/README.md")
    return tags


def _new_points(store: Store, run: str, measures: list[Measure]) -> list[Any]:
    """The points of a curve that were not sent while the stage ran."""
    there = {
        (key, point.step)
        for key in {measure.key for measure in measures}
        for point in store.client.get_metric_history(run, key)
    }
    return _metrics(measure for measure in measures if (measure.key, measure.step) not in there)


def _log_data(store: Store, run: str, data: list[Data]) -> None:
    """The files that a model was trained on and judged by, with their digests."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for one in data:
        profile = json.dumps({"sha256": one.sha256, "rows": one.rows})
        dataset = Dataset(one.path, one.digest, "local", json.dumps({"uri": one.path}), profile=profile)
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", one.context)]))
    store.client.log_inputs(run, inputs)


def _alias_best(store: Store, results: Results, versions: dict[str, Version]) -> None:
    best = versions.get(results.chosen["model"]) if results.chosen else None
    if best:
        store.client.set_registered_model_alias(best.name, BEST, best.version)


def _fill_parent(store: Store, run: str, results: Results, rows: list[dict[str, Any]]) -> None:
    made = provenance(results.params, [])
    tags = {key: made[key] for key in ("git_revision", "git_dirty", "device", "cpu", "cores")}
    tags |= {f"version.{name}": version for name, version in made["versions"].items()}
    words = describe.description(results, rows, comparisons(results))
    tags |= {"missing": ", ".join(results.missing) or None, _NOTE: words}
    settings = flat(results.params.model_dump(mode="json", by_alias=True))
    store.log(run, _metrics(ladder_measures(results, rows)), settings, tags)
    if curves.RUNS_NOW in store.client.get_run(run).data.tags:
        store.client.delete_tag(run, curves.RUNS_NOW)
    _describe_experiment(store, words)
    for path in [results.root / name for name in _PARENT_FILES]:
        if path.exists():
            store.client.log_artifact(run, str(path))
    for path in [results.root / "results" / name for name in _PARENT_RESULTS]:
        if path.exists():
            store.client.log_artifact(run, str(path))
    for name, svg in _plots(results, rows).items():
        store.client.log_text(run, svg, f"plots/{name}.svg")


def _describe_experiment(store: Store, words: str) -> None:
    """The page of the experiment shows the last ladder, unless somebody has written something of their own there."""
    before = store.client.get_experiment(store.experiment).tags.get(_NOTE, "")
    if not before or before.startswith(describe.HEADING):
        store.client.set_experiment_tag(store.experiment, _NOTE, words)


def _plots(results: Results, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Those of the report that show models beside each other."""
    colours = plots.model_colours(results.params.models())
    drawn = {}
    if rows:
        drawn["ladder"] = plots.ladder_plot(rows)
        drawn["pass_at_k"] = plots.curve_plot(curves_of(results), colours)
        drawn["status"] = plots.status_plot(results.benchmark)
    if results.raft:
        drawn["rewards"] = plots.reward_plot(results.raft)
    if results.training:
        drawn["loss"] = plots.loss_plot(results.training, colours)
    return drawn


def _finite(measures: Iterable[Measure]) -> list[Measure]:
    return [measure for measure in measures if measure.value is not None and math.isfinite(measure.value)]


def _metrics(measures: Iterable[Measure]) -> list[Any]:
    from mlflow.entities import Metric

    return [Metric(key, float(value), time_ms, step) for key, value, step, time_ms in _finite(measures)]
