"""Lists, dictionaries and what else can be changed, held by both ends of the line as one.

Each end has its own copy of what has crossed, under the same key; every message begins with what has changed since
the last. So a list that the tests hand over and the answer changes is changed for the tests as well, the same list
comes back as the same list, and one that the answer keeps may still be changed by either. What one end alone holds on
to is forgotten by both. The contents are read and written through the base types' own methods: what an answer's class
makes of them does not cross.
"""

import sys

import wire

_ALONE = 3
"""sys.getrefcount of what nobody but the heap holds: its dictionary, the loop's variable, the argument."""
_FILLING = object()
_REMEMBERED = 64


class Heap:
    """`first`: 1 or -1, the sign of the keys that this end gives. `make(base, kind, extra)` is as `new`."""

    def __init__(self, first, kind_of, make):
        self.next, self.step = first, first
        self.kind_of, self.make = kind_of, make
        self.objects = {}  # key -> object
        self.keys = {}  # id -> key
        self.bases = {}  # key -> base type
        self.seen = {}  # key -> contents when they last crossed
        self.fresh = []  # keys that the message at hand brings
        self.dead = []  # keys that the other end has forgotten
        self.reading = 0
        self.before = {}  # id -> (container, contents before the other end changed it)

    def key(self, value):
        """The key of a value that is held by both; None if it is of no such kind."""
        key = self.keys.get(id(value))
        if key is None:
            base = base_of(type(value))
            if base is None:
                return None
            key, self.next = self.next, self.next + self.step
            self._hold(key, value, base)
            self.fresh.append(key)
        return key

    def pack(self, payload, refer):
        """A message: what to forget, what has changed, and the payload."""
        dead = self._dead()  # what has become of it is told all the same
        news = {}
        try:
            body = wire.pack(payload, refer, self)
            changes = list(self._changes(refer, news)) if self.objects else ()
            parts = [b"%d %d %d;" % (len(dead), len(changes), len(body)), b"%d;" * len(dead) % dead]
            for key, shape, contents in changes:
                parts += (b"%d %d %d;" % (key, len(shape), len(contents)), shape, contents)
            parts.append(body)
        except BaseException:
            for key in [key for key in self.objects if key not in self.seen]:
                self._forget(key)  # the other end has not heard of it
            self.fresh = []
            raise
        self.seen.update(news)
        for key in dead:
            self._forget(key)
        return b"".join(parts)

    def _changes(self, refer, news):
        due, fresh, self.fresh = list(self.objects), set(self.fresh), []
        while due:
            for key in due:
                value, base = self.objects[key], self.bases[key]
                before = self.seen.get(key)
                if before is _FILLING:
                    continue
                news[key] = now = _TYPES[base].contents(base, value)
                if key in fresh:
                    yield key, self._shape(base, value, refer), wire.pack(now, refer, self)
                elif not _same(before, now):
                    yield key, b"", wire.pack(now, refer, self)
            due, self.fresh = self.fresh, []
            fresh = set(due)

    def _shape(self, base, value, refer):
        if type(value) is base and base in _BUILTIN:
            return _BUILTIN[base]
        return wire.pack((base.__name__, self.kind_of(value), _TYPES[base].extra(value)), refer, self)

    def unpack(self, data, resolve):
        """The payload of a message. Raises wire.Crossing if it is garbled."""
        self.reading += 1
        try:
            dead, changes, body = _split(data)
            for key, shape, _ in changes:
                if shape in _SHAPES:
                    self._new(key, (_SHAPES[shape], None, ()))
                elif shape:
                    self._new(key, wire.unpack(shape, resolve, self))
                self.seen[key] = _FILLING
            filled = [(key, wire.unpack(contents, resolve, self)) for key, _, contents in changes]
            for key, contents in filled:
                value, base = self.objects[key], self.bases[key]
                if type(contents) is not tuple:
                    raise wire.Crossing("no contents")
                self._remember(value, base)
                _TYPES[base].fill(base, value, contents)
                self.seen[key] = _TYPES[base].contents(base, value)
            payload = wire.unpack(body, resolve, self)
            self.dead += dead
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise wire.Crossing(("garbled: %s" % error)[:500]) from None
        finally:
            self.reading -= 1
        if not self.reading:  # else it is asked for a hash() while a dictionary is being filled
            for key in self.dead:
                self._forget(key)
            self.dead = []
        return payload

    def _remember(self, value, base):
        """What a container of this end's held before the other end changed it."""
        if self.step > 0 and self.keys[id(value)] > 0:
            if len(self.before) >= _REMEMBERED:
                self.before.pop(next(iter(self.before)))
            self.before[id(value)] = value, _TYPES[base].contents(base, value)

    def as_it_was(self, value):
        """A container before the other end changed it last, and all in it; anything else as it is."""
        if not self.before:
            return value
        if type(value) is tuple:
            return tuple(map(self.as_it_was, value))
        base = base_of(type(value))
        if base is None or type(value) is not base or base not in (list, dict, set, bytearray):
            return value
        held, contents = self.before.get(id(value), (None, None))
        if held is not value:
            contents = _TYPES[base].contents(base, value)
        made = base()
        _TYPES[base].fill(base, made, contents if base is bytearray else tuple(map(self.as_it_was, contents)))
        return made

    def _new(self, key, shape):
        base, kind, extra = shape
        base = base_of(_NAMED[base]()) if base in _NAMED else None
        if base is None or key in self.objects or type(key) is not int or (key > 0) == (self.step > 0):
            raise wire.Crossing("no shape")
        self._hold(key, self.make(base, kind, extra), base)

    def _hold(self, key, value, base):
        self.objects[key], self.keys[id(value)], self.bases[key] = value, key, base

    def _dead(self):
        """Keys of what nobody holds at this end but the heap."""
        dead = []
        for key in self.objects:  # of items() a tuple would hold it as well
            value = self.objects[key]
            if self.step < 0 and type(value) is not self.bases[key]:
                continue  # the tests may hold it, and its methods are here
            if sys.getrefcount(value) <= _ALONE and self.seen.get(key) is not _FILLING:
                dead.append(key)
        return tuple(dead)

    def _forget(self, key):
        value = self.objects.pop(key, None)
        if value is not None:
            del self.keys[id(value)], self.bases[key]
            self.seen.pop(key, None)


