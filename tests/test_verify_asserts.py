"""HumanEval- and MBPP-style tests: run outside the answer's process, counted one by one."""

from __future__ import annotations

import pytest
from verify_tasks import task_of

from halo_forge.errors import InputError
from halo_forge.records import PythonTests
from halo_forge.settings.verify import Verify
from halo_forge.verify.python import asserts
from halo_forge.verify.python.verifier import PythonVerifier

pytestmark = pytest.mark.needs("python")
SETTINGS = Verify(run_timeout_s=1.0, memory_mb=256, max_processes=8)
PROMPT = (
    'import math\n\n\ndef helper(x):\n    return x + 1\n\n\ndef area(r: float) -> float:\n    """Area of a circle."""\n'
)
CHECK = "def check(candidate):\n    assert abs(candidate(2) - 12.566370614) < 1e-6\n    assert candidate(0) == 0\n"


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(SETTINGS)
    verifier.probe()
    return verifier


def task(code, prefix="", entry_point=None):
    return task_of(PythonTests(code=code, prefix=prefix, entry_point=entry_point))


SQUARES = task("assert f(17) == 289\nassert f(-23) == 529\nassert f(0) == 0")
AREA = task(CHECK, PROMPT, "area")


def judge(verifier, program, task=SQUARES):
    return verifier.judge(task, f"```python\n{program}\n```\n")


def test_each_assert_statement_counts(verifier):
    judgement = judge(verifier, "def f(x):\n    return x * abs(x)")
    assert (judgement.status, judgement.tests_passed, judgement.tests_total) == ("wrong_answer", 2, 3)
    assert "f(-23) == 529" in judgement.detail


@pytest.mark.parametrize(
    "answer",
    [
        "def area(r):\n    return math.pi * r ** 2",
        "import math\ndef area(r: float) -> float:\n    return math.pi * r ** 2",
        "    return math.pi * r ** 2",
        "return math.pi * r ** 2",
        "\n\n    # the area\n    return math.pi * r ** 2",
        "square = r * r\n    return math.pi * square",
        "def area(r):\n    return (helper(r) - 1) ** 2 * math.pi",
        "from __future__ import annotations\nimport math\ndef area(r: Unknown):\n    return math.pi * r * r",
        "area = lambda r: math.pi * r * r",
        "class Circle:\n    def __init__(self, r):\n        self.r = r\ndef area(r):\n    return math.pi * Circle(r).r ** 2",
    ],
)
def test_whole_functions_and_bodies_are_both_taken(verifier, answer):
    judgement = judge(verifier, answer, AREA)
    assert judgement.status == "pass", judgement.detail


LIAR = """
class Liar{base}:
    def _yes(self, *others): return True
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __contains__ = _yes
    __hash__ = None
    def _zero(self, *others): return 0.0
    __sub__ = __rsub__ = __add__ = __abs__ = __mul__ = __round__ = _zero
"""


@pytest.mark.parametrize("base", ["", "(int)", "(float)", "(str)", "(list)", "(dict)", "(tuple)"])
def test_an_object_that_equals_everything_equals_nothing(verifier, base):
    program = LIAR.format(base=base) + "def f(x): return Liar()\ndef area(r): return Liar()\n"
    assert judge(verifier, program).tests_passed < 3
    assert judge(verifier, program).status != "pass"
    assert judge(verifier, program, AREA).status != "pass"


def test_a_class_in_the_place_of_the_function_gains_nothing(verifier):
    program = LIAR.format(base="").replace("Liar", "area") + "    def __init__(self, r): pass\n"
    assert judge(verifier, program, AREA).status != "pass"


