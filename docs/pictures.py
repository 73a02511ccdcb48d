"""Pictures of what is seen of a finished run, for the README: python docs/pictures.py [--run FOLDER] [--output docs]

The report on a desktop and, dark, on a phone, and the ladder by cycle in MLflow: a copy of the store is served on this
machine. A headless Chromium opens them.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from chromium import Chromium  # noqa: E402

DRAWN_S = 10
"""What MLflow's page takes at most to have asked the server for all that it shows."""
CLEAR = """
document.querySelector('[aria-label*="lose" i]')?.click();
document.head.insertAdjacentHTML("beforeend", "<style>.modebar { display: none }</style>");
"""
"""Takes away what lies over the curves: a note about the assistant, the buttons of the charts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, default=ROOT, help="the checkout with mlflow.db and results/report.html")
    parser.add_argument("--experiment", default="halo-forge")
    parser.add_argument("--output", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    for name, width, height, dark in (("report", 1280, 1000, False), ("report-phone", 390, 844, True)):
        with Chromium(width, height, dark=dark) as page:
            page.open(options.run / "results/report.html")
            page.picture(options.output / f"{name}.png")
            print(options.output / f"{name}.png")
    with served(options.run / "mlflow.db") as address, Chromium(1500, 900, online=True) as page:
        client = MlflowClient(address)
        experiment = client.get_experiment_by_name(options.experiment).experiment_id
        finished = client.search_runs(
            [experiment], "attributes.status = 'FINISHED'", order_by=["attributes.start_time DESC"]
        )
        run = next(one for one in finished if "mlflow.parentRunId" not in one.data.tags)
        for where in ("runs", f"runs/{run.info.run_id}/model-metrics"):  # a pane that was closed stays closed
            page.open("about:blank")  # a page of MLflow is one document: only another one loads anew
            page.open(f"{address}/#/experiments/{experiment}/{where}")
            time.sleep(DRAWN_S)
            page.value(CLEAR)
            time.sleep(1)
        page.picture(options.output / "mlflow.png")
        print(options.output / "mlflow.png")


@contextmanager
def served(store: Path) -> Iterator[str]:
    """The address at which MLflow serves a copy of the store."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        shutil.copy(store, Path(folder) / "mlflow.db")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(120):
                with socket.socket() as trial:
                    if trial.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
