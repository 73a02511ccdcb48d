"""The split keeps families whole, never moves them, and lets no benchmark problem into training."""

from __future__ import annotations

import json

import pytest

from halo_forge.data.clean.fingerprint import of_file
from halo_forge.data.overlap import overlaps
from halo_forge.data.split import SIDES, drawn_side, split
from halo_forge.errors import InputError
from halo_forge.records import Source
from halo_forge.settings.data import Split

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


def test_a_capped_side_keeps_hard_tasks_too(tasks) -> None:
    graded = [task.model_copy(update={"difficulty": 1 + number % 5}) for number, task in enumerate(tasks)]
    whole, _ = split(graded, Split(), seed=1)
    some, _ = split(graded, Split(max_tasks={"raft": len(whole["raft"]) // 2}), seed=1)
    assert len(some["raft"]) == len(whole["raft"]) // 2
    assert {task.difficulty for task in some["raft"]} == {1, 2, 3, 4, 5}


def test_every_task_that_settings_leave_out_is_counted_with_the_reason(tasks) -> None:
    graded = [task.model_copy(update={"difficulty": 1 + number % 5}) for number, task in enumerate(tasks)]
    graded[::7] = [task.model_copy(update={"solution": ""}) for task in graded[::7]]
    drawn = {side: sum(drawn_side(task.family, Split().shares, 1) == side for task in graded) for side in SIDES}
    settings = Split(max_difficulty={"raft": 3}, variants={"raft": 1, "sft": 2}, max_tasks={"raft": 5, "benchmark": 4})
    sides, report = split(graded, settings, seed=1)
    assert set(report["left_out"]["raft"]) == {
        "harder than max_difficulty 3",
        "beyond the first 1 variants of a family",
        "beyond max_tasks 5",
    }
    assert report["left_out"]["sft"]["no solution"] == report["without_solution"] > 0
    assert all(task.solution for task in sides["sft"])
    for side in SIDES:
        assert len(sides[side]) + sum(report["left_out"][side].values()) == drawn[side]


def test_the_seed_decides_the_sides(tasks) -> None:
    sides = [[drawn_side(task.family, Split().shares, seed) for task in tasks] for seed in (1, 1, 2)]
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


WITH_VALIDATION = {"sft": 0.34, "raft": 0.13, "validation": 0.2, "benchmark": 0.33}
LONG = (
    "Every morning the baker counts the loaves that were left over on each of the shelves, and gives the fullest shelf "
    "to the school. Read the number of shelves and the loaves on each, then print the number of the fullest shelf."
)
REWORDED = (
    "Each morning a baker counts the loaves that were left over on every one of the shelves, and gives the fullest "
    "shelf to a school nearby. Take the number of shelves and the loaves on each; print which shelf is the fullest."
)


def test_the_same_problem_in_other_words_is_on_the_same_side(tasks, make_task) -> None:
    pairs = [make_task(f"a{i}", LONG.replace("loaves", f"loaves{'x' * i}"), solution="s") for i in range(2)]
    other = make_task("zz", REWORDED, solution="s")
    for seed in range(6):
        sides, report = split([*tasks, *pairs, other], Split(), seed)
        assert len({side for side in SIDES for task in sides[side] if task.task_id in ("a0", "a1", "zz")}) == 1
        assert report["joined_families"] == {"a1": "a0", "zz": "a0"} and report["leaks"] == []


def test_joining_families_moves_no_other(tasks, make_task) -> None:
    before, _ = split(tasks, Split(), seed=1)
    after, _ = split([*tasks, make_task("a", LONG, solution="s"), make_task("b", REWORDED, solution="s")], Split(), 1)
    for side in SIDES:
        assert [task for task in after[side] if task.family not in ("a", "b")] == before[side]


def test_a_family_put_somewhere_by_hand_takes_its_copies_along(tasks, make_task) -> None:
    both = [make_task("a", LONG, solution="s"), make_task("b", REWORDED, solution="s")]
    for side in SIDES:
        sides, _ = split([*tasks, *both], Split(shares=WITH_VALIDATION, assign={"b": side}), seed=1)
        assert {"a", "b"} <= {task.task_id for task in sides[side]}


def test_of_copies_put_on_two_sides_by_hand_the_benchmark_keeps_its_own(tasks, make_task) -> None:
    three = [make_task(name, LONG.replace("loaves", name), solution="s") for name in ("aa", "bb", "cc")]
    sides, report = split([*tasks, *three], Split(assign={"aa": "sft", "bb": "benchmark"}), seed=1)
    names = {side: {task.task_id for task in sides[side]} & {"aa", "bb", "cc"} for side in SIDES}
    assert names == {"sft": set(), "raft": set(), "validation": set(), "benchmark": {"bb", "cc"}}
    assert [row["task_id"] for row in report["dropped_for_overlap"] + report["leaks"]] == ["aa"]


def against(prompt: str, tmp_path):
    path = tmp_path / "other_benchmark.jsonl"
    path.write_text(json.dumps({"prompt": prompt}) + "\n")
    return of_file(path)


def test_a_copy_of_another_benchmark_is_dropped_from_training_and_named(tasks, make_task, tmp_path) -> None:
    leak = make_task("leak", REWORDED, solution="s")
    settings = Split(assign={"leak": "raft"})
    sides, report = split([*tasks, leak], settings, 1, against(LONG, tmp_path))
    assert "leak" not in {task.task_id for task in sides["raft"]}
    assert [(row["side"], row["task_id"]) for row in report["leaks"]] == [("raft", "leak")]
    assert report["leaks"][0]["copy_of"].endswith("other_benchmark.jsonl:1")
    kept, report = split([*tasks, leak], Split(assign={"leak": "benchmark"}), 1, against(LONG, tmp_path))
    assert report["leaks"] == [] and "leak" in {task.task_id for task in kept["benchmark"]}


def test_a_leak_stops_the_run_when_it_is_told_to(tasks, make_task, tmp_path) -> None:
    settings = Split(assign={"leak": "sft"}, on_leak="fail")
    leak = make_task("leak", REWORDED, solution="s")
    with pytest.raises(
        InputError, match=r"1 training tasks copy a benchmark problem, the first is 'leak', of .*on_leak: drop"
    ):
        split([*tasks, leak], settings, 1, against(LONG, tmp_path))
    split(tasks, settings.model_copy(update={"assign": {}}), 1, against(LONG, tmp_path))


def test_built_in_families_stay_as_they_were_told_apart(tasks, make_task) -> None:
    def curated(name: str, prompt: str):
        return make_task(name, prompt, solution="s").model_copy(update={"source": Source(dataset="builtin")})

    both = [curated("a", LONG), curated("b", REWORDED)]
    _, report = split([*tasks, *both], Split(assign={"a": "sft", "b": "benchmark"}), seed=1)
    assert report["joined_families"] == {} and report["leaks"] == []
    stranger = make_task("stranger", LONG.lower(), solution="s")
    _, report = split([*tasks, curated("b", REWORDED), stranger], Split(), seed=1)
    assert report["joined_families"] == {"stranger": "b"}


def test_validation_takes_its_families_from_its_neighbour_and_moves_no_other(tasks) -> None:
    (before, _), (after, report) = split(tasks, Split(), 1), split(tasks, Split(shares=WITH_VALIDATION), 1)
    assert before["validation"] == [] and after["validation"]
    assert (after["sft"], after["benchmark"]) == (before["sft"], before["benchmark"])
    assert {task.family for side in ("raft", "validation") for task in after[side]} == {
        task.family for task in before["raft"]
    }
    assert report["families"]["validation"] == len({task.family for task in after["validation"]})


def test_a_copy_of_a_validation_problem_is_not_trained_on(tasks, make_task) -> None:
    copy, held = make_task("copy", LONG, solution="s"), make_task("held", LONG)
    settings = Split(shares=WITH_VALIDATION, assign={"copy": "sft", "held": "validation"})
    sides, report = split([*tasks, copy, held], settings, seed=1)
    assert "held" in {task.task_id for task in sides["validation"]}
    assert "copy" not in {task.task_id for side in SIDES for task in sides[side]}
    assert "copy" in {found["task_id"] for found in report["dropped_for_overlap"] + report["leaks"]}


def test_a_family_put_on_a_validation_side_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="validation side, which has no share; add it to shares"):
        Split(assign={"a": "validation"})
