"""pass@k, intervals and comparisons, each against an independent computation."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from halo_forge.errors import InputError
from halo_forge.statistics.bootstrap import bootstrap_means, share_intervals
from halo_forge.statistics.compare import compare, families_needed, sign_flip_p
from halo_forge.statistics.passk import pass_at_k


@given(st.data())
def test_pass_at_k_is_the_share_of_all_k_subsets_that_hold_a_pass(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 9))
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    subsets = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-15)


@given(st.integers(1, 400), st.data())
def test_pass_at_1_is_the_pass_rate_and_pass_at_n_is_any_pass(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    assert pass_at_k(n, c, 1) == c / n
    assert pass_at_k(n, c, n) == (c > 0)


def test_pass_at_k_keeps_its_precision_where_floats_would_overflow() -> None:
    # 1 - prod(1 - k / i) in double precision cancels here; the exact value is 1 - (n-k)/n = k/n for one pass.
    assert pass_at_k(5_000, 1, 2_000) == 0.4
    assert pass_at_k(10**6, 1, 1) == 1e-6


@pytest.mark.parametrize(("n", "c", "k"), [(4, 1, 5), (0, 0, 1), (4, 1, 0), (4, 5, 1), (4, -1, 1), (4, 1, -2)])
def test_pass_at_k_refuses_counts_that_make_no_sense(n: int, c: int, k: int) -> None:
    with pytest.raises(InputError):
        pass_at_k(n, c, k)


def test_the_bootstrap_of_single_tasks_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).beta(0.4, 0.8, size=40)
    ours = bootstrap_means(values[:, None], [str(i) for i in range(40)], 20_000, seed=1)[0]
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=2, batch=1_000)
    assert ours == pytest.approx(list(theirs.confidence_interval), abs=0.004)


def test_many_families_are_drawn_in_smaller_blocks_with_the_same_limits(monkeypatch) -> None:
    values = np.random.default_rng(0).integers(0, 2, size=(40, 2)).astype(float)
    whole = bootstrap_means(values, [str(i) for i in range(40)], 2_000, seed=1)
    monkeypatch.setattr("halo_forge.statistics.bootstrap._CELLS", 40 * 7)
    assert bootstrap_means(values, [str(i) for i in range(40)], 2_000, seed=1) == whole


def test_the_bootstrap_of_unequal_families_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 9, size=25)
    families = np.repeat(np.arange(25), sizes)
    values = np.clip(rng.random(25)[families] + 0.1 * rng.standard_normal(len(families)), 0, 1)
    sums = np.bincount(families, weights=values)
    ours = bootstrap_means(values[:, None], [f"f{f}" for f in families], 20_000, seed=1)[0]

    def mean_over_tasks(sums: np.ndarray, sizes: np.ndarray, axis: int) -> np.ndarray:
        return sums.sum(axis=axis) / sizes.sum(axis=axis)

    theirs = stats.bootstrap(
        (sums, sizes), mean_over_tasks, paired=True, n_resamples=20_000, method="percentile", rng=2, batch=1_000
    )
    assert ours == pytest.approx(list(theirs.confidence_interval), abs=0.006)


def test_copies_of_a_task_in_its_family_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(4).random((20, 1))
    families = [str(i) for i in range(20)]
    once = bootstrap_means(values, families, 5_000, seed=1)
    assert bootstrap_means(np.repeat(values, 6, axis=0), np.repeat(families, 6), 5_000, seed=1)[0] == pytest.approx(
        once[0]
    )


def test_intervals_do_not_depend_on_the_order_of_tasks_or_on_the_other_columns() -> None:
    rng = np.random.default_rng(5)
    values, families = rng.random((30, 2)), [f"f{i % 7}" for i in range(30)]
    order = rng.permutation(30)
    whole = share_intervals(values, families, 1_500, seed=9)
    shuffled = share_intervals(values[order], [families[i] for i in order], 1_500, seed=9)
    assert shuffled == [pytest.approx(interval) for interval in whole]
    assert share_intervals(values[:, :1], families, 1_500, seed=9)[0] == pytest.approx(whole[0])


@pytest.mark.parametrize("n_families", [2, 10, 60])
def test_all_failed_or_all_passed_is_not_taken_for_certainty(n_families: int) -> None:
    families = [str(i) for i in range(n_families)]
    exact = stats.binomtest(0, n_families).proportion_ci(0.95, method="exact")
    none, every = share_intervals(np.column_stack([np.zeros(n_families), np.ones(n_families)]), families, 200, seed=0)
    assert none == pytest.approx([exact.low, exact.high])
    assert every == pytest.approx([1 - exact.high, 1.0])


def test_one_family_says_nothing_about_others() -> None:
    assert share_intervals(np.array([[0.5], [0.7]]), ["f", "f"], 200, seed=0) == [[0.0, 1.0]]


def summary_of(model: str, passed: list[int], families: list[str] | None = None, n: int = 4) -> dict:
    families = families or [f"f{i}" for i in range(len(passed))]
    rows = zip(passed, families, strict=True)
    per_task = {f"t{i:03}": {"family": f, "passed": c, "compiled": n, "n": n} for i, (c, f) in enumerate(rows)}
    return {"model": model, "per_task": per_task}


def test_compare_counts_what_was_gained_and_lost() -> None:
    row = compare(summary_of("sft", [0, 2, 4, 0, 1]), summary_of("c1", [1, 4, 4, 0, 0]), 500, seed=1)
    assert (row["gained"], row["lost"], row["better"], row["worse"]) == (["t000"], ["t004"], 2, 1)
    assert row["pass@1"]["difference"] == pytest.approx((1 + 2 - 1) / 4 / 5)
    assert row["compile_rate"] == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "detectable": 0.0}


def test_compare_of_a_model_with_itself_finds_nothing() -> None:
    row = compare(summary_of("a", [0, 2, 4]), summary_of("b", [0, 2, 4]), 500, seed=1)
    assert row["pass@1"] == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "detectable": 0.0}
    assert row["gained"] == row["lost"] == []


def test_swapping_the_models_mirrors_the_comparison() -> None:
    rng = np.random.default_rng(6)
    a, b = (summary_of(name, rng.integers(0, 5, size=12).tolist()) for name in "ab")
    there, back = compare(a, b, 800, seed=2)["pass@1"], compare(b, a, 800, seed=2)["pass@1"]
    mirrored = {"difference": -there["difference"], "low": -there["high"], "high": -there["low"]}
    assert back == pytest.approx(there | mirrored)


def test_a_difference_of_the_detectable_size_is_seen_four_times_in_five() -> None:
    """Seen: 0 is outside of the interval that the families' own spread gives. Tasks come in families of three."""
    rng, seen = np.random.default_rng(9), []
    families = [f"f{task // 3}" for task in range(180)]
    spread = compare(*two_models(rng, families, 0.0), 50, seed=1)["pass@1"]["detectable"]
    for _ in range(200):
        row = compare(*two_models(rng, families, spread), 200, seed=1)["pass@1"]
        seen.append(row["low"] > 0)
    assert 0.7 <= np.mean(seen) <= 0.9


