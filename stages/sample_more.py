"""The second round of a RAFT cycle: sample further answers where the first round, now judged, solved nothing, and mend
failed ones.

Reads  models/base.json, models/pipeline/<from>/, data/split/raft.jsonl, data/raft/<cycle>/{samples,verdicts}.jsonl
Writes data/raft/<cycle>/more/{samples.jsonl,generation.json}, without a sample where there is only one round
Params seed, generate, preset; raft.cycles.<cycle>.temperature, raft.samples_per_task, raft.first_round,
       raft.repair, raft.max_new_tokens
"""

from __future__ import annotations

from begin import stage

from halo_forge.cluster.sampling import drawers_of
from halo_forge.devices import take_gpus
from halo_forge.generate.run import generate_file
from halo_forge.jsonl import read_records
from halo_forge.model.checkpoint import of_pipeline
from halo_forge.parts import HELP, Part
from halo_forge.raft.rounds import further_draws
from halo_forge.records import Task, Verdict
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.params import Params


def main(params: Params, cycle: str, shard: str | None = None) -> None:
    take_gpus()
    first, more = (find_run(params, f"raft/{cycle}{round_}") for round_ in ("", "/more"))
    tasks, verdicts = read_records(first.tasks, Task), read_records(first.folder / "verdicts.jsonl", Verdict)
    draws = further_draws(cycle, tasks, verdicts, params.raft, params.seed)
    generate_file(
        params,
        of_pipeline(more.drawing.model),
        more.drawing,
        draws,
        more.folder,
        Part.parse(shard),
        drawers_of(params),
    )


if __name__ == "__main__":
    stage(main, cycle="a key of raft.cycles", shard=HELP)
