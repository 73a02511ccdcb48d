"""The split keeps families whole, never moves them, and lets no benchmark problem into training."""

from __future__ import annotations

import pytest

from halo_forge.config import Split
from halo_forge.data.overlap import overlaps
from halo_forge.data.split import SIDES, side_of, split
from halo_forge.errors import InputError

STATEMENT = (
    "A ferry takes at most {k} cars. Read the number of cars that wait at the pier and print how many trips the ferry "
    "makes before the last waiting car has crossed the river."
)


@pytest.fixture
def tasks(make_task):
    return [
        make_task(
            f"f{family}.{variant}",
            f"Problem {family}: " + " ".join(f"word{family}x{i}" for i in range(30)),
            family=f"f{family}",
            solution="int main(){}",
        )
        for family in range(60)
        for variant in range(3)
    ]


def test_no_family_is_on_two_sides(tasks) -> None:
    sides, _ = split(tasks, Split(), seed=1)
    families = [{task.family for task in sides[side]} for side in SIDES]
    assert sum(map(len, families)) == len(set.union(*families)) == 60


def test_a_new_family_moves_no_other(tasks, make_task) -> None:
    before, _ = split(tasks, Split(), seed=1)
    after, _ = split([make_task("new", "quite new words", solution="x"), *tasks], Split(), seed=1)
    for side in SIDES:
        assert [task for task in after[side] if task.family != "new"] == before[side]


def test_a_family_assigned_by_hand_to_the_benchmark_changes_no_training_file(tasks, make_task) -> None:
    before, _ = split(tasks, Split(), seed=1)
    settings = Split(assign={"new": "benchmark"})
    after, _ = split([*tasks, make_task("new", "quite new words")], settings, seed=1)
    assert after["sft"] == before["sft"] and after["raft"] == before["raft"]
    assert "new" in {task.family for task in after["benchmark"]}


def test_too_hard_tasks_leave_the_side_that_limits_them_and_no_other(tasks) -> None:
    graded = [task.model_copy(update={"difficulty": 1 + number % 5}) for number, task in enumerate(tasks)]
    before, _ = split(graded, Split(), seed=1)
    after, report = split(graded, Split(max_difficulty={"raft": 2}), seed=1)
    assert after["raft"] == [task for task in before["raft"] if task.difficulty <= 2]
    assert set(report["difficulty"]["raft"]) == {"1", "2"}
    assert after["sft"] == before["sft"] and after["benchmark"] == before["benchmark"]


def test_the_seed_decides_the_sides(tasks) -> None:
    sides = [[side_of(task.family, Split(), seed) for task in tasks] for seed in (1, 1, 2)]
    assert sides[0] == sides[1] != sides[2]


def test_an_unknown_family_in_assign_is_refused(tasks) -> None:
    with pytest.raises(InputError, match="no task is of family 'nope'"):
        split(tasks, Split(assign={"nope": "sft"}), seed=1)


@pytest.mark.parametrize(
    "leak",
    [
        STATEMENT.format(k=5),
        STATEMENT.format(k=9),
        STATEMENT.format(k=5).upper(),
        STATEMENT.format(k=5).replace(" ", "\n"),
        "Please help me. " + STATEMENT.format(k=5) + " Thank you.",
        STATEMENT.format(k=5).replace("pier", "dock"),
    ],
    ids=["copied", "other parameter", "upper case", "reformatted", "framed", "one word changed"],
)
def test_a_planted_leak_is_dropped_from_training(tasks, make_task, leak: str) -> None:
    planted = make_task("leak", leak, solution="int main(){}")
    held_out = make_task("ferry", STATEMENT.format(k=5))
    settings = Split(assign={"leak": "sft", "ferry": "benchmark"})
    sides, report = split([*tasks, planted, held_out], settings, seed=1)
    assert "leak" not in {task.task_id for task in sides["sft"]}
    assert [item["task_id"] for item in report["dropped_for_overlap"]] == ["leak"]


def test_words_that_all_tasks_share_are_no_overlap(make_task) -> None:
    frame = "Write a complete C++ program that reads the input with std::cin and prints only the answer with std::cout."
    training = [make_task(f"a{i}", f"Tell about alpha{i} beta{i} gamma{i}. {frame}") for i in range(30)]
    held_out = [make_task(f"b{i}", f"Tell about delta{i} eta{i} theta{i}. {frame}") for i in range(30)]
    assert max(found.share for found in overlaps(training, held_out, 8)) < 0.3
