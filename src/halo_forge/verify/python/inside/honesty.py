"""Whether the answer's own comparisons say anything: asked by the referee before one of them decides a test."""

import _operator


def tells_apart(one, other):
    """Whether the == of one's class depends on what its objects hold: for some change to one of them it says no.

    None if they hold nothing that could be changed.
    """
    kind = type(one)
    if kind.__eq__ is object.__eq__:
        return True
    hidden = True if isinstance(kind.__eq__, _OF_C) and not issubclass(kind, _BASES) else None
    try:
        pairs = [(changed, other) for changed in _changed(one)] + [(changed, one) for changed in _changed(other)]
    except TypeError:  # of a class that is made in C, and in no other way
        return hidden
    for changed, left in pairs:
        try:
            if not changed == left:  # noqa: SIM201 - != may be of another make
                return True
        except Exception:  # noqa: BLE001 - it looked at what is not there any more
            return True
    return False if pairs else hidden


def contains(container, value):
    try:
        return type(container).__contains__(container, value)
    except Exception:  # noqa: BLE001 - it will not have such a value
        return False


def holds_reversed(name, one, other):
    try:
        return getattr(_operator, name)(other, one)
    except Exception:  # noqa: BLE001 - then it does not hold
        return False


def _changed(one):
    """Copies of an object, one for each thing that it holds, with that thing changed. None of its own code is run."""
    kind = type(one)
    base = next((base for base in _BASES if issubclass(kind, base)), None)
    held = {name: get(one) for name, get, _ in _fields(kind, one)}
    plain = None if base is None else base(one)
    for name in held:
        yield _copied(one, kind, base, plain, held | {name: _other(held[name])})
    if base is not None:
        yield _copied(one, kind, base, _other(plain), held)


def _copied(one, kind, base, plain, held):
    new = object.__new__(kind) if base is None else base.__new__(kind, plain)
    if base in (list, set, dict, bytearray):
        base.__init__(new, plain)
    for name, _, put in _fields(kind, one):
        put(new, held[name])
    return new


def _fields(kind, one):
    """(name, getter, setter) of all that an object holds for itself: its __dict__ and its slots."""
    for name in list(getattr(one, "__dict__", ())):
        yield (
            name,
            lambda thing, name=name: object.__getattribute__(thing, "__dict__")[name],
            lambda thing, value, name=name: object.__getattribute__(thing, "__dict__").__setitem__(name, value),
        )
    for ancestor in (kind for kind in kind.__mro__ if kind.__flags__ & _OF_PYTHON):
        for name, slot in list(vars(ancestor).items()):
            if type(slot) is _SLOT:
                try:
                    slot.__get__(one)
                except AttributeError:
                    continue  # it is empty
                yield name, slot.__get__, slot.__set__


def _other(value):
    """A value of the same kind that is not equal."""
    kind = type(value)
    if kind is bool:
        return not value
    if kind in (int, float, complex):
        return value + 1
    if kind in _MORE:
        return value + _MORE[kind]
    if kind in (set, frozenset):
        return value | {_NOTHING}
    return {**value, _NOTHING: _NOTHING} if kind is dict else _NOTHING


class _Nothing:
    pass


class _Slotted:
    __slots__ = ("one",)


_SLOT = type(_Slotted.one)
_OF_C = type(object.__eq__)
_OF_PYTHON = 1 << 9
"""The flag of classes that a `class` statement made (Py_TPFLAGS_HEAPTYPE): what others hold cannot be set."""
_NOTHING = _Nothing()
_MORE = {str: "~", bytes: b"~", list: [_NOTHING], tuple: (_NOTHING,), bytearray: b"~"}
_BASES = (str, int, float, tuple, list, dict, set, frozenset, bytes, bytearray, complex)
