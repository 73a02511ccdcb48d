"""How values cross between the referee and the answer: a length-prefixed form that can be read without trust.

Plain data crosses by value, whatever the answer's classes say about it: the contents of a list, str, int, … subclass
are read through the base type's own methods, so an overridden `__eq__` or `__iter__` is left behind. Everything else
crosses as a numbered reference that only its owner can open. Not marshal or pickle: those trust what they read.
No imports but sys: every one would cost every judgement.
"""

import sys

DEPTH = 200
_LONGEST_COUNT = 16


class Crossing(TypeError):
    """A value or message that cannot cross."""


class Reference:
    """Something on the other side: `kind` and plain `fields`, whose meaning is the caller's."""

    def __init__(self, kind, *fields):
        self.kind, self.fields = kind, fields


OWN = set()
"""Classes whose objects stay where they are, though they are plain data by their ancestors."""


def pack(value, refer):
    """Bytes of a value; `refer(value)` gives the Reference for one that is not plain data."""
    parts = []
    _pack(value, refer, parts.append, 0)
    return b"".join(parts)


def _pack(value, refer, put, depth):
    if depth > DEPTH:
        raise Crossing("a value nested more than %d deep" % DEPTH)
    kind = type(value)
    if value is None or value is ... or kind is bool:
        return put({None: b"n", ...: b"e", True: b"t", False: b"f"}[value])
    if OWN and kind in OWN:
        return _pack_reference(refer(value), put, depth)
    if issubclass(kind, str):
        data = str.__str__(value).encode("utf-8", "surrogatepass")
        return put(b"u%d:%b" % (len(data), data))
    if issubclass(kind, int):
        data = b"%x" % int.__index__(value)
        return put(b"i%d:%b" % (len(data), data))
    if issubclass(kind, float):
        return _pack_float(float.__float__(value), put)
    if kind is complex:
        put(b"c")
        _pack_float(value.real, put)
        return _pack_float(value.imag, put)
    for tag, base in _BYTES.items():
        if issubclass(kind, base):
            data = bytes(base.__getitem__(value, slice(None)))
            return put(b"%b%d:%b" % (tag, len(data), data))
    for tag, base in _CONTAINERS.items():
        if issubclass(kind, base):
            items = list(base.__iter__(value))
            put(b"%b%d:" % (tag, len(items)))
            for item in items:
                _pack(item, refer, put, depth + 1)
            return None
    if issubclass(kind, dict):
        items = list(dict.items(value))
        put(b"D%d:" % len(items))
        for pair in items:
            for side in pair:
                _pack(side, refer, put, depth + 1)
        return None
    return _pack_fields(value, kind, refer, put, depth)


def _pack_float(number, put):
    data = number.hex().encode("ascii")
    put(b"d%d:%b" % (len(data), data))


def _pack_fields(value, kind, refer, put, depth):
    """Value types of the standard library, exact types only; else a reference."""
    module, name = kind.__module__, kind.__qualname__
    if (module, name) in _VALUES and getattr(sys.modules.get(module), name, None) is kind:
        put(b"V")
        for field in (module + "." + name, _VALUES[module, name](value)):
            _pack(field, refuse, put, depth + 1)
    else:
        _pack_reference(refer(value), put, depth)


def _pack_reference(reference, put, depth):
    put(b"R")
    for field in (reference.kind, tuple(reference.fields)):
        _pack(field, refuse, put, depth + 1)


def refuse(value):
    raise Crossing("a value of type %s" % type(value).__name__)


_BYTES = {b"b": bytes, b"B": bytearray}
_CONTAINERS = {b"l": list, b"T": tuple, b"S": set, b"F": frozenset}
_VALUES = {
    ("builtins", "slice"): lambda value: (value.start, value.stop, value.step),
    ("builtins", "range"): lambda value: (value.start, value.stop, value.step),
    ("fractions", "Fraction"): lambda value: (value.numerator, value.denominator),
    ("decimal", "Decimal"): lambda value: (str(value),),
    ("collections", "deque"): lambda value: (list(value), value.maxlen),
    ("datetime", "date"): lambda value: (value.isoformat(),),
    ("datetime", "time"): lambda value: (value.isoformat(),),
    ("datetime", "datetime"): lambda value: (value.isoformat(),),
    ("datetime", "timedelta"): lambda value: (value.days, value.seconds, value.microseconds),
}


