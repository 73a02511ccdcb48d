"""Judge a model's answers to the validation side, by which the best model is chosen.

Reads  data/split/validation.jsonl, data/validation/<model>/{samples.jsonl,generation.json}, models/pipeline/<model>/
Writes data/validation/<model>/verdicts.jsonl, results/validation/<model>.json
Params seed, verify, validation, preset; benchmark.temperature, benchmark.max_new_tokens, benchmark.bootstrap
"""

from __future__ import annotations

from begin import stage

from halo_forge.benchmark.evaluate import summarise
from halo_forge.cluster.judging import on_ray
from halo_forge.files import read_json, write_json
from halo_forge.hashing import digest
from halo_forge.jsonl import read_records
from halo_forge.model.base import ADAPTERS
from halo_forge.pairing import JudgedFiles
from halo_forge.records import Task
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.params import Params
from halo_forge.verify.run import verify_file


def main(params: Params, model: str) -> None:
    run = find_run(params, f"validation/{model}")
    tasks = read_records(run.tasks, Task)
    verify_file(params.verify, run.tasks, run.folder, f"validation/{model}", judged_by=on_ray(params.compute))
    adapter = {"adapter": digest(ADAPTERS / model)}
    if not tasks:
        write_json(f"results/validation/{model}.json", {"model": model, "per_task": {}} | adapter)
        print(f"{model}: no validation side (split.shares.validation), so that no model is chosen by it")
        return
    settings = params.benchmark.model_copy(update={"samples_per_task": run.samples_per_task, "k": [1]})
    generation = read_json(run.folder / "generation.json")
    pairs = JudgedFiles(run.folder, where="benchmark")
    card = summarise(model, tasks, pairs, settings, params.seed, generation)
    write_json(f"results/validation/{model}.json", card | adapter)
    print(f"{model}: validation pass@1 {card['pass_at_k']['1']:.1%} ({card['n_samples']} samples)")


if __name__ == "__main__":
    stage(main, model="sft or a key of raft.cycles")
