"""What the tests hold in the place of the answer's own objects.

Attributes, items, calls and iteration go to the answer's process, and come back as plain data where they are plain.
What decides a test does not: an object of the answer's is compared with plain data by its contents, where it is derived
from a plain type, and else by its own word only if the tests asked for its class by name (they test that class then) and
it tells the expected value from others. So an answer gains nothing by returning an object that claims to equal
everything.
"""

import builtins
import types

import describe
import wire

_ONE_BY_ONE, _MOST_AHEAD = 8, 1024
_SHIFTING = {"sub", "rsub", "add", "radd", "mod", "rmod", "xor", "rxor"}
"""Operators that make of the answer and what is expected something whose size says how near they are."""
_FACES = {
    "generator": types.GeneratorType,
    "coroutine": types.CoroutineType,
    "async_generator": types.AsyncGeneratorType,
}
_SHOWN = ("__wrapped__", "__annotations__", "__members__", "__abstractmethods__", "__defaults__", "__kwdefaults__")
_SHOWN += ("__required_keys__", "__optional_keys__", "__total__", "__match_args__", "__notes__")
"""Names with underscores that tests ask for, beside those that Python and pytest look for in passing."""


class RemoteFunction:
    """A function that runs in the answer's process."""

    __slots__ = ("_halo_side", "_halo_number", "_halo_told", "_halo_names", "__weakref__")

    def __init__(self, side, number, told):
        put = object.__setattr__
        put(self, "_halo_side", side)
        put(self, "_halo_number", number)
        put(self, "_halo_told", told)
        put(self, "_halo_names", dict(zip(("__name__", "__qualname__", "__module__", "__doc__"), told[0], strict=True)))

    def __call__(self, *arguments, **keywords):
        return self._halo_side.call(self, arguments, keywords)

    def __bool__(self):
        raise wire.Crossing("the answer returned a function where plain data was expected")

    def __get__(self, holder, kind=None):
        return self if holder is None else types.MethodType(self, holder)

    def __repr__(self):
        return "<function %s>" % self._halo_names["__qualname__"]

    @property
    def __class__(self):
        return {"plain": types.FunctionType, "method": types.MethodType}.get(self._halo_told[2], RemoteFunction)

    def __getattribute__(self, name):
        if name in ("__name__", "__qualname__", "__module__", "__doc__"):
            return object.__getattribute__(self, "_halo_names")[name]
        return object.__getattribute__(self, name)

    def __getattr__(self, name):
        if name == "__dict__":
            return {}
        if name == "__signature__":
            return describe.made_signature(self._halo_side.ask("signature", self))
        if name == "__code__" and self._halo_told[1]:
            count = self._halo_side.ask("getattr", self, "__code__").co_argcount
            return types.SimpleNamespace(co_flags=self._halo_told[1], co_name=self.__name__, co_argcount=count)
        if name[:2] == "__" and name[-2:] == "__" and name not in _SHOWN:
            raise AttributeError(name)  # what Python and pytest look for in passing
        return self._halo_side.ask("getattr", self, name)

    def __setattr__(self, name, value):
        if name in self._halo_names:
            self._halo_names[name] = value
        self._halo_side.ask("setattr", self, name, value)


class RemoteMethod:
    """A method of an object of the answer's, found in the stand-in of its class."""

    __slots__ = ("_halo_stub", "__self__")

    def __init__(self, stub, holder):
        object.__setattr__(self, "_halo_stub", stub)
        object.__setattr__(self, "__self__", holder)

    def __call__(self, *arguments, **keywords):
        stub = self._halo_stub
        return stub.side.call_method(stub.kind, stub.name, self.__self__, arguments, keywords)

    @property
    def __class__(self):
        return types.MethodType

    def __eq__(self, other):
        return type(other) is RemoteMethod and (self._halo_stub, self.__self__) == (other._halo_stub, other.__self__)

    def __hash__(self):
        return hash(self._halo_stub)

    def __getattribute__(self, name):
        if name in ("_halo_stub", "__self__", "__class__"):
            return object.__getattribute__(self, name)
        stub = object.__getattribute__(self, "_halo_stub")
        return getattr(stub.side.ask("getattr", self.__self__, stub.name), name)


class _Stub:
    """A function in the stand-in of a class."""

    def __init__(self, side, kind, name):
        self.side, self.kind, self.name = side, kind, name

    def __get__(self, holder, kind=None):
        if holder is None:
            return self.side.ask("getattr", kind, self.name)
        base = _plain_base(type(holder))
        if base is not None and hasattr(base, self.name) and not _is_tested(holder):
            return getattr(base, self.name).__get__(holder)
        return RemoteMethod(self, holder)


