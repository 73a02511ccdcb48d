"""What of an answer is run where a function is asked for: its definitions, what these need, and nothing else."""

from __future__ import annotations

import pytest

from halo_forge.verify.python.definitions import definitions, without_cut_end

F = "def f(x):\n    return x + 1\n"


def kept(program: str, *names: str) -> str:
    names = names or ("f",)
    found = definitions(without_cut_end(program, names), names)
    compile(found, "main.py", "exec")
    return found


@pytest.mark.parametrize(
    "usage",
    [
        "print(f(1))",
        "assert f(1) == 3",
        "f(2)",
        "result = f(3)\nprint(result)",
        "n = int(input())\nprint(f(n))",
        "while True:\n    f(1)",
        "for i in range(3):\n    print(f(i))",
        "def main():\n    while True:\n        f(int(input()))\nmain()",
        "if __name__ == '__main__':\n    f(input())",
        "try:\n    f(1)\nexcept ValueError as error:\n    raise",
        "import sys\nN = int(sys.argv[1])\nsys.exit(f(N))",
        "with open('input.txt') as file:\n    f(file)",
        "import matplotlib.pyplot as plt\nplt.plot([f(1)])",
        "import pytest\n@pytest.mark.parametrize('x', [1])\ndef test_f(x):\n    assert f(x) == 5",
        "import unittest\nclass TestF(unittest.TestCase):\n    pass\nunittest.main()",
        "import doctest\ndoctest.testmod()",
        "import sys, threading\ndef main():\n    f(input())\nt = threading.Thread(target=main)\nt.start()\nt.join()",
        "return 5",
        "raise SystemExit",
        "'''\nUsage:\n'''\nexit()",
        "TESTS = [f(x) for x in range(10 ** 9)]",
    ],
)
@pytest.mark.parametrize("above", [False, True])
def test_what_only_uses_the_function_is_not_run(usage, above):
    """Compiled and executed here: all that is left are definitions and imports of the standard library."""
    program = kept(f"{usage}\n{F}" if above else f"{F}{usage}\n")
    module = {"__name__": "solution"}
    exec(program, module)
    assert module["f"](1) == 2


@pytest.mark.parametrize(
    "program",
    [
        "sieve = [True] * 9\nfor i in range(2, 9):\n    for j in range(i, 9):\n        sieve[j] = False\ndef f(x):\n    return 2 - sieve[8]\n",
        "table = []\ndef fill():\n    table.append(2)\nfill()\ndef f(x):\n    return table[0]\n",
        "table = None\ndef build():\n    global table\n    table = [2]\nbuild()\ndef f(x):\n    return table[0]\n",
        "import heapq\nheap = [4, 2]\nheapq.heapify(heap)\ndef f(x):\n    return heap[0]\n",
        "table = {}\ntable.update(a=1)\ntable['b'] = 1\ndef f(x):\n    return sum(table.values())\n",
        "known = {}\ndef name(text):\n    def keep(g):\n        known[text] = g\n        return g\n    return keep\n"
        "@name('next')\ndef _next(x):\n    return x + step\nstep = 1\ndef f(x):\n    return known['next'](x)\n",
        "class Base:\n    pass\nclass One(Base):\n    step = 1\ndef f(x):\n    return x + Base.__subclasses__()[0].step\n",
        "from abc import ABC\nclass Base(ABC):\n    pass\nBase.register(int)\ndef f(x):\n    return x + isinstance(x, Base)\n",
        "from decimal import *\ngetcontext().prec = 2\ndef f(x):\n    return 2 if len(str(Decimal(1) / 3)) == 4 else 0\n",
        "import sys\nsys.setrecursionlimit(4321)\ndef f(x):\n    return 2 * (sys.getrecursionlimit() == 4321)\n",
        "import random\nrandom.seed(7)\nfirst = random.random()\nrandom.seed(7)\ndef f(x):\n    return 2 * (random.random() == first)\n",
        "try:\n    from nowhere import one\nexcept ImportError:\n    one = 1\ndef f(x):\n    return x + one\n",
        "def f(x):\n    return x + f.step\nf.step = 1\n",
        "def twice(g):\n    return lambda x: g(x) + 1\ndef f(x):\n    return x\nf = twice(f)\n",
        "def f(x):\n    return x + globals()['step']\nstep = 1\n",
        "import sys\ndef f(x):\n    return getattr(sys.modules[__name__], 'other')(x)\ndef other(x):\n    return x + step\nstep = 1\n",
        "import math; one = 1; steps = []; steps.append(one)\ndef f(x): return x + steps[0]\nprint('ü'); print(f(1))\n",
        "for step in (0, 1):\n    pass\ndef f(x):\n    return x + step\n",
        "def f(x, steps=[1]):\n    return x + steps[0]\n",
        "add = {'+': lambda a: a + step}\nstep = 1\ndef f(x):\n    return add['+'](x)\n",
        '"""Adds."""\nfrom __future__ import annotations\ndef f(x: Unknown):\n    return x + len(__doc__) - 4\n',
    ],
)
def test_what_the_function_needs_is_run(program, monkeypatch):
    import sys

    module = type(sys)("solution")
    monkeypatch.setitem(sys.modules, "solution", module)
    limit = sys.getrecursionlimit()
    try:
        exec(kept(program), vars(module))
        assert module.f(1) == 2
    finally:
        sys.setrecursionlimit(limit)


def test_a_name_of_the_functions_own_is_no_reason_to_run_a_statement_that_binds_it():
    program = "def f(x):\n    n = x\n    for i in range(1):\n        n += 1\n    return n\nn = int(input())\nfor i in range(n):\n    print(i)\n"
    assert "input" not in kept(program)


def test_an_object_that_the_tests_ask_for_is_made_and_filled_and_another_is_not():
    program = (
        "class Shop:\n    def add(self, name): ...\nshop = Shop()\nshop.add('a')\nother = Shop()\nother.add(input())\n"
    )
    assert "shop.add('a')" in kept(program, "Shop", "shop")
    assert "shop" not in kept(program, "Shop")


@pytest.mark.parametrize(
    "end",
    [
        "print(f(1",
        "assert f(2) == 'abc",
        "# more\nfor i in range(3):\n    print(f(",
        "def test_f():\n    assert f(1",
        "This adds one.",
    ],
)
def test_an_end_that_was_cut_off_decides_nothing(end):
    assert "return x + 1" in kept(f"{F}{end}")


@pytest.mark.parametrize(
    "program",
    [
        "def g(x):\n    return x\n\ndef f(x):\n    return (x",
        "def f(x):\n    return g(x)\n\ndef g(x):\n    return (x",
        "def f(x):\n    return x +\n\ndef g(x):\n    return x\n",
        "def f(x:\n    return x\n",
    ],
)
def test_a_function_that_is_cut_itself_or_lacks_its_helper_stays_as_it_is(program):
    assert definitions(without_cut_end(program, ["f"]), ["f"]) == program


def test_lines_keep_their_numbers():
    program = f"print(\n  1,\n  2)\nx = 3; print(x)\n{F}"
    assert kept(program).split("\n").index("def f(x):") == program.split("\n").index("def f(x):")


def test_a_program_that_defines_nothing_asked_for_stays_as_it_is():
    assert definitions("print(1)\n", ["f"]) == "print(1)\n"
