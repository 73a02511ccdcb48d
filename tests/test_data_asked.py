"""What a statement and its outputs say of how answers are compared, and that every way in reads it."""

from __future__ import annotations

import json

import pytest

from halo_forge.data.asked import any_case, as_asked, stated_error
from halo_forge.data.public.contests import codeforces, livecodebench
from halo_forge.data.public.python_sets import NEAR, mbpp_plus, scaled
from halo_forge.data.rows import parse_row
from halo_forge.records import CallCase, CallTests, PythonTests, StdioCase, StdioTests

SAYS_ERROR = "Your answer counts as right if its absolute or relative error is at most $10^{-5}$."


def compared(statement: str, *outputs: str) -> dict:
    """The fields of tests with these outputs that say how they are compared."""
    tests = StdioTests(cases=[StdioCase(stdin="", stdout=output) for output in outputs])
    return as_asked(tests, statement).model_dump(exclude={"kind", "cases"})


@pytest.mark.parametrize(
    "power",
    [
        *("10^{-5}", "$10^{-5}$", "$$$10^{-5}$$$", r"\(10^{-5}\)", "10^-5", "10**-5", "10^(-5)", "10^{ - 5}", "10⁻⁵"),
        *("10^{−5}", "10<sup>-5</sup>", "10<sup>−5</sup>", "10 - 5", "1e-5", "1E-05", "0.00001", r"$10^{\,-5}$"),
        *(r"$1 \times 10^{-5}$", "1.0e-5", "`1e-5`", r"10\textsuperscript{-5}"),
    ],
)
def test_the_error_is_read_however_it_is_spelled(power):
    assert stated_error(f"Print x. The absolute or relative error must not exceed {power}. Time is short.") == 1e-5
    assert stated_error(f"Answers within {power} of the actual value will be accepted.") == 1e-5
    assert stated_error(f"Print it with a precision of at least {power}") == 1e-5


@pytest.mark.parametrize(
    "statement",
    [
        "Read x, where 10^{-6} <= x <= 1. Print an answer with a small error.",
        "Any two of the given points differ by at least 10^{-3} in one coordinate.",
        "The probability is 0.01. Print how many answers there are.",
        "Print the difference of 10 and 5.",
        "Print 10 - 5.",
        "",
    ],
)
def test_other_small_numbers_are_no_error(statement):
    assert stated_error(statement) is None


def test_the_stated_error_makes_numbers_of_outputs():
    assert compared(SAYS_ERROR, "5.0197648\n", "3\n") == {"compare": "float", "tolerance": 1e-5}
    assert compared(SAYS_ERROR, "YES\n", "NO\n") == {"compare": "tokens"}


@pytest.mark.parametrize(
    "words",
    ["rounded to two decimals", "with 2 decimal places", "to 2 digits after the decimal point", "as %.2f prints it"]
    + ["rounded to the nearest hundredth", "to two (2) decimal places", "2 places after the decimal", "to 2 d.p."],
)
def test_rounded_decimals_are_numbers_without_an_error(words):
    assert compared(f"Print the mean {words}.", "3.33\n", "1.50\n") == {"compare": "float", "tolerance": 0.0}


def test_many_decimals_ask_for_a_number_that_exact():
    assert compared("Print it with 6 decimal places.", "0.333333\n") == {"compare": "float", "tolerance": 1e-6}
    assert compared("Correct to 3 decimal places.", "0.33333\n") == {"compare": "float", "tolerance": 1e-3}


@pytest.mark.parametrize(
    ("statement", "output"),
    [
        ("Print the price with exactly two digits after the decimal point.", "12.30"),
        ("Print the next version.", "1.10"),
        ("Print the time as hours and minutes.", "12.30"),
        ("Prices have 2 decimals. Print how many there are.", "5"),
        ("Print the sum of two numbers of any length in full.", "0.12345678901234567890123"),
        ("Print the versions.", "1.10.333333"),
        ("Print 123456789.", "123456789"),
    ],
)
def test_what_only_looks_like_a_number_stays_a_text(statement, output):
    assert compared(statement, output) == {"compare": "tokens"}


@pytest.mark.parametrize(
    "output", ["0.3333333333333333", "5.01976483883603 7", "-1.2246467991473532e-16", "0.50000000000"]
)
def test_computed_fractions_are_numbers_with_the_usual_error(output):
    assert compared("Print it.", "0.5", output) == {"compare": "float"}


@pytest.mark.parametrize(
    "statement",
    [
        "You can output the answer in any case (upper or lower). For example, yEs is fine.",
        "You may print each letter in any register.",
        "The output is case-insensitive.",
        "Print YES or NO. Each letter can be in any case.",
    ],
)
def test_case_is_ignored_where_the_statement_says_so(statement):
    assert any_case(statement)
    assert compared(statement, "YES", "NO") == {"compare": "tokens", "ignore_case": True}
    assert compared(statement, "1", "2") == {"compare": "tokens"}


@pytest.mark.parametrize(
    "statement",
    [
        "In any case, print -1 at the end.",
        "The input holds words with letters in any case; print the longest.",
        "Compare the words case-insensitively and print the first.",
        "Print YES or NO.",
    ],
)
def test_case_counts_where_it_is_of_something_else(statement):
    assert not any_case(statement)


def test_calls_take_the_error_that_is_stated():
    tests = CallTests(entry_point="f", cases=[CallCase(args=[1], expected=0.5)])
    assert as_asked(tests, SAYS_ERROR).tolerance == 1e-5
    assert as_asked(tests, "Halve it.") == tests


