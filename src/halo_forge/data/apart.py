"""What models are measured by on public sets is not trained on: the split's checks against such a set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from halo_forge.data.clean.fingerprint import Fingerprint, of_task
from halo_forge.data.overlap import copies, overlaps
from halo_forge.records import Task
from halo_forge.settings.data import Split


def shared_with(
    measured: Sequence[Task], training: Sequence[Task], prints: Mapping[str, Fingerprint], settings: Split
) -> tuple[dict[str, str], dict]:
    """The training tasks that overlap one of `measured`, a public set, or are copies of it: task_id -> of which; and
    what results/split.json says of the set.

    `prints`: task_id -> fingerprint of every training task. Each set is compared by itself, and apart from the own
    benchmark: how common a gram is depends on what is compared, and no set is to change what another one finds.
    """
    found = overlaps(training, measured, settings.ngram)
    over = {item.task_id: item.benchmark_task_id for item in found if item.share >= settings.max_overlap}
    copied: dict[str, str] = {}
    own = [prints[task.task_id] for task in training]
    for copy in copies(own, [of_task(task) for task in measured], settings.max_copy):
        copied.setdefault(copy.name, copy.of)
    dropped = {**copied, **over}
    left = [item.share for item in found if item.task_id not in dropped]
    report = {
        "tasks": len(measured),
        "dropped": [{"task_id": task_id, "copy_of": dropped[task_id]} for task_id in sorted(dropped)],
        "dropped_for_overlap": len(over),
        "dropped_as_copies": len(copied.keys() - over.keys()),
        "largest_overlap_left": max(left, default=0.0),
    }
    return dropped, report
