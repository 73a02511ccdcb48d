"""What one end of the line tells the other of its classes, functions and errors, and how it acts on its own objects.

A stand-in at the other end has the special methods that its class has here, and no more: so it can be called, iterated
or hashed if and only if the object can.
"""

import sys
import types

import wire

BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift")
BINARY += ("and", "xor", "or")
REFLECTED = tuple("r" + name for name in BINARY)
IN_PLACE = tuple("i" + name for name in BINARY if name != "divmod")
ALONE = ("neg", "pos", "invert", "abs", "round", "int", "float", "complex", "index", "trunc", "floor", "ceil")
ORDER = ("lt", "le", "gt", "ge")
PLAIN = ("bool", "len", "str", "repr", "format", "bytes", "hash", "iter", "next", "reversed", "length_hint", "fspath")
PLAIN += ("getitem", "setitem", "delitem", "contains", "missing", "enter", "exit", "call", "eq", "copy", "deepcopy")
PLAIN += ("await", "aiter", "anext", "aenter", "aexit", "send", "throw", "close")
PLAIN += ("get", "set", "delete", "set_name")
NAMES = (*BINARY, *REFLECTED, *IN_PLACE, *ALONE, *ORDER, *PLAIN)
_METHODS = {"__%s__" % name: name for name in NAMES if name not in ("send", "throw", "close")}
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type(str.upper), type(int.__add__))
ITERATORS = (types.GeneratorType, map, filter, zip, enumerate, reversed)
ITERATORS += tuple(type(iter(value)) for value in ([], (), {}, set(), "", b"", range(0), {}.values(), {}.items()))


def operate(name, arguments):
    """An operator or protocol function applied here, where the object lives."""
    import operator

    if name in REFLECTED:
        name, arguments = name[1:], arguments[::-1]
    function = _OPERATIONS.get(name)
    if function is None:
        function = getattr(operator, name + "_" if name in ("and", "or") else name)
    return function(*arguments)


def _own(name):
    return lambda value, *arguments: getattr(type(value), name)(value, *arguments)


def _with_module(module, name):
    return lambda *arguments: getattr(__import__(module), name)(*arguments)


_OPERATIONS = {"iter": iter, "next": next, "len": len, "str": str, "repr": repr, "hash": hash, "bool": bool}
_OPERATIONS |= {"abs": abs, "int": int, "float": float, "complex": complex, "round": round, "reversed": reversed}
_OPERATIONS |= {"format": format, "bytes": bytes, "divmod": divmod, "length_hint": _own("__length_hint__")}
_OPERATIONS |= {name: _own("__%s__" % name) for name in ("enter", "exit", "aenter", "aexit", "aiter", "anext")}
_OPERATIONS |= {name: _own("__%s__" % name) for name in ("missing", "fspath", "get", "set", "delete", "set_name")}
_OPERATIONS |= {name: _own(name) for name in ("send", "throw", "close")}
_OPERATIONS |= {name: _with_module("math", name) for name in ("trunc", "floor", "ceil")}
_OPERATIONS |= {name: _with_module("copy", name) for name in ("copy", "deepcopy")}
_OPERATIONS["call"] = lambda value, *arguments, **keywords: value(*arguments, **keywords)


def library_name(value):
    """(module, qualified name) of a class or function that the standard library has under it, or None."""
    owner = getattr(value, "__objclass__", None)
    module, name = getattr(owner or value, "__module__", None), getattr(value, "__qualname__", None)
    if type(module) is not str or type(name) is not str or module.partition(".")[0] not in sys.stdlib_module_names:
        return None
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return (module, name) if found is value else None


def named(module, name, places=None):
    """What the standard library has under a name; None if that module is not loaded, or it has none."""
    found = sys.modules.get(module) if module.partition(".")[0] in sys.stdlib_module_names else None
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


