"""The best model is chosen on validation, and the benchmark has no say in it."""

from __future__ import annotations

import pytest
from benchmark_tree import small_params, write_tree

from halo_forge.benchmark.choose import choose
from halo_forge.benchmark.ladder import comparisons, summary
from halo_forge.benchmark.results import load_results
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.benchmark import Validation


def card(rate: float, tasks: str = "ab") -> dict:
    return {"pass_at_k": {"1": rate}, "per_task": dict.fromkeys(tasks, {})}


def test_the_highest_pass_rate_wins_and_of_equals_the_first() -> None:
    cards = {"sft": card(0.2), "c1": card(0.5), "c2": card(0.5), "c3": card(0.4)}
    chosen = choose(cards, ["sft", "c1", "c2", "c3"])
    assert (chosen["model"], chosen["by"], chosen["pass@1"]["c3"]) == ("c1", "validation", 0.4)


def test_without_validation_tasks_the_last_model_is_named_and_said_to_be_just_that() -> None:
    cards = {model: {"per_task": {}} for model in ("sft", "c1")}
    assert choose(cards, ["sft", "c1"]) == {"model": "c1", "by": "last", "pass@1": {}}


def test_candidates_on_other_tasks_or_without_a_result_are_refused() -> None:
    with pytest.raises(InputError, match="c1 and sft were asked different tasks"):
        choose({"sft": card(0.1), "c1": card(0.1, "ac")}, ["sft", "c1"])
    with pytest.raises(InputError, match="no result of 'c1'"):
        choose({"sft": card(0.1)}, ["sft", "c1"])


def test_the_gain_is_that_of_the_chosen_model_with_every_k_whatever_the_benchmark_says(tmp_path) -> None:
    params = small_params(("c1", "c2", "c3"))
    write_tree(tmp_path, params)
    write_json(tmp_path / "models/best.json", {"model": "c2", "by": "validation", "pass@1": {}})
    results = load_results(params, tmp_path)
    told = summary(results, comparisons(results))
    assert told["best_model"] == "c2" and told["raft_gain"]["models"] == "c2 - sft"
    for k in params.benchmark.k:
        low, mean, high = (told["raft_gain"][f"pass@{k}{end}"] for end in ("_low", "", "_high"))
        rates = [
            read_json(tmp_path / f"results/benchmark/{model}.json")["pass_at_k"][str(k)] for model in ("c2", "sft")
        ]
        assert low <= mean <= high and mean == pytest.approx(rates[0] - rates[1])


def test_validation_draws_from_its_own_tasks_with_seeds_and_numbers_of_its_own() -> None:
    params = small_params(validation=Validation(samples_per_task=3).model_dump())
    ours, theirs = find_run(params, "validation/c1"), find_run(params, "benchmark/c1")
    assert (ours.tasks.name, ours.samples_per_task, ours.drawing.label) == ("validation.jsonl", 3, "validation")
    assert (theirs.tasks.name, theirs.samples_per_task, theirs.drawing.label) == ("benchmark.jsonl", 10, "benchmark")
    with pytest.raises(InputError, match="no run 'validation/base'"):
        find_run(params, "validation/base")
