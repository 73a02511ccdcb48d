"""pytest files: the tests stay in memory outside the answer's process, which cannot skip, plan or see them."""

from __future__ import annotations

import pytest
from verify_tasks import task_of

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.records import PytestTests
from halo_forge.settings.verify import Verify
from halo_forge.verify.python.verifier import PythonVerifier

pytestmark = pytest.mark.needs("python")
TESTS = """
import pytest
from solution import Stack, StackError, add


@pytest.mark.parametrize("a, b, total", [(1, 2, 3), (-7, 7, 0)])
def test_add(a, b, total):
    assert add(a, b) == total


@pytest.fixture
def stack():
    return Stack()


def test_order(stack):
    stack.push(3)
    stack.push("x")
    assert len(stack) == 2 and stack.pop() == "x" and list(stack) == [3]
    assert isinstance(stack, Stack) and not isinstance(3, Stack)


def test_empty(stack):
    with pytest.raises(StackError, match="empty"):
        stack.pop()
    with pytest.raises(IndexError):
        stack.pop()
"""
RIGHT = """
class StackError(IndexError):
    pass

class Stack:
    def __init__(self):
        self.items = []
    def push(self, item):
        self.items.append(item)
    def pop(self):
        if not self.items:
            raise StackError("the stack is empty")
        return self.items.pop()
    def __len__(self):
        return len(self.items)
    def __iter__(self):
        return iter(self.items)

def add(a, b):
    return a + b
"""


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(Verify(run_timeout_s=2.0, memory_mb=512))
    verifier.probe()
    return verifier


def task(**files):
    return task_of(PytestTests(files={f"{name}.py": text for name, text in files.items()}))


def judge(verifier, program, task=None):
    return verifier.judge(task or STACK, f"```python\n{program}\n```\n")


STACK = task(test_solution=TESTS)


def test_a_right_answer_passes_every_test(verifier):
    judgement = judge(verifier, RIGHT)
    assert (judgement.status, judgement.tests_passed, judgement.tests_total) == ("pass", 4, 4), judgement.detail


def test_a_wrong_answer_is_told_from_a_broken_one(verifier):
    wrong = judge(verifier, RIGHT.replace("a + b", "a - b"))
    assert (wrong.status, wrong.tests_passed) == ("wrong_answer", 2) and "test_add" in wrong.detail
    broken = judge(verifier, RIGHT.replace("a + b", "a + c"))
    assert (broken.status, broken.tests_passed) == ("runtime_error", 2)


@pytest.mark.parametrize(
    "program",
    [
        "import pytest\npytest.skip('no', allow_module_level=True)",
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        RIGHT.replace("a + b", "__import__('os')._exit(0)"),
        "import sys, types\nsys.modules['pytest'] = types.ModuleType('pytest')\n" + RIGHT.replace("a + b", "0"),
        "def test_add(): pass\ndef pytest_collection_modifyitems(items): items.clear()\n" + RIGHT.replace("a + b", "0"),
        "open('/tmp/conftest.py', 'w').write('collect_ignore_glob = [\"*\"]')\n" + RIGHT.replace("a + b", "0"),
        RIGHT.replace("a + b", "type('L', (), {'__eq__': lambda *_: True})()"),
        "def add(a, b): return a + b",
        "",
    ],
)
def test_no_trick_of_the_answer_passes(verifier, program):
    assert judge(verifier, program or "x = 1").status != "pass"


def test_the_answers_own_tests_do_not_count(verifier):
    judgement = judge(verifier, RIGHT + "\ndef test_mine():\n    assert False\n")
    assert (judgement.status, judgement.tests_total) == ("pass", 4)


def test_a_conftest_of_the_task_is_used(verifier):
    conftest = "import pytest\n@pytest.fixture\ndef seven():\n    return 7\n"
    test = "from solution import add\ndef test_add(seven):\n    assert add(seven, 1) == 8\n"
    assert judge(verifier, RIGHT, task(conftest=conftest, test_it=test)).status == "pass"


def test_tests_that_all_skip_prove_nothing(verifier):
    skipped = "import pytest\nfrom solution import add\n@pytest.mark.skip\ndef test_add():\n    assert add(1, 1) == 2\n"
    assert judge(verifier, RIGHT, task(test_it=skipped)).status != "pass"


