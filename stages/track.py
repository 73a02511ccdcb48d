"""Record this execution of the pipeline in MLflow, from the files; models that DVC took from its cache too.

Reads  what `report` reads and writes, params.yaml, dvc.lock, models/pipeline/<model>/adapter_model.safetensors
Writes the MLflow store: $MLFLOW_TRACKING_URI, else mlflow.db and mlruns/ in the project
Params all

`mlflow ui --backend-store-uri sqlite:///mlflow.db` shows the record.
"""

from __future__ import annotations

from pathlib import Path

from begin import stage

from halo_forge.settings.params import Params
from halo_forge.tracking.record import record_execution


def main(params: Params) -> None:
    recorded = record_execution(params, Path())
    page = f"#/experiments/{recorded.experiment}/runs/{recorded.parent}/model-metrics"
    print(f"{recorded.uri}: run {recorded.parent} with {', '.join(recorded.children) or 'no models'}")
    print(f"the ladder over the cycles: `make mlflow`, then http://127.0.0.1:5000/{page}")


if __name__ == "__main__":
    stage(main)
