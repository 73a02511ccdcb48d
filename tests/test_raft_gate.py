"""The gate: which tasks still teach something, by what is known of their pass rate."""

from __future__ import annotations

import pytest

from halo_forge.raft.answers import answers_of
from halo_forge.raft.gate import Counts, counts_of, history_after
from halo_forge.raft.select import select
from halo_forge.records import History
from halo_forge.settings.raft import Raft


def known(task_id: str, passed: int, judged: int) -> History:
    return History(task_id=task_id, judged=judged, passed=passed)


@pytest.fixture
def covered(make_task, make_judged):
    """covered({"t": "110"}, history, **settings) -> the tasks of which something is kept; 1 is a pass."""

    def covered(results: dict[str, str], history=(), **settings) -> set[str]:
        pairs = [
            make_judged(name, index, float(digit)) for name, row in results.items() for index, digit in enumerate(row)
        ]
        tasks = {name: make_task(name) for name in results}
        found = select(answers_of(pairs, tasks), Raft(**settings), 0, history)
        return {answer.task_id for answer in found.kept}

    return covered


def test_a_task_is_kept_below_the_rate_and_left_out_from_it_on(covered) -> None:
    """2 of 4: (2 + 1) / (4 + 2) = 0.5."""
    assert covered({"t": "1100"}, max_pass_rate=0.51) == {"t"}
    assert covered({"t": "1100"}, max_pass_rate=0.5) == set()


def test_the_rate_is_that_of_all_cycles_so_far(covered) -> None:
    """1 of 4 now is 0.33; with 11 of 12 before, 13 / 18."""
    assert covered({"t": "1000", "u": "1000"}, [known("t", 11, 12)], max_pass_rate=0.6) == {"u"}
    assert covered({"t": "1110"}, [known("t", 0, 12)], max_pass_rate=0.6) == {"t"}


def test_few_passes_shut_no_gate_that_many_shut(covered) -> None:
    assert covered({"few": "11", "many": "1" * 30}, max_pass_rate=0.9) == {"few"}


def test_without_a_rate_nothing_is_left_out(covered) -> None:
    assert covered({"t": "1" * 50}, [known("t", 500, 500)]) == {"t"}


def test_the_old_setting_looks_at_this_cycle_alone(covered) -> None:
    assert covered({"all": "11", "most": "10"}, [known("most", 9, 9)], drop_solved=True) == {"most"}
    assert covered({"t": "11"}, [known("t", 0, 99)], drop_solved=True) == set()


def test_what_could_not_be_judged_counts_as_not_drawn(make_judged) -> None:
    verdicts = [make_judged("t", index, reward)[1] for index, reward in enumerate([1.0, None, 0.0])]
    assert counts_of(verdicts) == {"t": Counts(2, 1)}


def test_history_adds_up_over_cycles_and_knows_tasks_that_come_later() -> None:
    first = history_after({"t": Counts(4, 1)}, [])
    second = history_after({"t": Counts(4, 3), "new": Counts(2, 0)}, first)
    assert second == [known("new", 0, 2), known("t", 4, 8)]
