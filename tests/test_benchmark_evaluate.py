"""The benchmark summary: what counts, what is left out, and what stops it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from benchmark_tree import make_answers, make_tasks, small_params, write_tree

from halo_forge.benchmark.evaluate import summarise
from halo_forge.benchmark.ladder import comparisons, ladder, summary
from halo_forge.benchmark.results import load_results, remove_leftovers
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.files import read_json, write_json
from halo_forge.pairing import paired
from halo_forge.raft.statistics import raft_statistics
from halo_forge.settings.benchmark import Benchmark

TASKS = make_tasks(families=3, variants=2)
SETTINGS = Benchmark(samples_per_task=10, k=[1, 5], bootstrap=300)
GENERATION = {"engine": "openvino", "weights": "int8", "seconds": 2.0}


def summarised(samples: list, verdicts: list, tasks: list = TASKS, settings: Benchmark = SETTINGS) -> dict:
    return summarise("sft", tasks, paired(samples, verdicts, "benchmark"), settings, 13, GENERATION)


def spoil(verdicts: list, task_id: str, count: int) -> list:
    """The verdicts with `count` infrastructure errors on one task."""
    hit = [i for i, verdict in enumerate(verdicts) if verdict.task_id == task_id][:count]
    change = {"status": "infra_error", "reward": None, "detail": "g++: not\nfound"}
    return [verdict.model_copy(update=change) if i in hit else verdict for i, verdict in enumerate(verdicts)]


def test_the_summary_counts_by_hand() -> None:
    samples, verdicts = make_answers("sft", TASKS, 10)
    result = summarised(samples, verdicts)
    passed = [sum(v.passed for v in verdicts if v.task_id == task.task_id) for task in TASKS]
    assert result["pass_at_k"]["1"] == pytest.approx(sum(passed) / 60)
    assert result["compile_rate"] == pytest.approx(sum(v.compiled for v in verdicts) / 60)
    assert (result["total"], result["passed"]) == (6, sum(c > 0 for c in passed))
    assert result["pass_rate"] == result["passed"] / result["total"]
    assert (result["n_tasks"], result["n_families"], result["n_samples"]) == (6, 3, 60)
    assert sum(result["by_status"].values()) == 60
    assert result["tokens_per_s"] == sum(s.n_tokens for s in samples) / 2.0
    assert result["truncated"] == sum(s.finish_reason == "length" for s in samples) / 60
    assert result["by_difficulty"]["none"]["n_tasks"] == 2
    for name, (low, high) in result["intervals"].items():
        value = result["compile_rate"] if name == "compile_rate" else result["pass_at_k"][name.removeprefix("pass@")]
        assert low <= value <= high


def test_the_same_records_in_any_order_give_the_same_bytes() -> None:
    samples, verdicts = make_answers("sft", TASKS, 10)
    shuffled = [random.Random(i).sample(part, len(part)) for i, part in enumerate((samples, verdicts, TASKS))]
    assert json.dumps(summarised(samples, verdicts)) == json.dumps(summarised(*shuffled))


def test_infrastructure_errors_leave_every_rate_and_are_counted() -> None:
    samples, verdicts = make_answers("sft", TASKS, 10)
    task = TASKS[1].task_id
    result = summarised(samples, spoil(verdicts, task, 3))
    assert (result["infra_errors"], result["n_samples"], result["per_task"][task]["n"]) == (3, 57, 7)
    assert result["per_task"][task]["passed"] == sum(v.passed for v in verdicts if v.task_id == task) - sum(
        v.passed for v in [v for v in verdicts if v.task_id == task][:3]
    )


def test_too_few_judged_samples_for_k_stop_with_the_reason() -> None:
    samples, verdicts = make_answers("sft", TASKS, 10)
    with pytest.raises(InfrastructureError, match=r"family_0/1.*6 of 10 .*pass@5 needs 5 \(g\+\+: not found\)"):
        summarised(samples, spoil(verdicts, "family_0/1", 6))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda samples, verdicts: (samples, verdicts[1:]), "has no verdict"),
        (lambda samples, verdicts: (samples[1:], verdicts), "has no sample"),
        (lambda samples, verdicts: (samples + samples[:1], verdicts), "more than once"),
        (lambda samples, verdicts: (samples[6:], verdicts[6:]), "has 4 samples, pass@5 needs 5"),
    ],
)
def test_records_that_do_not_belong_together_are_refused(break_it, message: str) -> None:
    with pytest.raises(InputError, match=message):
        summarised(*break_it(*make_answers("sft", TASKS, 10)))


def test_an_answer_to_an_unknown_task_is_refused() -> None:
    with pytest.raises(InputError, match="not a benchmark task"):
        summarised(*make_answers("sft", TASKS, 10), tasks=TASKS[1:])


def test_pass_at_1_is_there_though_k_does_not_list_it() -> None:
    settings = Benchmark(samples_per_task=10, k=[5], bootstrap=100)
    assert set(summarised(*make_answers("sft", TASKS, 10), settings=settings)["pass_at_k"]) == {"1", "5"}


def test_ladder_rows_share_their_keys_and_follow_the_chain(tmp_path: Path) -> None:
    params = small_params(("c1", "c2"))
    write_tree(tmp_path, params)
    rows = ladder(load_results(params, tmp_path))
    assert [(row["cycle"], row["model"]) for row in rows] == [(-1, "base"), (0, "sft"), (1, "c1"), (2, "c2")]
    assert len({tuple(row) for row in rows}) == 1
    assert all(row["pass@1_low"] <= row["pass@1"] <= row["pass@1_high"] for row in rows)


def test_branches_are_compared_with_the_model_they_start_from(tmp_path: Path) -> None:
    params = small_params(("c1", "c2"))
    hot = {"from": "sft", "temperature": 1.2, "learning_rate": 1e-4}
    table = {name: cycle.model_dump(by_alias=True) for name, cycle in params.raft.cycles.items()}
    params = small_params(("c1", "c2"), raft={"cycles": {"hot": hot, **table}})
    write_tree(tmp_path, small_params(("c1", "c2")))
    result = read_json(tmp_path / "results/benchmark/c1.json")
    write_json(tmp_path / "results/benchmark/hot.json", result | {"model": "hot"})
    pairs = [(row["before"], row["after"]) for row in comparisons(load_results(params, tmp_path))]
    assert pairs == [("base", "sft"), ("sft", "c1"), ("sft", "hot"), ("c1", "c2"), ("sft", "c2"), ("base", "c2")]


def test_the_summary_of_a_run_without_cycles_has_no_raft_gain(tmp_path: Path) -> None:
    params = small_params(())
    write_tree(tmp_path, params)
    results = load_results(params, tmp_path)
    short = summary(results, comparisons(results))
    assert short["raft_gain"] is None
    assert short["sft_gain"]["models"] == "sft - base"
    assert short["best_model"] == "sft"


def test_results_of_cycles_no_longer_listed_are_deleted_and_no_others(tmp_path: Path) -> None:
    write_tree(tmp_path, small_params(("c1", "c2")))
    removed = remove_leftovers(small_params(("c1",)), tmp_path)
    assert removed == ["results/benchmark/c2.json", "results/entropy/c2.json", "results/raft/c2.json"]
    assert not (tmp_path / removed[0]).exists()
    assert load_results(small_params(("c1",)), tmp_path).missing == []


def test_raft_statistics_keep_the_known_keys_and_leave_out_unfinished_cycles(tmp_path: Path) -> None:
    params = small_params(("c1", "c2"))
    write_tree(tmp_path, params)
    (tmp_path / "data/train/c2.json").unlink()
    (row,) = raft_statistics(params, tmp_path)
    known = "cycle elapsed_minutes total_samples above_threshold kept avg_reward avg_kept_reward success_rate"
    assert row.keys() >= {*known.split(), "reward_distribution", "threshold_adjusted", "effective_threshold"}
    assert (row["cycle"], row["name"], row["from"]) == (1, "c1", "sft")
    assert row["elapsed_minutes"] == pytest.approx((30 + 12 + 180) / 60)
