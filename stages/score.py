"""pass@k of one model on the held-out families, from its judged answers.

Reads  data/split/benchmark.jsonl, data/benchmark/<model>/{samples,verdicts}.jsonl, generation.json
Writes results/benchmark/<model>.json
Params seed, benchmark, preset
"""

from __future__ import annotations

from begin import stage

from halo_forge.benchmark.evaluate import summarise
from halo_forge.files import read_json, write_json
from halo_forge.jsonl import each_record, read_records
from halo_forge.pairing import JudgedFiles
from halo_forge.provenance import provenance
from halo_forge.records import Task, Verdict
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.params import Params
from halo_forge.toolchains import judged_with


def main(params: Params, model: str) -> None:
    run = find_run(params, f"benchmark/{model}")
    paths = [run.folder / name for name in ("samples.jsonl", "verdicts.jsonl", "generation.json")]
    tasks = read_records(run.tasks, Task)
    generation = read_json(paths[2])
    pairs = JudgedFiles(run.folder, where="benchmark")
    card = summarise(model, tasks, pairs, params.benchmark, params.seed, generation)
    judges = judged_with(tasks, each_record(paths[1], Verdict))
    origin = provenance(params, [run.tasks, *paths]) | {"judged_with": judges}
    write_json(f"results/benchmark/{model}.json", card | {"provenance": origin})
    print(
        f"{model}: pass@1 {card['pass_at_k']['1']:.1%}, compiles {card['compile_rate']:.1%} "
        f"({card['n_samples']} samples of {card['n_tasks']} tasks)"
    )


if __name__ == "__main__":
    stage(main, model="base, sft or a key of raft.cycles")
