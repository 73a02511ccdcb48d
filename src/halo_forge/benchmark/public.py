"""The public sets beside the own benchmark: what they say of base, sft and the best model, paired against base."""

from __future__ import annotations

from typing import Any

from halo_forge.benchmark.results import Results
from halo_forge.progress import print_table
from halo_forge.statistics.compare import compare


def set_rows(results: Results) -> list[dict[str, Any]]:
    """One row a set and model, in the order of `benchmark.sets`.

    {"set", "model", "of": the model that `best` is, "card": what its file holds, "change": `compare` with base, None of
    base itself and until base is there}.
    """
    settings, rows = results.params, []
    for name, cards in results.sets.items():
        base = cards.get("base")
        for model, card in cards.items():
            change = None
            if base is not None and model != "base":
                change = compare(base, card, settings.benchmark.bootstrap, settings.seed)
            of = results.chosen and results.chosen["model"] if model == "best" else model
            rows.append({"set": name, "model": model, "of": of, "card": card, "change": change})
    return rows


def print_sets(rows: list[dict[str, Any]]) -> None:
    """The rows of `set_rows` as a table on stdout; nothing if there are none."""
    if not rows:
        return

    def line(row: dict[str, Any]) -> list[Any]:
        card, change = row["card"], row["change"]
        low, high = card["intervals"]["pass@1"]
        model = row["model"] if row["of"] in (None, row["model"]) else f"{row['model']} ({row['of']})"
        shown = [row["set"], model, f"{100 * card['pass_at_k']['1']:.1f} %", f"{100 * low:.1f} % to {100 * high:.1f} %"]
        if change is None:
            return [*shown, "", "", "", card["n_tasks"], card["n_samples"]]
        points = change["pass@1"]
        interval = f"{100 * points['low']:+.1f} to {100 * points['high']:+.1f}"
        shown += [f"{100 * points['difference']:+.1f}", interval, points["p"]]
        return [*shown, card["n_tasks"], card["n_samples"]]

    headers = ["set", "model", "pass@1", "95 % interval", "points over base", "95 % interval", "p", "tasks", "samples"]
    print_table(headers, map(line, rows))
