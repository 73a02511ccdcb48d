"""The answer's end: runs the answer as the module `solution`, then does what the referee asks of it.

All of this runs in the answer's own process and may be bent by it; it can only change what the answer itself says.
"""

import builtins
import os
import types

import peer
import wire

_ITERATORS = (types.GeneratorType, map, filter, zip, enumerate, reversed)
_ITERATORS += tuple(type(iter(value)) for value in ([], (), {}, set(), "", b"", range(0), {}.values(), {}.items()))
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))


def serve(module, read_fd, write_fd):
    """Serve until the referee hangs up."""
    objects = {}  # number -> object, kept alive so that a number means one object
    numbers = {}  # id -> number

    def number_of(value):
        number = numbers.setdefault(id(value), len(numbers))
        objects[number] = value
        return number

    def refer(value):
        if isinstance(value, _Callback):
            return wire.Reference("test function", value.number)
        kind = type(value)
        if isinstance(value, type) and vars(builtins).get(value.__name__) is value:
            return wire.Reference("builtin", value.__name__)
        if isinstance(value, type):
            return wire.Reference("class", number_of(value), value.__name__, _ancestors(value))
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
            return wire.Reference("function", number_of(value), getattr(value, "__name__", "function"))
        plain_iterable = isinstance(value, _ITERATORS + _VIEWS)
        return wire.Reference("object", number_of(value), kind.__name__, number_of(kind), plain_iterable)

    def resolve(reference):
        if reference.kind == "test function":
            return _Callback(line, *reference.fields)
        if reference.kind == "builtin":
            return getattr(builtins, reference.fields[0])
        return objects[reference.fields[0]]

    def describe(error):
        kind = type(error)
        own = None if kind.__module__ == "builtins" else kind
        arguments = [value if _is_plain(value) else str(value) for value in error.args]
        return own, _ancestors(kind), kind.__name__, arguments

    def restore(name, arguments):
        return getattr(builtins, name, RuntimeError)(*arguments)

    def get(name):
        return getattr(module, name)

    operations = {
        "get": get,
        "names": lambda: [name for name in vars(module) if isinstance(name, str)],
        "call": lambda target, arguments, keywords: target(*arguments, **keywords),
        "getattr": getattr,
        "setattr": setattr,
        "setglobal": lambda name, value: setattr(module, name, value),
        "isinstance": isinstance,
        "operate": _operate,
    }
    line = peer.Peer(
        lambda count: os.read(read_fd, count),
        lambda data: os.write(write_fd, data),
        operations,
        refer,
        resolve,
        describe,
        restore,
    )
    line.serve()


class _Callback:
    """A function of the test's, handed to the answer."""

    def __init__(self, line, number):
        self.line, self.number = line, number

    def __call__(self, *arguments, **keywords):
        return self.line.ask("call", self.number, list(arguments), keywords)


def _operate(name, arguments):
    """An operator or protocol function applied here, where the object lives."""
    import operator

    functions = {"iter": iter, "next": next, "len": len, "str": str, "repr": repr, "hash": hash, "bool": bool}
    functions |= {"abs": abs, "int": int, "float": float, "round": round, "reversed": reversed, "dir": dir}
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
