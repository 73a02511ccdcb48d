"""When a cycle has sampled: what it trains on, what is known after it, and its numbers, from samples and verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from halo_forge.pairing import Pair
from halo_forge.raft.answers import answers_of
from halo_forge.raft.filter import cycle_statistics, kept_records
from halo_forge.raft.gate import counts_of, history_after
from halo_forge.raft.select import select
from halo_forge.records import History, Kept, Task
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
    pairs: Iterable[Pair],
    generation: Mapping[str, Any],
    history: Sequence[History],
) -> Outcome:
    """`history` is of the cycles before, empty for the first.

    `pairs` are gone through twice: once for what is counted and compared, once for the texts of the answers chosen, so
    that the others' are never held. Raises InputError as going through `pairs` does, and where a sample is of none of
    `tasks`.
    """
    answers = answers_of(pairs, tasks)
    selection = select(answers, params.raft, params.seed, history)
    rows = kept_records(selection, tasks, pairs)
    statistics = cycle_statistics(name, params, tasks, answers, selection, generation)
    return Outcome(rows, history_after(counts_of(answers), history), statistics)
