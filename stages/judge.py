"""Compile and test every sampled answer of a run in the sandbox.

Reads  data/<run>/samples.jsonl, data/split/{raft,benchmark}.jsonl or data/sets/<set>.jsonl
Writes data/<run>/verdicts.jsonl
Params verify
"""

from __future__ import annotations

from begin import stage

from halo_forge.cluster.judging import on_ray
from halo_forge.parts import HELP, Part
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.params import Params
from halo_forge.verify.run import verify_file


def main(params: Params, run: str, shard: str | None = None) -> None:
    found = find_run(params, run)
    training, part = found.drawing.cycle is not None, Part.parse(shard)
    verify_file(
        params.verify, found.tasks, found.folder, run, training=training, part=part, judged_by=on_ray(params.compute)
    )


if __name__ == "__main__":
    stage(main, run="raft/<cycle>, validation/<model>, benchmark/<model> or benchmark/<set>/<model>", shard=HELP)
