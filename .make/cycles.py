"""Print the `dvc exp run` arguments that make the chain of RAFT cycles c1, c2, … N long: `python .make/cycles.py 5`.

DVC templates cannot count, so params.yaml holds one line a cycle; a new cycle copies the settings of the last one.
Without N nothing is printed.
"""

from __future__ import annotations

import sys

from halo_forge.errors import HaloForgeError, InputError
from halo_forge.settings.params import load_params
from halo_forge.settings.raft import Cycle


def arguments(cycles: dict[str, Cycle], n: int) -> list[str]:
    """`-S` arguments that add or delete cycles. Raises InputError when the cycles are no chain from c1 on."""
    names = [f"c{number}" for number in range(1, max(n, len(cycles)) + 1)]
    start_of = dict(zip(names, ["sft", *names], strict=False))
    if n < 1 or not cycles:
        raise InputError(f"N={n}: give at least one cycle, here and in raft.cycles of params.yaml")
    if any(name not in start_of or cycle.start != start_of[name] for name, cycle in cycles.items()):
        raise InputError(
            f"params.yaml: raft.cycles: N counts a chain c1 from sft, c2 from c1, …, but the cycles are "
            f"{', '.join(f'{name} from {cycle.start}' for name, cycle in cycles.items())}; edit the table by hand"
        )
    last = cycles[names[len(cycles) - 1]]
    settings = f"temperature:{last.temperature:g}"
    if last.learning_rate is not None:
        settings += f",learning_rate:{last.learning_rate:g}"
    added = [f"+raft.cycles.{name}={{from:{start_of[name]},{settings}}}" for name in names[len(cycles) : n]]
    deleted = [f"~raft.cycles.{name}" for name in names[n : len(cycles)]]
    return [part for change in added + deleted for part in ("-S", change)]


if __name__ == "__main__":
    try:
        if len(sys.argv) > 1:
            if not sys.argv[1].isdecimal():
                raise InputError(f"N={sys.argv[1]}: not a number of cycles")
            print(*arguments(load_params().raft.cycles, int(sys.argv[1])))
    except HaloForgeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
