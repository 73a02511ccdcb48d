"""Which samples the report carries for reading, within a size that a browser opens at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from halo_forge.records import Sample, Task, Verdict

BUDGET_BYTES = 2_000_000
_COMPLETION, _DETAIL, _PROMPT = 3_000, 800, 2_000  # characters shown of each


class Browser:
    """The samples that the report carries: the first of every task and model, then the second, until `budget_bytes` of
    JSON are used, prompts included; the choice looks at no verdict."""

    def __init__(self, models: Sequence[str], tasks: Mapping[str, Task], budget_bytes: int = BUDGET_BYTES):
        self._places = {model: place for place, model in enumerate(models)}
        self._tasks, self._budget = tasks, budget_bytes
        self._first, self._total = _FirstRows(budget_bytes), 0

    def add(self, model: str, sample: Sample, verdict: Verdict) -> None:
        """A sample of a model that is none of `models` is passed over."""
        if model not in self._places:
            return
        self._total += 1
        key = sample.index, sample.task_id, self._places[model]
        if self._first.wants(key):
            self._first.add(key, _row(model, sample, verdict))

    def carried(self) -> dict[str, Any]:
        """{"samples": [...], "prompts": {task_id: prompt}, "shown", "total"}"""
        used, shown, prompts = 0, [], {}
        for row in self._first.rows():
            task = row["task"]
            first = task in self._tasks and task not in prompts
            new = {task: cut(self._tasks[task].prompt, _PROMPT)} if first else {}
            used += len(json.dumps([row, new]))
            if used > self._budget:
                break
            shown.append(row)
            prompts |= new
        return {"samples": shown, "prompts": prompts, "shown": len(shown), "total": self._total}


def as_script_data(value: Any) -> str:
    """JSON that cannot leave the <script type="application/json"> it stands in, whatever a model wrote."""
    text = json.dumps(value, separators=(",", ":"))  # ASCII: line separators and lone surrogates are escaped
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class _FirstRows:
    """The first of many rows in the order of their keys, as many as the budget may hold: of more, the last are let go.
    Of equal keys the row that came first is first."""

    def __init__(self, budget_bytes: int):
        self._budget, self._used = budget_bytes, 0
        self._rows: list[tuple[tuple, int, dict[str, Any]]] = []
        self._end: tuple | None = None

    def wants(self, key: tuple) -> bool:
        """Whether a row of this key can still be among the first."""
        return self._end is None or key < self._end

    def add(self, key: tuple, row: dict[str, Any]) -> None:
        size = len(json.dumps(row))
        self._rows.append((key, size, row))
        self._used += size
        if self._used > 2 * self._budget:
            self._cut()

    def rows(self) -> list[dict[str, Any]]:
        self._cut()
        return [row for _, _, row in self._rows]

    def _cut(self) -> None:
        self._rows.sort(key=lambda entry: entry[0])
        used = 0
        for place, (key, size, _) in enumerate(self._rows):
            if used + size > self._budget:
                self._end = key
                del self._rows[place:]
                break
            used += size
        self._used = used


def _row(model: str, sample: Sample, verdict: Verdict) -> dict[str, Any]:
    return {
        "model": model,
        "task": sample.task_id,
        "index": sample.index,
        "status": verdict.status,
        "reward": verdict.reward,
        "tests": f"{verdict.tests_passed}/{verdict.tests_total}",
        "tokens": sample.n_tokens,
        "finish": sample.finish_reason,
        "completion": cut(sample.completion, _COMPLETION),
        "detail": cut(verdict.detail, _DETAIL),
    }


def cut(text: str, limit: int) -> str:
    """The beginning of a text, and how much was left out."""
    return text if len(text) <= limit else f"{text[:limit]}\n… {len(text) - limit} more characters"