def unpack(data, resolve):
    """The value in `data`; `resolve(reference)` gives what a Reference stands for. Raises Crossing if it is garbled."""
    try:
        value, end = _unpack(data, 0, resolve, 0)
    except Exception as error:  # noqa: BLE001 - the bytes are the answer's; whatever they bring about is its doing
        raise Crossing(("garbled: %s" % error)[:500]) from None
    if end != len(data):
        raise Crossing("garbled: bytes left over")
    return value


def _unpack(data, at, resolve, depth):
    if depth > DEPTH + 2:
        raise Crossing("too deep")
    tag = data[at : at + 1]
    at += 1
    if tag in _CONSTANTS:
        return _CONSTANTS[tag], at
    if tag == b"c":
        real, at = _unpack(data, at, resolve, depth + 1)
        imaginary, at = _unpack(data, at, resolve, depth + 1)
        return complex(real, imaginary), at
    if tag in (b"V", b"R"):
        name, at = _unpack(data, at, resolve, depth + 1)
        fields, at = _unpack(data, at, resolve, depth + 1)
        return (_value(name, fields) if tag == b"V" else resolve(Reference(name, *fields))), at
    colon = data.index(b":", at, at + _LONGEST_COUNT)
    count, at = int(data[at:colon]), colon + 1
    if count < 0 or count > len(data) - at:  # an item takes at least a byte
        raise Crossing("garbled: %d items in %d bytes" % (count, len(data) - at))
    if tag in _SCALARS:
        return _SCALARS[tag](data[at : at + count]), at + count
    items = []
    for _ in range(2 * count if tag == b"D" else count):
        item, at = _unpack(data, at, resolve, depth + 1)
        items.append(item)
    if tag == b"D":
        return dict(zip(items[::2], items[1::2], strict=True)), at
    return _CONTAINERS[tag](items), at


_CONSTANTS = {b"n": None, b"e": ..., b"t": True, b"f": False}
_SCALARS = {
    b"u": lambda data: data.decode("utf-8", "surrogatepass"),
    b"i": lambda data: int(data, 16),
    b"d": lambda data: float.fromhex(data.decode("ascii")),
    b"b": bytes,
    b"B": bytearray,
}


# What `_value` builds from: a text would be read as a number, "1e999999" as a million digits.
_FIELDS = {
    "slice": (int, type(None)),
    "range": (int,),
    "Fraction": (int,),
    "Decimal": (str,),
    "deque": (list, int, type(None)),
}
_FIELDS |= {"date": (str,), "time": (str,), "datetime": (str,), "timedelta": (int,)}


def _value(name, fields):
    module, _, kind = name.rpartition(".")
    if (module, kind) not in _VALUES or any(type(field) not in _FIELDS[kind] for field in fields):
        raise Crossing("garbled: %s" % name)
    build = getattr(__import__(module), kind)
    return build.fromisoformat(*fields) if kind in ("date", "time", "datetime") else build(*fields)


def send(write, data):
    """Write one message: its length in eight hexadecimal digits, then its bytes."""
    view = memoryview(b"%08x" % len(data) + data)
    while view:
        view = view[write(view) :]


def receive(read, limit):
    """Read one message, or None at the end. Raises Crossing if it is longer than `limit` or has no length."""
    head = _exactly(read, 8)
    if head is None:
        return None
    try:
        length = int(head, 16)
    except ValueError:
        raise Crossing("garbled: no length") from None
    if not 0 <= length <= limit:
        raise Crossing("a message of %d bytes" % length)
    return _exactly(read, length)


def _exactly(read, count):
    parts = []
    while count:
        part = read(min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
