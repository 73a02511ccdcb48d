"""Values like an expected one, among which an object of the answer's must tell it when it says that it equals it."""

import random

_MOST = 4
_PLAIN = (int, float, str, bytes, tuple, list, dict, set, frozenset, complex, bool)
_dice = random.Random(random.SystemRandom().getrandbits(64))
_known = {}
"""repr() of an expected value -> what it was mixed with: others each time would single it out."""


def plain(value):
    """Whether it is plain data through and through."""
    if type(value) in (list, tuple, set, frozenset):
        return all(map(plain, value))
    if type(value) is dict:
        return all(plain(side) for pair in value.items() for side in pair)
    return type(value) in _PLAIN


def among(expected, handed):
    """The value and some others of its kind, in no order: near it, or such as the answer has been handed before."""
    key = repr(expected)
    if key not in _known:
        others = [value for value in handed if type(value) is type(expected) and plain(value)]
        others = others[-_MOST:] + [_changed(expected) for _ in range(_MOST)]
        _known[key] = [value for value in others if value != expected]
    found = [expected, *_known[key]]
    _dice.shuffle(found)
    return found


def _changed(value):
    """One place of it is another."""
    kind = type(value)
    if kind in (list, tuple) and value:
        at = _dice.randrange(len(value))
        changed = list(value)
        if len(value) > 1 and _dice.random() < 0.3:
            other = _dice.randrange(len(value))
            changed[at], changed[other] = changed[other], changed[at]
        else:
            changed[at] = _changed(value[at])
        return kind(changed)
    if kind is dict and value:
        at = _dice.choice(list(value))
        return {**value, at: _changed(value[at])}
    if kind in (set, frozenset) and value:
        at = _dice.choice(list(value))
        return kind({*value} - {at} | {_changed(at)})
    return _SCALAR[kind](value)


_SCALAR = {
    bool: lambda value: not value,
    int: lambda value: value + _dice.choice([-10, -2, -1, 1, 2, 10]),
    float: lambda value: value * _dice.choice([0.5, 0.9, 1.1, 2.0]) + _dice.choice([-1.0, 0.25, 1.0]),
    complex: lambda value: value + _dice.choice([1, -1, 1j]),
    str: lambda value: value[:-1] + _dice.choice("aqz0") if _dice.random() < 0.5 else value + _dice.choice("aqz0"),
    bytes: lambda value: value + b"a",
    list: lambda value: [0],
    tuple: lambda value: (0,),
    dict: lambda value: {0: 0},
    set: lambda value: {0},
    frozenset: lambda value: frozenset((0,)),
}