def _split(data):
    """(keys to forget, [(key, shape, contents) …], payload) of a message."""
    at = data.index(b";")
    count, changed, length = map(int, data[:at].split(b" "))
    at += 1
    dead, changes = [], []
    for _ in range(min(count, len(data))):
        end = data.index(b";", at)
        dead.append(int(data[at:end]))
        at = end + 1
    for _ in range(min(changed, len(data))):
        end = data.index(b";", at)
        key, *lengths = map(int, data[at:end].split(b" "))
        at, parts = end + 1, []
        for size in lengths:
            parts.append(data[at : at + size])
            at += size
        changes.append((key, *parts))
    if length < 0 or length != len(data) - at:
        raise wire.Crossing("garbled: no payload")
    return dead, changes, data[at:]


def _same(before, now):
    """Whether nothing has changed: the same items, not only equal ones."""
    return before is not None and len(before) == len(now) and all(map(_is, before, now))


def _is(one, other):
    return one is other


try:
    from _operator import is_ as _is  # noqa: F811 - the fast one
except ImportError:
    pass


def new(base, kind, extra):
    """An empty container of the base type, or of `kind`, which is derived from it."""
    kind = base if kind is None else kind
    value = base.__new__(kind, *(extra[:1] if base.__name__ == "array" else ()))
    if base.__name__ == "deque":
        base.__init__(value, (), *extra)
    elif base.__name__ == "defaultdict":
        value.default_factory = extra[0]
    return value


