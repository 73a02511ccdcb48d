"""What an object of the answer's says of itself, and where its word counts.

Compared with another of the answer's it is asked, and must tell such objects apart; compared with plain data only where
the tests ask for its class by name, and it must tell the expected value from others. |answer - expected| is no proof.
"""

import os

import wire

SHIFTING = {"sub", "rsub", "add", "radd", "mod", "rmod", "xor", "rxor"}
"""Operators that make of the answer and what is expected something whose size says how near they are."""


def is_remote(value):
    return getattr(type(value), "_halo_remote", False) is True


def is_tested(value):
    """Whether the tests ask for its class by a name that is a class's."""
    kind = type(value)
    return any(vars(base).get("_halo_class") in kind._halo_side.tested for base in kind.__mro__)


def want_tested(value):
    if not is_tested(value):
        kind = type(value).__name__
        raise wire.Crossing("the answer returned a %s of its own where plain data was expected" % kind)


def equal(one, other):
    """Whether two objects of the answer's are equal, as it says: not if that is so whatever they hold."""
    if not {"eq"} & {*type(one)._halo_specials, *type(other)._halo_specials}:
        return False
    return _said(one, "eq", other) and _tells_apart(one, other)


def _tells_apart(one, other):
    side, number = one._halo_side, type(one)._halo_class
    if number not in side.proven:
        apart = side.ask("apart", one, other)
        if apart is False or (apart is None and number in side.given):
            raise wire.Crossing("== of the answer's class %s is true of everything" % type(one).__name__)
        side.proven.add(number)
    return True


def equals_plain(value, other):
    """Whether an object equals plain data by its own word: it must say so of this alone, not of others like it."""
    import decoys

    if other is None or "eq" not in type(value)._halo_specials or not is_tested(value) or not decoys.plain(other):
        return False
    if value._halo_shifted and not other:
        raise wire.Crossing("that an object of the answer's less what is expected is nothing proves nothing")
    found = [one for one in decoys.among(other, value._halo_side.handed) if _said(value, "eq", one)]
    if not any(one is other for one in found):
        return False
    if len(found) > 1:
        raise wire.Crossing("an object of the answer's class %s equals everything" % type(value).__name__)
    return True


def alone(name):
    """A number from the object by itself; not where plain data went in before: |answer - expected| is no proof."""

    def number(self, *others):
        if self._halo_shifted:
            raise wire.Crossing("%s of an object of the answer's and plain data proves nothing" % name)
        return self._ask(name, *others)

    return number


def binary(name):
    def combine(self, other):
        if is_remote(other):
            return self._ask(name, other)
        want_tested(self)
        result = self._ask(name, other)
        if is_remote(result):
            if name in SHIFTING and result is not self:
                object.__setattr__(result, "_halo_shifted", True)
        elif name in SHIFTING:
            raise wire.Crossing("the answer's class %s made plain data of plain data" % type(self).__name__)
        return result

    return combine


def order(name):
    def compare(self, other):
        if is_remote(other):
            return _ordered(name, self, other)
        want_tested(self)
        if type(other) not in (int, float) or self._halo_shifted:
            raise wire.Crossing("an object of the answer's class %s is compared with %r" % (type(self).__name__, other))
        far = 10 ** (len(str(int(abs(other)))) + 6)
        if _said(self, name, -far) == _said(self, name, far):
            raise wire.Crossing("an object of the answer's class %s orders everything alike" % type(self).__name__)
        return _said(self, name, other)

    return compare


def _ordered(name, one, other):
    said = _said(one, name, other)
    both = said and one._halo_number != other._halo_number and one._halo_side.ask("reversed", name, one, other) is True
    if both and (name in ("lt", "gt") or one != other):
        raise wire.Crossing("the answer's class %s orders two objects both ways" % type(one).__name__)
    return said


def contains(self, value):
    if is_tested(self):
        return _said(self, "contains", value) and _leaves_out(self, value)
    if "iter" not in type(self)._halo_specials:
        want_tested(self)
    return any(item is value or item == value for item in self)


def _leaves_out(container, value):
    """True, unless the answer's __contains__ says so of values too that nobody has put in."""
    strangers = _strangers(value)
    if strangers and all(container._halo_side.ask("stranger", container, one) is True for one in strangers):
        raise wire.Crossing("the answer's class %s claims to contain everything" % type(container).__name__)
    return True


def _strangers(value):
    """Values like this one that no container of honest make holds all of."""
    far = 1009 + int.from_bytes(os.urandom(2), "big") % 9000
    if type(value) is str:
        return ["%s~%d~" % (value, far)]
    if type(value) in (int, float):
        return [-abs(value) - far, abs(value) + far]
    return []


def differs(one, other):
    """Whether two numbers are not the same: what a class derived from float makes of two is what float makes."""
    return isinstance(other, (int, float, complex)) and not (isinstance(one, (int, float, complex)) and one == other)


def _said(one, name, other):
    """What it says; the verdict will name it."""
    one._halo_side.words.add("%s.__%s__" % (type(one).__name__, name))
    return truth(one._ask(name, other))


def truth(value):
    if type(value) is not bool:
        raise wire.Crossing("the answer returned %s where True or False was expected" % type(value).__name__)
    return value


def plain_number(value):
    if type(value) not in (bool, int):
        raise wire.Crossing("the answer returned %s where True or False was expected" % type(value).__name__)
    return value


def text(value):
    if type(value) is not str:
        raise wire.Crossing("the answer returned %s where text was expected" % type(value).__name__)
    return value
