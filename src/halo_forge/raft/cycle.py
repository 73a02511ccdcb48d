"""When a cycle has sampled: what it trains on, what is known after it, and its numbers, from samples and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from halo_forge.raft.filter import cycle_statistics, kept_records
from halo_forge.raft.gate import counts_of
from halo_forge.raft.memory import history_after, rows_to_train
from halo_forge.raft.select import select
from halo_forge.records import History, Kept, Sample, Task, Verdict
from halo_forge.settings.params import Params


@dataclass(frozen=True)
class Outcome:
    """`rows` are trained on; `history` is what the next cycle knows; `statistics` go to results/raft/<cycle>.json."""

    rows: list[Kept]
    history: list[History]
    statistics: dict[str, Any]


def close_cycle(
    name: str,
    params: Params,
    tasks: Mapping[str, Task],
    samples: Sequence[Sample],
    verdicts: Sequence[Verdict],
    generation: Mapping[str, Any],
    history: Sequence[History],
    references: Sequence[Kept],
) -> Outcome:
    """`history` is of the cycles before, empty for the first; `references` are what may be replayed.

    Raises InputError as `select` does.
    """
    selection = select(tasks, samples, verdicts, params.raft, params.seed, history)
    kept = kept_records(selection, tasks)
    trained = rows_to_train(name, tasks, kept, history, references, params.raft, params.seed)
    statistics = cycle_statistics(name, params, tasks, samples, verdicts, selection, generation)
    statistics |= {
        "remembered": trained.remembered,
        "replayed": trained.replayed,
        "weight": round(sum(row.weight for row in trained.rows), 3),
    }
    mended = {sample.sample_id for sample in samples if sample.repairs is not None}
    counts = counts_of(verdict for verdict in verdicts if verdict.sample_id not in mended)
    return Outcome(trained.rows, history_after(counts, kept, history), statistics)