@pytest.mark.parametrize(
    "program",
    [
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        "raise SystemExit",
        "import os\ndef f(x): os._exit(0)",
        "def f(x): raise SystemExit(0)",
        "def f(x): raise KeyboardInterrupt",
        "def f(x): raise GeneratorExit",
        "def f(x): raise StopIteration",
        "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.bool = lambda x: True\ndef f(x): return 1",
        "import sys\nsys.modules.clear()\ndef f(x): return 1",
        "import unittest\ndef f(x): raise unittest.SkipTest",
        "import signal, os\ndef f(x):\n    os.kill(os.getppid(), 9)\n    os.kill(-1, 9)",
        "import gc\ndef f(x):\n    for o in gc.get_objects():\n        if isinstance(o, dict): o.clear()",
        "import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame: \n        for k, v in frame.f_locals.items():\n"
        "            if isinstance(v, int) and v > 200: return v\n        frame = frame.f_back\n    return 1",
        "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'00000009' + b'T2:u5:valuet' * 3)\n"
        "    except OSError: pass\ndef f(x): return 1",
        "import os\nos.write(3, b''.join(b'%08x' % len(m) + m for m in [b'T2:u5:valuet'] * 9))\ndef f(x): return 1",
        "import os\nfor name in os.listdir('/proc'):\n    for file in ('mem', 'environ', 'cmdline'):\n        try:\n"
        "            if name.isdigit() and '289' in open(f'/proc/{name}/{file}', errors='ignore').read(): f = lambda x: x * x\n"
        "        except (OSError, ValueError): pass",
        "import threading, time\ndef f(x):\n    threading.Thread(target=lambda: time.sleep(9)).start()\n    return 1",
        "def f(x, memo={}):\n    return eval('assert_')",
    ],
)
def test_no_trick_of_the_answer_passes(verifier, program):
    assert judge(verifier, program).status != "pass"


@pytest.mark.parametrize(
    "program",
    [
        "def f(x):\n    print('debugging', x)\n    return x * x",
        "import sys\nprint('x' * 100)\nf = lambda x: x ** 2",
        "import atexit, os\natexit.register(lambda: os._exit(3))\ndef f(x): return x * x",
        "class Mine(int): pass\ndef f(x): return Mine(x * x)",
        "def f(x):\n    return sum(range(1, 2 * abs(x), 2))",
        "from functools import lru_cache\n@lru_cache\ndef f(x): return x * x",
        "if __name__ == '__main__':\n    raise ValueError('run as a program')\ndef f(x): return x * x",
    ],
)
def test_right_answers_in_odd_shapes_pass(verifier, program):
    judgement = judge(verifier, program)
    assert judgement.status == "pass", judgement.detail


def test_values_of_all_kinds_are_compared_as_python_does(verifier):
    code = "\n".join(
        [
            "assert f(1) == (1, 2)",
            "assert f(2) == {1, 2}",
            "assert f(3) == {'a': [1, None]}",
            "assert f(4) != f(4)",
            "assert f(5) == 3 + 4j",
            "assert f(6) == b'x'",
            "assert list(f(7)) == [0, 1]",
            "assert f(8)(5) == 6",
            "assert f(9) == 2 ** 200",
            "assert f(10, key=len) == 'ab'",
            "assert f(11, int) == [1]",
        ]
    )
    program = (
        "def f(n, kind=None, key=None):\n"
        "    if n == 10: return max(['b', 'ab'], key=key)\n"
        "    if n == 11: return [x for x in [1, 'a'] if isinstance(x, kind)]\n"
        "    return [(1, 2), {2, 1}, {'a': [1, None]}, float('nan'), 3 + 4j, b'x', (i for i in range(2)),\n"
        "            lambda x: x + 1, 2 ** 200][n - 1]"
    )
    judgement = judge(verifier, program, task(code))
    assert (judgement.status, judgement.tests_passed) == ("pass", 11), judgement.detail


def test_a_tuple_is_no_list(verifier):
    assert judge(verifier, "def f(x): return (1, 2)", task("assert f(1) == [1, 2]")).status == "wrong_answer"


def test_a_list_that_the_answer_changes_is_changed_for_the_tests(verifier):
    """Whatever it returns: tests of functions that work in place want the one, tests of those that must not the other."""
    program = "def f(x):\n    x.sort()\n    return x"
    same = "given = [3, 1]\nresult = f(given)\nassert result is given\nassert given == [1, 3]"
    assert judge(verifier, program, task(same)).status == "pass"
    kept = "given = [3, 1]\nresult = f(given)\nassert result == [1, 3]\nassert given == [3, 1]"
    assert judge(verifier, program, task(kept)).status == "wrong_answer"
    assert judge(verifier, "f = sorted", task(kept)).status == "pass"