def test_functions_of_the_tests_can_be_handed_to_the_answer(verifier):
    test = "import solution\ndef test_apply():\n    assert solution.apply(lambda x: x + 1, [1, 2]) == [2, 3]\n"
    program = "def apply(function, items):\n    return [function(item) for item in items]"
    assert judge(verifier, program, task(test_it=test)).status == "pass"


def test_objects_of_a_tested_class_are_compared_by_the_class(verifier):
    test = "from solution import Point\ndef test_eq():\n    assert Point(1, 2) == Point(1, 2) != Point(2, 1)\n"
    test += "    assert Point(1, 2) + Point(1, 1) == Point(2, 3)\n    assert abs(Point(3, 4)) == 5\n"
    program = (
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: int\n"
        "    def __add__(self, o): return Point(self.x + o.x, self.y + o.y)\n"
        "    def __abs__(self): return (self.x ** 2 + self.y ** 2) ** .5\n"
    )
    judgement = judge(verifier, program, task(test_it=test))
    assert judgement.status == "pass", judgement.detail


@pytest.mark.parametrize(
    ("test", "module"),
    [
        ("import numpy as np\nfrom solution import add\ndef test(): assert np.allclose(add(1, 2), 3)\n", "numpy"),
        ("from solution import add\ndef test():\n    import numpy.testing\n    assert add(1, 2) == 3\n", "numpy"),
        ("from hypothesis import given\nimport solution\ndef test(): assert given(solution.add)\n", "hypothesis"),
        ("import importlib\nn = importlib.import_module('numpy')\nimport solution\ndef test(): assert n\n", "numpy"),
        ("from sums import add\nfrom nearness import close\ndef test(): assert close(add(1, 2), 3)\n", "nearness"),
        ("from numpy import *\ndef test(): assert allclose(1, 1)\n", "numpy"),
    ],
)
def test_tests_that_import_what_is_not_there_are_refused(verifier, test, module):
    with pytest.raises(InputError, match=f"t: tests.files.*module '{module}'.*leave the task out"):
        verifier.check(task(test_it=test))


def test_a_conftest_that_imports_what_is_not_there_is_refused(verifier):
    test = "from solution import add\ndef test_add(near): assert near(add(1, 2), 3)\n"
    with pytest.raises(InputError, match="conftest.py.*line 1.*numpy"):
        verifier.check(task(conftest="import numpy\n", test_it=test))


@pytest.mark.parametrize(
    "test",
    [
        "from solution import add\ndef test_add():\n    add(1, 2)\n",
        "from solution import add\ndef test_add():\n    print(add(1, 2) == 3)\n",
    ],
)
def test_tests_that_cannot_fail_are_refused(verifier, test):
    with pytest.raises(InputError, match="check nothing"):
        verifier.check(task(test_it=test))


@pytest.mark.parametrize(
    "test",
    [
        "import importlib\ndef test_add(): assert importlib.import_module('solution').add(1, 2) == 3\n",
        "import my_sums as s\ndef test_add(): assert s.add(1, 2) == 3\n",
        "from solution import add\ntry:\n    import numpy\nexcept ImportError: numpy = None\n"
        "def test_add():\n    assert numpy is None and add(1, 2) == 3\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy\n"
        "from solution import *\ndef test_add(): assert add(1, 2) == 3\n",
        "from solution import add\nimport _pytest, packaging.version\ndef test_add(): assert add(1, 2) == 3\n",
    ],
)
def test_the_answers_module_is_found_under_the_name_that_the_tests_use(verifier, test):
    given = task(test_it=test)
    verifier.check(given)
    judgement = judge(verifier, RIGHT, given)
    assert judgement.status == "pass", judgement.detail


def test_a_module_that_is_looked_for_at_run_time_is_not_the_answers_fault(verifier):
    test = "import importlib, solution\ndef test_add():\n    assert importlib.import_module('num' + 'py')\n"
    with pytest.raises(InfrastructureError, match="numpy"):
        judge(verifier, RIGHT, task(test_it=test))


def test_an_answer_cannot_say_that_a_module_is_missing(verifier):
    program = RIGHT.replace("return a + b", "raise ModuleNotFoundError('no', name='numpy')")
    assert judge(verifier, program).status == "runtime_error"
    assert judge(verifier, RIGHT.replace("return a + b", "import numpy")).status == "runtime_error"
