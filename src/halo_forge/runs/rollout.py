"""Sample a model's answers to a file of tasks and judge them, in one go: benchmarks, and RAFT on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.cluster import judging, sampling
from halo_forge.files import read_json
from halo_forge.generate.drawing import Draw, Drawing
from halo_forge.generate.run import generate_file
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.pairing import JudgedFiles
from halo_forge.settings.params import Params
from halo_forge.verify.run import verify_file


@dataclass(frozen=True)
class Rollout:
    """`pairs` are the samples with their verdicts; `generation` has engine, tokens and seconds."""

    pairs: JudgedFiles
    generation: dict[str, Any]


def roll_out(
    params: Params,
    checkpoint: Checkpoint,
    tasks_path: Path,
    out: Path,
    drawing: Drawing,
    draws: Sequence[Draw],
    verifier: str,
) -> Rollout:
    """Write samples.jsonl, generation.json and verdicts.jsonl to `out`; `draws` are of the tasks in `tasks_path`.

    Resumes a killed run. Raises what `generate_file` and `judge_samples` raise.
    """
    generate_file(params, checkpoint, drawing, draws, out, drawers_of=sampling.drawers_of(params))
    label = drawing.cycle or f"benchmark {drawing.model}"
    training, judged_by = drawing.cycle is not None, judging.on_ray(params.compute)
    verify_file(params.verify, tasks_path, out, label, verifier, training=training, judged_by=judged_by)
    return Rollout(JudgedFiles(out, where=label), read_json(out / "generation.json"))