def test_expected_errors_can_be_caught(verifier):
    code = "try:\n    f(1)\n    assert False\nexcept ValueError as error:\n    assert 'no' in str(error)"
    assert judge(verifier, "def f(x): raise ValueError('no')", task(code)).status == "pass"
    assert judge(verifier, "def f(x): raise KeyError('no')", task(code)).status == "runtime_error"
    assert judge(verifier, "def f(x): pass", task(code)).status == "wrong_answer"


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("def f(x):\n    while True: pass", "timeout"),
        ("import time\ndef f(x): time.sleep(99)", "timeout"),
        ("def f(x): return bytearray(10**10)", "memory_limit"),
        ("def f(x):\n    while True: print('x' * 1000)", "output_limit"),
        ("def f(x): return 1 / 0", "runtime_error"),
        ("def f(x:", "compile_error"),
        ("import ctypes\ndef f(x): ctypes.string_at(0)", "runtime_error"),
        ("def f(x): return f(x)", "runtime_error"),
        ("def g(x): return x * x", "runtime_error"),
    ],
)
def test_the_status_says_what_happened(verifier, program, status):
    assert judge(verifier, program).status == status


@pytest.mark.parametrize(
    ("code", "prefix", "entry_point", "words"),
    [
        ("assert f(1 == 2", "", "f", "tests.code: line 1"),
        ("f(1)", "", "f", "no assert statement"),
        ("assert 1 == 1", "", None, "calls nothing"),
        (CHECK, "", None, "give tests.entry_point"),
        ("import numpy as np\nassert np.allclose(f(1), 2)", "", "f", "tests.code line 1: the module 'numpy'"),
        ("def check(g):\n    from scipy import stats\n    assert g(1)", "", "f", "line 2: the module 'scipy'"),
        ("assert f(1) == 1", "import pandas as pd\n", "f", "tests.prefix line 1: the module 'pandas'"),
        ("assert np.isclose(f(1), 2)", "", "f", "uses 'np'.*the module 'numpy'"),
        ("assert f(1) == approx(2)", "", "f", "uses 'approx'.*the module 'pytest'"),
    ],
)
def test_tests_that_cannot_test_are_refused(code, prefix, entry_point, words):
    with pytest.raises(InputError, match=words):
        asserts.prepared(task(code, prefix, entry_point).tests.model_dump_json(), "t")


def test_the_verdict_names_the_classes_whose_word_was_taken(verifier):
    program = "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n"
    judgement = judge(verifier, program, task("assert Point(1) == Point(1)\nassert Point(1).x == 1"))
    assert (judgement.status, judgement.detail.startswith("[own word]")) == ("pass", True)
    assert "Point.__eq__" in judgement.detail
    assert judge(verifier, program, task("assert Point(1).x == 1")).detail == ""


def test_annotations_are_what_the_answer_wrote(verifier):
    program = "def f(x: int) -> str:\n    return f.__annotations__['return'](x)"
    code = "assert f(4) == '4'\nassert f.__annotations__ == {'x': int, 'return': str}"
    assert judge(verifier, program, task(code)).status == "pass"


@pytest.mark.parametrize("name", ["check", "test", "main", "solution", "candidate", "METADATA"])
def test_an_entry_point_may_be_called_like_the_tests_own(verifier, name):
    called = f"def {name}(candidate):\n    assert candidate(4) == 16\n\n{name}({name})\n"
    for code in (called, "def check(candidate):\n    assert candidate(4) == 16\n", f"assert {name}(4) == 16\n"):
        right, wrong = (f"def {name}(n):\n    return n * {factor}" for factor in ("n", "3"))
        judgement = judge(verifier, right, task(code, entry_point=name))
        assert judgement.status == "pass", judgement.detail
        assert judge(verifier, wrong, task(code, entry_point=name)).status == "wrong_answer"


@pytest.mark.parametrize(
    "code", ["xs = [3, 1]\nassert f(xs) == sorted(xs)", "xs = [3, 1]\ny = f(xs)\nassert y == sum(xs)"]
)
def test_what_tests_compute_of_an_argument_is_not_the_answers_to_empty(verifier, code):
    emptied = "def f(xs):\n    xs.clear()\n    return [] if RETURNS else 0".replace("RETURNS", str("sorted" in code))
    assert judge(verifier, emptied, task(code)).status == "wrong_answer"
    honest = "sorted" if "sorted" in code else "sum"
    assert judge(verifier, f"f = {honest}", task(code)).status == "pass"