def two_models(rng: np.random.Generator, families: list[str], gain: float) -> list[dict]:
    """Whose pass rates differ by `gain` in the mean, of a family's tasks alike."""
    n = 1000
    of_family = {family: rng.normal(gain, 0.1) for family in sorted(set(families))}
    before = [n // 2] * len(families)
    return [
        summary_of("a", before, families, n),
        summary_of("b", [round(n * (0.5 + of_family[f])) for f in families], families, n),
    ]


def test_three_times_finer_asks_for_nine_times_the_families() -> None:
    assert families_needed(80, 0.09, 0.03) == 720 and families_needed(80, 0.03, 0.03) == 80


def test_one_family_detects_nothing() -> None:
    row = compare(summary_of("a", [1, 2], ["f", "f"]), summary_of("b", [2, 4], ["f", "f"]), 50, seed=1)
    assert row["pass@1"]["detectable"] is None


def test_models_with_other_tasks_cannot_be_compared() -> None:
    with pytest.raises(InputError, match=r"sft and c1 .* 3 and 2, 2 in common, 't002' in only one"):
        compare(summary_of("sft", [1, 1, 1]), summary_of("c1", [1, 1]), 100, seed=1)


def test_the_p_value_counts_every_sign_pattern() -> None:
    sums = np.array([0.5, -0.25, 0.75, 0.0, 0.3, 0.1])
    patterns = [abs(np.dot(signs, sums)) for signs in product([1, -1], repeat=6)]
    assert sign_flip_p(sums, 100, seed=0) == np.mean([p >= abs(sums.sum()) - 1e-12 for p in patterns])


def test_the_sampled_p_value_agrees_with_counting_and_is_never_zero() -> None:
    sums = 0.25 + np.random.default_rng(7).standard_normal(16)
    counted = np.abs(np.array(list(product([1, -1], repeat=16))) @ sums) >= abs(sums.sum()) - 1e-12
    assert sign_flip_p(sums, 40_000, seed=0) == pytest.approx(counted.mean(), abs=0.01)
    assert sign_flip_p(np.ones(40), 1_000, seed=0) == 1 / 1_001


def test_noise_alone_is_called_significant_no_more_often_than_promised() -> None:
    rng = np.random.default_rng(8)
    false_alarms = sum(sign_flip_p(rng.standard_normal(12), 0, seed=0) < 0.05 for _ in range(200))
    assert false_alarms <= stats.binom.ppf(0.9999, 200, 0.05)
