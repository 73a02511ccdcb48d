"""Control arms: as many rows as RAFT kept, and what they show beside the best model."""

from __future__ import annotations

import pytest
from benchmark_tree import ARMS, small_params, write_tree

from halo_forge.benchmark.ladder import comparisons, control_rows, ladder, summary
from halo_forge.benchmark.report import render
from halo_forge.benchmark.results import load_results, remove_leftovers
from halo_forge.errors import InputError
from halo_forge.raft import control
from halo_forge.raft.control import reference_rows
from halo_forge.records import Kept
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.control import Control


@pytest.fixture
def cycle(make_task, make_judged):
    """(kept rows, all samples, references) of a cycle that kept 4 of 20 answers."""
    samples = [make_judged(f"t{number}", 0, 0.0)[0] for number in range(20)]
    references = reference_rows([make_task(f"s{number}", solution=f"int s{number};") for number in range(3)])
    kept = [
        Kept(sample_id=one.sample_id, task_id=one.task_id, prompt="p", completion="c", reward=1.0)
        for one in samples[:4]
    ]
    return kept, samples, references


def drawn(cycle, rows: str, seed: int = 0) -> list[Kept]:
    return control.control_rows("c1", Control(rows=rows), *cycle, seed)


def test_unfiltered_is_a_seeded_choice_of_as_many_answers(cycle) -> None:
    kept, samples, _ = cycle
    rows = drawn(cycle, "unfiltered")
    assert len({row.sample_id for row in rows} & {sample.sample_id for sample in samples}) == len(rows) == len(kept)
    assert rows == drawn(cycle, "unfiltered")
    assert len({row.sample_id for seed in range(9) for row in drawn(cycle, "unfiltered", seed)}) > 9


def test_an_arm_takes_no_empty_answers(cycle) -> None:
    kept, samples, references = cycle
    spoilt = [sample.model_copy(update={"completion": " "}) for sample in samples[:18]]
    rows = drawn((kept, [*spoilt, *samples[18:]], references), "unfiltered")
    assert {row.sample_id for row in rows} == {sample.sample_id for sample in samples[18:]}


def test_references_all_come_before_one_comes_again(cycle) -> None:
    kept, samples, references = cycle
    rows = drawn((kept * 2, samples, references), "references")
    assert [len({row.task_id for row in part}) for part in (rows[:3], rows[3:6], rows[6:])] == [3, 3, 2]


def test_an_arm_is_measured_beside_the_best_model_and_is_no_step_of_the_ladder(tmp_path) -> None:
    params = small_params(("c1", "c2"), controls=ARMS)
    write_tree(tmp_path, params)
    assert remove_leftovers(params, tmp_path) == []
    results = load_results(params, tmp_path)
    assert [row["model"] for row in ladder(results)] == ["base", "sft", "c1", "c2"]
    assert [row["model"] for row in control_rows(results)] == ["unfiltered", "continued"]
    told = summary(results, comparisons(results))
    assert told["control_gain"]["unfiltered"]["models"] == "unfiltered - sft"
    over = told["raft_over_control"]["unfiltered"]
    assert over["models"] == "c2 - unfiltered" and over["pass@1_low"] > 0
    assert {f"pass@{k}{end}" for k in params.benchmark.k for end in ("", "_low", "_high", "_p")} <= over.keys()
    page = render(results)
    assert "RAFT over unfiltered <small>c2 − unfiltered</small>" in page and "unfiltered → c2" not in page


def test_an_arm_answers_the_benchmark_and_has_a_name_of_its_own() -> None:
    params = small_params(controls=ARMS)
    assert find_run(params, "benchmark/unfiltered").drawing.model == "unfiltered"
    assert params.chain("c1") == ["c1"] and small_params(("c1", "c2")).chain("c2") == ["c1", "c2"]
    with pytest.raises(InputError, match="controls has no 'unfilterd'"):
        params.control("unfilterd")
    for name in ("c1", "sft"):
        with pytest.raises(ValueError, match=f"controls.{name}: this name is taken"):
            small_params(controls={name: {"rows": "unfiltered"}})
