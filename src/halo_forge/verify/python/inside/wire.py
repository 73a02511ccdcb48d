"""How values cross between the referee and the answer: a length-prefixed form that can be read without trust.

Plain data crosses by value, whatever the answer's classes say about it: the contents of a list, str, int, … subclass
are read through the base type's own methods, so an overridden `__eq__` or `__iter__` is left behind. Everything else
crosses as a reference, whose meaning is the two ends' own. On the line, lists, dictionaries and what else can be
changed are shared (`heap`): there they cross as a key. Not marshal or pickle: those trust what they read.
No imports but sys: every one would cost every judgement.
"""

import sys

DEPTH = 200
_LONGEST_COUNT = 16


class Crossing(TypeError):
    """A value or message that cannot cross."""


class Reference:
    """Something on the other side: `kind` and `fields`, whose meaning is the caller's."""

    def __init__(self, kind, *fields):
        self.kind, self.fields = kind, fields


def pack(value, refer, heap=None):
    """Bytes of a value; `refer(value)` gives the Reference, or the plain data, for one that is not plain data.

    With a `heap`, what can be changed is packed as its key there, and `refer` is asked about subclasses too.
    """
    parts = []
    _pack(value, refer, parts.append, 0, heap)
    return b"".join(parts)


def _pack(value, refer, put, depth, heap):
    kind = type(value)
    exact = _EXACT.get(kind)
    if exact is not None:
        return put(exact(value))
    if depth > DEPTH:
        raise Crossing("a value nested more than %d deep" % DEPTH)
    if kind is Reference:
        return _pack_reference(value, refer, put, depth, heap)
    if kind is tuple:
        return _pack_items(b"T", value, refer, put, depth, heap)
    if heap is None:
        return _pack_contents(value, kind, refer, put, depth)
    if kind is frozenset:
        return _pack_items(b"F", value, refer, put, depth, heap)
    key = heap.key(value)
    if key is not None:
        return put(b"K%d:" % key)
    return _pack_fields(value, kind, refer, put, depth, heap)


def _pack_items(tag, items, refer, put, depth, heap):
    if tag == b"T" and len(items) > _FEW and set(map(type, items)) == _INTEGERS:
        data = (b"%x," * len(items) % tuple(items))[:-1]
        return put(b"Z%d:%b" % (len(data), data))
    put(b"%b%d:" % (tag, len(items)))
    for item in items:
        exact = _EXACT.get(type(item))
        if exact is not None:
            put(exact(item))
        else:
            _pack(item, refer, put, depth + 1, heap)
    return None


