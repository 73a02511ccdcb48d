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
from halo_forge.model.base import ADAPTERS
from halo_forge.model.reference import of_pipeline
from halo_forge.provenance import provenance
from halo_forge.records import Task, read_records, write_json
from halo_forge.rollout import roll_out
from halo_forge.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--model", required=True, help="base, sft or a key of raft.cycles")
    options = parser.parse_args()
    params, model = load_params(options.params), options.model
    if model not in params.models():
        raise InputError(f"--model: {model!r} is not a model of this pipeline (known: {', '.join(params.models())})")

    tasks_path, folder, settings = Path("data/split/benchmark.jsonl"), Path("data/benchmark") / model, params.benchmark
    rolled = roll_out(
        params,
        of_pipeline(model),
        tasks_path,
        folder,
        name=model,
        cycle=None,
        verifier="auto",
        samples_per_task=settings.samples_per_task,
        temperature=settings.temperature,
        max_new_tokens=settings.max_new_tokens,
    )
    tasks = read_records(tasks_path, Task)
    card = summarise(model, tasks, rolled.samples, rolled.verdicts, settings, params.seed, rolled.timing())
    inputs = ["models/base.json", tasks_path, *([] if model == "base" else [ADAPTERS / model])]
    write_json(
        f"results/benchmark/{model}.json",
        card | {"engine": rolled.generation["engine"], "provenance": provenance(params, inputs)},
    )
    print(
        f"{model}: pass@1 {card['pass_at_k']['1']:.1%}, compiles {card['compile_rate']:.1%} "
        f"({card['n_samples']} samples of {card['n_tasks']} tasks)"
    )


if __name__ == "__main__":
    sys.exit(stage(main))