class _Property:
    """A property in the stand-in of a class."""

    def __init__(self, side, kind, name):
        self.side, self.kind, self.name = side, kind, name

    def __get__(self, holder, kind=None):
        if holder is None:
            return self.side.ask("getattr", kind, self.name)
        return self.side.ask("getattr", holder, self.name)

    def __set__(self, holder, value):
        self.side.ask("setattr", holder, self.name, value)

    def __delete__(self, holder):
        self.side.ask("delattr", holder, self.name)


class RemoteType(type):
    """A class of the answer's: calling it makes an object over there."""

    def __new__(mcs, name, bases, held, **keywords):
        if "_halo_class" not in held:
            return _derived(mcs, name, bases, held, keywords)
        return super().__new__(mcs, name, bases, held)

    def __init__(cls, name, bases, held, **keywords):
        super().__init__(name, bases, held)

    def __call__(cls, *arguments, **keywords):
        if cls._halo_class is None:
            return super().__call__(*arguments, **keywords)
        return cls._halo_side.call(cls, arguments, keywords)

    def __getitem__(cls, key):
        return cls._halo_side.ask("operate", "getitem", (cls, key))

    def __iter__(cls):
        return iter(cls._halo_side.ask("operate", "iter", (cls,)))

    def __len__(cls):
        return cls._halo_side.ask("operate", "len", (cls,))

    def __contains__(cls, value):
        return _truth(cls._halo_side.ask("operate", "contains", (cls, value)))

    def __bool__(cls):
        if cls._halo_class not in cls._halo_side.asked:
            raise wire.Crossing("the answer returned a class where plain data was expected")
        return True

    def __instancecheck__(cls, value):
        if super().__instancecheck__(value):
            return True
        if cls._halo_class is None or not isinstance(type(value), RemoteType):
            return False
        return _truth(cls._halo_side.ask("isinstance", value, cls))

    def __subclasscheck__(cls, other):
        if super().__subclasscheck__(other):
            return True
        if cls._halo_class is None or not isinstance(other, RemoteType) or other._halo_class is None:
            return False
        return _truth(cls._halo_side.ask("issubclass", other, cls))

    def __dir__(cls):
        return list(cls._halo_side.ask("dir", cls))

    def __getattr__(cls, name):
        if name == "__dataclass_fields__":
            return _fields(cls)
        if name == "__signature__":
            return describe.made_signature(cls._halo_side.ask("signature", cls))
        if name[:2] == "__" and name[-2:] == "__" and name not in _SHOWN or name[:6] == "_halo_":
            raise AttributeError(name)
        return cls._halo_side.ask("getattr", cls, name)

    def __setattr__(cls, name, value):
        if name[:2] == "__" and name[-2:] == "__" and name not in _SPECIAL_NAMES or name[:4] == "_abc":
            return super().__setattr__(name, value)
        stub = vars(cls).get(name)
        cls._halo_side.ask("setattr", cls, name, value)
        if isinstance(value, (_Stub, _Property)) and value.kind is cls:  # as it was
            return super().__setattr__(name, value)
        if isinstance(stub, (_Stub, _Property)):
            super().__delattr__(name)
        return None

    def __delattr__(cls, name):
        cls._halo_side.ask("delattr", cls, name)