def row_of(**fields):
    return parse_row("x.jsonl", 1, {"language": "python", "prompt": f"Print it. {SAYS_ERROR}", **fields}).task.tests


@pytest.mark.parametrize(
    "tests",
    [
        [{"input": "1\n", "output": "0.5\n"}],
        {"inputs": ["1\n"], "outputs": ["0.5\n"]},
        json.dumps({"inputs": ["1\n"], "outputs": ["0.5\n"]}),
    ],
)
def test_rows_of_other_data_sets_are_compared_as_their_prompt_asks(tests):
    found = row_of(tests=tests)
    assert (found.compare, found.tolerance) == ("float", 1e-5)


@pytest.mark.parametrize("own", [{}, {"compare": "tokens"}, {"compare": "exact"}, {"compare": "float"}])
def test_tests_in_our_own_form_stay_as_they_are(own):
    tests = {"kind": "stdio", "cases": [{"stdin": "1\n", "stdout": "0.5\n"}], **own}
    found = row_of(tests=tests)
    assert (found.compare, found.tolerance) == (own.get("compare", "tokens"), None)


def lcb(question: str, *cases: dict, **more) -> dict:
    public = [{"testtype": "stdin", **case} for case in cases]
    row = {"question_content": question, "question_id": "q", "public_test_cases": json.dumps(public)}
    return livecodebench(row | {"private_test_cases": "[]"} | more)["tests"]


def test_livecodebench_programs_are_compared_as_the_question_asks():
    tests = lcb(SAYS_ERROR, {"input": "1", "output": "0.5"})
    assert (tests["compare"], tests["tolerance"]) == ("float", 1e-5)
    tests = lcb("Print the length.", {"input": "1", "output": "1.41421356237310"})
    assert (tests["compare"], tests.get("tolerance")) == ("float", None)


def test_codeforces_programs_are_compared_as_the_statement_asks():
    row = {"id": "1/A", "description": "Halve it.", "output_format": SAYS_ERROR, "official_tests": None}
    tests = codeforces(row | {"examples": [{"input": "1", "output": "0.5"}]}, "cpp")["tests"]
    assert (tests["compare"], tests["tolerance"]) == ("float", 1e-5)
    row["output_format"] = "Print YES or NO. You can print each letter in any case."
    tests = codeforces(row | {"examples": [{"input": "1", "output": "YES"}]}, "cpp")["tests"]
    assert (tests["compare"], tests["ignore_case"]) == ("tokens", True)


def held(tests: PythonTests | dict, **names) -> bool:
    """Whether asserts hold, with these functions and classes as the answer's."""
    code = tests["code"] if isinstance(tests, dict) else tests.code
    try:
        exec(code, dict(names))
    except AssertionError:
        return False
    return True


def solution(value):
    return type("Solution", (), {"f": lambda self, *_: value})


def test_livecodebench_calls_take_floats_with_the_error_that_is_stated():
    more = {"metadata": json.dumps({"func_name": "f"}), "starter_code": "class Solution: ..."}
    question = "Halve it. Answers within 10<sup>-5</sup> of the actual value will be accepted."
    tests = lcb(question, {"input": "1", "output": "0.33333", "testtype": "functional"}, **more)
    assert held(tests, Solution=solution(0.3333333333))
    assert not held(tests, Solution=solution(0.3334))
    tests = lcb(question, {"input": "1", "output": "9007199254740993", "testtype": "functional"}, **more)
    assert not held(tests, Solution=solution(9007199254740992.0))


@pytest.mark.parametrize(
    ("found", "expected", "near"),
    [
        (0.1 + 0.2, 0.3, True),
        ([0.1 + 0.2, [1, 0.5]], [0.3, [1, 0.5]], True),
        ({"a": 0.1 + 0.2}, {"a": 0.3}, True),
        ((0.5, 0.25), [0.5, 0.25], True),
        (3.0000000000000004, 3, True),
        (1.2345678901234568e20, 1.2345678901234567e20, True),
        (9007199254740992.0, 9007199254740993, False),
        (1000001, 1000000.0, False),
        (1000000, 1000000.05, False),
        (3.0000001, 3, False),
        ("3", 3, False),
        (None, 0.5, False),
        ((1, 2), [1, 2], False),
        (float("nan"), 0.5, False),
        (float("inf"), 0.5, False),
    ],
)
def test_values_near_enough_in_asserts(found, expected, near):
    names: dict = {}
    exec(NEAR, names)
    assert names["_same"](found, expected, 1e-6) is near


def test_no_constant_is_near_where_all_results_are_tiny():
    assert scaled(1e-6, [[1.2e-9], {"a": 5e-9}]) == pytest.approx(5e-11)
    assert scaled(1e-6, [0.5, 1e-9]) == 1e-6
    assert scaled(1e-6, [0.0, 3]) == 1e-6
    loop = "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(f(*inp), exp, 0)\n"
    row = {
        "task_id": 1,
        "prompt": "Divide a millionth by n.",
        "code": "def f(n): return 1e-6 / n",
        "test_list": ["assert f(1) == 1e-6"],
        "test": f"inputs = [[8], [3]]\nresults = [1.25e-07, 3.3333333333333335e-07]\n{loop}",
    }
    tests = mbpp_plus(row)["tests"]
    assert held(tests, f=lambda n: 1e-6 / n)
    assert not held(tests, f=lambda n: 0.0)