def _pack_contents(value, kind, refer, put, depth):
    """What a value is by its ancestors, read through their own methods."""
    for base in (str, int, float):
        if issubclass(kind, base):
            return put(_EXACT[base](base.__getnewargs__(value)[0]))
    for tag, base in _BYTES.items():
        if issubclass(kind, base):
            return put(_data(tag, bytes(base.__getitem__(value, slice(None)))))
    for tag, base in _CONTAINERS.items():
        if issubclass(kind, base):
            return _pack_items(tag, list(base.__iter__(value)), refer, put, depth, None)
    if issubclass(kind, dict):
        sides = [side for pair in dict.items(value) for side in pair]
        put(b"D%d:" % (len(sides) // 2))
        for side in sides:
            _pack(side, refer, put, depth + 1, None)
        return None
    return _pack_fields(value, kind, refer, put, depth, None)


def _data(tag, data):
    return b"%b%d:%b" % (tag, len(data), data)


def _float(number):
    return _data(b"d", number.hex().encode("ascii"))


_FEW, _INTEGERS = 8, {int}
_EXACT = {
    str: lambda value: _data(b"u", value.encode("utf-8", "surrogatepass")),
    int: lambda value: _data(b"i", b"%x" % value),
    float: _float,
    bool: lambda value: b"t" if value else b"f",
    bytes: lambda value: _data(b"b", value),
    complex: lambda value: b"c" + _float(value.real) + _float(value.imag),
    type(None): lambda value: b"n",
    type(...): lambda value: b"e",
    type(NotImplemented): lambda value: b"N",
}


def _pack_fields(value, kind, refer, put, depth, heap):
    """Value types of the standard library, exact types only; else what `refer` says."""
    name = value_type(kind)
    if name is not None:
        put(b"V")
        for field in (name, tuple(VALUES[name][0](value))):
            _pack(field, refer, put, depth + 1, heap)
        return
    reference = refer(value)
    _pack(reference, refer, put, depth + 1, heap)


def _pack_reference(reference, refer, put, depth, heap):
    put(b"R")
    for field in (reference.kind, reference.fields):
        _pack(field, refer, put, depth + 1, heap)


def value_type(kind):
    """The name under which a type of the standard library crosses by value, or None."""
    if kind in _UNNAMED:
        return _UNNAMED[kind]
    name = "%s.%s" % (kind.__module__, kind.__qualname__)
    if name not in VALUES or getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
        return None
    return name


def rebuilt(base, value, kind=None):
    """A value of a class derived from `base`, a type that crosses by value, made anew of what it is: by `kind`."""
    take, _, *build = VALUES[value_type(base)]
    kind = base if kind is None else kind
    return build[0](kind, *take(value)) if build else kind(*take(value))


def refuse(value):
    raise Crossing("a value of type %s" % type(value).__name__)


_BYTES = {b"b": bytes, b"B": bytearray}
_CONTAINERS = {b"l": list, b"T": tuple, b"S": set, b"F": frozenset}

_SOME = {}.items()
_UNNAMED = {type({}.keys()): "keys", type({}.values()): "values", type(_SOME): "items"}
_UNNAMED[type(type.__dict__)] = "mappingproxy"


def _moment(value):
    return value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond


# Name: what to take from a value, what the fields must be (a text where a number is wanted would be read as one,
# "1e999999" as a million digits), and what builds it from them, the type itself where that is left out.
VALUES = {
    "builtins.slice": (lambda value: (value.start, value.stop, value.step), (int, type(None))),
    "builtins.range": (lambda value: (value.start, value.stop, value.step), (int,)),
    "builtins.memoryview": (lambda value: (value.tobytes(),), (bytes,)),
    "fractions.Fraction": (lambda value: (value.numerator, value.denominator), (int,)),
    "decimal.Decimal": (lambda value: (str(value),), (str,)),
    "collections.deque": (lambda value: (list(value), value.maxlen), (list, int, type(None))),
    "datetime.date": (lambda value: (value.year, value.month, value.day), (int,)),
    "datetime.time": (
        lambda value: (value.hour, value.minute, value.second, value.microsecond, value.tzinfo, value.fold),
        None,
        lambda kind, *fields: kind(*fields[:5], fold=fields[5]),
    ),
    "datetime.datetime": (
        lambda value: (*_moment(value), value.tzinfo, value.fold),
        None,
        lambda kind, *fields: kind(*fields[:8], fold=fields[8]),
    ),
    "datetime.timedelta": (lambda value: (value.days, value.seconds, value.microseconds), (int,)),
    "datetime.timezone": (lambda value: value.__getinitargs__(), None),
    "zoneinfo.ZoneInfo": (lambda value: (value.key,), (str,)),
    "uuid.UUID": (lambda value: (value.int,), (int,), lambda kind, number: kind(int=number)),
    "pathlib.PosixPath": (lambda value: (str(value),), (str,)),
    "pathlib.PurePosixPath": (lambda value: (str(value),), (str,)),
    "pathlib.PureWindowsPath": (lambda value: (str(value),), (str,)),
    "time.struct_time": (lambda value: (tuple(value),), (tuple,)),
    "keys": (lambda value: (list(value),), (list,), lambda kind, items: dict.fromkeys(items).keys()),
    "values": (lambda value: (list(value),), (list,), lambda kind, items: dict(enumerate(items)).values()),
    "items": (lambda value: (list(value),), (list,), lambda kind, items: dict(items).items()),
    "mappingproxy": (
        lambda value: (list(value.items()),),
        (list,),
        lambda kind, items: type(type.__dict__)(dict(items)),
    ),
}


def unpack(data, resolve, heap=None):
    """The value in `data`; `resolve(reference)` gives what a Reference stands for. Raises Crossing if it is garbled."""
    try:
        value, end = _unpack(data, 0, resolve, 0, heap)
    except Exception as error:  # noqa: BLE001 - the bytes are the answer's; whatever they bring about is its doing
        raise Crossing(("garbled: %s" % error)[:500]) from None
    if end != len(data):
        raise Crossing("garbled: bytes left over")
    return value


def _unpack(data, at, resolve, depth, heap):
    tag = data[at : at + 1]
    at += 1
    if tag in _CONSTANTS:
        return _CONSTANTS[tag], at
    if depth > DEPTH + 2:
        raise Crossing("too deep")
    if tag == b"c":
        real, at = _unpack(data, at, resolve, depth + 1, heap)
        imaginary, at = _unpack(data, at, resolve, depth + 1, heap)
        return complex(real, imaginary), at
    if tag in (b"V", b"R"):
        name, at = _unpack(data, at, resolve, depth + 1, heap)
        fields, at = _unpack(data, at, resolve, depth + 1, heap)
        return (_value(name, fields) if tag == b"V" else resolve(Reference(name, *fields))), at
    colon = data.index(b":", at, at + _LONGEST_COUNT)
    count, at = int(data[at:colon]), colon + 1
    if tag == b"K":
        return heap.objects[count], at
    if count < 0 or count > len(data) - at:  # an item takes at least a byte
        raise Crossing("garbled: %d items in %d bytes" % (count, len(data) - at))
    if tag in _SCALARS:
        return _SCALARS[tag](data[at : at + count]), at + count
    items = []
    for _ in range(2 * count if tag == b"D" else count):
        scalar = _SCALARS.get(data[at : at + 1])
        if scalar is None:
            item, at = _unpack(data, at, resolve, depth + 1, heap)
        else:
            colon = data.index(b":", at, at + _LONGEST_COUNT)
            end = colon + 1 + int(data[at + 1 : colon])
            if not colon < end <= len(data):
                raise Crossing("garbled: too few bytes")
            item, at = scalar(data[colon + 1 : end]), end
        items.append(item)
    if tag == b"D":
        return dict(zip(items[::2], items[1::2], strict=True)), at
    return _CONTAINERS[tag](items), at


_CONSTANTS = {b"n": None, b"e": ..., b"t": True, b"f": False, b"N": NotImplemented}
_SCALARS = {
    b"u": lambda data: data.decode("utf-8", "surrogatepass"),
    b"i": lambda data: int(data, 16),
    b"d": lambda data: float.fromhex(data.decode("ascii")),
    b"b": bytes,
    b"B": bytearray,
    b"Z": lambda data: tuple([int(number, 16) for number in data.split(b",")]),
}


def _value(name, fields):
    _, wanted, *build = VALUES[name]
    if wanted is not None and any(type(field) not in wanted for field in fields):
        raise Crossing("garbled: %s" % name)
    module, _, kind = name.rpartition(".")
    kind = getattr(__import__(module), kind) if module else None
    return build[0](kind, *fields) if build else kind(*fields)


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
