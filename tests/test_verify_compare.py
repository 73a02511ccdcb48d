"""Comparison of outputs and values, and the reward ladder."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from pydantic import ValidationError

from halo_forge.errors import InputError
from halo_forge.jsonl import read_records, read_rows, write_records
from halo_forge.records import CallCase, CallTests, StdioCase, StdioTests
from halo_forge.settings.verify import Ladder
from halo_forge.verify.core.compare import outputs_match
from halo_forge.verify.core.protocol import clip
from halo_forge.verify.core.rewards import reward_for
from halo_forge.verify.python.compare import tolerance_of, values_match


def printed_matches(printed: str, expected: str, compare: str = "tokens", *others: str, **how) -> bool:
    """Whether it is the output of a task's first case; `others` are what its other cases expect."""
    cases = [StdioCase(stdin="", stdout=text) for text in (expected, *others)]
    return outputs_match(printed, expected, StdioTests(cases=cases, compare=compare, **how))


def float_matches(printed: str, expected: str, *others: str, **how) -> bool:
    return printed_matches(printed, expected, "float", *others, **how)


def returned_matches(actual, expected, *others, **how) -> bool:
    """Whether it is the value of a task's first call; `others` are what its other calls should return."""
    cases = [CallCase(args=[], expected=value) for value in (expected, *others)]
    return values_match(actual, expected, tolerance_of(CallTests(entry_point="f", cases=cases, **how)))


@pytest.mark.parametrize("printed", ["1 2\n3\n", "1 2 3", "  1\t2\r\n3\n\n", "1 2\r3\r"])
def test_tokens_forgive_white_space_only(printed):
    assert printed_matches(printed, "1 2\n3\n")
    assert printed_matches("1 2\n3\n", printed)


@pytest.mark.parametrize("printed", ["1 23", "1 2", "1 2 3 4", "1 2 3.0", "1, 2, 3", ""])
def test_tokens_forgive_nothing_else(printed):
    assert not printed_matches(printed, "1 2 3")


@pytest.mark.parametrize("compare", ["tokens", "exact", "float"])
def test_line_ends_of_another_system_are_forgiven_on_both_sides(compare):
    assert printed_matches("a 1.5\r\nc 2\r\n", "a 1.5\nc 2\n", compare)
    assert printed_matches("a 1.5\nc 2\n", "a 1.5\r\nc 2\r\n", compare)


def test_exact_forgives_only_the_last_newline_and_crlf():
    assert printed_matches("a b\r\nc", "a b\nc\n", "exact")
    assert not printed_matches("a  b\nc\n", "a b\nc\n", "exact")
    assert not printed_matches("a b \nc\n", "a b\nc\n", "exact")
    assert not printed_matches("a b\nc\n\n", "a b\nc\n", "exact")


@pytest.mark.parametrize("compare", ["tokens", "exact", "float"])
def test_case_counts_unless_the_task_says_otherwise(compare):
    assert printed_matches("yes\n", "YES\n", compare, ignore_case=True)
    assert not printed_matches("yes\n", "YES\n", compare)
    assert not printed_matches("no\n", "YES\n", compare, ignore_case=True)


def test_float_takes_rounding_but_not_another_number():
    assert float_matches("3.1415927 x", "3.14159265 x")
    assert float_matches("0.0000000001", "0")
    assert not float_matches("3.1417", "3.1416")
    assert not float_matches("3.14 y", "3.14 x")


@pytest.mark.parametrize(
    "printed", ["nan", "inf", "1_0", "٣", "0x10", "1e400", "1e99999999999999999999", "", "--3", "."]
)
def test_float_takes_no_odd_spellings(printed):
    assert not float_matches(printed, "10")
    assert not float_matches(printed, "3.5")


@pytest.mark.parametrize("printed", ["10.0", "+10", "1e1", "010", "10.", "1E+1", "100e-1"])
def test_float_takes_a_number_however_it_is_written(printed):
    assert float_matches(printed, "10")


def test_float_nan_and_infinity_equal_only_themselves():
    assert float_matches("nan", "nan")
    assert float_matches("-nan", "NaN")  # as C++ prints that of the square root of -1
    assert float_matches("Infinity -inf", "inf -Infinity")
    assert not float_matches("nan", "1")
    assert not float_matches("inf", "nan")
    assert not float_matches("-inf", "inf")
    assert not float_matches("1e308", "inf")


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("1000001", "1000000"),
        ("1000001.0", "1000000"),
        ("1000001", "1000000.0"),
        ("1000000.5", "1000000"),
        ("3.0000001", "3"),
        ("9007199254740992.0", "9007199254740993"),
        ("9007199254740992", "9007199254740993"),
        ("1e16", "10000000000000001"),
        ("7" * 30, "7" * 29 + "8"),
    ],
)
def test_an_integer_is_met_by_no_other_number(printed, expected):
    assert not float_matches(printed, expected)
    assert not float_matches(f"{expected} {printed}", f"{expected} {expected}")


