"""Comparison of outputs and values, and the reward ladder."""

from __future__ import annotations

import pytest

from halo_forge.settings.verify import Ladder
from halo_forge.verify.core.compare import outputs_match
from halo_forge.verify.core.protocol import clip
from halo_forge.verify.core.rewards import reward_for
from halo_forge.verify.python.compare import values_match


@pytest.mark.parametrize("printed", ["1 2\n3\n", "1 2 3", "  1\t2\r\n3\n\n"])
def test_tokens_forgive_white_space_only(printed):
    assert outputs_match(printed, "1 2\n3\n", "tokens")


@pytest.mark.parametrize("printed", ["1 23", "1 2", "1 2 3 4", "1 2 3.0", "1, 2, 3", ""])
def test_tokens_forgive_nothing_else(printed):
    assert not outputs_match(printed, "1 2 3", "tokens")


def test_exact_forgives_only_the_last_newline_and_crlf():
    assert outputs_match("a b\r\nc", "a b\nc\n", "exact")
    assert not outputs_match("a  b\nc\n", "a b\nc\n", "exact")
    assert not outputs_match("a b \nc\n", "a b\nc\n", "exact")
    assert not outputs_match("a b\nc\n\n", "a b\nc\n", "exact")


def test_float_takes_rounding_but_not_another_number():
    assert outputs_match("3.1415927 x", "3.14159265 x", "float")
    assert outputs_match("0.0000000001", "0", "float")
    assert not outputs_match("3.1417", "3.1416", "float")
    assert not outputs_match("3.14 y", "3.14 x", "float")


@pytest.mark.parametrize("printed", ["nan", "inf", "1_0", "٣", "0x10", "1e400"])
def test_float_takes_no_odd_spellings(printed):
    assert not outputs_match(printed, "10", "float")
    assert not outputs_match(printed, "3", "float")


def test_float_nan_equals_only_its_own_spelling():
    assert outputs_match("nan", "nan", "float")
    assert not outputs_match("nan", "1", "float")


def test_values_by_type():
    assert values_match((1, [2, 3]), [1, [2, 3]])
    assert values_match({1: "a"}, {"1": "a"})
    assert values_match(0.1 + 0.2, 0.3)
    for actual, expected in [(1, True), (True, 1), ("1", 1), (None, 0), ([1], [1, 2]), (set(), []), (2**60, 2**60 + 1)]:
        assert not values_match(actual, expected)
    assert not values_match(float("nan"), 1.0)


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
