"""The second round of a cycle: the same budget, spent where nothing has passed yet."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from halo_forge.generate.drawing import draws_of, first_draws
from halo_forge.raft.rounds import further_draws, joined
from halo_forge.settings.raft import Raft

TWO_OF_FIVE = Raft(samples_per_task=5, first_round=2)


@pytest.fixture
def further(make_task, make_judged):
    """further("pass", solved={"a"}) -> further draws of tasks a, b, c, d after two samples each."""

    def further(settings: Raft, solved: set[str], seed: int = 0, names: str = "abcd"):
        verdicts = [
            make_judged(name, index, float(name in solved and index == 1))[1] for name in names for index in range(2)
        ]
        return further_draws("c1", [make_task(name) for name in names], verdicts, settings, seed)

    return further


def numbers(draws) -> dict[str, int]:
    return {draw.task.task_id: sum(one.task == draw.task for one in draws) for draw in draws}


def test_the_rest_of_the_budget_goes_to_what_nothing_has_solved(further) -> None:
    assert numbers(further(TWO_OF_FIVE, {"a", "c"})) == {"b": 6, "d": 6}


def test_the_budget_is_that_of_one_round_whatever_is_solved(further, make_task) -> None:
    for solved in ("", "a", "abc", "abcd"):
        first = draws_of(map(make_task, "abcd"), first_draws(TWO_OF_FIVE))
        assert len(first) + len(further(TWO_OF_FIVE, set(solved))) == 4 * 5


def test_a_remainder_goes_by_a_seeded_draw_and_no_task_gets_two_more_than_another(further) -> None:
    shares = [numbers(further(TWO_OF_FIVE, {"a"}, seed, "abcdefg")) for seed in range(8)]
    assert {max(share.values()) - min(share.values()) for share in shares} == {1}
    assert len({tuple(sorted(share.items())) for share in shares}) > 1
    assert shares[0] == numbers(further(TWO_OF_FIVE, {"a"}, 0, "abcdefg"))


def test_indices_go_on_from_the_first_round(further) -> None:
    draws = further(TWO_OF_FIVE, {"a", "b", "c"})
    assert [draw.index for draw in draws] == list(range(2, 14))


def test_one_round_draws_everything_at_once_and_nothing_after_it(further, make_task) -> None:
    one = Raft(samples_per_task=5)
    assert first_draws(one) == 5 and further(one, {"a"}) == []


def test_a_first_round_that_leaves_nothing_is_refused_with_the_cure() -> None:
    with pytest.raises(
        ValidationError, match="first_round 5 leaves nothing of samples_per_task 5.*set first_round to 2"
    ):
        Raft(samples_per_task=5, first_round=5)


def test_both_rounds_are_one_in_the_numbers() -> None:
    first = {"engine": "e", "model": "sft", "samples": 2, "tokens": 30, "seconds": 2.0, "resumed_samples_tokens": 0}
    whole = joined(first, first | {"engine": None, "samples": 1, "tokens": 70, "seconds": 0.5})
    assert (whole["engine"], whole["samples"], whole["tokens"], whole["tokens_per_s"]) == ("e", 3, 100, 40.0)


@pytest.mark.parametrize(("first_round", "folders"), [(1, ["c", "more"]), (0, ["c"])])
def test_the_command_line_samples_both_rounds_and_takes_them_as_one(
    make_task, make_judged, tmp_path, monkeypatch, first_round, folders
) -> None:
    from halo_forge.jsonl import write_records
    from halo_forge.model.checkpoint import Checkpoint
    from halo_forge.pairing import JudgedFiles
    from halo_forge.runs import raft as runs
    from halo_forge.runs.rollout import Rollout
    from halo_forge.settings.model import BaseModelChoice
    from halo_forge.settings.params import Params

    rolled = []

    def roll_out(params, start, tasks_path, out, drawing, draws, verifier) -> Rollout:
        rolled.append((out.name, [(draw.task.task_id, draw.index) for draw in draws]))
        pairs = [make_judged(draw.task.task_id, draw.index, float(draw.task.task_id == "a")) for draw in draws]
        numbers = {"samples": len(draws), "tokens": 1, "seconds": 1.0, "resumed_samples_tokens": 0}
        write_records(out / "samples.jsonl", [pair[0] for pair in pairs])
        write_records(out / "verdicts.jsonl", [pair[1] for pair in pairs])
        return Rollout(JudgedFiles(out, where="c"), numbers)

    monkeypatch.setattr(runs, "roll_out", roll_out)
    raft = Raft(
        cycles={"cycle_1": {"from": "sft", "temperature": 1.0, "learning_rate": 1.0}},
        samples_per_task=3,
        first_round=first_round,
    )
    params = Params(seed=0, preset="p", base_model=BaseModelChoice(provider="local", id="m"), raft=raft)
    start = Checkpoint("sft", {}, tmp_path, tmp_path)
    plan = runs.Plan(start, [make_task("a"), make_task("b")], params, "gcc", tmp_path)
    whole = runs._sampled(plan, "cycle_1", tmp_path / "c", start)
    assert [name for name, _ in rolled] == folders and whole.generation["samples"] == 6
    for _ in range(2):
        assert len({sample.sample_id for sample, _ in whole.pairs}) == 6
    if first_round:
        assert rolled[1][1] == [("b", index) for index in range(1, 5)]
