"""pass@k of one model on the held-out families.

Reads  models/base.json, models/pipeline/<model>/ (not for base), data/split/benchmark.jsonl
Writes data/benchmark/<model>/{samples,verdicts}.jsonl, generation.json, results/benchmark/<model>.json
Params seed, generate, verify, benchmark, preset
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.benchmark.evaluate import summarise
from halo_forge.config import load_params
from halo_forge.errors import InputError
from halo_forge.generate.run import generate_file
from halo_forge.model.base import ADAPTERS
from halo_forge.provenance import provenance
from halo_forge.records import Task, read_json, read_records, write_json
from halo_forge.stage import stage
from halo_forge.verify.run import verify_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--model", required=True, help="base, sft or a key of raft.cycles")
    options = parser.parse_args()
    params, model = load_params(options.params), options.model
    if model not in params.models():
        raise InputError(f"--model: {model!r} is not a model of this pipeline (known: {', '.join(params.models())})")

    tasks_path, folder, settings = Path("data/split/benchmark.jsonl"), Path("data/benchmark") / model, params.benchmark
    samples = generate_file(
        params,
        tasks_path=tasks_path,
        out=folder,
        model=model,
        cycle=None,
        samples_per_task=settings.samples_per_task,
        temperature=settings.temperature,
        max_new_tokens=settings.max_new_tokens,
    )
    verdicts = verify_file(params.verify, tasks_path, folder, f"benchmark {model}")
    generation = read_json(folder / "generation.json")
    timing = {"generate": generation["seconds"], "verify": round(sum(verdict.duration_s for verdict in verdicts), 1)}
    card = summarise(model, read_records(tasks_path, Task), samples, verdicts, settings, params.seed, timing)
    inputs = ["models/base.json", tasks_path, *([] if model == "base" else [ADAPTERS / model])]
    write_json(
        f"results/benchmark/{model}.json",
        card | {"engine": generation["engine"], "provenance": provenance(params, inputs)},
    )
    print(
        f"{model}: pass@1 {card['pass_at_k']['1']:.1%}, compiles {card['compile_rate']:.1%} "
        f"({card['n_samples']} samples of {card['n_tasks']} tasks)"
    )


if __name__ == "__main__":
    sys.exit(stage(main))
