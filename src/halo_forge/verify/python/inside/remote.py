"""What the tests hold in the place of the answer's own objects.

Attributes, items, calls and iteration go to the answer's process, and come back as plain data where they are plain.
What decides a test does not: an object of the answer's never equals plain data, is neither above nor below it, and is
neither true nor false, unless the tests themselves asked for its class by name (they test that class then). So an
answer gains nothing by returning an object that claims to equal everything.
"""

import os

import wire

_ONE_BY_ONE, _MOST_AHEAD = 8, 1024
_GENERATOR = type(item for item in ())


def update(old, new):
    """`new`, put into the containers of `old`, place by place: what an argument of the tests' became over there."""
    if old is new:
        return old
    kind = type(old)
    if kind is not type(new):
        return new
    if kind is tuple:
        return tuple(update(*pair) for pair in zip(old, new, strict=False)) + new[len(old) :]
    if isinstance(old, RemoteObject):
        return old if old._number == new._number else new
    if hasattr(kind, "extend"):  # list, deque, bytearray
        items = [update(*pair) for pair in zip(old, new, strict=False)] + list(new)[len(old) :]
        old.clear()
        old.extend(items)
    elif kind is dict:
        items = {key: update(old[key], value) if key in old else value for key, value in new.items()}
        old.clear()
        old.update(items)
    elif kind is set:
        old.clear()
        old.update(new)
    else:
        return new
    return old


class RemoteFunction:
    """A function that runs in the answer's process."""

    def __init__(self, referee, number, name):
        self._referee, self._number, self.__name__ = referee, number, name

    def __call__(self, *arguments, **keywords):
        return self._referee.call(self, arguments, keywords)

    def __bool__(self):
        raise wire.Crossing("the answer returned a function where plain data was expected")

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # what Python and pytest look for in passing
        return self._referee.ask("getattr", self, name)


