"""What a RAFT cycle keeps: the best, once each, whatever the order of the file."""

from __future__ import annotations

import random

import pytest

from halo_forge.errors import InputError
from halo_forge.raft.answers import answers_of
from halo_forge.raft.programs import normalised
from halo_forge.raft.select import select
from halo_forge.settings.raft import Raft


def keep(pairs, make_task, seed=0, **settings):
    tasks = {sample.task_id: make_task(sample.task_id) for sample, _ in pairs}
    return select(answers_of(pairs, tasks), Raft(**settings), seed)


def ids(selection) -> list[str]:
    return [answer.sample_id for answer in selection.kept]


def test_file_order_does_not_matter(make_task, make_judged) -> None:
    pairs = [make_judged(f"t{task}", index, 1.0) for task in range(6) for index in range(4)]
    shuffled = pairs[:]
    random.Random(1).shuffle(shuffled)
    assert ids(keep(pairs, make_task)) == ids(keep(shuffled, make_task))


def test_ties_are_broken_by_the_seed_and_not_by_place(make_task, make_judged) -> None:
    pairs = [make_judged("t", index, 1.0) for index in range(20)]
    first = {ids(keep(pairs, make_task, seed, max_keep_per_task=1, keep_top_percent=0.05))[0] for seed in range(20)}
    assert len(first) > 5


def test_a_program_counts_once_however_it_is_laid_out(make_task, make_judged) -> None:
    pairs = [
        make_judged("t", 0, 1.0, "int main() { return 0; } // first"),
        make_judged("t", 1, 1.0, "int main()\n{\n  /* same */ return 0;\n}"),
    ]
    selection = keep(pairs, make_task, keep_top_percent=1.0)
    assert len(selection.kept) == 1 and selection.duplicates == 1


def test_an_answer_to_a_task_that_is_not_given_is_refused(make_task, make_judged) -> None:
    with pytest.raises(InputError, match="sample 'new/0' answers task 'new', which is not given"):
        answers_of([make_judged("t", 0, 1.0), make_judged("new", 0, 1.0)], {"t": make_task("t")})


def test_infrastructure_errors_are_never_kept(make_task, make_judged) -> None:
    assert keep([make_judged("t", 0, None)], make_task, reward_threshold=0.0).kept == []


def test_samples_below_the_threshold_are_never_kept(make_task, make_judged) -> None:
    selection = keep([make_judged("t", 0, 0.7), make_judged("u", 0, 0.5)], make_task, reward_threshold=0.7)
    assert ids(selection) == ["t/0"]


def test_at_least_one_and_at_most_the_cap_of_a_task(make_task, make_judged) -> None:
    pairs = [make_judged("few", 0, 1.0), *(make_judged("many", index, 1.0) for index in range(9))]
    selection = keep(pairs, make_task, keep_top_percent=0.5, max_keep_per_task=3)
    assert [answer.task_id for answer in selection.kept] == ["few", "many", "many", "many"]


def test_a_better_sample_goes_before_a_luckier_one(make_task, make_judged) -> None:
    pairs = [make_judged("t", index, 0.8) for index in range(9)] + [make_judged("t", 9, 1.0)]
    assert ids(keep(pairs, make_task, reward_threshold=0.5, max_keep_per_task=1)) == ["t/9"]


def test_solved_tasks_can_be_dropped_and_are_counted(make_task, make_judged) -> None:
    pairs = [make_judged("solved", 0, 1.0), make_judged("half", 0, 1.0), make_judged("half", 1, 0.0)]
    selection = keep(pairs, make_task, drop_solved=True)
    assert ids(selection) == ["half/0"] and selection.tasks_all_passed == 1


def test_global_selection_keeps_the_share_of_all(make_task, make_judged) -> None:
    pairs = [make_judged(f"t{task}", 0, 1.0) for task in range(10)]
    assert len(keep(pairs, make_task, selection="global", keep_top_percent=0.3).kept) == 3


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ('cout << "a  b";', 'cout << "a b";', "cpp"),
        ('cout << "// no comment";', 'cout << "";', "cpp"),
        ("int ab;", "int a b;", "cpp"),
        ("if a:\n    b()\nc()", "if a:\n    b()\n    c()", "python"),
        ("print('a#b')", "print('a')", "python"),
    ],
)
def test_different_programs_stay_different(one: str, other: str, language: str) -> None:
    assert normalised(one, language) != normalised(other, language)


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("a = 1 ;", "a=1;", "cpp"),
        ("x = 1  # one\n\n\nprint( x )", "x=1\nprint(x)", "python"),
    ],
)
def test_layout_and_comments_do_not_matter(one: str, other: str, language: str) -> None:
    assert normalised(one, language) == normalised(other, language)


def test_the_kept_share_is_rounded_up_from_what_the_user_wrote(make_task, make_judged) -> None:
    pairs = [make_judged("t", index, 1.0) for index in range(30)]
    assert len(keep(pairs, make_task, keep_top_percent=0.1, max_keep_per_task=99).kept) == 3