def test_integers_among_fractions_stay_integers():
    assert not float_matches("1000001 2.5", "1000000 2.5")
    assert not float_matches("1000000.5 2.5", "1000000 2.5")
    assert not float_matches("9007199254740992.0 2.5", "9007199254740993 2.5")


def test_a_whole_number_is_none_with_a_fraction():
    assert not float_matches("1000000", "1000000.4")
    assert not float_matches("1000000.0", "1000000.4")
    assert float_matches("5", "4.9999997")  # printed with six digits


def test_noise_of_floating_point_is_forgiven_where_whole_numbers_are_expected():
    assert float_matches("3.0000000000000004", "3")
    assert float_matches("4.9999999999 2.5", "5 2.5")


@pytest.mark.parametrize("printed", ["0", "0.0", "0.000000", "-0.0", "0.000001", "1e-9"])
def test_no_constant_passes_where_all_results_are_tiny(printed):
    assert not float_matches(printed, "0.0000001234", "0.00000051")
    assert not float_matches(f"{printed} 3", "1.234e-7 3", "5.1e-7 8")
    assert not float_matches(f"2.5 {printed}", "2.5 0.0000001234", "7.25 0.00000051")
    assert not float_matches(printed, "0.0000001234", "0.00000051", tolerance=1e-4)


def test_what_is_zero_but_for_noise_may_be_printed_as_zero():
    assert float_matches("1.5 0.000000", "1.5 1.2246467991473532e-16")
    assert float_matches("0.0", "1.2246467991473532e-16", "1.0", "-1.0")
    assert float_matches("1e-17", "0.0", "0.0")
    assert float_matches("-0.0", "0")


def test_a_small_result_among_larger_ones_may_have_the_absolute_error():
    assert float_matches("0.000012", "0.0000123457", "0.5", "0.25")
    assert float_matches(" ".join(["0.250000"] * 9 + ["0.000012"]), " ".join(["0.25"] * 9 + ["0.0000123457"]))


def test_the_error_that_the_task_states_is_allowed_and_no_more():
    assert float_matches("0.33334", "0.333333333", tolerance=1e-4)
    assert not float_matches("0.3336", "0.333333333", tolerance=1e-4)
    assert not float_matches("0.33333334", "0.333333333", tolerance=1e-9)
    assert float_matches("123456789000", "123456789012.5", tolerance=1e-6)
    assert float_matches("9.9999999", "10", "3", tolerance=1e-6)


def test_no_error_at_all_makes_numbers_equal_however_many_zeros_they_end_in():
    assert float_matches("12.3", "12.30", tolerance=0)
    assert float_matches("12.300", "12.30", tolerance=0)
    assert not float_matches("12.31", "12.30", tolerance=0)
    assert not float_matches("12.3000001", "12.30", tolerance=0)


def test_numbers_of_a_million_digits_are_compared():
    digits = "7" * 1_000_000
    assert float_matches(f"{digits}.0", digits)
    assert not float_matches(f"{digits}8", f"{digits}9")
    assert not float_matches(digits, "2.5")
    assert not float_matches("1.5", "1.5e999")
    assert float_matches("1.50000001e999", "1.5e999")
    assert not float_matches("1e999999999", "1e-999999999")


def test_a_tolerance_for_texts_is_refused():
    with pytest.raises(ValidationError, match="make it 'float'"):
        StdioTests(cases=[StdioCase(stdin="", stdout="1")], tolerance=1e-3)


def test_rows_of_tasks_without_the_options_are_written_as_before():
    case = {"stdin": "", "stdout": "1"}
    assert StdioTests(cases=[case]).model_dump() == {"kind": "stdio", "cases": [case], "compare": "tokens"}
    exactly = StdioTests(cases=[case], compare="float", tolerance=0, ignore_case=True)
    assert StdioTests.model_validate_json(exactly.model_dump_json()) == exactly


def test_values_by_type():
    assert returned_matches((1, [2, 3]), [1, [2, 3]])
    assert returned_matches({1: "a"}, {"1": "a"})
    assert returned_matches(0.1 + 0.2, 0.3)
    wrong = [
        (1, True),
        (True, 1),
        ("1", 1),
        (1, "1"),
        (None, 0),
        ([1], [1, 2]),
        (set(), []),
        (2**60, 2**60 + 1),
        (1 + 0j, 1),
    ]
    for actual, expected in wrong:
        assert not returned_matches(actual, expected)
    assert not returned_matches(float("nan"), 1.0)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (9007199254740992.0, 9007199254740993),
        (4821973.0000001, 4821973),
        (1000001.0, 1000000),
        (1000001, 1000000.0),
        (1000000, 1000000.4),
        (1000000.0, 1000000.4),
        (Decimal("1000000"), 1000000.4),
        (Fraction(9007199254740992), 9007199254740993),
        (Decimal("1e999999999"), 1.5),
        (Decimal("sNaN"), 1.5),
        (Decimal("inf"), 1.5),
        (10**400, 1.5),
        (Fraction(10**5000, 3), 1.5),
        (float("inf"), 10**400),
    ],
)
def test_the_type_of_an_answer_makes_no_comparison_coarse(actual, expected):
    assert not returned_matches(actual, expected)
    assert not returned_matches([[actual]], [[expected]])
    assert not returned_matches({"b": actual}, {"b": expected})


