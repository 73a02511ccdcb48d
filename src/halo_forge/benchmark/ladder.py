"""The ladder: one row a model from base to the last cycle, and how sure each step up is."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from halo_forge.benchmark.public import set_rows
from halo_forge.benchmark.results import Results
from halo_forge.progress import print_table
from halo_forge.statistics.compare import compare


def ladder(results: Results) -> list[dict[str, Any]]:
    """One row a benchmarked model in the order of `params.models()`, the same keys in every row (DVC plots need that).

    `cycle` is the number of RAFT updates since SFT (-1 for base). pass@k for a k that a model's file lacks is None.
    """
    return [_row(results, model, card, results.params.depth(model)) for model, card in results.benchmark.items()]


def control_rows(results: Results) -> list[dict[str, Any]]:
    """One row a benchmarked control arm, with the keys of `ladder`; none of them is a step of it: `cycle` is None."""
    return [_row(results, arm, card, None) for arm, card in results.controls.items()]


def _row(results: Results, model: str, card: dict[str, Any], cycle: int | None) -> dict[str, Any]:
    intervals = card["intervals"]
    row = {"cycle": cycle, "model": model}
    for k in sorted({1, *results.params.benchmark.k}):
        row[f"pass@{k}"] = card["pass_at_k"].get(str(k))
        row[f"pass@{k}_low"], row[f"pass@{k}_high"] = intervals.get(f"pass@{k}", (None, None))
    row["compile_rate"] = card["compile_rate"]
    row["compile_rate_low"], row["compile_rate_high"] = intervals["compile_rate"]
    for key in ("passed", "n_tasks", "n_families", "n_samples", "mean_tokens", "truncated"):
        row["solved" if key == "passed" else key] = card[key]
    return row


def print_ladder(rows: list[dict[str, Any]]) -> None:
    """The rows of `ladder` as a table on stdout."""
    ks = sorted(int(key[5:]) for key in (rows[0] if rows else {}) if key[5:].isdecimal())

    def percent(share: float | None) -> str:
        return "" if share is None else f"{100 * share:.1f} %"

    def line(row: dict[str, Any]) -> list[Any]:
        interval = f"{percent(row['pass@1_low'])} to {percent(row['pass@1_high'])}"
        others = [percent(row[f"pass@{k}"]) for k in ks[1:]]
        return [
            row["model"],
            percent(row["pass@1"]),
            interval,
            *others,
            percent(row["compile_rate"]),
            row["solved"],
            row["n_tasks"],
            row["n_samples"],
        ]

    headers = ["model", "pass@1", "95 % interval", *(f"pass@{k}" for k in ks[1:])]
    print_table([*headers, "compiles", "solved", "tasks", "samples"], map(line, rows))


def comparisons(results: Results) -> list[dict[str, Any]]:
    """`compare` of each model with the one it was trained from, then of the best and the last one with sft and base,
    and of each control arm with sft and, as what comes before it, with the best."""
    cycles = results.params.raft.cycles
    pairs = [("base", "sft")] + [(cycle.start, name) for name, cycle in cycles.items()]
    pairs.sort(key=lambda pair: list(results.params.models()).index(pair[1]))
    for model in filter(None, (results.best, results.last)):
        pairs += [("sft", model), ("base", model)]
    for arm in results.controls:
        pairs += [("sft", arm), (arm, results.best)]
    settings, cards = results.params, results.benchmark | results.controls
    return [
        compare(cards[before], cards[after], settings.benchmark.bootstrap, settings.seed)
        for before, after in dict.fromkeys(pairs)
        if before in cards and after in cards
    ]


def control_gains(results: Results, compared: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """(what it is, `compare` of two models) for what `summary` names raft_gain, control_gain and raft_over_control, an
    arm after the other; none without a benchmarked arm. `compared` is from `comparisons`."""
    pairs = {(row["before"], row["after"]): row for row in compared}
    wanted = [("RAFT's gain", ("sft", results.best))]
    for arm in results.controls:
        wanted += [(f"gain of {arm}", ("sft", arm)), (f"RAFT over {arm}", (arm, results.best))]
    return [(what, pairs[pair]) for what, pair in wanted if pair in pairs] if results.controls else []


def summary(results: Results, compared: list[dict[str, Any]]) -> dict[str, Any]:
    """The few numbers worth diffing between experiments (`dvc metrics diff`); `compared` is from `comparisons`.

    `best_model` was chosen on validation, by what the benchmark has no part in; without validation it is the last.
    `token_entropy` is in bits, None of a model without an answer.
    `sft_gain` is sft minus base, `raft_gain` the best of RAFT's models minus sft: None until both are benchmarked.
    `sets` has, for every public set, pass@1 and, minus base, the gain of each model.
    For every control arm `control_gain` is the arm minus sft, `raft_over_control` that best model minus the arm.
    """
    benchmark = results.benchmark
    pairs = {(row["before"], row["after"]): row for row in compared}
    return {
        "best_model": results.chosen and results.chosen["model"],
        "pass@1": {model: row["pass_at_k"]["1"] for model, row in benchmark.items()},
        "compile_rate": {model: row["compile_rate"] for model, row in benchmark.items()},
        "token_entropy": {model: row.get("bits") for model, row in results.entropy.items()},
        "sft_gain": _gain(pairs.get(("base", "sft"))),
        "raft_gain": _gain(pairs.get(("sft", results.best))),
        "control_gain": {arm: _gain(pairs.get(("sft", arm))) for arm in results.controls},
        "raft_over_control": {arm: _gain(pairs.get((arm, results.best))) for arm in results.controls},
        "sets": {name: _of_set(rows) for name, rows in groupby(set_rows(results), key=lambda row: row["set"])},
    }


def _of_set(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    of_model = {row["model"]: row for row in rows}
    return {
        "pass@1": {model: row["card"]["pass_at_k"]["1"] for model, row in of_model.items()},
        "gain": {model: _gain(row["change"]) for model, row in of_model.items() if model != "base"},
    }


def _gain(row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "models": f"{row['after']} - {row['before']}",
        **{
            f"{name}{suffix}": row[name][key]
            for name in row
            if name == "compile_rate" or name.startswith("pass@")
            for suffix, key in _SUFFIXES
        },
        "tasks_gained": len(row["gained"]),
        "tasks_lost": len(row["lost"]),
    }


_SUFFIXES = (("", "difference"), ("_low", "low"), ("_high", "high"), ("_p", "p"))