class RemoteObject(metaclass=RemoteType):
    """An object that lives in the answer's process."""

    __slots__ = ("_halo_number", "_halo_shifted", "_halo_ahead", "_halo_taken", "__weakref__")
    _halo_class = _halo_side = _halo_face = None
    _halo_specials = ()
    _halo_iterator = False

    def __init__(self, *arguments, **keywords):
        pass

    def _ask(self, name, *others):
        return self._halo_side.ask("operate", name, (self, *others))

    def _tested(self):
        if not _is_tested(self):
            kind = type(self).__name__
            raise wire.Crossing("the answer returned a %s of its own where plain data was expected" % kind)

    @property
    def __class__(self):
        return type(self)._halo_face or type(self)

    @property
    def __dict__(self):
        return self._halo_side.ask("vars", self)

    def __getattr__(self, name):
        if name[:2] == "__" and name[-2:] == "__" and name not in _SHOWN:
            if name == "__dataclass_fields__":
                return getattr(type(self), name)
            raise AttributeError(name)
        return self._halo_side.ask("getattr", self, name)

    def __setattr__(self, name, value):
        self._halo_side.ask("setattr", self, name, value)

    def __delattr__(self, name):
        self._halo_side.ask("delattr", self, name)

    def __dir__(self):
        return list(self._halo_side.ask("dir", self))

    def __repr__(self):
        kind = type(self)
        if "repr" in kind._halo_specials and kind._halo_class in self._halo_side.asked:
            return _text(self._ask("repr"))
        return "<%s of the answer's>" % kind.__name__

    def __str__(self):
        return _text(self._ask("str")) if {"str", "repr"} & set(type(self)._halo_specials) else repr(self)

    def __format__(self, spec):
        return _text(self._ask("format", spec)) if "format" in type(self)._halo_specials else format(str(self), spec)

    def __hash__(self):
        specials = type(self)._halo_specials
        if "unhashable" in specials:
            raise TypeError("unhashable type: %r" % type(self).__name__)
        return hash(self._ask("hash")) if "hash" in specials else hash(("answer", self._halo_number))

    def __bool__(self):
        kind = type(self)
        if kind._halo_face in _FACES.values() or "await" in kind._halo_specials:
            raise wire.Crossing("the answer returned a %s where plain data was expected" % kind.__name__)
        if not {"bool", "len"} & set(kind._halo_specials):
            return True
        return bool(_plain_number(self._ask("bool")))

    def __eq__(self, other):
        if not _is_remote(other):
            return _equals_plain(self, other)
        if self._halo_number == other._halo_number:
            return True
        if not {"eq"} & {*type(self)._halo_specials, *type(other)._halo_specials}:
            return False
        return _truth(self._ask("eq", other))

    def __ne__(self, other):
        return not self == other


class RemoteAwaitable(RemoteObject):
    """What is awaited: a task over there, which is asked whether it is done."""

    __slots__ = ("_halo_waiting",)
    _halo_class = None

    def __await__(self):
        import steps

        return steps.awaiting(self._halo_side.ask, self)

    def send(self, value):
        try:
            waiting = object.__getattribute__(self, "_halo_waiting")
        except AttributeError:
            waiting = self.__await__()
            object.__setattr__(self, "_halo_waiting", waiting)
        return waiting.send(value)

    def throw(self, *error):
        self._halo_side.ask("cancel", self)
        raise error[-1] if isinstance(error[-1], BaseException) else error[0]

    def close(self):
        self._halo_side.ask("cancel", self)


class RemoteGenerator(RemoteObject):
    __slots__ = ()
    _halo_class = None

    def send(self, value):
        return self._ask("send", value)

    def throw(self, *error):
        return self._ask("throw", *error[:2])

    def close(self):
        return self._ask("close")


def _is_remote(value):
    return isinstance(type(value), RemoteType) and issubclass(type(value), RemoteObject)


def _is_tested(value):
    """Whether the tests ask for its class by a name that is a class's."""
    kind = type(value)
    return any(vars(base).get("_halo_class") in kind._halo_side.tested for base in kind.__mro__)


def _equals_plain(value, other):
    """Whether an object equals plain data by its own word: it must say so of this alone, not of others like it."""
    import decoys

    if other is None or "eq" not in type(value)._halo_specials or not _is_tested(value) or not decoys.plain(other):
        return False
    if value._halo_shifted and not other:
        raise wire.Crossing("that an object of the answer's less what is expected is nothing proves nothing")
    asked = decoys.among(other, value._halo_side.handed)
    equal = [one for one in asked if _truth(value._ask("eq", one))]
    if not any(one is other for one in equal):
        return False
    if len(equal) > 1:
        raise wire.Crossing("an object of the answer's class %s equals everything" % type(value).__name__)
    return True


def _special(name):
    """A special method that does what the object's own does."""
    return lambda self, *others: self._ask(name, *others)


def _getter(name, check):
    return lambda self, *others: check(self._ask(name, *others))


def _alone(name):
    """A number from the object by itself; not where plain data went in before: |answer - expected| is no proof."""

    def alone(self, *others):
        if self._halo_shifted:
            raise wire.Crossing("%s of an object of the answer's and plain data proves nothing" % name)
        return self._ask(name, *others)

    return alone