def test_numbers_of_any_type_are_the_value_that_they_have():
    assert returned_matches(4821973.0, 4821973)
    assert returned_matches(Fraction(1, 2), 0.5)
    assert returned_matches(Fraction(1, 3), 0.3333333333333333)
    assert returned_matches(Decimal("0.1"), 0.1)
    assert returned_matches(2, 2.0000000000000004)
    assert returned_matches(3.0000000000000004, 3)
    assert returned_matches(-0.0, 0)
    assert returned_matches(float("inf"), float("inf"))
    assert returned_matches(float("nan"), float("nan"))
    assert returned_matches(1.2345678901234568e20, 1.2345678901234567e20)


def test_no_constant_is_returned_where_all_results_are_tiny():
    assert not returned_matches(0.0, 1.234e-7, 5.1e-7)
    assert not returned_matches(0, 1.234e-7, 5.1e-7)
    assert not returned_matches([3, 0.0], [3, 1.234e-7], [8, 5.1e-7])
    assert not returned_matches([3.5, 0.0], [3.5, 1.234e-7], [8.25, 5.1e-7])
    assert returned_matches(1.2340000001e-7, 1.234e-7, 5.1e-7)
    assert returned_matches(0.0, 1.2246467991473532e-16, 1.0)


def test_calls_keep_to_the_error_that_the_task_states():
    assert returned_matches(2.00001, 2.000004, tolerance=1e-4)
    assert not returned_matches(2.00001, 2.000004, tolerance=1e-9)


def test_keys_are_met_by_their_json_spelling_and_by_one_key_alone():
    assert returned_matches({True: 1, None: 2, 1.5: 3}, {"true": 1, "null": 2, "1.5": 3})
    assert returned_matches({(1, 2): 3}, {"(1, 2)": 3})
    assert not returned_matches({1: 3, "1": 3}, {"1": 3})
    assert not returned_matches({1: 3, "1": 4}, {"1": 3, "2": 4})
    assert not returned_matches({10**300_000: 3}, {"1": 3})


def test_integers_beyond_the_limit_of_python_are_read_and_written(tmp_path):
    tests = CallTests(entry_point="f", cases=[CallCase(args=[], expected=3**20_000)])
    write_records(tmp_path / "a.jsonl", [tests])
    write_records(tmp_path / "b.jsonl", [tests.model_dump()])
    assert read_records(tmp_path / "a.jsonl", CallTests) == read_records(tmp_path / "b.jsonl", CallTests) == [tests]


def test_an_integer_too_long_to_read_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"n": ' + "7" * 2_000_000 + "}\n")
    with pytest.raises(InputError, match=r"a.jsonl:2: .*100000 digits"):
        list(read_rows(tmp_path / "a.jsonl"))


def test_only_a_pass_pays_one():
    ladder = Ladder()
    statuses = ["wrong_answer", "runtime_error", "compile_error", "timeout", "memory_limit", "output_limit", "no_code"]
    for status in statuses:
        for warnings in (False, True):
            assert reward_for(status, 99, 100, warnings=warnings, ladder=ladder) < 1.0
    assert reward_for("pass", 100, 100, warnings=True, ladder=ladder) == 1.0


def test_the_ladder_rises():
    ladder = Ladder()

    def reward(status, passed=0, warnings=False):
        return reward_for(status, passed, 10, warnings=warnings, ladder=ladder)

    rungs = [
        reward("compile_error"),
        reward("timeout", warnings=True),
        reward("timeout"),
        reward("wrong_answer", warnings=True),
        reward("wrong_answer", 5),
        reward("wrong_answer", 9),
        reward("pass", 10),
    ]
    assert rungs == [0.0, 0.3, 0.5, 0.7, 0.85, 0.97, 1.0]


def test_infra_error_is_never_a_reward():
    assert reward_for("infra_error", 10, 10, warnings=False, ladder=Ladder()) is None


def test_clip_keeps_both_ends_within_the_limit():
    text = "first\n" + "é" * 5000 + "\nlast"
    clipped = clip(text)
    assert len(clipped.encode()) <= 2000
    assert clipped.startswith("first") and clipped.endswith("last")
    assert clip(" short ") == "short"
