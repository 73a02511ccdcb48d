"""Stand-ins for the answer's classes, made of what its end tells of them.

An exception becomes a class that can be caught, one derived from a plain type becomes one derived from the same: its
contents are compared and counted here, its own methods run over there. Others become a RemoteObject.
"""

import builtins
import types

import claims
import describe
import wire
from remote import (
    DEFAULT,
    FACES,
    SHOWN,
    SPECIALS,
    Property,
    RemoteAwaitable,
    RemoteGenerator,
    RemoteObject,
    RemoteType,
    Stub,
    plain_base,
)


def make_class(side, number, told):
    """The stand-in for a class of the answer's."""
    (name, qualname, module, doc), bases, specials, own, members, library, fields, iterator, abstract = told
    bases = tuple(base for base in bases if isinstance(base, type))
    held = {"_halo_class": number, "_halo_side": side, "_halo_specials": specials, "__doc__": doc}
    held |= {"__module__": module or "solution", "__qualname__": qualname or name or "object", "_halo_own": own}
    if any(issubclass(base, BaseException) for base in bases):
        return _error_class(side, name, bases, held, members)
    plain = next((plain_base(base) for base in bases if plain_base(base)), None)
    if plain is not None and (library is None or not fields):
        return _plain_class(side, name, plain, bases, held, own, members, fields)
    held["__slots__"] = ()
    held |= {"__%s__" % one: SPECIALS[one] for one in specials if one in SPECIALS and one not in DEFAULT}
    found = describe.named(*library) if library else None
    libraries = [base for base in bases if not isinstance(base, RemoteType)]
    if "next" not in specials:  # an iterator that can be copied is, in itertools.tee
        held["__copy__"], held["__deepcopy__"] = _copy, _deepcopy
    if isinstance(found, type):
        held["_halo_face"] = found
    elif name in FACES and module == "builtins":
        held["_halo_face"] = FACES[name]
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


def _copy(self):
    return self._ask("copy")


def _deepcopy(self, memo):
    return self._ask("deepcopy")


def _members(side, members, held):
    """Stubs of the functions and properties of a class; they learn of it when it is made."""
    made = {one: (Property if how == "property" else Stub)(side, None, one) for one, how in members}
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
        if isinstance(stub, (Stub, Property)):
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
        elif one not in _NATIVE and one in SPECIALS:
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
        if native is not None and not claims.is_tested(self):
            return native(self, *others, **keywords)
        if native is None and not claims.is_tested(self) and name in describe.BINARY + describe.REFLECTED:
            return NotImplemented
        if name == "call":
            return self._halo_side.call(self, others, keywords)
        result = self._halo_side.ask("operate", name, (self, *others))
        if (
            name in claims.SHIFTING | set(describe.ALONE)
            and native is not None
            and claims.differs(result, native(self, *others))
        ):
            raise wire.Crossing(
                "the answer's class %s makes another number of two than they make" % type(self).__name__
            )
        return result

    return override


def _words(name, native):
    """Its text, where the tests ask for its class; it is plain text in any case."""

    def words(self, *others):
        if type(self)._halo_class not in self._halo_side.asked:
            return native(self, *others)
        return claims.text(self._halo_side.ask("operate", name, (self, *others)))

    return words


def _missing_attribute(self, name):
    if name[:2] == "__" and name[-2:] == "__" and name not in SHOWN or name[:6] == "_halo_":
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


def derived(mcs, name, bases, held, keywords):
    """A class of the tests' that is derived from one of the answer's: it is made on both sides.

    Its functions stay with the tests, and are called back from over there.
    """
    first = next(base for base in bases if isinstance(base, RemoteType))
    side = first._halo_side
    inherited = {"_halo_class": None, "_halo_side": side, "_halo_own": ()}
    if not issubclass(first, RemoteObject):  # derived from a plain type or an exception: the tests' own
        return type.__new__(mcs, name, bases, {**held, **inherited})
    held = {
        **{key: value for base in bases if not isinstance(base, RemoteType) for key, value in vars(base).items()},
        **held,
    }
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
    kept = {
        key: value
        for key, value in held.items()
        if not isinstance(value, property) and key not in ("__dict__", "__weakref__")
    }
    specials = set(first._halo_specials) | {name for name in describe.NAMES if "__%s__" % name in held}
    remote = tuple(base for base in bases if isinstance(base, RemoteType))
    kept |= inherited | {"_halo_specials": tuple(specials), "__slots__": ()}
    made = type.__new__(mcs, name, remote, kept)
    number = side.ask("derive", name, remote, tuple(told), tuple(keywords.items()))
    type.__setattr__(made, "_halo_class", number)
    side.take_class(number, made)
    return made
