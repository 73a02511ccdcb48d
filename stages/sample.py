"""Sample answers to tasks from a model: those of a RAFT cycle, or of the benchmark of a model.

Reads  models/base.json, models/pipeline/<model>/, data/split/{raft,validation,benchmark}.jsonl or data/sets/<set>.jsonl
Writes data/<run>/samples.jsonl, data/<run>/generation.json (engine, settings, tokens, seconds)
Params seed, generate, preset; raft.cycles.<cycle>.temperature, raft.samples_per_task, raft.max_new_tokens
       of a cycle;
       benchmark.temperature, benchmark.[base_]samples_per_task, benchmark.max_new_tokens of a benchmark,
       benchmark.sets.<set> of a public set
"""

from __future__ import annotations

from begin import stage

from halo_forge.cluster.sampling import drawers_of
from halo_forge.generate.drawing import draws_of
from halo_forge.generate.run import generate_file
from halo_forge.jsonl import read_records
from halo_forge.model.checkpoint import of_pipeline
from halo_forge.parts import HELP, Part
from halo_forge.records import Task
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.params import Params


def main(params: Params, run: str, shard: str | None = None) -> None:
    found = find_run(params, run)
    draws = draws_of(read_records(found.tasks, Task), found.samples_per_task)
    generate_file(
        params,
        of_pipeline(found.drawing.model),
        found.drawing,
        draws,
        found.folder,
        Part.parse(shard),
        drawers_of(params),
    )


if __name__ == "__main__":
    stage(
        main,
        on_gpus=True,
        run="raft/<cycle>, validation/<model>, benchmark/<model> or benchmark/<set>/<model>",
        shard=HELP,
    )