class Describer:
    """One end's tables: what it has told the other of, by number."""

    def __init__(self):
        self.objects = {}  # number -> object, kept alive so that a number means one object
        self.numbers = {}  # id -> number
        self.methods = {}  # (id of an object, name) -> method of it that was told of
        self.told = set()  # numbers of the classes and functions that the other end knows
        self.within = 0
        """How deep in errors that hold errors."""

    def number_of(self, value):
        number = self.numbers.setdefault(id(value), len(self.numbers))
        self.objects[number] = value
        return number

    def named_class(self, kind):
        """A class as a value or as an ancestor: one of the library's by its names and those of its ancestors."""
        name = library_name(kind)
        if name is None:
            return self.class_of(kind)
        return wire.Reference("name", *filter(None, map(library_name, kind.__mro__)))

    def class_of(self, kind):
        number = self.number_of(kind)
        if number in self.told:
            return wire.Reference("class", number, None)
        self.told.add(number)
        bases = tuple(self.named_class(base) for base in kind.__bases__ if base is not object)
        specials, own = [], []
        for method, name in _METHODS.items():
            definer = next((base for base in kind.__mro__ if method in vars(base)), object)
            if definer is not object and vars(definer)[method] is not None:
                specials.append(name)
                if library_name(definer) is None and definer.__module__ != "builtins":
                    own.append(name)
        if getattr(kind, "__hash__", None) is None:
            specials.append("unhashable")
        members = tuple(
            (name, "property" if isinstance(value, property) else "function")
            for name, value in list(vars(kind).items())
            if isinstance(value, (types.FunctionType, property)) and (name[:2] != "__" or name == "__init__")
        )
        words = [getattr(kind, name, None) for name in ("__name__", "__qualname__", "__module__", "__doc__")]
        words = tuple(word if type(word) is str else None for word in words)
        fields = getattr(kind, "_fields", None) if issubclass(kind, tuple) else None
        fields = tuple(map(str, fields)) if isinstance(fields, tuple) else None
        abstract = tuple(sorted(getattr(kind, "__abstractmethods__", ())))
        told = (
            words,
            bases,
            tuple(specials),
            tuple(own),
            members,
            library_name(kind),
            fields,
            kind in ITERATORS,
            abstract,
        )
        return wire.Reference("class", number, told)

    def function(self, value):
        holder = getattr(value, "__self__", None)
        if holder is not None and type(holder) is not types.ModuleType:  # each look at it makes another
            value = self.methods.setdefault((id(holder), value.__name__), value)
        number = self.number_of(value)
        if number in self.told:
            return wire.Reference("function", number, None)
        self.told.add(number)
        words = [getattr(value, name, None) for name in ("__name__", "__qualname__", "__module__", "__doc__")]
        words = tuple(word if type(word) is str else None for word in words)
        code = getattr(value, "__code__", None)
        flags = code.co_flags if type(code) is types.CodeType else 0
        kind = (
            "plain" if type(value) is types.FunctionType else "method" if type(value) is types.MethodType else "other"
        )
        return wire.Reference("function", number, (words, flags, kind, library_name(value)))

    def error(self, error):
        """An exception: its class, arguments, attributes, text and cause."""
        number = self.number_of(error)
        if self.within > 4:
            return wire.Reference("error", number, None)
        self.within += 1
        try:
            arguments = error.args
            if isinstance(error, OSError) and error.filename is not None and len(arguments) == 2:
                arguments = (*arguments, error.filename)
            held = [(name, value) for name, value in vars(error).items() if type(name) is str and name[:1] != "_"]
            linked = tuple(
                None if linked is None else self.error(linked) for linked in (error.__cause__, error.__context__)
            )
            kind = type(error)
            told = (
                self.named_class(kind),
                tuple(arguments),
                tuple(held),
                (_text(str, error), _text(repr, error)),
                linked,
            )
            return wire.Reference("error", number, told)
        finally:
            self.within -= 1


def _text(function, error):
    """What an error says of itself, where its class has words of its own."""
    method = "__%s__" % function.__name__
    definer = next((base for base in type(error).__mro__ if method in vars(base)), object)
    if definer.__module__ == "builtins":
        return None
    try:
        text = function(error)
    except Exception:  # noqa: BLE001 - an error without words is an error all the same
        return None
    return text if type(text) is str else None


def signature(function):
    """(((name, kind, default or nothing, annotation or nothing) …), that of what it returns), for `inspect`."""
    import inspect

    made = inspect.signature(function)
    parameters = tuple(
        (
            one.name,
            int(one.kind),
            () if one.default is one.empty else (one.default,),
            () if one.annotation is one.empty else (one.annotation,),
        )
        for one in made.parameters.values()
    )
    return parameters, () if made.return_annotation is made.empty else (made.return_annotation,)


def made_signature(told):
    import inspect

    parameters, returned = told
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect._ParameterKind(kind),
                default=default[0] if default else inspect.Parameter.empty,
                annotation=annotation[0] if annotation else inspect.Parameter.empty,
            )
            for name, kind, default, annotation in parameters
        ],
        return_annotation=returned[0] if returned else inspect.Signature.empty,
    )


def fields(kind):
    """The fields of a dataclass: (name, type, default or nothing, whether __init__, repr() and == mind it)."""
    import dataclasses

    return tuple(
        (
            one.name,
            one.type if isinstance(one.type, (type, str)) else str(one.type),
            () if one.default is dataclasses.MISSING else (one.default,),
            (one.init, one.repr, one.compare, one.kw_only is True),
        )
        for one in dataclasses.fields(kind)
    )


def made_fields(told):
    """The same as `dataclasses` wants them."""
    import dataclasses

    made_here = {}
    for name, wanted, default, (init, show, compare, keyword) in told:
        made = dataclasses.field(
            default=default[0] if default else dataclasses.MISSING,
            init=init,
            repr=show,
            compare=compare,
            kw_only=keyword,
        )
        made.name, made.type, made._field_type = name, wanted, dataclasses._FIELD
        made_here[name] = made
    return made_here
