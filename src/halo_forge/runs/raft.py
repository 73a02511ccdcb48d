"""RAFT cycles in a plain folder, without DVC: sample, judge, filter, train, and again from the new model.

    <out>/tasks.jsonl              the prompts as tasks
    <out>/cycle_N/                 samples.jsonl, generation.json, verdicts.jsonl, kept.jsonl, history.jsonl,
                                   cycle.json, logs/
    <out>/cycle_N_final/           the adapter after cycle N
    <out>/raft_statistics.json     one row a finished cycle, rewritten after each

Every step is the pipeline's own. A run that was killed goes on where it was; more cycles are added to those that are
there; with other prompts or settings the old cycles are set aside (see `outputs`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.cluster.training import on_ray
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.folders import whole_folder
from halo_forge.generate.drawing import Drawing, draws_of
from halo_forge.hashing import digest
from halo_forge.jsonl import read_records, write_records
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.model.reference import pin
from halo_forge.provenance import provenance
from halo_forge.raft.cycle import close_cycle
from halo_forge.raft.statistics import statistics_row
from halo_forge.records import History, Kept, Task
from halo_forge.runs.outputs import RUN_FILE, claim
from halo_forge.runs.rollout import Rollout, roll_out
from halo_forge.settings.params import Params
from halo_forge.settings.training import Lora
from halo_forge.state import drop_state, state_dir
from halo_forge.toolchains import judged_with
from halo_forge.train.adapter import kept_answers, train_adapter, unchanged
from halo_forge.train.lora import Run


@dataclass(frozen=True)
class Plan:
    """`params.raft.cycles` holds cycle_1, cycle_2, … in their order, the first `from` sft: that is `start` here."""

    start: Checkpoint
    tasks: list[Task]
    params: Params
    verifier: str
    out: Path

    @property
    def tasks_path(self) -> Path:
        return self.out / "tasks.jsonl"


@dataclass(frozen=True)
class State:
    """Between two cycles: the model, and what is known of the tasks by the file `history`, None before the first."""

    model: Checkpoint
    history: Path | None


def run_cycles(plan: Plan) -> list[dict[str, Any]]:
    """All cycles of the plan; the rows of raft_statistics.json.

    Raises InputError if nothing was kept in the first cycle of a base model: there is no adapter to go on from.
    """
    write_records(plan.tasks_path, plan.tasks)
    state, rows = State(plan.start, None), []
    for number, name in enumerate(plan.params.raft.cycles, 1):
        state, finished = _cycle(plan, number, name, state)
        threshold = plan.params.raft.reward_threshold
        rows.append(statistics_row(number, name, finished["filtered"], finished["trained"], threshold))
        write_json(plan.out / "raft_statistics.json", rows)
    return rows


def _cycle(plan: Plan, number: int, name: str, before: State) -> tuple[State, dict[str, Any]]:
    """What is after the cycle, and what cycle.json says of it."""
    folder, final, start = plan.out / name, plan.out / f"{name}_final", before.model
    record, inputs = folder / "cycle.json", _inputs(plan, name, before)
    state_dir("raft", {"out": plan.out.resolve()})  # held: nobody else writes there meanwhile
    after = State(Checkpoint(str(final), start.lock, start.base, final), folder / "history.jsonl")
    if claim(plan.out, folder / RUN_FILE, inputs, lambda: _from_cycle(plan.out, number)) and record.exists():
        finished = read_json(record)
        if final.exists() and digest(final) == finished["adapter"]:
            print(f"{name}: done before, taken as it is")
            return after, finished
    rolled = _sampled(plan, name, folder, start)
    outcome = close_cycle(
        name,
        plan.params,
        {task.task_id: task for task in plan.tasks},
        rolled.pairs,
        rolled.generation,
        read_records(before.history, History) if before.history else [],
    )
    write_records(folder / "kept.jsonl", outcome.rows)
    write_records(after.history, outcome.history)
    filtered = outcome.statistics | {"from": start.name}
    print(
        f"{name}: {filtered['passed']} of {filtered['samples']} samples passed, kept {filtered['kept']} on "
        f"{filtered['tasks_covered']} of {len(plan.tasks)} prompts"
    )
    state = state_dir(f"raft-{name}", inputs)
    with whole_folder(final) as adapter:
        trained = _trained(plan, name, outcome.rows, start, state, adapter)
        pin(adapter, start)
    origin = provenance(plan.params, [plan.tasks_path, *filter(None, [start.adapter])])
    finished = {
        "filtered": filtered,
        "trained": trained,
        "adapter": digest(final),
        "provenance": origin | {"judged_with": judged_with(plan.tasks, (verdict for _, verdict in rolled.pairs))},
    }
    write_json(record, finished)
    drop_state()  # all that is held so far is of this cycle
    return after, finished


def _sampled(plan: Plan, name: str, folder: Path, start: Checkpoint) -> Rollout:
    params, raft = plan.params, plan.params.raft
    drawing = Drawing(Path(start.name).name, name, raft.cycles[name].temperature, raft.max_new_tokens)
    draws = draws_of(plan.tasks, raft.samples_per_task)
    return roll_out(params, start, plan.tasks_path, folder, drawing, draws, plan.verifier)


def _trained(plan: Plan, name: str, rows: list[Kept], start: Checkpoint, state: Path, out: Path) -> dict[str, Any]:
    """Write the adapter `out`: trained on `rows`, or `start`, the model that was sampled, if there are none."""
    if rows:
        run = Run(
            base=start.base,
            start=start.adapter,
            lora=_shape(plan, start),
            settings=plan.params.raft.train,
            learning_rate=plan.params.cycle(name).learning_rate,
            seed=plan.params.seed,
            compute=plan.params.compute,
            checkpoints=state,
            logs=plan.out / name / "logs",
        )
        where = str(plan.out / name / "kept.jsonl")
        return train_adapter(run, kept_answers(rows), start.lock, out, where, f"{name}: training", on_ray(run.compute))
    if start.adapter is None:
        raise InputError(
            f"{name}: no answer of {start.name} reached the threshold, and a base model has no adapter to go on from: "
            "fine-tune it first (halo-forge sft train), or give more samples or easier prompts"
        )
    print(f"warning: {name}: no answer was kept, the model stays that of {start.name}", file=sys.stderr)
    return unchanged(start.adapter, out)


def _shape(plan: Plan, start: Checkpoint) -> Lora | None:
    """Of the adapter that the first cycle of a base model makes; one that is there has its own."""
    return plan.params.sft.lora if start.adapter is None else None


def _inputs(plan: Plan, name: str, before: State) -> dict[str, Any]:
    """What the cycle's result depends on: not how many cycles come after it."""
    settings, start = plan.params, before.model
    lora = _shape(plan, start)
    return {
        "lock": start.lock,
        "start": start.adapter and digest(start.adapter),
        "history": before.history and digest(before.history),
        "tasks": digest(plan.tasks_path),
        "cycle": settings.cycle(name).model_dump(mode="json", exclude={"start"}),
        "raft": settings.raft.model_dump(mode="json", exclude={"cycles"}),
        "lora": lora and lora.model_dump(mode="json"),
        "generate": settings.generate.model_dump(mode="json"),
        "verify": settings.verify.model_dump(mode="json", exclude={"workers", "cache"}),
        "verifier": plan.verifier,
        "seed": settings.seed,
    }


def _from_cycle(out: Path, number: int) -> list[Path]:
    """The folders of cycle `number` and of those after it, whoever made them; of the first, the table of all too."""
    found = [out / "raft_statistics.json"] if number == 1 else []
    for path in out.glob("cycle_*"):
        digits = path.name.removeprefix("cycle_").removesuffix("_final")
        if digits.isdecimal() and int(digits) >= number:
            found.append(path)
    return sorted(found)
