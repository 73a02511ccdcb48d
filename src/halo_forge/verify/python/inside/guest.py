"""The answer's end: runs the answer as the module `solution`, then does what the referee asks of it.

All of this runs in the answer's own process and may be bent by it; it can only change what the answer itself says.
"""

import os
import sys
import types

import describe
import heap
import honesty
import lent
import peer
import wire


def serve(module, read_fd, write_fd):
    """Serve until the referee hangs up."""
    guest = _Guest(module, read_fd, write_fd)
    lent.LINE[0] = guest.line
    guest.line.serve()


class _Guest:
    """The line to the referee, and what it may ask for."""

    def __init__(self, module, read_fd, write_fd):
        self.module = module
        self.mine = describe.Describer()
        self.lent = {}  # (sort, number) -> stand-in for something of the tests'
        self.late = {}  # id of an iterator -> error to raise when more of it is asked for
        self.originals = {}  # (class, name) -> what it had there before the tests replaced it
        self.patched = {}  # (module, name) -> what was there before the tests replaced it
        self.happened = []  # (kind, …) of what the tests must hear of with the next message
        self.hooked = set()
        self.has_threads = False
        self.tasks = None
        self.line = peer.Peer(
            lambda count: os.read(read_fd, count),
            lambda data: os.write(write_fd, data),
            {
                "get": lambda name: getattr(module, name),
                "names": lambda: [name for name in vars(module) if isinstance(name, str)],
                "call": self._call,
                "method": self._method,
                "take": self._take,
                "getattr": getattr,
                "setattr": self._setattr,
                "delattr": delattr,
                "vars": lambda value: value.__dict__,
                "setglobal": lambda name, value: setattr(module, name, value),
                "delglobal": lambda name: delattr(module, name),
                "isinstance": isinstance,
                "issubclass": issubclass,
                "operate": lambda name, arguments: describe.operate(name, arguments),
                "plain": _plain,
                "signature": describe.signature,
                "dir": dir,
                "fields": describe.fields,
                "derive": self._derive,
                "poll": lambda awaitable: self._tasks().poll(awaitable),
                "cancel": lambda awaitable: self._tasks().cancel(awaitable),
                "patch": self._patch,
                "unpatch": self._unpatch,
                "environ": _environ,
                "chdir": os.chdir,
                "recursion": sys.setrecursionlimit,
                "seed": lambda *seed: __import__("random").seed(*seed),
                "apart": honesty.tells_apart,
                "stranger": honesty.contains,
                "reversed": honesty.holds_reversed,
            },
            self._refer,
            self._resolve,
            heap.Heap(-1, self._kind_of, heap.new),
            self._outgoing,
            lambda events: None,
        )
        sys.stdout = _Printed(sys.stdout, "stdout", self.happened)
        sys.stderr = _Printed(sys.stderr, "stderr", self.happened)

    def _refer(self, value):
        kind = type(value)
        if issubclass(kind, (lent.Lent, lent.LentFunction)):
            return wire.Reference("yours", lent.number_of(value))
        if issubclass(kind, lent.LentType) or kind is lent._ErrorType:
            return wire.Reference("yours", value._halo_class)
        if issubclass(kind, type):
            if "_halo_class" in vars(value):  # a named tuple of the tests'
                return wire.Reference("yours", value._halo_class)
            return self.mine.named_class(value)
        if issubclass(kind, tuple) and "_halo_class" in vars(kind):
            return wire.Reference("made", kind, tuple(tuple.__iter__(value)))
        if issubclass(kind, BaseException):
            own = vars(value).get("_halo_number")
            return self.mine.error(value) if own is None else wire.Reference("yours", own)
        if kind in describe.FUNCTIONS or kind.__name__ == "_lru_cache_wrapper":
            return self.mine.function(value)
        if kind is types.ModuleType and value.__name__ in sys.stdlib_module_names:
            return wire.Reference("module", value.__name__)
        member = _library_member(value, kind)
        if member is not None:
            return wire.Reference("name", member)
        for base in _IMMUTABLE:
            if issubclass(kind, base):
                return wire.Reference(
                    "value", self.mine.number_of(value), self.mine.class_of(kind), _contents(base, value)
                )
        for base in kind.__mro__:
            if base is not kind and wire.value_type(base):
                return wire.Reference(
                    "value", self.mine.number_of(value), self.mine.class_of(kind), wire.rebuilt(base, value)
                )
        return wire.Reference("object", self.mine.number_of(value), self.mine.class_of(kind))

    def _kind_of(self, value):
        """The class of a list, dictionary and so on, where it is one of the answer's."""
        kind = type(value)
        return None if heap.base_of(kind) is kind else self.mine.class_of(kind)

    def _resolve(self, reference):
        kind, fields = reference.kind, reference.fields
        if kind == "yours":
            return self.mine.objects[fields[0]]
        if kind == "bound":
            return getattr(*fields)
        if kind == "member":  # as the class has it, or had it before the tests replaced it
            return self.originals.get(fields) or vars(fields[0])[fields[1]]
        if kind == "stream":
            return getattr(sys, fields[0])
        if kind == "made":  # by the tests, of contents
            return _made(*fields)
        if kind == "name":
            return self._named(*fields[0])
        if kind == "module":
            return __import__(fields[0], fromlist=["_"])
        if kind == "value":
            return self._stand_in(kind, *fields)
        if (kind, fields[0]) not in self.lent:
            self.lent[kind, fields[0]] = self._stand_in(kind, *fields)
        return self.lent[kind, fields[0]]

    def _stand_in(self, kind, number, told, contents=None):
        if kind == "class":
            return lent.make_class(number, told)
        if kind == "function":
            return lent.make_function(number, told)
        if kind == "error":
            return lent.make_error(number, told)
        if kind == "value":
            return tuple.__new__(told, contents)
        made = object.__new__(told)
        lent.Lent._halo_number.__set__(made, number)
        return made

    def _named(self, module, name):
        if (module, name) in self.patched:
            return self.patched[module, name]
        found = __import__(module, fromlist=["_"])
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def _outgoing(self):
        if not self.has_threads and "threading" in sys.modules and sys.modules["threading"].active_count() > 1:
            self.has_threads = True
            self.happened.append(("threads",))
        events = tuple(self.happened)
        self.happened.clear()
        return events

    def _call(self, target, arguments, keywords):
        self._hook()
        return target(*arguments, **dict(keywords))

    def _method(self, kind, name, holder, arguments, keywords):
        """A method of the class `kind`, found by the tests in its stand-in; the object may have another by now."""
        self._hook()
        held = getattr(holder, "__dict__", None)
        if type(held) is dict and name in held:
            return held[name](*arguments, **dict(keywords))
        function = vars(kind).get(name) or getattr(kind, name)
        return function.__get__(holder, kind)(*arguments, **dict(keywords))

    def _setattr(self, holder, name, value):
        if isinstance(holder, type) and name in vars(holder):
            self.originals.setdefault((holder, name), vars(holder)[name])
        setattr(holder, name, value)

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
        return tuple(items)

    def _tasks(self):
        if self.tasks is None:
            self.tasks = lent.own_module("steps").Tasks()
        return self.tasks

    def _derive(self, name, bases, held, keywords):
        """A class of the tests' that is derived from one of the answer's; its functions stay with the tests."""
        namespace = {"__module__": "tests"}
        for key, how, value in held:
            namespace[key] = _WRAPPERS[how](value)
        made = type(bases[0])(name, bases, namespace, **dict(keywords))
        number = self.mine.number_of(made)
        self.mine.told.add(number)
        return number

    def _patch(self, module, name, value):
        found = __import__(module, fromlist=["_"])
        self.patched.setdefault((module, name), getattr(found, name, None))
        setattr(found, name, value)

    def _unpatch(self, module, name):
        if (module, name) in self.patched:
            setattr(__import__(module, fromlist=["_"]), name, self.patched.pop((module, name)))

    def _hook(self):
        """Let warnings and log records be heard of by the tests, once the answer has the modules for them."""
        for name, hook in (("warnings", self._hook_warnings), ("logging", self._hook_logging)):
            if name not in self.hooked and name in sys.modules:
                self.hooked.add(name)
                hook(sys.modules[name])

    def _hook_warnings(self, warnings):
        def tell(message):
            self.happened.append(("warning", message.message, message.category, message.filename, message.lineno))

        warnings._showwarnmsg_impl = tell
        warnings.simplefilter("always", append=True)
        for entry in list(warnings.filters):
            if entry[1] is None and entry[2] in _QUIET and entry[3] in (None, "__main__"):
                warnings.filters.remove(entry)
        warnings._filters_mutated()

    def _hook_logging(self, logging):
        enabled, handle = logging.Logger.isEnabledFor, logging.Logger.handle

        def is_enabled(logger, level):
            """As the answer has set it; where it has set nothing, the tests decide."""
            at = logger
            while at is not None and at is not logging.root:
                if at.level:
                    return level >= at.level and level > logging.root.manager.disable
                at = at.parent
            return logging.root.level == logging.WARNING or enabled(logger, level)

        def handled(logger, record):
            told = (record.name, record.levelno, record.getMessage(), record.pathname, record.lineno, record.funcName)
            failure = record.exc_info and record.exc_info[1]
            self.happened.append(("log", *told, failure or None, logging.root.level != logging.WARNING))
            if enabled(logger, record.levelno) and (logger.hasHandlers()):
                handle(logger, record)

        logging.Logger.isEnabledFor, logging.Logger.handle = is_enabled, handled


_QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""What Python does not show unless it is asked to: whether it is shown is the tests' to say."""


def _environ(held):
    os.environ.clear()
    os.environ.update(held)


def _wrapped(function):
    """A function of the tests' as a method of a class over here."""

    def method(*arguments, **keywords):
        return function(*arguments, **keywords)

    method.__name__ = getattr(function, "__name__", None) or "method"
    return method


_WRAPPERS = {
    "function": _wrapped,
    "classmethod": lambda function: classmethod(_wrapped(function)),
    "staticmethod": lambda function: staticmethod(_wrapped(function)),
    "property": lambda parts: property(*(part and _wrapped(part) for part in parts)),
    "value": lambda value: value,
}
_IMMUTABLE = (bool, int, float, complex, str, bytes, tuple, frozenset)


def _contents(base, value):
    """What an object of a class derived from int, str, … is, whatever its class says."""
    if base in (tuple, frozenset):
        return base(list(base.__iter__(value)))
    if base is str:
        return str.__str__(value)
    if base is bytes:
        return bytes.__getitem__(value, slice(None))
    if base is complex:
        return complex(value.real, value.imag)
    return int.__index__(value) if base in (bool, int) else float.__float__(value)


def _made(kind, contents):
    base = next((base for base in _IMMUTABLE if issubclass(kind, base)), None)
    return base.__new__(kind, contents) if base is not None else kind(contents)


def _plain(value):
    """The list that an object of a class derived from list is, and so on; None for others."""
    return next((base(value) for base in _BASES if isinstance(value, base)), None)


_BASES = (bool, int, float, str, bytes, bytearray, list, tuple, set, frozenset, dict)


def _library_member(value, kind):
    """(module, name) of a member of an enumeration of the standard library."""
    enum = sys.modules.get("enum")
    if enum is None or not issubclass(kind, enum.Enum) or not isinstance(getattr(value, "_name_", None), str):
        return None
    name = describe.library_name(kind)
    return name and (name[0], "%s.%s" % (name[1], value._name_))


class _Printed:
    """stdout or stderr that remembers what is printed, for tests that look at it."""

    def __init__(self, stream, name, happened):
        self._stream, self._name, self._happened = stream, name, happened

    def write(self, text):
        self._happened.append((self._name, str(text)))
        return self._stream.write(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __iter__(self):
        return iter(self._stream)

    def __getattr__(self, name):
        return getattr(self._stream, name)
