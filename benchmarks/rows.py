"""The rows that the benchmarks leave in results/perf: one form, written and shown in one place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from halo_forge.files import write_json

ROOT = Path(__file__).resolve().parents[1]
PERF = ROOT / "results" / "perf"


def row(
    name: str,
    ours: float,
    unit: str,
    *,
    n: int,
    baseline: float | None = None,
    baseline_name: str | None = None,
    ratio: float | None = None,
    goal: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """`ratio` is of ours to the baseline, the median of the ratios of `n` turns; the goal is what it should reach, or
    not exceed where `goal_is` is "at most"."""
    fields = {"baseline": baseline, "ratio": ratio, "ours": ours}
    rounded = {key: value if value is None else float(f"{value:.4g}") for key, value in fields.items()}
    return {"name": name, **rounded, "baseline_name": baseline_name, "goal": goal, "unit": unit, "n": n, **more}


def write(path: Path, rows: Sequence[dict[str, Any]], **setting: Any) -> None:
    """Write the rows and what they were measured under."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"setting": setting, "rows": list(rows)})


def show(rows: Sequence[dict[str, Any]], title: str | None = None) -> None:
    table = Table("what", "ours", "baseline", "times", "goal", "n", title=title)
    for one in rows:
        theirs = "" if one["baseline"] is None else f"{one['baseline']:g} ({one['baseline_name']})"
        ours = f"{one['ours']:g} {one['unit']}"
        cells = ["" if one[key] is None else f"{one[key]:g}" for key in ("ratio", "goal", "n")]
        table.add_row(one["name"], ours, theirs, *cells)
    Console(width=150).print(table)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table of docs/measured.md: one line a row, and whether its goal was reached."""
    lines = ["| what | ours | baseline | times | goal | reached | n |", "|---|---|---|---|---|---|---|"]
    for one in rows:
        theirs = "" if one["baseline"] is None else f"{one['baseline']:g} ({one['baseline_name']})"
        ratio, goal = ("" if one[key] is None else f"{one[key]:.3g}" for key in ("ratio", "goal"))
        reached = {None: "", True: "yes", False: "**no**"}[reaches(one)]
        cells = [one["name"], f"{one['ours']:g} {one['unit']}", theirs, ratio, goal, reached, str(one["n"])]
        lines.append(f"| {' | '.join(cell.replace('|', '/').replace('<', '&lt;') for cell in cells)} |")
    return "\n".join(lines)


def reaches(one: dict[str, Any]) -> bool | None:
    """Whether a row's ratio reaches its goal, None if it has none. Of what costs something less is better."""
    if one["goal"] is None or one["ratio"] is None:
        return None
    return one["ratio"] <= one["goal"] if one.get("goal_is") == "at most" else one["ratio"] >= one["goal"]
