"""C++ types that compare in their own way: harmless where the tests ask for them by name, a trick where they do not.

An answer whose `top()` returns a type of its own that equals everything passes any `assert(s.top() == 3)`. So where an
answer declares such operators, what the tests use of it must not be of a type that they never asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from halo_forge.verify.harness.declarations import FUNDAMENTAL, close
from halo_forge.verify.harness.tokens import Token, directive

_CLASS = {"struct", "class", "union"}
_COMPARING = {"=", "!", "<", ">", "&", "|", ","}
_NOT_NAMED = {"<", "::", ">", "&", "*"}
"""What stands behind a type's name rather than behind the name of what is declared."""
_NO_NAME = FUNDAMENTAL | {"auto"}
_LONGEST = 500
"""Tokens in front of a name after which a declaration is not understood any more."""


def own_types(tokens: Sequence[Token]) -> set[str]:
    """The names of the classes and enumerations that a text declares, at whatever depth."""
    found = set()
    for at, token in enumerate(tokens):
        if token.text in _CLASS | {"enum"} and token.kind == "word":
            following = at + 2 if _text(tokens, at + 1) in _CLASS else at + 1
            if _kind(tokens, following) == "word":
                found.add(_text(tokens, following))
    return found


def handed_to_tests(tokens: Sequence[Token], asked: set[str]) -> str | None:
    """What the tests use, by a name in `asked`, that is of such a type; None if nothing is."""
    aliases = _aliases(tokens)
    tokens = [token for token in tokens if token.kind != "directive"]
    scopes = _scopes(tokens)
    own = own_types(tokens)
    lying = [at for at in range(len(tokens)) if _compares(tokens, at) and _lies(tokens, at, scopes[at], own & asked)]
    if not lying:
        return None
    suspects = _with_aliases(own - asked | {str(scopes[at][-1]) for at in lying if scopes[at]}, aliases)
    for at, token in enumerate(tokens):
        if token.kind != "word" or token.text not in asked or None in scopes[at]:
            continue
        if token.text in suspects and token.text in aliases:
            return f"{token.text} is a type with operators of its own"
        before = [] if _text(tokens, at + 1) in _NOT_NAMED or token.text in _NO_NAME else _since(tokens, at)
        declares_type = bool(_CLASS & set(before))
        if declares_type and set(_until(tokens, at, "{", ";")) & (suspects - {token.text}):
            return f"{token.text} is made from a type with operators of its own"
        unnamed = before[:1] == ["}"] and _text(tokens, at + 1) != "("
        if not declares_type and (unnamed or set(before) & (suspects | {"auto", "decltype"})):
            return f"{token.text} is of a type of its own, which has operators of its own"
    return None


def _aliases(tokens: Sequence[Token]) -> dict[str, set[str]]:
    """The words that each `using`, `typedef` and macro stands for."""
    found: dict[str, set[str]] = {}
    for at, token in enumerate(tokens):
        if token.kind == "directive":
            name, rest = directive(token)
            all_words = re.findall(r"[^\W\d]\w*", rest)
            if name == "define" and all_words:
                found.setdefault(all_words[0], set()).update(all_words[1:])
        elif token.text == "using" and _text(tokens, at + 2) == "=":
            found.setdefault(_text(tokens, at + 1), set()).update(_until(tokens, at + 3, ";"))
        elif token.text == "typedef":
            meaning = _until(tokens, at + 1, ";")
            for name in meaning[-1:]:
                found.setdefault(name, set()).update(meaning[:-1])
    return found


def _with_aliases(types: set[str], aliases: dict[str, set[str]]) -> set[str]:
    users: dict[str, list[str]] = {}
    for name, meaning in aliases.items():
        for word in meaning:
            users.setdefault(word, []).append(name)
    found, queue = set(types), list(types)
    while queue:
        new = [name for name in users.get(queue.pop(), ()) if name not in found]
        found.update(new)
        queue += new
    return found


def _scopes(tokens: Sequence[Token]) -> list[tuple[str | None, ...]]:
    """For each token the classes it stands in, outermost first; None for a function's body. Namespaces are no scope."""
    found: list[tuple[str | None, ...]] = []
    stack: list[tuple[str | None, ...]] = [()]
    for at, token in enumerate(tokens):
        if token.text == "}" and token.kind == "punctuation" and len(stack) > 1:
            stack.pop()
        found.append(stack[-1])
        if token.text == "{" and token.kind == "punctuation":
            stack.append(stack[-1] + _opened(tokens, at))
    return found


def _opened(tokens: Sequence[Token], at: int) -> tuple[str | None, ...]:
    """What the brace at this place opens."""
    index = at - 1
    while index >= 0 and tokens[index].text not in ("{", "}", ";", ")", "="):
        text = tokens[index].text
        if text in ("namespace", "extern"):
            return ()
        if text in _CLASS and _text(tokens, index - 1) not in ("<", ",", "enum"):
            return (_text(tokens, index + 1),)
        index -= 1
    return (None,)


def _compares(tokens: Sequence[Token], at: int) -> bool:
    """Whether an operator is declared here that compares, decides or converts."""
    first, second = _text(tokens, at + 1), _text(tokens, at + 2)
    if tokens[at].text != "operator" or tokens[at].kind != "word" or (first in "<>" and first == second):
        return False
    converts = _kind(tokens, at + 1) == "word" and first not in ("new", "delete", "co_await")
    return converts or first in _COMPARING or first == "::"


def _lies(tokens: Sequence[Token], at: int, scope: tuple[str | None, ...], asked: set[str]) -> bool:
    """Whether it could decide a test that compares with anything but one of the `asked` types."""
    if _kind(tokens, at + 1) == "word" or _text(tokens, at + 1) == "::":
        return True
    opening = next((index for index in range(at + 1, at + 6) if _text(tokens, index) == "("), len(tokens))
    taken = {token.text for token in tokens[opening : close(tokens, opening)]} if opening < len(tokens) else set()
    if scope and scope[-1] is not None:
        return scope[-1] not in asked or scope[-1] not in taken
    return not taken & asked


def _since(tokens: Sequence[Token], at: int) -> list[str]:
    """The words of a declaration in front of the name it declares, the nearest first; none for a parameter."""
    found: list[str] = []
    level = 0
    if _text(tokens, at - 1) == "*" and _text(tokens, at - 2) == "(":
        at -= 2  # a pointer to a function
    while at > 0 and tokens[at - 1].text not in (";", "{", ":"):
        at -= 1
        text = tokens[at].text
        found.append(text)
        level += (text == ")") - (text == "(")
        if level < 0:
            return []
        if len(found) > _LONGEST:
            return [*found, "auto"]
        if text == "}":
            break
    if found and found[-1] == "}" and len(found) > 1:
        found.pop()  # the end of what stands above
    return found


def _until(tokens: Sequence[Token], at: int, *ends: str) -> list[str]:
    found: list[str] = []
    while at < len(tokens) and tokens[at].text not in ends and len(found) < _LONGEST:
        found.append(tokens[at].text)
        at += 1
    return found


def _text(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) else ""


def _kind(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].kind if 0 <= at < len(tokens) else ""
