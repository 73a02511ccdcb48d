"""Near copies of a program share the weight of one."""

from __future__ import annotations

import pytest

from halo_forge.raft.copies import weigh_copies
from halo_forge.records import Kept

SUM = "int main() { int a, b; std::cin >> a >> b; std::cout << a + b << std::endl; return 0; }"
RENAMED = "int main() { int x, y; std::cin >> x >> y; std::cout << x + y << std::endl; return 0; } // the same"
OTHER = 'int main() { long total = 0; for (long v; std::cin >> v;) total += v; std::printf("%ld", total); }'


@pytest.fixture
def weights(make_task):
    """weights((task, code), …) -> the weight of each."""

    def weights(*programs: tuple[str, str]) -> list[float]:
        rows = [
            Kept(sample_id=str(number), task_id=name, prompt="p", completion=code, reward=1.0, code=code)
            for number, (name, code) in enumerate(programs)
        ]
        return [row.weight for row in weigh_copies(rows, {name: make_task(name) for name, _ in programs})]

    return weights


def test_near_copies_share_the_weight_of_one_and_different_programs_keep_theirs(weights) -> None:
    assert weights(("t", SUM), ("t", RENAMED)) == pytest.approx([0.5, 0.5], abs=0.02)
    assert min(weights(("t", SUM), ("t", OTHER))) > 0.8
    assert weights(("t", SUM), ("u", SUM)) == [1.0, 1.0]
