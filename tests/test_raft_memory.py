"""What a cycle trains on beyond its own answers."""

from __future__ import annotations

import pytest

from halo_forge.raft.gate import Counts
from halo_forge.raft.memory import history_after, reference_rows, rows_to_train
from halo_forge.records import Kept
from halo_forge.settings.raft import Raft

SUM = "int main() { int a, b; std::cin >> a >> b; std::cout << a + b << std::endl; return 0; }"
RENAMED = "int main() { int x, y; std::cin >> x >> y; std::cout << x + y << std::endl; return 0; } // the same"
OTHER = 'int main() { long total = 0; for (long v; std::cin >> v;) total += v; std::printf("%ld", total); }'


def row(task_id: str, code: str, cycle: str = "c2") -> Kept:
    name = f"{cycle}/{task_id}/{abs(hash(code))}"
    return Kept(sample_id=name, task_id=task_id, prompt=f"Solve {task_id}.", completion=code, reward=1.0, code=code)


@pytest.fixture
def trained(make_task):
    """trained(kept, remembered, references, **settings) -> Rows of cycle c2."""

    def trained(kept, remembered=(), references=(), seed=0, **settings):
        tasks = {name: make_task(name) for name in "tuvwxyz"}
        history = history_after({name: Counts(1, 1) for name in tasks}, remembered, [])
        return rows_to_train("c2", tasks, kept, history, references, Raft(**settings), seed)

    return trained


def test_with_memory_the_answers_of_earlier_cycles_follow_and_without_they_do_not(trained) -> None:
    now, old = row("t", SUM), row("u", SUM, "c1")
    assert trained([now], [old], memory=True).rows == [now, old]
    assert trained([now], [old]).rows == [now]
    assert trained([], [old], memory=True).remembered == 1


def test_a_program_of_a_task_is_remembered_once(trained) -> None:
    now = row("t", SUM)
    again = row("t", SUM.replace(" ", "  "), "c1")
    assert trained([now], [again, row("u", SUM, "c1")], memory=True).remembered == 1


def test_answers_of_all_cycles_stay_in_the_history(make_task) -> None:
    first = history_after({"t": Counts(2, 1)}, [row("t", SUM, "c1")], [])
    second = history_after({"t": Counts(2, 1)}, [row("t", OTHER)], first)
    assert [kept.sample_id.split("/")[0] for kept in second[0].kept] == ["c1", "c2"]


def test_replay_makes_up_its_share_of_all_rows(trained, make_task) -> None:
    references = reference_rows([make_task(f"s{number}", solution=SUM) for number in range(30)])
    kept = [row(name, SUM) for name in "tuvwxy"]
    found = trained(kept, references=references, replay=0.25)
    assert (found.replayed, len(found.rows)) == (2, 8)
    assert {replayed.completion for replayed in found.rows[6:]} == {f"```cpp\n{SUM}\n```"}
    assert trained(kept, references=references[:1], replay=0.25).replayed == 1
    assert trained([], references=references, replay=0.9).rows == []


def test_what_is_replayed_is_drawn_by_the_seed(trained, make_task) -> None:
    references = reference_rows([make_task(f"s{number}", solution=SUM) for number in range(30)])

    def drawn(seed: int) -> list[str]:
        return [found.task_id for found in trained([row("t", SUM)], references=references, seed=seed, replay=0.8).rows]

    assert drawn(0) == drawn(0) != drawn(1)


def test_near_copies_share_the_weight_of_one_and_different_programs_keep_theirs(trained) -> None:
    copies = [row("t", SUM), row("t", RENAMED)]
    weights = [found.weight for found in trained(copies, weigh_copies=True).rows]
    assert weights == pytest.approx([0.5, 0.5], abs=0.02)
    assert min(found.weight for found in trained([row("t", SUM), row("t", OTHER)], weigh_copies=True).rows) > 0.8
    assert [found.weight for found in trained([row("t", SUM), row("u", SUM)], weigh_copies=True).rows] == [1.0, 1.0]
    assert [found.weight for found in trained(copies).rows] == [1.0, 1.0]
