"""The answer's end: runs the answer as the module `solution`, then does what the referee asks of it.

All of this runs in the answer's own process and may be bent by it; it can only change what the answer itself says.
"""

import builtins
import os
import sys
import types

import honesty
import peer
import wire

_ITERATORS = (types.GeneratorType, map, filter, zip, enumerate, reversed)
_ITERATORS += tuple(type(iter(value)) for value in ([], (), {}, set(), "", b"", range(0), {}.values(), {}.items()))
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))


def serve(module, read_fd, write_fd):
    """Serve until the referee hangs up."""
    guest = _Guest(module, read_fd, write_fd)
    sys.stdout = _Printed(sys.stdout, guest.written)
    guest.line.serve()


class _Guest:
    """The line to the referee, and what it may ask for."""

    def __init__(self, module, read_fd, write_fd):
        self.module = module
        self.lent = {}  # number -> stand-in for an object of the tests'
        self.objects = {}  # number -> object, kept alive so that a number means one object
        self.numbers = {}  # id -> number
        self.written = []  # what has been printed since the last reply
        self.late = {}  # id of an iterator -> error to raise when more of it is asked for
        asking = builtins.input
        self.line = peer.Peer(
            lambda count: os.read(read_fd, count),
            lambda data: os.write(write_fd, data),
            {
                "get": self._get,
                "names": lambda: [name for name in vars(module) if isinstance(name, str)],
                "call": self._call,
                "take": self._take,
                "setinput": lambda function: setattr(builtins, "input", function or asking),
                "getattr": getattr,
                "setattr": setattr,
                "setglobal": lambda name, value: setattr(module, name, value),
                "isinstance": isinstance,
                "operate": _operate,
                "apart": honesty.tells_apart,
                "stranger": honesty.contains,
                "reversed": honesty.holds_reversed,
            },
            self._refer,
            self._resolve,
            _describe,
            _restore,
        )

    def _refer(self, value):
        if isinstance(value, _Callback):
            return wire.Reference("test function", value.number)
        if type(value) is _Lent:
            return wire.Reference("test object", _Lent.number.__get__(value))
        kind = type(value)
        if isinstance(value, type) and vars(builtins).get(value.__name__) is value:
            return wire.Reference("builtin", value.__name__)
        if isinstance(value, type):
            return wire.Reference("class", self._number_of(value), value.__name__, _ancestors(value))
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
            return wire.Reference("function", self._number_of(value), getattr(value, "__name__", "function"))
        plain_iterable = isinstance(value, _ITERATORS + _VIEWS)
        return wire.Reference("object", self._number_of(value), kind.__name__, self._number_of(kind), plain_iterable)

    def _number_of(self, value):
        number = self.numbers.setdefault(id(value), len(self.numbers))
        self.objects[number] = value
        return number

    def _resolve(self, reference):
        if reference.kind == "test function":
            return _Callback(self.line, *reference.fields)
        if reference.kind == "test object":
            (number,) = reference.fields
            return self.lent.setdefault(number, _Lent(self.line, number))
        if reference.kind == "builtin":
            return getattr(builtins, reference.fields[0])
        return self.objects[reference.fields[0]]

    def _get(self, name, tested):
        value = getattr(self.module, name)
        if tested and isinstance(value, type):
            wire.OWN.add(value)
        return value

    def _call(self, target, arguments, keywords):
        """(value, the arguments as they are now if the value is None, what was printed)."""
        value = target(*arguments, **keywords)
        changed = value is None and any(not isinstance(one, _SCALARS) for one in (*arguments, *keywords.values()))
        printed = "".join(self.written)
        self.written.clear()
        return value, ((arguments, keywords) if changed else None), printed

    def _take(self, iterator, count):
        """The next few items of a builtin iterator; an error after some of them is raised when more are asked for."""
        if id(iterator) in self.late:
            raise self.late.pop(id(iterator))
        items = []
        try:
            while len(items) < count:
                items.append(next(iterator))
        except BaseException as error:  # noqa: BLE001 - it belongs to the asker
            if not items:
                raise
            self.late[id(iterator)] = error
        return items


