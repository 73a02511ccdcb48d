"""The description of a run: the ladder as a table, where a person who opens MLflow sees it first. Markdown."""

from __future__ import annotations

from typing import Any

from halo_forge.benchmark.ladder import control_rows
from halo_forge.benchmark.public import set_rows
from halo_forge.benchmark.results import Results
from halo_forge.tracking.measures import on_sets

HEADING = "**halo-forge**"
"""How our descriptions begin: one that begins otherwise is somebody else's."""


def description(results: Results, rows: list[dict[str, Any]], compared: list[dict[str, Any]]) -> str:
    """Of an execution; `rows` is the ladder, `compared` the comparisons."""
    every = rows + control_rows(results)
    base = (results.base or {}).get("origin") or results.params.base_model.id
    steps = " → ".join(f"{_model(results, row)} {_percent(row['pass@1'])}" for row in rows)  # MLflow folds what follows
    lines = [f"{HEADING}: {base}, preset {results.params.preset}" + (f"; pass@1: {steps}" if rows else ""), ""]
    if every:
        ks = sorted(int(key[5:]) for key in every[0] if key[5:].isdecimal())
        others = [f"pass@{k}" for k in ks if k != 1]
        first = [[_model(results, row), _percent(row["compile_rate"]), _percent(row["pass@1"])] for row in every]
        rest = [
            [_range(row), *(_percent(row[name]) for name in others), f"{row['n_tasks']} × {_each(row)}"]
            for row in every
        ]
        heads = ["model", "compiles", "pass@1", "95 % interval", *others, "tasks × samples"]
        lines += _table(heads, [a + b for a, b in zip(first, rest, strict=True)])
    for row in compared:
        change = row["pass@1"]
        lines.append(
            f"- {row['after']} against {row['before']}: {100 * change['difference']:+.1f} points of pass@1 "
            f"({100 * change['low']:+.1f} to {100 * change['high']:+.1f}, p {_p(change['p'])})"
        )
    sets = [
        [row["set"], row["model"], _percent(row["card"]["pass_at_k"]["1"]), f"{row['card']['n_tasks']} tasks"]
        for row in set_rows(results)
    ]
    if sets:
        lines += ["", *_table(["public set", "model", "pass@1", "n"], sets)]
    if results.missing:
        lines += ["", f"Not there yet: {', '.join(results.missing)}"]
    return "\n".join(lines) + "\n"


def of_model(results: Results, model: str, row: dict[str, Any] | None) -> str:
    """Of a model, its line of the ladder in words."""
    training = results.training.get(model)
    parts = []
    if row:
        parts.append(
            f"pass@1 {_percent(row['pass@1'])} ({_range(row)}), compiles {_percent(row['compile_rate'])}: "
            f"{row['n_samples']} samples of {row['n_tasks']} tasks"
        )
    parts += [
        f"{name} pass@1 {_percent(card['pass_at_k']['1'])} of {card['n_tasks']} tasks"
        for (name, _), card in on_sets(results, model).items()
    ]
    if training:
        parts.append(f"trained from {training.get('from')} on {training['rows']} rows")
    return f"{model}: " + "; ".join(parts or ["not measured yet"])


def _model(results: Results, row: dict[str, Any]) -> str:
    model = row["model"]
    return f"**{model}** (best)" if results.chosen and results.chosen["model"] == model else model


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in [heads, ["---"] * len(heads), *rows]] + [""]


def _each(row: dict[str, Any]) -> str:
    return f"{row['n_samples'] / row['n_tasks']:.3g}" if row["n_tasks"] else "0"


def _range(row: dict[str, Any]) -> str:
    low, high = row["pass@1_low"], row["pass@1_high"]
    return "" if low is None else f"{100 * low:.1f} to {100 * high:.1f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
