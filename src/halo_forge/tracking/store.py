"""The MLflow store of the pipeline: where it is, its experiment, and the runs of an execution in it.

MLflow takes seconds to import: it is imported when a record is written, never before.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.live.execution import Identity
from halo_forge.live.places import home

EXPERIMENT = "halo-forge"
_BATCH = {"metrics": 800, "params": 100, "tags": 100}  # MLflow takes 1,000 in one request, 100 params, 100 tags


@dataclass(frozen=True)
class Store:
    """`client` talks to the store at `uri`; `experiment` is the id of the experiment that the runs are in."""

    uri: str
    client: Any
    experiment: str

    def parent(self, execution: Identity) -> str:
        """The unfinished run of this execution, begun by a stage that runs or left by a call that was killed, or a new
        one."""
        from mlflow.entities import RunStatus

        tags = {"pipeline": execution.name, "params_sha256": execution.params_sha256}
        same = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
        found = self.client.search_runs([self.experiment], f"{same} and attributes.status != 'FINISHED'", max_results=1)
        if found:
            run = found[0].info.run_id
            if found[0].info.status != RunStatus.to_string(RunStatus.RUNNING):
                self.client.update_run(run, status="RUNNING")
            return run
        start_ms = None if execution.start is None else int(execution.start * 1000)
        return self.client.create_run(
            self.experiment, start_time=start_ms, tags=tags, run_name=execution.name
        ).info.run_id

    def children(self, parent: str) -> dict[str, str]:
        """model -> its run below the run `parent`."""
        known = self.client.search_runs([self.experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
        return {run.data.tags["model"]: run.info.run_id for run in known if "model" in run.data.tags}

    def new_child(self, parent: str, model: str) -> str:
        tags = {"mlflow.parentRunId": parent, "model": model}
        return self.client.create_run(self.experiment, tags=tags, run_name=model).info.run_id

    def log(
        self,
        run: str,
        metrics: Iterable[Any] = (),
        params: dict[str, Any] | None = None,
        tags: dict[str, Any] | None = None,
    ) -> None:
        """Log in as few requests as MLflow allows. Params and tags that are None are left out."""
        from mlflow.entities import Param, RunTag

        records = {
            "metrics": list(metrics),
            "params": [Param(key, str(value)) for key, value in (params or {}).items()],
            "tags": [RunTag(key, str(value)) for key, value in (tags or {}).items() if value is not None],
        }
        while any(records.values()):
            self.client.log_batch(run, **{kind: records[kind][:most] for kind, most in _BATCH.items()})
            records = {kind: records[kind][most:] for kind, most in _BATCH.items()}


@contextlib.contextmanager
def open_store() -> Iterator[Store]:
    """The store at `$MLFLOW_TRACKING_URI`, else `mlflow.db` of the checkout with artifacts in `mlruns` beside it; its
    experiment is `$MLFLOW_EXPERIMENT_NAME`, else `halo-forge`. Processes of one checkout wait for each other.

    Raises InfrastructureError when MLflow is missing or its store unreachable, also in the middle of the block.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the default waits for minutes
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise InfrastructureError(f"mlflow cannot be imported ({error}); pip install mlflow") from error
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    set_uri = os.environ.get("MLFLOW_TRACKING_URI")
    uri = set_uri or f"sqlite:///{home() / 'mlflow.db'}"
    try:
        with _one_at_a_time(home()):
            mlflow.set_tracking_uri(uri)  # a registry in SQLite looks for models in the store that this names
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
            yield Store(uri, client, _experiment(client, name, is_own=not set_uri))
    except MlflowException as error:
        reason = " ".join(str(error).split())[:300]
        raise InfrastructureError(
            f"MLflow store {uri}: {reason}; set MLFLOW_TRACKING_URI to a store that works"
        ) from error


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two processes that create the same SQLite store at once break each other's schema migration, and two that look
    for the run of an execution that is not there make two of it."""
    path = folder / ".state" / "mlflow.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _experiment(client: Any, name: str, is_own: bool) -> str:
    """The experiment's id. Our own store gets an absolute artifact folder: DVC may run us in a temporary checkout."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name, artifact_location=(home() / "mlruns").as_uri() if is_own else None)
    if found.lifecycle_stage != "active":
        raise InputError(f"MLflow experiment {name!r} was deleted; restore it or set MLFLOW_EXPERIMENT_NAME to another")
    return found.experiment_id
