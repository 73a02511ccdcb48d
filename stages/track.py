"""Record this execution of the pipeline in MLflow, from the files; models that DVC took from its cache too.

Reads  what `report` reads and writes, params.yaml, dvc.lock, models/pipeline/<model>/adapter_model.safetensors
Writes the MLflow store: $MLFLOW_TRACKING_URI, else mlflow.db and mlruns/ in the project
Params all

`mlflow ui --backend-store-uri sqlite:///mlflow.db` shows the record.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.stage import stage
from halo_forge.tracking import record_execution


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()

    recorded = record_execution(load_params(options.params), Path())
    print(f"{recorded.uri}: run {recorded.parent} with {', '.join(recorded.children) or 'no models'}")


if __name__ == "__main__":
    sys.exit(stage(main))