def _describe(error):
    kind = type(error)
    own = None if kind.__module__ == "builtins" else kind
    arguments = [value if _is_plain(value) else str(value) for value in error.args]
    attributes = {name: value for name, value in vars(error).items() if name[:1] != "_" and _is_plain(value)}
    return own, _ancestors(kind), kind.__name__, arguments, attributes


def _restore(name, arguments):
    return getattr(builtins, name, RuntimeError)(*arguments)


_BASES = (bool, int, float, str, bytes, bytearray, list, tuple, set, frozenset, dict)
_SCALARS = (str, int, float, complex, bytes, type(None), types.FunctionType)


class _Printed:
    """stdout that remembers what is printed, for tests that look at it."""

    def __init__(self, stdout, written):
        self._stdout, self._written = stdout, written

    def write(self, text):
        self._written.append(text)
        return self._stdout.write(text)

    def __getattr__(self, name):
        return getattr(self._stdout, name)


class _Callback:
    """A function of the test's, handed to the answer."""

    def __init__(self, line, number):
        self.line, self.number = line, number

    def __call__(self, *arguments, **keywords):
        return self.line.ask("call", self.number, list(arguments), keywords)


class _Lent:
    """An object of the tests' own, handed to the answer: what is done with it is done over there."""

    __slots__ = ("line", "number")

    def __init__(self, line, number):
        _Lent.line.__set__(self, line)
        _Lent.number.__set__(self, number)

    def __getattribute__(self, name):
        if name[:2] == "__":
            return object.__getattribute__(self, name)
        return _ask_for(self, "getattr", name)

    def __setattr__(self, name, value):
        _ask_for(self, "setattr", name, value)


def _ask_for(lent, operation, *arguments):
    return _Lent.line.__get__(lent).ask(operation, _Lent.number.__get__(lent), *arguments)


def _operator(name):
    return lambda self, *others: _ask_for(self, "operate", name, *others)


for _name in (
    *("bool", "len", "str", "repr", "hash", "contains", "getitem", "setitem", "eq", "ne", "lt", "le", "gt", "ge"),
    *("add", "sub", "mul", "truediv", "mod", "neg", "call"),
):
    setattr(_Lent, "__%s__" % _name, _operator(_name))
_Lent.__iter__ = lambda self: iter(_ask_for(self, "operate", "iter"))


def _await(coroutine):
    import asyncio

    async def wait():
        return await coroutine

    return asyncio.run(wait())


def _plain(value):
    """The list that an object of a class derived from list is, and so on; None for others."""
    return next((base(value) for base in _BASES if isinstance(value, base)), None)


def _operate(name, arguments):
    """An operator or protocol function applied here, where the object lives."""
    import operator

    if name[:1] == "r" and name not in ("repr", "round", "reversed"):
        name, arguments = name[1:], arguments[::-1]

    functions = {"iter": iter, "next": next, "len": len, "str": str, "repr": repr, "hash": hash, "bool": bool}
    functions |= {"enter": lambda value: type(value).__enter__(value), "plain": _plain}
    functions |= {"exit": lambda value: type(value).__exit__(value, None, None, None)}
    functions |= {"await": _await, "abs": abs, "int": int, "float": float, "round": round}
    functions |= {"reversed": reversed, "dir": dir}
    return (functions.get(name) or getattr(operator, name))(*arguments)


def _ancestors(kind):
    """Names of a class's builtin ancestors, nearest first."""
    return [ancestor.__name__ for ancestor in kind.__mro__ if ancestor.__module__ == "builtins"]


def _is_plain(value):
    try:
        wire.pack(value, wire.refuse)
    except wire.Crossing:
        return False
    return True
