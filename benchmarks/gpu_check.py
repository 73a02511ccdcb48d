"""What this machine's GPU does with halo-forge: at most ten minutes, one block to send with a bug report.

    python benchmarks/gpu_check.py [--base FOLDER] [--parts matmul,train,…] [--minutes 10] [--output FILE]

`--base` is a Hugging Face folder; without it the base model of the pipeline here (models/base.json). Needs torch,
transformers and peft, neither DVC nor MLflow. Parts: device, matmul, train, sampling, parity, step, again, vllm. What
cannot be measured is named with its reason. The figures are also written to results/perf/gpu_check.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="folder of a Hugging Face model [default: that of models/base.json]")
    parser.add_argument("--parts", default="", help="these alone, separated by commas")
    parser.add_argument("--minutes", type=float, default=10.0, help="no part is begun after this time")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "perf" / "gpu_check.json")
    options = parser.parse_args()
    if importlib.util.find_spec("torch") is None:
        print("gpu-check: torch is not installed: nothing can be measured")
        return 1
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        why = "no GPU is visible" if built else f"torch {torch.__version__} is built for the CPU alone"
        print(f"gpu-check: nothing can be measured: {why}")
        return 1
    from gpu import parts
    from gpu.report import Report

    report = Report(options.output)
    wanted = options.parts.split(",") if options.parts else list(parts.PARTS)
    if unknown := set(wanted) - set(parts.PARTS):
        parser.error(f"--parts: no part {min(unknown)!r}; there are {', '.join(parts.PARTS)}")
    deadline = time.monotonic() + 60 * options.minutes
    base = options.base or _of_pipeline()
    bench = parts.Bench(base.resolve(), report)
    for name in wanted:
        if time.monotonic() > deadline:
            report.missing(name, f"{options.minutes:g} minutes were over")
            continue
        began = time.monotonic()
        try:
            with report.watched(name):
                parts.PARTS[name](bench)
        except Exception as error:  # noqa: BLE001 - whatever fails is what a bug report must hold
            where = traceback.extract_tb(error.__traceback__)[-1]
            report.missing(name, f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
            traceback.print_exc()
        print(f"# {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        bench.free()
        report.write()
    print(report.block(f"python {platform.python_version()}"))
    return 0


def _of_pipeline() -> Path:
    from halo_forge.model.base import load_lock

    return load_lock(ROOT / "models" / "base.json")[1]


if __name__ == "__main__":
    sys.exit(main())
