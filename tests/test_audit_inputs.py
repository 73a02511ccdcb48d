"""Further inputs keep what the tests and the prompt show of an input's form, and reach what tests have left out."""

from __future__ import annotations

import pytest

from halo_forge.audit.inputs import further_arguments, further_texts
from halo_forge.audit.shape import Shape
from halo_forge.audit.stated import Stated
from halo_forge.audit.text import lines_of


def made(inputs: list[str], prompt: str = "", limit: int = 60) -> list[str]:
    return further_texts(inputs, limit, "seed", prompt)


LIST = ["3\n4 1 2\n", "1\n7\n", "5\n1 2 3 4 5\n", "2\n9 9\n"]


def test_none_is_among_those_that_the_tests_have_and_the_seed_decides() -> None:
    found = made(LIST)
    assert len(found) == 60 == len(set(found)) and not set(found) & set(LIST)
    assert found == made(LIST) != further_texts(LIST, 60, "other")


def test_a_number_that_counts_what_follows_stays_right() -> None:
    for text in made(LIST):
        count, items = text.splitlines()
        assert int(count) == len(items.split()), text


def test_a_number_that_counts_lines_stays_right() -> None:
    for text in made(["2\na 1\nb 2\n", "1\nc 3\n", "3\na 4\nd 5\ne 6\n"]):
        count, *lines = text.splitlines()
        assert int(count) == len(lines) and all(len(line.split()) == 2 for line in lines), text


def test_a_grid_keeps_its_rows_and_columns() -> None:
    for text in made(["2 3\nabc\ndef\n", "1 2\nab\n", "3 1\na\nb\nc\n", "2 2\nab\nba\n"]):
        head, *rows = text.splitlines()
        assert [len(rows), len(rows[0])] == [int(word) for word in head.split()], text
        assert len({len(row) for row in rows}) == 1, text


def test_a_list_that_ends_with_a_mark_keeps_it_at_the_end_alone() -> None:
    for text in made(["1 2 3 0\n", "7 0\n", "5 5 0\n", "9 8 7 6 0\n"], "Numbers, at least one, ended by 0."):
        words = text.split()
        assert words[-1] == "0" and words.count("0") == 1, text


def test_numbers_keep_the_stated_bounds() -> None:
    values = {int(text) for text in made(["5\n", "1\n", "100\n", "17\n"], "Read n (1 <= n <= 100).")}
    assert min(values) >= 1 and max(values) <= 100


def test_where_no_bounds_are_stated_zero_and_negative_numbers_are_tried() -> None:
    values = {int(text) for text in made(["5\n", "3\n", "100\n"], "Read an integer n. Print its absolute value.")}
    assert min(values) < 0 and 0 in values


@pytest.mark.parametrize(
    ("prompt", "least"),
    [("n (n >= 3)", 3), ("at least 2", 2), ("1 ≤ n", 1), ("a positive integer", 1), ("0 < n", 1), ("from 4 to 9", 4)],
)
def test_a_lower_bound_is_read_from_words_and_signs(prompt: str, least: int) -> None:
    assert Stated(prompt).lowest([5, 9]) == least


def test_a_list_is_no_longer_sorted_unless_the_prompt_says_that_it_is() -> None:
    inputs = ["3\n1 2 3\n", "4\n2 4 6 9\n", "2\n5 8\n"]

    def is_sorted(text: str) -> bool:
        numbers = [int(word) for word in text.splitlines()[1].split()]
        return numbers == sorted(numbers)

    assert not all(map(is_sorted, made(inputs, "Print the largest of n numbers.")))
    assert all(map(is_sorted, made(inputs, "Read n numbers in increasing order.")))


def test_ties_are_tried_unless_the_prompt_says_that_all_differ() -> None:
    inputs = ["3\n1 2 3\n", "4\n9 4 6 2\n", "2\n5 8\n"]

    def has_tie(text: str) -> bool:
        words = text.splitlines()[1].split()
        return len(set(words)) < len(words)

    assert any(map(has_tie, made(inputs, "Print the largest of n numbers.")))
    assert not any(map(has_tie, made(inputs, "Print the largest of n different numbers.")))


def test_one_number_stays_below_another_where_the_prompt_speaks_of_bounds() -> None:
    inputs = ["1 5\n", "2 2\n", "0 9\n", "3 4\n"]
    assert all(int(a) <= int(b) for a, b in map(str.split, made(inputs, "Read a and b, a <= b.")))
    assert not all(int(a) <= int(b) for a, b in map(str.split, made(inputs, "Read a and b.")))


def test_a_clock_is_only_given_hours_and_minutes_that_came_before() -> None:
    for text in made(["12:30\n", "07:05\n", "23:59\n"]):
        hours, minutes = text.strip().split(":")
        assert hours in ("12", "07", "23") and minutes in ("30", "05", "59")


def test_all_multiples_stay_multiples() -> None:
    assert all(int(text) % 4 == 0 for text in made(["4\n", "8\n", "12\n", "40\n", "16\n"]))


def test_words_are_made_of_the_letters_that_were_there() -> None:
    for text in made(["LLRU\n", "RR\n", "DUL\n"]):
        assert set(text.strip()) <= set("LRUD"), text


def test_a_shape_says_what_it_holds_for() -> None:
    shape = Shape([lines_of(text) for text in LIST])
    assert all(shape.holds(lines_of(text)) for text in LIST)
    assert not shape.holds(lines_of("3\n4 x 2\n")) and not shape.holds(lines_of("3\n"))


def test_arguments_of_calls_change_in_values_length_and_order() -> None:
    calls = [[[1, 2, 3], "ab"], [[4], "c"]]
    found = further_arguments(calls, 80, "seed")
    assert found == further_arguments(calls, 80, "seed")
    assert not any(arguments in calls for arguments in found)
    assert all(isinstance(items, list) and isinstance(word, str) for items, word in found)
    lengths = {len(items) for items, _ in found}
    assert len(lengths) > 2 and calls == [[[1, 2, 3], "ab"], [[4], "c"]]


def test_arguments_keep_the_stated_lower_bound() -> None:
    found = further_arguments([[5], [9]], 20, "seed", "n is at least 2")
    assert found and all(arguments[0] >= 2 for arguments in found)


def test_numbers_that_the_reference_compares_with_are_tried() -> None:
    inputs = [f"1\n{n}\n" for n in (1, 500_000, 1_000_000)]
    found = {int(text.split()[1]) for text in further_texts(inputs, 60, "seed", "n >= 1", [4711])}
    assert {4710, 4711, 4712} <= found
    calls = further_arguments([[1], [1_000_000]], 60, "seed", "", [4711])
    assert {4710, 4711, 4712} <= {arguments[0] for arguments in calls}