class _Type:
    """How one kind of container is read and written: `contents` is a tuple of what stands in it, in its order."""

    def __init__(self, contents, fill, extra=lambda value: ()):
        self.contents, self.fill, self.extra = contents, fill, extra


def _fill_list(base, value, items):
    base.__setitem__(value, slice(None), items)


def _fill_items(base, value, items):
    base.clear(value)
    base.extend(value, items)


def _fill_set(base, value, items):
    base.clear(value)
    base.update(value, items)


def _pairs(base, value):
    return tuple(side for pair in base.items(value) for side in pair)


def _fill_pairs(base, value, sides):
    base.clear(value)
    for at in range(0, len(sides), 2):
        base.__setitem__(value, sides[at], sides[at + 1])


def _fill_bytes(base, value, parts):
    (data,) = parts
    base.__setitem__(value, slice(None), base(data))


def _fill_array(base, value, parts):
    del value[:]
    base.frombytes(value, *parts)


def _attributes(base, value):
    return tuple(side for pair in vars(value).items() for side in pair)


def _fill_attributes(base, value, sides):
    held = vars(value)
    held.clear()
    held.update(zip(sides[::2], sides[1::2], strict=True))


def _type_of(path):
    module, _, name = path.rpartition(".")
    return lambda: getattr(__import__(module), name)


_LIST = _Type(lambda base, value: tuple(base.__iter__(value)), _fill_list)
_SET = _Type(lambda base, value: tuple(base.__iter__(value)), _fill_set)
_DICT = _Type(_pairs, _fill_pairs)
_BYTES = _Type(lambda base, value: (bytes(base.__getitem__(value, slice(None))),), _fill_bytes)
_OBJECT = _Type(_attributes, _fill_attributes)
PLACES = {
    "collections.OrderedDict": _DICT,
    "collections.Counter": _DICT,
    "collections.defaultdict": _Type(_pairs, _fill_pairs, lambda value: (value.default_factory,)),
    "collections.deque": _Type(lambda base, value: tuple(base.__iter__(value)), _fill_items, lambda v: (v.maxlen,)),
    "collections.UserDict": _OBJECT,
    "collections.UserList": _OBJECT,
    "collections.ChainMap": _OBJECT,
    "array.array": _Type(lambda base, value: (base.tobytes(value),), _fill_array, lambda value: (value.typecode,)),
    "types.SimpleNamespace": _OBJECT,
}
_TYPES = {list: _LIST, dict: _DICT, set: _SET, bytearray: _BYTES}
_BUILTIN = {kind: b"=" + kind.__name__.encode() for kind in _TYPES}
_SHAPES = {shape: kind.__name__ for kind, shape in _BUILTIN.items()}
_NAMED = {kind.__name__: (lambda kind=kind: kind) for kind in _TYPES}
_NAMED |= {path.rpartition(".")[2]: _type_of(path) for path in PLACES}
_NOT_PLAIN = set()
"""Types that were looked at and are none of these."""


def base_of(kind):
    """The nearest ancestor that is a container held by both, or None."""
    if kind in _TYPES:
        return kind
    if kind in _NOT_PLAIN:
        return None
    for base in kind.__mro__:
        if base in _TYPES or _known(base):
            return base
    _NOT_PLAIN.add(kind)
    return None


def extra_of(base, value):
    return _TYPES[base].extra(value)


def copy(base, value, made):
    """Fill an empty container with the contents of another of the same base type."""
    _TYPES[base].fill(base, made, _TYPES[base].contents(base, value))


def _known(kind):
    path = "%s.%s" % (kind.__module__, kind.__name__)
    if path not in PLACES:
        return False
    module, _, name = path.rpartition(".")
    if getattr(sys.modules.get(module), name, None) is not kind:
        return False
    _TYPES[kind] = PLACES[path]
    return True
