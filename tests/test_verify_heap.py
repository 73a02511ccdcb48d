"""Lists and dictionaries that both ends of the line hold as one: each end has its own, alike after every message."""

from __future__ import annotations

import collections
import sys
import time
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import halo_forge.verify.python.inside as inside

FOLDER = str(Path(inside.__file__).parent)  # these modules find each other by their names, as in the box


@pytest.fixture(scope="module", autouse=True)
def modules():
    sys.path.insert(0, FOLDER)
    import heap
    import wire

    yield types.SimpleNamespace(heap=heap, wire=wire)
    sys.path.remove(FOLDER)


@pytest.fixture
def ends(modules):
    """Two ends, and a way to hand a value from one to the other."""
    one, other = (modules.heap.Heap(first, lambda value: None, modules.heap.new) for first in (1, -1))

    def hand(sender, receiver, value):
        return receiver.unpack(sender.pack((value,), modules.wire.refuse), modules.wire.refuse)[0]

    return types.SimpleNamespace(
        one=one, other=other, there=lambda value: hand(one, other, value), back=lambda value: hand(other, one, value)
    )


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
values = st.recursive(
    leaves | st.sets(leaves) | st.builds(collections.Counter, st.text()) | st.builds(bytearray, st.binary()),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(leaves, inner) | st.builds(collections.deque),
    max_leaves=30,
)


@settings(deadline=None)
@given(values)
def test_values_arrive_with_their_types_and_come_back_as_the_same(modules, value):
    one, other = (modules.heap.Heap(first, lambda value: None, modules.heap.new) for first in (1, -1))
    arrived = other.unpack(one.pack((value,), modules.wire.refuse), modules.wire.refuse)[0]
    assert arrived == value and type(arrived) is type(value)
    back = one.unpack(other.pack((arrived,), modules.wire.refuse), modules.wire.refuse)[0]
    assert back == value
    if isinstance(value, (list, dict, set, bytearray)):
        assert back is value and arrived is not value


def test_a_change_at_either_end_is_one_at_both(ends):
    mine = {"rows": [[1], [2]]}
    theirs = ends.there(mine)
    theirs["rows"][0].append(3)
    theirs["new"] = {4}
    ends.back(None)
    assert mine == {"rows": [[1, 3], [2]], "new": {4}}
    mine["rows"].reverse()
    ends.there(None)
    assert theirs["rows"] == [[2], [1, 3]]


def test_what_was_one_list_is_one_list(ends):
    row = [0]
    first, second, again = ends.there([row, row, (row,)])
    assert first is second is again[0]
    loop = [1]
    loop.append(loop)
    arrived = ends.there(loop)
    assert arrived[1] is arrived


def test_a_row_that_changes_its_place_is_still_that_row(ends):
    grid = [[1], [2]]
    first, second = grid
    theirs = ends.there(grid)
    theirs.reverse()
    ends.back(None)
    assert grid[0] is second and grid[1] is first


def test_types_of_the_library_keep_what_they_have(ends):
    made = collections.defaultdict(None, a=1)
    ring = ends.there(collections.deque([1, 2, 3], 3))
    assert ring.maxlen == 3 and list(ring) == [1, 2, 3]
    assert ends.there(made).default_factory is None
    order = collections.OrderedDict(a=1, b=2)
    theirs = ends.there(order)
    theirs.move_to_end("a")
    ends.back(None)
    assert list(order) == ["b", "a"]
    assert ends.there(time.gmtime(0)).tm_year == 1970
    space = ends.there(types.SimpleNamespace(x=[1]))
    assert space == types.SimpleNamespace(x=[1])


def test_what_one_end_alone_holds_is_forgotten_by_both(ends):
    mine = [1]
    theirs = ends.there(mine)
    for number in range(50):
        ends.back(ends.there([number, [number]]))
    assert len(ends.one.objects) < 10 and len(ends.other.objects) < 10
    assert theirs == [1]
    del theirs
    ends.back(None)
    ends.there(None)
    assert not any(held is mine for held in ends.one.objects.values())


def test_a_message_that_cannot_be_sent_leaves_no_trace(ends, modules):
    mine = [1]
    theirs = ends.there(mine)
    mine.append(2)
    with pytest.raises(modules.wire.Crossing):
        ends.there([mine, object()])
    ends.there(None)
    assert theirs == [1, 2]


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda tail: b"0 1 4;1 5 5;=listT1:i1:1" + tail))
def test_garbage_is_refused(modules, data):
    end = modules.heap.Heap(1, lambda value: None, modules.heap.new)
    held = [7]
    end.pack((held,), modules.wire.refuse)
    with pytest.raises((modules.wire.Crossing, ValueError)):
        end.unpack(b"0 1 3;1 5 5;=list" + data, modules.wire.refuse)
    assert held == [7]


def test_nobody_changes_what_was_not_handed_over(modules):
    end = modules.heap.Heap(1, lambda value: None, modules.heap.new)
    with pytest.raises(modules.wire.Crossing):
        end.unpack(b"0 1 4;1 0 8;" + b"T1:i1:05" + b"T1:n", modules.wire.refuse)
