"""Which names an answer is asked for, and the names that LeetCode's form gives it."""

from __future__ import annotations

import pytest
from verify_tasks import stdio_tests, task_of

from halo_forge.records import CallCase, CallTests, PytestTests, PythonTests
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.asked import asked_names
from halo_forge.verify.python.verifier import PythonVerifier


def pytest_files(text: str, **files: str) -> PytestTests:
    return PytestTests(files={"test_solution.py": text, **{f"{name}.py": more for name, more in files.items()}})


@pytest.mark.parametrize(
    ("tests", "names"),
    [
        (CallTests(entry_point="f", cases=[CallCase(args=[1], expected=1)]), ["f"]),
        (PythonTests(code="assert f(1) == g(2)"), ["f", "g"]),
        (PythonTests(code="def check(candidate):\n    assert candidate(1)", entry_point="f"), ["f"]),
        (PythonTests(code="import math\nassert f(math.pi)", prefix="def h(x):\n    return x\n"), ["f"]),
        (PythonTests(code="assert h(f(1))", prefix="def h(x):\n    return x\n\ndef f(x):\n", entry_point="f"), ["f"]),
        (PythonTests(code="assert string(1) == string.x"), ["string"]),
        (PythonTests(code="assert Solution().f(1)", entry_point="Solution"), ["Solution"]),
        (PythonTests(code="def check(candidate): assert candidate(1)", entry_point="Solution().f"), ["f"]),
        (pytest_files("import pytest, math\nfrom solution import f, Stack\ndef test(): assert f(1)"), ["f", "Stack"]),
        (pytest_files("import solution\ndef test(): assert solution.f(solution.K)"), ["f", "K"]),
        (pytest_files("import solution as s\ndef test(): assert s.f(1)"), ["f"]),
        (pytest_files("from solution import *\ndef test(): assert f(len('a'))"), ["f"]),
        (pytest_files("from shop.cart import Cart\ndef test(): assert Cart()"), ["Cart"]),
        (pytest_files("from helpers import h\nfrom solution import f\n", helpers="def h(): pass"), ["f"]),
        (pytest_files("import solution\ndef test(name): assert getattr(solution, name)"), []),
        (pytest_files("import solution\ndef test(m):\n    m.setattr(solution, 'today', 1)\n    solution.f()"), ["f", "today"]),
        (pytest_files("from solution import f\ndef test(m):\n    m.setattr('solution.today', 1)\n"), ["f", "today"]),
        (stdio_tests(("1\n", "1\n")), None),
    ],
)  # fmt: skip
def test_what_the_tests_ask_for(tests, names):
    found = asked_names(task_of(tests))
    assert (None if found is None else sorted(found)) == (None if names is None else sorted(names))


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(Verify())
    verifier.probe()
    return verifier


METHOD = "class Solution:\n    def total(self, xs: List[int], k: Optional[int] = None) -> int:\n        return {}\n"
USES = [
    "int(reduce(lambda a, b: a + b, xs, 0))",
    "sum(Counter(xs).elements())",
    "sum(deque(xs)) if inf > 1 else 0",
    "sum(heapq.nsmallest(len(xs), xs))",
    "sum(islice(xs, bisect_left(sorted(xs), 99)))",
    "math.floor(sum(xs)) * len(ascii_lowercase) // 26",
]
METHOD_TESTS = [
    CallTests(entry_point="total", cases=[CallCase(args=[[1, 2]], expected=3), CallCase(args=[[]], expected=0)]),
    PythonTests(code="assert Solution().total([1, 2]) == 3", entry_point="Solution"),
    PythonTests(code="def check(candidate):\n    assert candidate(xs=[1, 2]) == 3", entry_point="Solution().total"),
]


@pytest.mark.needs("python")
@pytest.mark.parametrize("use", USES)
def test_a_method_of_class_solution_has_the_names_of_leetcodes_preamble(verifier, use):
    judgement = verifier.judge(task_of(METHOD_TESTS[1]), f"```python\n{METHOD.format(use)}```")
    assert judgement.status == "pass", judgement.detail
    assert "import" not in judgement.code


