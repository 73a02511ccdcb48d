"""Values cross between the referee and the answer as plain data, whatever their classes claim."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import types
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halo_forge.verify.python.inside import wire

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
hashables = scalars | st.tuples(scalars, scalars) | st.complex_numbers(allow_nan=False) | st.fractions()
values = st.recursive(
    hashables | st.sets(hashables) | st.dates() | st.timedeltas() | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(hashables, inner),
    max_leaves=20,
)


def crossed(value):
    return wire.unpack(wire.pack(value, wire.refuse), wire.refuse)


@settings(deadline=None)
@given(values)
def test_plain_data_arrives_as_it_left(value):
    arrived = crossed(value)
    assert arrived == value and type(arrived) is type(value)


@settings(deadline=None, max_examples=300)
@given(
    st.binary(max_size=60)
    | st.binary(max_size=20).map(lambda tail: wire.pack([1, {"a": (2.5, "x")}], None)[:-3] + tail)
)
def test_garbage_is_refused_and_nothing_else_happens(data):
    try:
        wire.unpack(data, wire.refuse)
    except wire.Crossing:
        return
    assert wire.pack(wire.unpack(data, wire.refuse), wire.refuse)  # it happened to be a value


class LyingInt(int):
    __eq__ = __ge__ = __bool__ = __index__ = lambda *_: True
    __hash__ = int.__hash__
    __str__ = __repr__ = __format__ = lambda *_: "9"


class LyingList(list):
    __eq__ = __contains__ = lambda *_: True

    def __len__(_):
        return 3

    def __iter__(_):
        return iter([1, 2, 3])

    def __getitem__(*_):
        return 1


class LyingDict(dict):
    __eq__ = __contains__ = lambda *_: True

    def items(_):
        return [("right", 1)]

    __iter__ = keys = lambda _: iter(["right"])


class LyingText(str):
    def __eq__(*_):
        return True

    __hash__ = str.__hash__

    def encode(*_):
        return b"right"

    def __str__(_):
        return "right"


class LyingFloat(float):
    def __float__(_):
        return 2.5

    def hex(_):
        return "0x1p0"


@pytest.mark.parametrize(
    ("liar", "truth"),
    [
        (LyingInt(7), 7),
        (LyingList([4]), [4]),
        (LyingDict(wrong=2), {"wrong": 2}),
        (LyingText("wrong"), "wrong"),
        (LyingFloat(1.5), 1.5),
        ([LyingInt(7), (LyingText("wrong"),)], [7, ("wrong",)]),
    ],
)
def test_a_subclass_arrives_as_its_contents(liar, truth):
    arrived = crossed(liar)
    assert truth == arrived and type(arrived) is type(truth)


def test_known_subclasses_arrive_as_the_base():
    class Colour(enum.IntEnum):
        RED = 4

    Point = collections.namedtuple("Point", "x y")
    assert crossed(collections.Counter("aab")) == {"a": 2, "b": 1}
    assert crossed(Point(1, 2)) == (1, 2) and crossed(Colour.RED) == 4


def test_values_of_the_standard_library_keep_their_type():
    for value in (
        fractions.Fraction(1, 3),
        decimal.Decimal("1.50"),
        datetime.datetime(2020, 1, 2, 3, 4),
        datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "x"), fold=1),
        uuid.UUID(int=7),
        pathlib.PurePosixPath("/a/b"),
        memoryview(b"ab"),
        types.MappingProxyType({"a": 1}),
        NotImplemented,
        collections.deque([1, 2], 3),
        range(1, 9, 2),
        ...,
    ):
        assert crossed(value) == value and type(crossed(value)) is type(value)


def test_nan_stays_nan_and_a_text_nan_stays_text():
    assert math.isnan(crossed(float("nan"))) and crossed("nan") == "nan" and crossed(-0.0).hex() == "-0x0.0p+0"


def test_what_is_not_plain_needs_a_reference():
    with pytest.raises(wire.Crossing, match="object"):
        crossed([object()])


def test_a_class_that_names_itself_fraction_is_not_one():
    liar = type("Fraction", (), {"__module__": "fractions", "numerator": 1, "denominator": 2})()
    with pytest.raises(wire.Crossing):
        crossed(liar)


def test_deep_and_cyclic_values_are_refused():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    cyclic: list = []
    cyclic.append(cyclic)
    for value in (deep, cyclic):
        with pytest.raises(wire.Crossing, match="nested"):
            crossed(value)
    with pytest.raises(wire.Crossing):
        wire.unpack(b"l1:" * 100_000, wire.refuse)


def test_a_message_that_claims_to_be_long_is_refused():
    with pytest.raises(wire.Crossing, match="bytes"):
        wire.receive(lambda count: b"7fffffff"[:count], limit=100)
    with pytest.raises(wire.Crossing):
        wire.unpack(b"l999999999:", wire.refuse)
    assert wire.receive(lambda count: b"", limit=100) is None
