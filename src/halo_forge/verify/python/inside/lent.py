"""What the answer holds in the place of the tests' own objects: what is done with them is done over there."""

import os
import sys

import describe
import wire

LINE = [None]
"""The line to the tests."""


def ask(operation, *arguments):
    return LINE[0].ask(operation, *arguments)


def own_module(name):
    """One of the modules beside this one, which the answer's own imports do not find."""
    folder = os.path.dirname(__file__)
    sys.path.insert(0, folder)
    try:
        return __import__(name)
    finally:
        sys.path.remove(folder)


def number_of(lent):
    return object.__getattribute__(lent, "_halo_number")


class LentType(type):
    """A class of the tests'."""

    def __setattr__(cls, name, value):
        ask("setattr", cls, name, value)

    def __call__(cls, *arguments, **keywords):
        return ask("call", cls, arguments, tuple(keywords.items()))

    def __getattr__(cls, name):
        if name == "__dataclass_fields__":
            return describe.made_fields(ask("fields", cls))
        if name[:2] == "__":
            raise AttributeError(name)
        return ask("getattr", cls, name)


class Lent(metaclass=LentType):
    """An object of the tests'."""

    __slots__ = ("_halo_number", "_halo_waiting", "__weakref__")
    _halo_library = None
    _halo_here = ()

    def __getattribute__(self, name):
        if name == "__class__":
            kind = type(self)
            return kind._halo_library or kind
        if name == "__dict__":
            return _Held(self, ask("vars", self))
        if name == "__dataclass_fields__":
            return getattr(type(self), name)
        if name[:2] == "__" or name[:6] == "_halo_" or name in type(self)._halo_here:
            return object.__getattribute__(self, name)
        return ask("getattr", self, name)

    def __setattr__(self, name, value):
        ask("setattr", self, name, value)

    def __delattr__(self, name):
        ask("delattr", self, name)

    def __hash__(self):
        return hash(ask("operate", "hash", self))

    def __eq__(self, other):
        return self is other or ask("operate", "eq", self, other)

    def __str__(self):
        return ask("operate", "str", self)

    def __repr__(self):
        return ask("operate", "repr", self)

    def __reduce_ex__(self, protocol):
        raise TypeError("an object of the tests' cannot be pickled")


class _Held(dict):
    """What an object of the tests' holds: what is put into it is put there."""

    def __init__(self, holder, held):
        super().__init__(held)
        self._holder = holder

    def __setitem__(self, name, value):
        ask("setattr", self._holder, name, value)
        super().__setitem__(name, value)

    def __delitem__(self, name):
        ask("delattr", self._holder, name)
        super().__delitem__(name)

    def update(self, *others, **more):
        for name, value in dict(*others, **more).items():
            self[name] = value


class LentAwaitable(Lent):
    __slots__ = ()
    _halo_here = ("send", "throw", "close")

    def __await__(self):
        return own_module("steps").awaiting(ask, self)

    def send(self, value):
        try:
            waiting = object.__getattribute__(self, "_halo_waiting")
        except AttributeError:
            waiting = self.__await__()
            object.__setattr__(self, "_halo_waiting", waiting)
        return waiting.send(value)

    def throw(self, *error):
        ask("cancel", self)
        raise error[-1] if isinstance(error[-1], BaseException) else error[0]

    def close(self):
        ask("cancel", self)


class LentFunction:
    """A function of the tests'."""

    def __init__(self, number, told):
        (name, qualname, module, doc), flags, kind, _ = told
        self.__dict__["_halo_number"] = number
        self.__dict__["_halo_flags"] = flags
        self.__name__, self.__qualname__, self.__module__, self.__doc__ = name, qualname, module, doc

    def __call__(self, *arguments, **keywords):
        return ask("call", self, arguments, tuple(keywords.items()))

    def __get__(self, holder, kind=None):
        import types

        return self if holder is None else types.MethodType(self, holder)

    def __getattr__(self, name):
        if name == "__signature__":
            return describe.made_signature(ask("signature", self))
        if name == "__code__" and self._halo_flags:
            import types

            return types.SimpleNamespace(co_flags=self._halo_flags, co_name=self.__name__)
        if name[:2] == "__":
            raise AttributeError(name)
        return ask("getattr", self, name)


