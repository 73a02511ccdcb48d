"""What benchmarks/other_graders.py hands to the graders of other projects; the graders themselves are not asked here."""

from __future__ import annotations

import importlib.util
import marshal
import sys

import pytest
from conftest import REPOSITORY

from halo_forge.records import Task
from halo_forge.verify.selfcheck.cases import Case, load_cases

_spec = importlib.util.spec_from_file_location("other_graders", REPOSITORY / "benchmarks/other_graders.py")
graders = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = graders  # dataclasses look their module up
_spec.loader.exec_module(graders)


def case(**tests) -> Case:
    fields = {"task_id": "t", "language": "python", "prompt": "", "source": {"dataset": "x"}, "family": "f"}
    return Case("t/t", Task(**fields, tests=tests), "```python\nx = 1\n```\n", ("pass",), "")


@pytest.mark.parametrize("grader", graders.GRADERS, ids=lambda grader: grader.driver)
def test_every_case_is_a_question_that_can_be_sent_or_is_left_out(grader) -> None:
    programs = [(each, graders.program_of(each)) for each in load_cases() if each.task.language == "python"]
    questions = [grader.question(each, program) for each, program in programs if program is not None]
    sent = [question for question in questions if question is not None]
    assert len(sent) > 100 and all(marshal.dumps(question) for question in sent)


def test_the_program_of_an_answer_is_what_stands_in_its_fence() -> None:
    assert graders.program_of(case(kind="python", code="assert f() == 1")) == "x = 1\n"


@pytest.mark.parametrize(
    ("code", "entry_point", "calls"),
    [
        ("assert f(1, 'a') == [2]\nassert f(2, 'b') == -3", None, [((1, "a"), [2]), ((2, "b"), -3)]),
        ("def check(candidate):\n    assert candidate(1) == 2", "f", [((1,), 2)]),
        ("assert f(1) == 2\nassert g(1) == 2", None, None),
        ("assert f(x) == 2", None, None),
        ("assert f(1) > 2", None, None),
        ("assert f(n=1) == 2", None, None),
        ("x = 1\nassert f(1) == 2", None, None),
        ("def check(candidate):\n    assert other(1) == 2", "f", None),
    ],
)
def test_only_asserts_that_are_calls_with_values_become_inputs_and_outputs(code, entry_point, calls) -> None:
    question = graders.inputs_and_outputs(case(kind="python", code=code, entry_point=entry_point), "x = 1\n")
    found = question and [
        (tuple(given), expected) for given, expected in zip(question["inputs"], question["expected"], strict=True)
    ]
    assert found == calls and (question is None or question["entry_point"] == "f")


@pytest.mark.parametrize(
    ("code", "listed"),
    [
        ("assert f(1) == 2\nassert f(2) == (\n    3\n)", ["assert f(1) == 2", "assert f(2) == (\n    3\n)"]),
        ("import math\nassert f(1) == math.pi", None),
        ("assert f(1) == 2, 'said'", None),
    ],
)
def test_lists_of_asserts_and_nothing_else_are_lists(code, listed) -> None:
    question = graders.listed_asserts(case(kind="python", code=code), "x = 1\n")
    assert (question and question["asserts"]) == listed