def _binary(name):
    def combine(self, other):
        if _is_remote(other):
            return self._ask(name, other)
        self._tested()
        result = self._ask(name, other)
        if _is_remote(result):
            if name in _SHIFTING and result is not self:
                object.__setattr__(result, "_halo_shifted", True)
        elif name in _SHIFTING:
            raise wire.Crossing("the answer's class %s made plain data of plain data" % type(self).__name__)
        return result

    return combine


def _order(name):
    def compare(self, other):
        if _is_remote(other):
            return _truth(self._ask(name, other))
        self._tested()
        if type(other) not in (int, float) or self._halo_shifted:
            raise wire.Crossing("an object of the answer's class %s is compared with %r" % (type(self).__name__, other))
        far = 10 ** (len(str(int(abs(other)))) + 6)
        if _truth(self._ask(name, -far)) == _truth(self._ask(name, far)):
            raise wire.Crossing("an object of the answer's class %s orders everything alike" % type(self).__name__)
        return _truth(self._ask(name, other))

    return compare


def _copy(self):
    return self._ask("copy")


def _deepcopy(self, memo):
    return self._ask("deepcopy")


def _contains(self, value):
    if _is_tested(self):
        return _truth(self._ask("contains", value))
    if "iter" not in type(self)._halo_specials:
        self._tested()
    return any(item is value or item == value for item in self)


def _iter(self):
    return iter(self._ask("iter")) if "next" not in type(self)._halo_specials else self._ask("iter")


def _next(self):
    """One by one; of a builtin iterator that goes on and on, more at a time."""
    taken = self._halo_taken
    if not type(self)._halo_iterator or taken < _ONE_BY_ONE:
        object.__setattr__(self, "_halo_taken", taken + 1)
        return self._ask("next")
    if not self._halo_ahead:
        items = self._halo_side.ask("take", self, min(taken, _MOST_AHEAD))
        if type(items) is not tuple or not items:
            raise wire.Crossing("garbled: no items")
        object.__setattr__(self, "_halo_ahead", list(items[::-1]))
        object.__setattr__(self, "_halo_taken", taken + len(items))
    return self._halo_ahead.pop()


def _exit(self, kind=None, error=None, trace=None):
    self._ask("exit", kind, error, None)
    # It suppresses no failure of a test, and no more than the errors that the answer raises.
    return False


async def _async_exit(self, kind=None, error=None, trace=None):
    await self._ask("aexit", kind, error, None)
    return False


def _call(self, *arguments, **keywords):
    return self._halo_side.call(self, arguments, keywords)


def _truth(value):
    if type(value) is not bool:
        raise wire.Crossing("the answer returned %s where True or False was expected" % type(value).__name__)
    return value


def _plain_number(value):
    if type(value) not in (bool, int):
        raise wire.Crossing("the answer returned %s where True or False was expected" % type(value).__name__)
    return value


def _text(value):
    if type(value) is not str:
        raise wire.Crossing("the answer returned %s where text was expected" % type(value).__name__)
    return value


_SPECIALS = {name: _special(name) for name in describe.NAMES}
_SPECIALS |= {name: _binary(name) for name in (*describe.BINARY, *describe.REFLECTED, *describe.IN_PLACE)}
_SPECIALS |= {name: _order(name) for name in describe.ORDER}
_SPECIALS |= {name: _alone(name) for name in describe.ALONE}
_SPECIALS |= {"call": _call, "contains": _contains, "iter": _iter, "next": _next, "exit": _exit, "aexit": _async_exit}
_SPECIAL_NAMES = {"__%s__" % name for name in describe.NAMES}
_DEFAULT = {"str", "repr", "format", "hash", "bool", "eq", "copy", "deepcopy", "await", "send", "throw", "close"}
"""What RemoteObject itself has."""