_ASYNC = 0x80 | 0x200


def make_function(number, told):
    made = LentFunction(number, told)
    if told[1] & _ASYNC:
        import asyncio.coroutines

        made._is_coroutine = asyncio.coroutines._is_coroutine
    return made


def _special(name):
    return lambda self, *others: ask("operate", name, self, *others)


_SPECIALS = {name: _special(name) for name in describe.NAMES}
_SPECIALS["call"] = lambda self, *arguments, **keywords: ask("call", self, arguments, tuple(keywords.items()))
_KEPT = {"str", "repr", "hash", "eq", "copy", "deepcopy", "await", "send", "throw", "close"}


def make_class(number, told):
    """A class for the stand-ins of a class of the tests', with the special methods that it has."""
    (name, qualname, module, doc), bases, specials, _, _, library, fields, _, _ = told
    own = tuple(base for base in bases if isinstance(base, LentType))
    libraries = [base for base in bases if not isinstance(base, LentType)]
    if any(issubclass(base, BaseException) for base in bases):
        return _error_class(number, name, bases)
    if fields:
        return _named_tuple(number, name, fields, module)
    base = LentAwaitable if "await" in specials else Lent
    held = {"__%s__" % one: _SPECIALS[one] for one in specials if one in _SPECIALS and one not in _KEPT}
    held |= {"__slots__": (), "_halo_class": number, "__module__": module, "__doc__": doc}
    if "next" not in specials:  # an iterator that can be copied is, in itertools.tee
        held["__copy__"] = _SPECIALS["copy"]
        held["__deepcopy__"] = lambda self, memo: ask("operate", "deepcopy", self)
    if qualname:
        held["__qualname__"] = qualname
    found = describe.named(*library) if library else None
    faces = [base._halo_library for base in own if base._halo_library] + libraries
    held["_halo_library"] = found if isinstance(found, type) else (None if own or not faces else faces[0])
    try:
        return LentType(name or "object", own or (base,), held)
    except TypeError:
        return LentType(name or "object", (base,), held)


def _named_tuple(number, name, fields, module):
    """A named tuple of the tests' is one here as well."""
    import collections

    made = collections.namedtuple(name, fields, rename=True, module=module)

    def __getattr__(self, attribute):
        if attribute[:2] == "__":
            raise AttributeError(attribute)
        found = ask("getattr", made, attribute)
        return found.__get__(self) if isinstance(found, LentFunction) else found

    made._halo_class, made.__getattr__ = number, __getattr__
    return made


class _ErrorType(type):
    """An exception class of the tests'."""

    def __getattr__(cls, name):
        if name[:2] == "__":
            raise AttributeError(name)
        return ask("getattr", cls, name)


def _error_class(number, name, bases):
    bases = tuple(base for base in bases if issubclass(base, BaseException))
    try:
        return _ErrorType(name or "error", bases, {"_halo_class": number})
    except TypeError:
        return _ErrorType(name or "error", (Exception,), {"_halo_class": number})


def make_error(number, told):
    """An error of the tests'; raised further on, it is the very same for them."""
    kind, arguments, held, _, (cause, context) = told
    error = _new_error(kind, arguments)
    error.__dict__["_halo_number"] = number
    for name, value in held:
        try:
            setattr(error, name, value)
        except (AttributeError, TypeError):
            continue  # it has one of its own
    error.__cause__, error.__context__ = cause, context
    return error


def _new_error(kind, arguments):
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise wire.Crossing("no error")
    try:
        return kind(*arguments)
    except TypeError:  # a class that wants other arguments
        error = kind.__new__(kind, *arguments)
        error.args = tuple(arguments)
        return error
