"""pass@k of one model on the held-out families, or on a public set, from its judged answers.

Reads  data/split/benchmark.jsonl or data/sets/<set>.jsonl, data/<run>/{samples,verdicts}.jsonl, generation.json
Writes results/<run>.json
Params seed, preset; benchmark.k, benchmark.temperature, benchmark.[base_]samples_per_task, benchmark.max_new_tokens,
       benchmark.bootstrap; of a set benchmark.sets.<set>
"""

from __future__ import annotations

from begin import stage

from halo_forge.benchmark.evaluate import summarise
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.jsonl import each_record, read_records
from halo_forge.pairing import JudgedFiles
from halo_forge.provenance import provenance
from halo_forge.records import Task, Verdict
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.params import Params
from halo_forge.toolchains import judged_with


def main(params: Params, run: str) -> None:
    found = find_run(params, run)
    if found.measure is None:
        raise InputError(f"run {run!r} measures no model; give benchmark/<model> or benchmark/<set>/<model>")
    paths = [found.folder / name for name in ("samples.jsonl", "verdicts.jsonl", "generation.json")]
    tasks = read_records(found.tasks, Task)
    generation = read_json(paths[2])
    pairs = JudgedFiles(found.folder, where="benchmark")
    card = summarise(found.drawing.model, tasks, pairs, found.measure, params.seed, generation)
    judges = judged_with(tasks, each_record(paths[1], Verdict))
    origin = provenance(params, [found.tasks, *paths]) | {"judged_with": judges}
    write_json(f"results/{run}.json", card | {"provenance": origin})
    print(
        f"{run}: pass@1 {card['pass_at_k']['1']:.1%}, compiles {card['compile_rate']:.1%} "
        f"({card['n_samples']} samples of {card['n_tasks']} tasks)"
    )


if __name__ == "__main__":
    stage(main, run="benchmark/<model> or benchmark/<set>/<model>")
