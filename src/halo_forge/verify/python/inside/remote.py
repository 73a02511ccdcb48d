"""What the tests hold in the place of the answer's own objects.

Attributes, items, calls and iteration go to the answer's process, and come back as plain data where they are plain.
What decides a test does not: an object of the answer's is compared with plain data by its contents, where its class is
derived from a plain type (`classes`), else by its own word as far as that counts (`claims`). So an answer gains nothing
by returning an object that claims to equal everything.
"""

import types

import claims
import describe
import heap
import wire

_ONE_BY_ONE, _MOST_AHEAD = 8, 1024
FACES = {
    "generator": types.GeneratorType,
    "coroutine": types.CoroutineType,
    "async_generator": types.AsyncGeneratorType,
}
SHOWN = ("__wrapped__", "__annotations__", "__members__", "__abstractmethods__", "__defaults__", "__kwdefaults__")
SHOWN += ("__required_keys__", "__optional_keys__", "__total__", "__match_args__", "__notes__")
"""Names with underscores that tests ask for, beside those that Python and pytest look for in passing."""


def plain_base(kind):
    """The plain type that a class is derived from: what can cross by value, or be held by both."""
    if kind in _PLAIN_BASES:
        return _PLAIN_BASES[kind]
    base = heap.base_of(kind)
    if base is None:
        base = next((one for one in kind.__mro__ if one in _SCALARS or wire.value_type(one)), None)
    _PLAIN_BASES[kind] = base
    return base


_PLAIN_BASES = {}
_SCALARS = (int, float, complex, str, bytes, tuple, frozenset)


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
        if name[:2] == "__" and name[-2:] == "__" and name not in SHOWN:
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


class Stub:
    """A function in the stand-in of a class."""

    def __init__(self, side, kind, name):
        self.side, self.kind, self.name = side, kind, name

    def __get__(self, holder, kind=None):
        if holder is None:
            return self.side.ask("getattr", kind, self.name)
        base = plain_base(type(holder))
        if base is not None and hasattr(base, self.name) and not claims.is_tested(holder):
            return getattr(base, self.name).__get__(holder)
        return RemoteMethod(self, holder)


class Property:
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
            import classes

            return classes.derived(mcs, name, bases, held, keywords)
        return super().__new__(mcs, name, bases, held)

    def __init__(cls, name, bases, held, **keywords):
        super().__init__(name, bases, held)

    def __call__(cls, *arguments, **keywords):
        if cls._halo_class is None:
            return super().__call__(*arguments, **keywords)
        if arguments or keywords:
            cls._halo_side.given.add(cls._halo_class)
        return cls._halo_side.call(cls, arguments, keywords)

    def __getitem__(cls, key):
        return cls._halo_side.ask("operate", "getitem", (cls, key))

    def __iter__(cls):
        return iter(cls._halo_side.ask("operate", "iter", (cls,)))

    def __len__(cls):
        return cls._halo_side.ask("operate", "len", (cls,))

    def __contains__(cls, value):
        return claims.truth(cls._halo_side.ask("operate", "contains", (cls, value)))

    def __bool__(cls):
        if cls._halo_class not in cls._halo_side.asked:
            raise wire.Crossing("the answer returned a class where plain data was expected")
        return True

    def __instancecheck__(cls, value):
        if super().__instancecheck__(value):
            return True
        if cls._halo_class is None or not isinstance(type(value), RemoteType):
            return False
        if not claims.truth(cls._halo_side.ask("isinstance", value, cls)):
            return False
        if claims.truth(cls._halo_side.ask("isinstance", (), cls)):
            raise wire.Crossing("everything is an instance of %s, which is the answer's class" % cls.__name__)
        return True

    def __subclasscheck__(cls, other):
        if super().__subclasscheck__(other):
            return True
        if cls._halo_class is None or not isinstance(other, RemoteType) or other._halo_class is None:
            return False
        return claims.truth(cls._halo_side.ask("issubclass", other, cls))

    def __dir__(cls):
        return list(cls._halo_side.ask("dir", cls))

    def __getattr__(cls, name):
        if name == "__dataclass_fields__":
            return describe.made_fields(cls._halo_side.ask("fields", cls))
        if name == "__signature__":
            return describe.made_signature(cls._halo_side.ask("signature", cls))
        if name[:2] == "__" and name[-2:] == "__" and name not in SHOWN or name[:6] == "_halo_":
            raise AttributeError(name)
        return cls._halo_side.ask("getattr", cls, name)

    def __setattr__(cls, name, value):
        if name[:2] == "__" and name[-2:] == "__" and name not in _SPECIAL_NAMES or name[:4] == "_abc":
            return super().__setattr__(name, value)
        stub = vars(cls).get(name)
        cls._halo_side.ask("setattr", cls, name, value)
        if isinstance(value, (Stub, Property)) and value.kind is cls:  # as it was
            return super().__setattr__(name, value)
        if isinstance(stub, (Stub, Property)):
            super().__delattr__(name)
        return None

    def __delattr__(cls, name):
        cls._halo_side.ask("delattr", cls, name)