def make_class(side, number, told):
    """The stand-in for a class of the answer's.

    An exception becomes a class that can be caught, one derived from a plain type becomes one derived from the same:
    its contents are compared and counted here, its own methods run over there. Others become a RemoteObject.
    """
    (name, qualname, module, doc), bases, specials, own, members, library, fields, iterator, abstract = told
    bases = tuple(base for base in bases if isinstance(base, type))
    held = {"_halo_class": number, "_halo_side": side, "_halo_specials": specials, "__doc__": doc}
    held |= {"__module__": module or "solution", "__qualname__": qualname or name or "object", "_halo_own": own}
    if any(issubclass(base, BaseException) for base in bases):
        return _error_class(side, name, bases, held, members)
    plain = next((_plain_base(base) for base in bases if _plain_base(base)), None)
    if plain is not None and (library is None or not fields):
        return _plain_class(side, name, plain, bases, held, own, members, fields)
    held["__slots__"] = ()
    held |= {"__%s__" % one: _SPECIALS[one] for one in specials if one in _SPECIALS and one not in _DEFAULT}
    found = describe.named(*library) if library else None
    libraries = [base for base in bases if not isinstance(base, RemoteType)]
    if "next" not in specials:  # an iterator that can be copied is, in itertools.tee
        held["__copy__"], held["__deepcopy__"] = _copy, _deepcopy
    if isinstance(found, type):
        held["_halo_face"] = found
    elif name in _FACES and module == "builtins":
        held["_halo_face"] = _FACES[name]
    elif libraries:
        held["_halo_face"] = _face(name, libraries)
    held["_halo_iterator"] = iterator is True
    base = RemoteObject
    if library is None and module != "builtins":
        held |= _members(side, members, held)
    if "await" in specials:
        base = RemoteAwaitable
    elif name == "generator":
        base = RemoteGenerator
    remote = tuple(one for one in bases if isinstance(one, RemoteType)) or (base,)
    if base is RemoteAwaitable and not any(issubclass(one, RemoteAwaitable) for one in remote):
        remote = (base,)
    kind = _made_type(RemoteType, name, remote, (base,), held)
    if abstract:
        kind.__abstractmethods__ = frozenset(map(str, abstract))
    return kind


def _members(side, members, held):
    """Stubs of the functions and properties of a class; they learn of it when it is made."""
    made = {one: (_Property if how == "property" else _Stub)(side, None, one) for one, how in members}
    return {one: stub for one, stub in made.items() if one not in held and _is_member(one)}


def _is_member(name):
    """Special methods are none: of a class derived from int, __eq__ would decide."""
    return name == "__init__" or name[:2] != "__" and name[:6] != "_halo_"


def _made_type(meta, name, bases, otherwise, held):
    try:
        kind = meta(name or "object", bases, held)
    except TypeError:  # no order of these bases
        kind = meta(name or "object", otherwise, held)
    for stub in held.values():
        if isinstance(stub, (_Stub, _Property)):
            stub.kind = kind
    return kind


def _face(name, libraries):
    """What isinstance() and issubclass() see of a class that is derived from one of the library's."""
    if builtins.issubclass is _issubclass:
        builtins.issubclass = _issubclass_of_face
    try:
        return types.new_class(name or "object", tuple(libraries))
    except TypeError:
        return libraries[0]


_issubclass = issubclass


def _issubclass_of_face(kind, wanted):
    if _issubclass(kind, wanted):
        return True
    face = kind._halo_face if isinstance(kind, RemoteType) and _issubclass(kind, RemoteObject) else None
    return face is not None and _issubclass(face, wanted)


def _plain_base(kind):
    """The plain type that a class is derived from: what can cross by value, or be held by both."""
    import heap

    if kind in _PLAIN_BASES:
        return _PLAIN_BASES[kind]
    base = heap.base_of(kind)
    if base is None:
        base = next((one for one in kind.__mro__ if one in _SCALARS or wire.value_type(one)), None)
    _PLAIN_BASES[kind] = base
    return base


_PLAIN_BASES = {}
_SCALARS = (int, float, complex, str, bytes, tuple, frozenset)
_NATIVE = {"eq", "ne", "hash", "lt", "le", "gt", "ge", "copy", "deepcopy", "bool", "await", "send", "throw", "close"}
"""What contents decide, whatever the class says."""


def _plain_class(side, name, plain, bases, held, own, members, fields):
    remote = tuple(base for base in bases if isinstance(base, RemoteType)) or (plain,)
    if plain is tuple and fields and remote == (plain,):
        import collections

        remote = (collections.namedtuple(name, fields, rename=True),)
        held["__slots__"] = ()
        members = [(one, how) for one, how in members if not hasattr(remote[0], one)]
    for one in own:
        method = "__%s__" % one
        if one in ("str", "repr", "format"):
            held[method] = _words(one, getattr(remote[0], method))
        elif one not in _NATIVE and one in _SPECIALS:
            held[method] = _override(one, getattr(remote[0], method, None))
    held |= _members(side, members, {**held, "__init__": None})
    held["__getattr__"] = _missing_attribute
    kinds = {type(base) for base in remote if not issubclass(RemoteType, type(base))}
    meta = next((kind for kind in kinds if issubclass(kind, RemoteType)), None)
    if meta is None:
        meta = type("RemoteType", (RemoteType, *kinds), {}) if kinds else RemoteType
    return _made_type(meta, name, remote, (plain,), held)


