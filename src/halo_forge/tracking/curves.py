"""From the journals of stages to MLflow: curves of the models, of the stages and of the machine.

Every point has the time at which it was noted, so a point that is sent twice is in the record once.
"""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.live.execution import Identity
from halo_forge.live.journal import read
from halo_forge.tracking.store import Store

_TRAINING = ("sft", "train@")
RUNS_NOW = "running"
"""Tag of an execution's run while one of its stages runs: which, and how far it is."""


class Point(NamedTuple):
    """`model`: the one in whose run it belongs, None for the run of the execution."""

    model: str | None
    key: str
    value: float
    time_ms: int
    step: int


def send_all(store: Store, parent: str, children: dict[str, str], execution: Identity) -> None:
    """Send what the journals of an execution hold and nobody has sent yet; `children` grows by the models that had no
    run of theirs."""
    for path in sorted(execution.folder.glob("*.jsonl")):
        send(store, parent, children, path)


def forget(execution: Identity) -> None:
    """Remove the journals of an execution, of which all is sent."""
    shutil.rmtree(execution.folder, ignore_errors=True)


def send(store: Store, parent: str, children: dict[str, str], path: Path) -> None:
    """Send what is new in one journal."""
    from mlflow.entities import Metric

    mark = path.with_suffix(".sent")
    before = _sent(mark, parent)
    every, _ = read(path)
    lines, end = read(path, before)
    if not lines:
        return
    by_model: dict[str | None, list[Metric]] = defaultdict(list)
    for point in points(every[0], lines):
        if math.isfinite(point.value):
            by_model[point.model].append(Metric(point.key, float(point.value), point.time_ms, point.step))
    for model, metrics in by_model.items():
        if model is not None and model not in children:
            children[model] = store.new_child(parent, model)
        store.log(parent if model is None else children[model], metrics)
    if words := _now(every[0]["stage"], lines):
        store.log(parent, tags={RUNS_NOW: words})
    write_json(mark, {"parent": parent, "bytes": end})


def points(begin: dict[str, Any], lines: list[dict[str, Any]]) -> Iterator[Point]:
    """What `lines` of the journal that opened with `begin` say. The step of a curve is what was done of the stage's
    work, optimizer steps or samples; of the machine it is the second since the execution began."""
    stage = begin["stage"]
    model = stage.rpartition("@")[2] if stage.startswith(_TRAINING) else None
    start = begin["start"] or begin["at"]
    own = f"live/{stage.replace('@', '.')}"
    for line in lines:
        time_ms, second = int(line["at"] * 1000), max(int(line["at"] - start), 0)
        if line["event"] == "machine":
            for name, value in line["system"].items():
                yield Point(None, f"system/{name}", value, time_ms, second)
            for name, value in line["stage"].items():
                yield Point(None, f"{own}.{name}", value, time_ms, second)
        elif line["event"] == "progress":
            for name, value in line["fields"].items():
                key = name if model else f"{own}.{name}"
                yield Point(model, key, value, time_ms, line["done"])


def _sent(mark: Path, parent: str) -> int:
    """How many bytes of a journal are in the run `parent`; 0 if they went elsewhere, as to a store that is gone."""
    if not mark.exists():
        return 0
    try:
        said = read_json(mark)
    except InputError:
        return 0  # torn by a crash of the machine
    return said["bytes"] if said["parent"] == parent else 0


def _now(stage: str, lines: list[dict[str, Any]]) -> str | None:
    """The last that `lines` say of how the stage fares."""
    for line in reversed(lines):
        if line["event"] == "end":
            return f"{stage} {line['how']}"
        if line["event"] == "progress":
            share = f" ({100 * line['done'] / line['total']:.0f} %)" if line["total"] else ""
            return f"{stage}: {line['done']} of {line['total'] or '?'}{share}"
        if line["event"] == "begin":
            return stage
    return None
