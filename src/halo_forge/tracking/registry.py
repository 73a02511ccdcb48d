"""The models in MLflow: a logged model that its metrics and data hang on, and a version in the registry.

A model is known by its adapter, or all its weights, and the base it belongs to. One that is there already, because DVC
took it from its cache, is not stored again: its new figures are added to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from halo_forge.benchmark.results import Results
from halo_forge.hashing import digest
from halo_forge.model.base import ADAPTERS, is_whole
from halo_forge.settings.params import Params
from halo_forge.tracking.measures import Data, Measure, settings_of
from halo_forge.tracking.store import Store

BEST = "best"
"""The alias of the version that was chosen."""
_NO_ADAPTER = "none"


class Version(NamedTuple):
    name: str
    version: str


def registered_name(params: Params) -> str:
    """`halo-forge.<experiment of DVC>`, or of the preset where there is none. MLflow takes no slash in it."""
    return re.sub(r"[/:]", "-", f"halo-forge.{os.environ.get('DVC_EXP_NAME') or params.preset}")


def identity_of(results: Results, model: str) -> dict[str, str]:
    """Tags by which a model is found again."""
    trained = _trained(results, model)
    lock = results.root / "models" / "base.json"
    return {
        "adapter_sha256": digest(trained) if trained else _NO_ADAPTER,
        "base_lock_sha256": digest(lock) if lock.exists() else "unknown",
    }


def log_model(
    store: Store,
    run: str,
    results: Results,
    model: str,
    measures: Sequence[Measure],
    data: Sequence[Data],
    start: str | None,
) -> str:
    """The id of the logged model, made if it is not there, with the figures that this run has of it. `start` is the id
    of the model that it was trained from."""
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    found = identity_of(results, model)
    # By its name too: a cycle that kept nothing has the adapter that it started from.
    wanted = " and ".join(f"tags.{key} = '{value}'" for key, value in {**found, "model": model}.items())
    known = store.client.search_logged_models([store.experiment], f"{wanted} and tags.ready = 'yes'", max_results=1)
    own = known[0].model_id if known else _new_model(store, run, results, model, found)
    store.log(run, [_linked(measure, own, data) for measure in measures])
    there = store.client.get_run(run)  # a call that was killed may have linked them: MLflow refuses a second link
    made, given = (there.outputs and there.outputs.model_outputs), (there.inputs and there.inputs.model_inputs)
    if own not in {one.model_id for one in made or ()}:
        store.client.log_outputs(run, [LoggedModelOutput(own, results.depth(model))])
    if start and start not in {one.model_id for one in given or ()}:
        store.client.log_inputs(run, models=[LoggedModelInput(start)])
    return own


def register(
    store: Store, results: Results, model: str, model_id: str, run: str, words: str, tags: dict[str, Any]
) -> Version | None:
    """The version of a logged model in the registry, made if it has none there; None for one that was not trained."""
    if not _trained(results, model):
        return None
    name = registered_name(results.params)
    if not store.client.search_registered_models(f"name = '{name}'", max_results=1):
        store.client.create_registered_model(name)
    said = {key: str(value) for key, value in tags.items() if value is not None} | {"model": model}
    known = [
        version
        for version in store.client.search_model_versions(f"name = '{name}'")
        if version.tags.get("model_id") == model_id
    ]
    if known:
        version = known[0].version
        store.client.update_model_version(name, version, words)
        for key, value in said.items():
            store.client.set_model_version_tag(name, version, key, value)
    else:
        version = store.client.create_model_version(
            name, f"models:/{model_id}", run, said | {"model_id": model_id}, description=words, model_id=model_id
        ).version
    return Version(name, str(version))


def _trained(results: Results, model: str) -> Path | None:
    """What tells a model from others on its base: the weights of its adapter, or its folder if it was trained whole."""
    folder = results.root / ADAPTERS / model
    adapter = folder / "adapter_model.safetensors"
    return adapter if adapter.exists() else folder if is_whole(folder) else None


def _new_model(store: Store, run: str, results: Results, model: str, found: dict[str, str]) -> str:
    settings = {key: str(value) for key, value in settings_of(results.params, model).items()}
    folder = results.root / ADAPTERS / model
    made = store.client.create_logged_model(
        store.experiment,
        name=re.sub(r"[^\w-]", "-", model),
        source_run_id=run,
        tags={**found, "model": model},
        params=settings,
        model_type="base model" if model == "base" else "whole model" if is_whole(folder) else "LoRA adapter",
    )
    if folder.is_dir():
        store.client.log_model_artifacts(made.model_id, str(folder))
    store.client.finalize_logged_model(made.model_id, "READY")
    store.client.set_logged_model_tags(made.model_id, {"ready": "yes"})  # last: one torn by a kill is made anew
    return made.model_id


def _linked(measure: Measure, model_id: str, data: Sequence[Data]) -> Any:
    """A metric of the run, linked to the model, and to the file of tasks that it was measured by."""
    from mlflow.entities import Metric

    path = None
    if measure.key.startswith("benchmark/"):
        path = "data/split/benchmark.jsonl"
    elif measure.key.startswith("sets/"):
        path = f"data/sets/{measure.key.split('/')[1]}.jsonl"
    by = next((one for one in data if one.path == path), None)
    return Metric(
        measure.key,
        float(measure.value),
        measure.time_ms,
        measure.step,
        model_id=model_id,
        dataset_name=by and by.path,
        dataset_digest=by and by.digest,
    )