def _override(name, native):
    """A special method of a class derived from a plain type: its own where the tests ask for that class by name."""

    def override(self, *others, **keywords):
        if native is not None and not _is_tested(self):
            return native(self, *others, **keywords)
        if native is None and not _is_tested(self) and name in describe.BINARY + describe.REFLECTED:
            return NotImplemented
        if name == "call":
            return self._halo_side.call(self, others, keywords)
        result = self._halo_side.ask("operate", name, (self, *others))
        if name in _SHIFTING | set(describe.ALONE) and native is not None and _differs(result, native(self, *others)):
            raise wire.Crossing("the answer's class %s makes another number of two than they make" % type(self).__name__)
        return result

    return override


def _differs(one, other):
    """Whether two numbers are not the same: |answer - expected| is no proof, if the answer subtracts."""
    return isinstance(other, (int, float, complex)) and not (isinstance(one, (int, float, complex)) and one == other)


def _words(name, native):
    """Its text, where the tests ask for its class; it is plain text in any case."""

    def words(self, *others):
        if type(self)._halo_class not in self._halo_side.asked:
            return native(self, *others)
        return _text(self._halo_side.ask("operate", name, (self, *others)))

    return words


def _missing_attribute(self, name):
    if name[:2] == "__" and name[-2:] == "__" and name not in _SHOWN or name[:6] == "_halo_":
        raise AttributeError(name)
    return self._halo_side.ask("getattr", self, name)


def _error_class(side, name, bases, held, members):
    held |= _members(side, members, {**held, "__init__": None})
    held |= {"__str__": _error_text(0), "__repr__": _error_text(1), "__getattr__": _missing_attribute}
    bases = tuple(base for base in bases if issubclass(base, BaseException))
    return _made_type(RemoteType, name, bases, (bases[0],), held)


def _error_text(place):
    def text(self):
        words = vars(self).get("_halo_words", (None, None))[place]
        if words is None:
            base = next(base for base in type(self).__mro__ if not isinstance(base, RemoteType))
            return (base.__str__, base.__repr__)[place](self)
        return words

    return text


def _fields(kind):
    """The fields of a dataclass of the answer's, as `dataclasses` wants them."""
    import dataclasses

    fields = {}
    for name, wanted, default, (init, show, compare, keyword) in kind._halo_side.ask("fields", kind):
        made = dataclasses.field(
            default=default[0] if default else dataclasses.MISSING,
            init=init,
            repr=show,
            compare=compare,
            kw_only=keyword,
        )
        made.name, made.type, made._field_type = name, wanted, dataclasses._FIELD
        fields[name] = made
    return fields


def _derived(mcs, name, bases, held, keywords):
    """A class of the tests' that is derived from one of the answer's: it is made on both sides.

    Its functions stay with the tests, and are called back from over there.
    """
    first = next(base for base in bases if isinstance(base, RemoteType))
    side = first._halo_side
    inherited = {"_halo_class": None, "_halo_side": side, "_halo_own": ()}
    if not issubclass(first, RemoteObject):  # derived from a plain type or an exception: the tests' own
        return type.__new__(mcs, name, bases, {**held, **inherited})
    held = {**{key: value for base in bases if not isinstance(base, RemoteType) for key, value in vars(base).items()}, **held}
    told = []
    for key, value in held.items():
        if isinstance(value, types.FunctionType):
            told.append((key, "function", value))
        elif isinstance(value, (classmethod, staticmethod)):
            told.append((key, type(value).__name__, value.__func__))
        elif isinstance(value, property):
            told.append((key, "property", (value.fget, value.fset, value.fdel)))
        elif key[:2] != "__" or key in ("__hash__", "__annotations__"):
            told.append((key, "value", value))
    kept = {key: value for key, value in held.items() if not isinstance(value, property) and key not in ("__dict__", "__weakref__")}
    specials = set(first._halo_specials) | {name for name in describe.NAMES if "__%s__" % name in held}
    remote = tuple(base for base in bases if isinstance(base, RemoteType))
    kept |= inherited | {"_halo_specials": tuple(specials), "__slots__": ()}
    made = type.__new__(mcs, name, remote, kept)
    number = side.ask("derive", name, remote, tuple(told), tuple(keywords.items()))
    type.__setattr__(made, "_halo_class", number)
    side.take_class(number, made)
    return made