class RemoteType(type):
    """A class of the answer's: calling it makes an object over there."""

    def __new__(mcs, name, bases, namespace):
        if bases:
            raise wire.Crossing("tests cannot derive from %s, which is the answer's class" % bases[0].__name__)
        return super().__new__(mcs, name, bases, namespace)

    def __call__(cls, *arguments, **keywords):
        if arguments or keywords:
            cls._referee.given.add(cls._number)
        return cls._referee.call(cls, arguments, keywords)

    def __getitem__(cls, key):
        return cls._referee.ask("operate", "getitem", [cls, key])

    def __iter__(cls):
        return iter(cls._referee.ask("operate", "iter", [cls]))

    def __len__(cls):
        return cls._referee.ask("operate", "len", [cls])

    def __bool__(cls):
        if cls._number not in cls._referee.tested:
            raise wire.Crossing("the answer returned a class where plain data was expected")
        return True

    def __instancecheck__(cls, value):
        if not isinstance(value, RemoteObject) or not _truth(cls._referee.ask("isinstance", value, cls)):
            return False
        if _truth(cls._referee.ask("isinstance", (), cls)):
            raise wire.Crossing("everything is an instance of %s, which is the answer's class" % cls.__name__)
        return True

    def __getattr__(cls, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return cls._referee.ask("getattr", cls, name)


class RemoteObject:
    """An object that lives in the answer's process."""

    def __init__(self, referee, number, kind, class_number, iterable):
        vars(self).update(
            _referee=referee, _number=number, _kind=kind, _class=class_number, _iterable=iterable, _shifted=False
        )
        vars(self).update(_ahead=[], _taken=0)

    def _ask(self, name, *others):
        return self._referee.ask("operate", name, [self, *others])

    def _tested(self):
        if self._class not in self._referee.tested:
            raise wire.Crossing("the answer returned a %s of its own where plain data was expected" % self._kind)

    @property
    def __class__(self):
        return _GENERATOR if self._kind == "generator" and self._iterable else type(self)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self._referee.ask("getattr", self, name)

    def __setattr__(self, name, value):
        self._referee.ask("setattr", self, name, value)

    def __call__(self, *arguments, **keywords):
        return self._referee.call(self, arguments, keywords)

    def __iter__(self):
        return self if self._kind in ("generator", "iterator") else _iterate(self._ask("iter"))

    def __next__(self):
        """One by one; of a builtin iterator that goes on and on, more at a time."""
        if not self._iterable or self._taken < _ONE_BY_ONE:
            vars(self)["_taken"] += 1
            return self._ask("next")
        if not self._ahead:
            items = self._referee.ask("take", self, min(self._taken, _MOST_AHEAD))
            if type(items) is not list or not items:
                raise wire.Crossing("garbled: no items")
            vars(self).update(_ahead=items[::-1], _taken=self._taken + len(items))
        return self._ahead.pop()

    def __len__(self):
        return self._ask("len")

    def __getitem__(self, key):
        return self._ask("getitem", key)

    def __setitem__(self, key, value):
        self._ask("setitem", key, value)

    def __delitem__(self, key):
        self._ask("delitem", key)

    def __contains__(self, value):
        if self._iterable and self._class not in self._referee.tested:
            return any(item is value or item == value for item in self)
        self._tested()
        return _truth(self._ask("contains", value)) and self._leaves_out(value)

    def _leaves_out(self, value):
        """True, unless the answer's __contains__ says so of values too that nobody has put in."""
        strangers = _strangers(value)
        if strangers and all(self._referee.ask("stranger", self, stranger) is True for stranger in strangers):
            raise wire.Crossing("the answer's class %s claims to contain everything" % self._kind)
        return True

    def __enter__(self):
        return self._ask("enter")

    def __exit__(self, *_):
        self._ask("exit")  # it suppresses no error: that might be the failure of a test

    def __repr__(self):
        if self._class in self._referee.tested:
            return _text(self._ask("repr"))
        return "<%s of the answer's>" % self._kind

    def __str__(self):
        return _text(self._ask("str"))

    def __hash__(self):
        return hash(self._ask("hash") if self._class in self._referee.tested else self._number)

    def __float__(self):
        return float(self._ask("float"))

    def __int__(self):
        return int(self._ask("int"))

    def __bool__(self):
        self._tested()
        return _truth(self._ask("bool"))

    def __eq__(self, other):
        if not isinstance(other, RemoteObject):
            plain = self._ask("plain") if self._class in self._referee.tested else None
            return plain is not None and plain == other
        if self._number == other._number:
            return True
        self._tested()
        return _truth(self._ask("eq", other)) and self._tells_apart(other)

    def _tells_apart(self, other):
        """True, unless the == of the answer's class says so whatever its objects hold."""
        if self._class not in self._referee.proven:
            apart = self._referee.ask("apart", self, other)
            if apart is False or (apart is None and self._class in self._referee.given):
                raise wire.Crossing("== of the answer's class %s is true of everything" % self._kind)
            self._referee.proven.add(self._class)
        return True

    def __ne__(self, other):
        return not self == other

    def __abs__(self):
        return self._alone("abs")

    def __round__(self, *digits):
        return self._alone("round", *digits)

    def _alone(self, name, *others):
        """A number from the object by itself; not where plain data went in before: |answer - expected| is no proof."""
        self._tested()
        if self._shifted:
            raise wire.Crossing("%s of an object of the answer's and plain data proves nothing" % name)
        return self._ask(name, *others)

    def _combine(self, name, other):
        self._tested()
        result = self._ask(name, other)
        if not isinstance(other, RemoteObject):
            if not isinstance(result, RemoteObject):
                raise wire.Crossing("the answer's class %s made plain data of plain data" % self._kind)
            vars(result)["_shifted"] = True
        return result

    def _compare(self, name, other):
        self._tested()
        if not isinstance(other, RemoteObject):
            raise wire.Crossing("an object of the answer's class %s is not compared with plain data" % self._kind)
        said = _truth(self._ask(name, other))
        both = said and self._number != other._number and self._referee.ask("reversed", name, self, other) is True
        if both and (name in ("lt", "gt") or self != other):
            raise wire.Crossing("the answer's class %s orders two objects both ways" % self._kind)
        return said


class RemoteCoroutine(RemoteObject):
    """What an `async def` of the answer's returned: awaited as a whole, over there."""

    def send(self, value):
        raise StopIteration(self._ask("await"))

    def __next__(self):
        return self.send(None)

    def __await__(self):
        return self

    def throw(self, *error):
        raise error[-1] if isinstance(error[-1], BaseException) else error[0]

    def close(self):
        pass


def _binary(name):
    return lambda self, other: self._combine(name, other)


def _order(name):
    return lambda self, other: self._compare(name, other)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor"):
    setattr(RemoteObject, "__%s__" % _name.rstrip("_"), _binary(_name))
    setattr(RemoteObject, "__r%s__" % _name.rstrip("_"), _binary("r" + _name))
for _name in ("lt", "le", "gt", "ge"):
    setattr(RemoteObject, "__%s__" % _name, _order(_name))
for _name in ("neg", "pos", "invert"):
    setattr(RemoteObject, "__%s__" % _name, lambda self, name=_name: self._alone(name))


def _iterate(iterator):
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            return
        yield item


def _strangers(value):
    """Values like this one that no container of honest make holds all of."""
    far = 1009 + int.from_bytes(os.urandom(2), "big") % 9000
    if type(value) is str:
        return ["%s~%d~" % (value, far)]
    if type(value) in (int, float):
        return [-abs(value) - far, abs(value) + far]
    return []


def _truth(value):
    if type(value) is not bool:
        raise wire.Crossing("the answer returned %s where True or False was expected" % type(value).__name__)
    return value


def _text(value):
    if type(value) is not str:
        raise wire.Crossing("the answer returned %s where text was expected" % type(value).__name__)
    return value
