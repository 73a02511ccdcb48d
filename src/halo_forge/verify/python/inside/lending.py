"""What of the tests' the answer may be handed, and what it may do with it."""

import sys
import types

import claims
import wire

_LEADS_EVERYWHERE = (types.ModuleType, types.FrameType, types.TracebackType, types.CodeType, types.CellType)


def lendable(value, own_modules):
    """Whether it is an object of the tests' own, or of the standard library: those of pytest lead to all there is."""
    kind = type(value)
    if isinstance(value, _LEADS_EVERYWHERE):
        return False
    if isinstance(value, type):
        kind = value
    module = kind.__module__
    return module in own_modules or module.partition(".")[0] in sys.stdlib_module_names


def public(name):
    """Names with an underscore lead from an object to its class, to functions, and to all that they know."""
    if type(name) is not str or name[:1] == "_":
        raise AttributeError(name)
    return name


def attribute(value, name, own_modules):
    """An attribute by its public name; of an object of the tests' own class also what it holds for itself."""
    if type(name) is str and name[:1] == "_" and name[:2] != "__" and type(value).__module__ in own_modules:
        held = getattr(value, "__dict__", None)
        if type(held) is dict and name in held:
            return held[name]
    return getattr(value, public(name))


def set_attribute(value, name, new, own_modules):
    """An attribute that the object has for itself: no method of its class can be replaced."""
    if type(name) is not str or name[:2] == "__" or type(value).__module__ not in own_modules:
        public(name)
    found = next((vars(kind)[name] for kind in type(value).__mro__ if name in vars(kind)), None)
    held = getattr(value, "__dict__", {})
    if isinstance(value, type) or name not in held and not _settable(found):
        raise AttributeError(name)
    setattr(value, name, new)


def _settable(member):
    """Whether an object may have an attribute for itself where its class has this: nothing, or what is made for it."""
    return member is None or isinstance(member, property) or type(member) is _SLOT or claims.is_remote(member)


def set_member(kind, name, new):
    """A member that the answer, as a decorator, adds to a class of the tests': none that compares or counts."""
    if name in vars(kind) or name[:2] == "__" and name.strip("_") not in _ADDED:
        raise AttributeError(name)
    if name[:2] != "__":
        public(name)
    setattr(kind, name, new)


_ADDED = ("repr", "str", "format", "call", "iter", "next", "enter", "exit", "getitem", "init", "lt", "le", "gt", "ge")


def delete_attribute(value, name):
    if public(name) not in getattr(value, "__dict__", {}) or isinstance(value, type):
        raise AttributeError(name)
    delattr(value, name)


def attributes(value):
    """What vars() shows of it."""
    held = vars(value)
    if isinstance(value, type):
        raise wire.Crossing("a class of the tests'")
    return {name: one for name, one in held.items() if type(name) is str and name[:2] != "__"}


class _Slots:
    __slots__ = ("slot",)


_SLOT = type(_Slots.slot)


def raisable(kind):
    """Whether an error of this class may be raised among the tests: none that would end or skip them."""
    if not issubclass(kind, BaseException) or kind.__name__[:1] == "_":
        return False
    if kind.__module__ == "unittest.case" or kind.__module__ == "bdb":
        return False
    return issubclass(kind, (Exception, SystemExit)) or kind.__name__ == "CancelledError"