class RemoteObject(metaclass=RemoteType):
    """An object that lives in the answer's process."""

    __slots__ = ("_halo_number", "_halo_shifted", "_halo_ahead", "_halo_taken", "__weakref__")
    _halo_class = _halo_side = _halo_face = None
    _halo_remote, _halo_specials = True, ()
    _halo_iterator = False

    def __init__(self, *arguments, **keywords):
        pass

    def _ask(self, name, *others):
        return self._halo_side.ask("operate", name, (self, *others))

    @property
    def __class__(self):
        return type(self)._halo_face or type(self)

    @property
    def __dict__(self):
        return self._halo_side.ask("vars", self)

    def __getattr__(self, name):
        if name[:2] == "__" and name[-2:] == "__" and name not in SHOWN:
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
            return claims.text(self._ask("repr"))
        return "<%s of the answer's>" % kind.__name__

    def __str__(self):
        return claims.text(self._ask("str")) if {"str", "repr"} & set(type(self)._halo_specials) else repr(self)

    def __format__(self, spec):
        return (
            claims.text(self._ask("format", spec)) if "format" in type(self)._halo_specials else format(str(self), spec)
        )

    def __hash__(self):
        specials = type(self)._halo_specials
        if "unhashable" in specials:
            raise TypeError("unhashable type: %r" % type(self).__name__)
        return hash(self._ask("hash")) if "hash" in specials else hash(("answer", self._halo_number))

    def __bool__(self):
        kind = type(self)
        if kind._halo_face in FACES.values() or "await" in kind._halo_specials:
            raise wire.Crossing("the answer returned a %s where plain data was expected" % kind.__name__)
        if not {"bool", "len"} & set(kind._halo_specials):
            return True
        return bool(claims.plain_number(self._ask("bool")))

    def __eq__(self, other):
        if not claims.is_remote(other):
            return claims.equals_plain(self, other)
        if self._halo_number == other._halo_number:
            return True
        return claims.equal(self, other)

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


def _special(name):
    """A special method that does what the object's own does."""
    return lambda self, *others: self._ask(name, *others)


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


SPECIALS = {name: _special(name) for name in describe.NAMES}
SPECIALS |= {name: claims.binary(name) for name in (*describe.BINARY, *describe.REFLECTED, *describe.IN_PLACE)}
SPECIALS |= {name: claims.order(name) for name in describe.ORDER}
SPECIALS |= {name: claims.alone(name) for name in describe.ALONE}
SPECIALS |= {
    "call": _call,
    "contains": claims.contains,
    "iter": _iter,
    "next": _next,
    "exit": _exit,
    "aexit": _async_exit,
}
_SPECIAL_NAMES = {"__%s__" % name for name in describe.NAMES}
DEFAULT = {"str", "repr", "format", "hash", "bool", "eq", "copy", "deepcopy", "await", "send", "throw", "close"}
"""What RemoteObject itself has."""
