"""Two experiments side by side: what was set otherwise, what each model reached, and what changed task by task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from halo_forge.benchmark.experiments.experiment import Card, Experiment
from halo_forge.benchmark.page import render_page, tools_of
from halo_forge.files import whole_file
from halo_forge.settings.benchmark import MEASURED_BY_SETS
from halo_forge.statistics.compare import compare

_TEMPLATE = Path(__file__).with_name("compare.html.j2")
_RESAMPLES, _SEED = 10_000, 42
_TASK_ROWS = 300
"""Rows of the per-task table, the most changed tasks first."""


def write_comparison(before: Experiment, after: Experiment, path: str | Path) -> dict[str, Any]:
    """Write the page of both to `path`; returns the row of their best models (see `paired`)."""
    best = paired(before.best, before.cards.get(before.best), after.best, after.cards.get(after.best))
    with whole_file(path) as file:
        file.write(render_comparison(before, after, best))
    return best


def render_comparison(before: Experiment, after: Experiment, best: dict[str, Any]) -> str:
    """The page as HTML text; `best` is the row of the best models."""
    from halo_forge.benchmark import plots  # half a second

    rows = [
        paired(model, before.cards.get(model), model, after.cards.get(model))
        for model in dict.fromkeys([*before.cards, *after.cards])
    ]
    cards = [row[side] for row in rows for side in ("before", "after") if row[side]]
    return render_page(
        _TEMPLATE,
        ("page.js",),
        before=before,
        after=after,
        settings=differing(before.settings, after.settings),
        rows=rows,
        ks=sorted({int(k) for card in cards for k in card["pass_at_k"]}),
        best=best,
        sets=_set_rows(before, after),
        tasks=_task_table(best),
        facts=_facts(best),
        plot=Markup(plots.experiments_plot(rows, (before.name, after.name))),
        resamples=_RESAMPLES,
    )


def paired(before_model: str, before: Card | None, after_model: str, after: Card | None) -> dict[str, Any]:
    """{"models": the names, one if they are the same, "before", "after": their cards, None of one that is not there,
    "change": `compare` of both as after minus before, "why": why there is no comparison}."""
    row = {"models": list(dict.fromkeys((before_model, after_model))), "before": before, "after": after}
    if before is None or after is None:
        return row | {"change": None, "why": "only one of them has it"}
    old, new = set(before["per_task"]), set(after["per_task"])
    if old != new:
        why = f"not the same tasks: {len(old)} and {len(new)}, {len(old & new)} in both"
        return row | {"change": None, "why": why}
    return row | {"change": compare(before, after, _RESAMPLES, _SEED), "why": None}


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(key, value before, value after) of the settings that are not the same, sorted; of one not set a dash."""
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key, ...) != after.get(key, ...))
    return [(key, _shown(before, key), _shown(after, key)) for key in keys]


def _shown(settings: dict[str, Any], key: str) -> str:
    if key not in settings:
        return "–"
    value = settings[key]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _set_rows(before: Experiment, after: Experiment) -> list[dict[str, Any]]:
    """The rows of `paired` for every public set and model, with the name of the "set"."""
    found = []
    for name in dict.fromkeys([*before.sets, *after.sets]):
        old, new = before.sets.get(name, {}), after.sets.get(name, {})
        for model in MEASURED_BY_SETS:
            if model in old or model in new:
                found.append(paired(model, old.get(model), model, new.get(model)) | {"set": name})
    return found


def _task_table(best: dict[str, Any]) -> dict[str, Any]:
    """The tasks that both best models were asked, the most changed first."""
    old, new = ((card or {"per_task": {}})["per_task"] for card in (best["before"], best["after"]))
    rows = []
    for task in old.keys() & new.keys():
        shares = [row["passed"] / row["n"] for row in (old[task], new[task])]
        rows.append({"task": task, "family": new[task]["family"], "shares": shares, "change": shares[1] - shares[0]})
    rows.sort(key=lambda row: (-abs(row["change"]), -row["change"], row["task"]))
    return {"rows": rows[:_TASK_ROWS], "total": len(rows)}


_FACTS = {
    "samples_per_task": "samples a task",
    "temperature": "temperature",
    "max_new_tokens": "tokens at most",
    "seed": "seed",
    "engine": "engine",
    "weights": "weights",
    "verifier": "verifier",
    "isolation": "isolation",
}


def _facts(best: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """How the best models were measured, in words, and on what: (what, [before, after])."""
    cards = [best["before"] or {}, best["after"] or {}]
    facts = [(words, [str(card.get(key, "–")) for card in cards]) for key, words in _FACTS.items()]
    made = [card.get("provenance") or {} for card in cards]
    facts.append(("code", [str(one.get("git_revision") or "–") for one in made]))
    facts.append(("machine", [f"{one.get('device', '–')}; {one.get('cpu', '–')}" for one in made]))
    return [*facts, ("judged with", [tools_of(card) or "–" for card in cards])]