@pytest.mark.needs("python")
@pytest.mark.parametrize("tests", METHOD_TESTS, ids=["calls", "class", "method"])
def test_a_method_of_class_solution_is_found_by_its_own_name(verifier, tests):
    example = "print(Solution().total(list(map(int, input().split()))))"
    judgement = verifier.judge(task_of(tests), f"```python\n{METHOD.format('sum(xs)')}\n{example}\n```")
    assert judgement.status == "pass", judgement.detail


@pytest.mark.needs("python")
def test_what_the_answer_defines_is_not_shadowed_by_the_preamble(verifier):
    own = "class Counter(list):\n    pass\ndef gcd(a):\n    return a\n"
    program = own + METHOD.format("gcd(sum(Counter(xs)))")
    assert verifier.judge(task_of(METHOD_TESTS[1]), f"```python\n{program}```").status == "pass"


@pytest.mark.needs("python")
def test_a_plain_function_must_import_what_it_uses(verifier):
    tests = PythonTests(code="assert f([2]) == 2", entry_point="f")
    missing = verifier.judge(task_of(tests), "```python\ndef f(xs):\n    return Counter(xs)[2] * 2\n```")
    assert missing.status == "runtime_error" and "Counter" in missing.detail


@pytest.mark.needs("python")
@pytest.mark.parametrize("dataset", ["livecodebench/code_generation_lite", "newfacade/LeetCodeDataset", "taco.jsonl"])
def test_a_program_for_a_grader_with_a_preamble_has_its_names(verifier, dataset):
    task = task_of(stdio_tests(("1 2 2\n", "2\n")))
    task.source.dataset = dataset
    program = "print(Counter(input().split()).most_common(1)[0][0])"
    assert verifier.judge(task, f"```python\n{program}\n```").status == "pass"


@pytest.mark.needs("python")
@pytest.mark.parametrize(
    "program",
    [
        "def f(xs: List[int]) -> Unknown:\n    return xs[0]\n",
        "class Node:\n    def link(self, other: Node) -> Tree:\n        pass\nclass Tree:\n    pass\ndef f(xs):\n    return xs[0]\n",
        "def f(xs: list):\n    return f.__annotations__['xs'](xs)[0]\n",
        "from dataclasses import dataclass, fields\n@dataclass\nclass P:\n    x: int\ndef f(xs):\n    return fields(P)[0].type(xs[0])\n",
    ],
)
def test_an_annotation_decides_nothing_and_is_evaluated_where_it_can_be(verifier, program):
    judgement = verifier.judge(
        task_of(PythonTests(code="assert f([2]) == 2", entry_point="f")), f"```python\n{program}```"
    )
    assert judgement.status == "pass", judgement.detail


@pytest.mark.needs("python")
def test_the_code_of_a_verdict_is_the_answers_own_with_its_examples(verifier):
    tests = CallTests(entry_point="f", cases=[CallCase(args=[1], expected=1)])
    program = "def f(x):\n    return x\n\nprint(f(input()))\n"
    judgement = verifier.judge(task_of(tests), f"```python\n{program}```")
    assert (judgement.status, judgement.code) == ("pass", program)


PROMPT = 'from typing import List\n\n\ndef f(xs: List[int]) -> int:\n    """ Sum. """\n'


@pytest.mark.needs("python")
@pytest.mark.parametrize(
    "completion",
    [
        "    return sum(xs)\n\n\nprint(f([1, 2]))\nassert f([]) == 1\n",
        "    return sum(xs)\n\n\ndef test_f():\n    assert f([1",
        "    total = 0\n    for x in xs:\n        total += x\n    return total\n\nThis function adds up the numbers.",
        "    return sum(xs)\n\n\nif __name__ == '__main__':\n    f(input())<|endoftext|>",
        "def f(xs: List[int]) -> int:\n    return sum(xs)\n\nwhile True:\n    print(f([1]))",
    ],
)
def test_what_follows_the_body_of_a_prompts_function_decides_nothing(verifier, completion):
    tests = PythonTests(code="def check(candidate):\n    assert candidate([1, 2]) == 3", prefix=PROMPT, entry_point="f")
    judgement = verifier.judge(task_of(tests), completion)
    assert judgement.status == "pass", judgement.detail
