"""The declarations at the outer level of C and C++ source: what a text defines, and what it leaves open at its end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from halo_forge.verify.harness.tokens import Token

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_TYPE = {"struct", "class", "union", "enum"}
_BEFORE_PARENTHESES = {"__attribute__", "__attribute", "alignas", "decltype", "__typeof__", "typeof", "__declspec"}
FUNDAMENTAL = {"void", "bool", "char", "short", "int", "long", "float", "double", "signed", "unsigned", "const"}
"""The words that the language's own types are made of."""
_MAX_ANGLES = 60
"""Tokens after which a `<` is taken for "less than"."""


@dataclass(frozen=True)
class Item:
    """One declaration or definition."""

    kind: str
    """function (with a body), type, namespace or other."""
    name: str
    """What it declares; "" where that is nothing or not one thing."""
    tokens: tuple[Token, ...]
    name_at: int
    """Which of the tokens is the name; -1 if none is."""
    closed: bool
    """Whether it ends where the text does not."""

    @property
    def start(self) -> int:
        return self.tokens[0].start

    @property
    def end(self) -> int:
        return self.tokens[-1].end

    @property
    def words(self) -> tuple[str, ...]:
        """Its tokens as written: two items with the same are the same."""
        return tuple(token.text for token in self.tokens)

    @property
    def head(self) -> tuple[Token, ...]:
        """A function's declaration: the tokens before its body."""
        at = self.name_at + 1
        at = close(self.tokens, at) + 1 if at < len(self.tokens) else at
        while at < len(self.tokens) and self.tokens[at].text not in ("{", ":", ";"):
            at += 1
        return self.tokens[:at]

    @property
    def says_its_type(self) -> bool:
        """Whether it is a function whose head is its whole type: no template, operator or default argument."""
        texts = {token.text for token in self.head}
        return self.kind == "function" and bool(self.name) and not texts & {"=", "template", "operator"}

    def declared_as(self, name: str) -> str:
        """A function's declaration under another name, without what says how it is linked."""
        texts = [name if at == self.name_at else token.text for at, token in enumerate(self.head)]
        return spelled([text for text in texts if text not in ("static", "inline", "extern", "constexpr")])


def items(tokens: Sequence[Token]) -> list[Item]:
    """The items of a text, in order; directives are passed over and `extern "C" { … }` is looked into."""
    tokens = [token for token in tokens if token.kind != "directive"]
    found, at = [], 0
    while at < len(tokens):
        if tokens[at].text in (";", "}"):
            at += 1  # also the end of an extern "C"
        elif _texts(tokens, at, 3) == ["extern", '"C"', "{"]:
            at += 3
        else:
            item = _item(tokens, at)
            found.append(item)
            at += len(item.tokens)
    return found


def defined(found: Iterable[Item]) -> dict[str, Item]:
    """The items that define something (functions with their bodies, types, variables), by name; the last wins."""
    return {item.name: item for item in found if item.name}


def close(tokens: Sequence[Token], at: int) -> int:
    """The index of the bracket that closes the one at `at`; the number of tokens if none does."""
    open_text, close_text, level = tokens[at].text, _CLOSING.get(tokens[at].text), 0
    for index in range(at, len(tokens) if close_text else at):
        if tokens[index].kind == "punctuation":
            level += (tokens[index].text == open_text) - (tokens[index].text == close_text)
            if level == 0:
                return index
    return len(tokens)


def close_angle(tokens: Sequence[Token], at: int) -> int:
    """The index of the `>` that closes the template bracket at `at`; `at` if it is not one."""
    level, index = 0, at
    while index < min(len(tokens), at + _MAX_ANGLES):
        text = tokens[index].text
        if text in (";", "{", "}"):
            break
        if text in ("(", "["):
            index = close(tokens, index)
        level += (text == "<") - (text == ">")
        if level == 0:
            return index
        index += 1
    return at


def parameters(item: Item) -> list[list[Token]]:
    """The tokens of each parameter of a function."""
    opening = item.name_at + 1
    inside = item.tokens[opening + 1 : close(item.tokens, opening)]
    found: list[list[Token]] = [[]]
    at = 0
    while at < len(inside):
        text = inside[at].text
        last = close_angle(inside, at) if text == "<" else close(inside, at) if text in _CLOSING else at
        if text == ",":
            found.append([])
        else:
            found[-1] += inside[at : last + 1]
        at = last + 1
    return [] if len(found) == 1 and [token.text for token in found[0]] in ([], ["void"]) else found


def spelled(texts: Iterable[str]) -> str:
    """Tokens as source text."""
    return " ".join(texts).replace("& &", "&&").replace(": :", "::").replace("- >", "->")


def without(code: str, spans: Iterable[tuple[int, int]]) -> str:
    """`code` with these spans blanked, its lines and columns where they were."""
    parts, at = [], 0
    for start, end in sorted(spans):
        parts += [code[at:start], re.sub(r"[^\n]", " ", code[start:end])]
        at = end
    return "".join(parts) + code[at:]


def _item(tokens: Sequence[Token], first: int) -> Item:
    if tokens[first].text == "inline" and _texts(tokens, first + 1, 1) == ["namespace"]:
        return _namespace(tokens, first, first + 1)
    if tokens[first].text == "namespace":
        return _namespace(tokens, first, first)
    at, name_at, kind, call, initialised, next_angle = first, -1, "other", False, False, first
    while at < len(tokens):
        text = tokens[at].text
        if text in _BEFORE_PARENTHESES and _texts(tokens, at + 1, 1) == ["("]:
            at = close(tokens, at + 1)
        elif text in _TYPE and kind == "other" and name_at < 0 and not call:
            named = _type_name(tokens, at)
            if _texts(tokens, named + 1, 1)[0:1] in (["{"], [":"], ["::"], [";"], ["<"], ["final"]):
                kind, name_at = "type", named
            at = max(at, named)
        elif text == "<" and at >= next_angle:
            closing = close_angle(tokens, at)
            # One that nothing closes means "less than", and so do those right behind it.
            next_angle = at + _MAX_ANGLES // 6 if closing == at else closing
            at = closing
        elif text == "operator" and not call:
            name_at, kind = at, "other"
            while at + 1 < len(tokens) and (tokens[at + 1].text != "(" or tokens[at].text == "operator"):
                at += 1
            call = True
        elif text == "(":
            if not call and at > first and tokens[at - 1].kind == "word":
                call, name_at, kind = True, at - 1, "other"
            at = close(tokens, at)
        elif text == ":" and call:
            initialised = True
        elif text in ("=", "[") and not call and kind != "type" and at > first and tokens[at - 1].kind == "word":
            if name_at < 0 and tokens[first].text != "using":
                name_at = at - 1
            at = close(tokens, at) if text == "[" else _statement_end(tokens, at) - 1
        elif text == ";":
            break
        elif text == "}":
            at -= 1
            break
        elif text == "{":
            last = close(tokens, at)
            if initialised and _texts(tokens, last + 1, 1) in ([","], ["{"]):
                at = last + 1  # a member initialised with braces
                continue
            if not call and kind == "other" and name_at < 0 and tokens[at - 1].kind == "word":
                name_at = at - 1
            if call or kind == "other":
                kind = "function" if call else "other"
                if kind == "function" or last == len(tokens):
                    return _made(tokens, first, last, kind, name_at)
            at = last
        at += 1
    if tokens[first].text in ("typedef", "using"):
        kind, name_at = _alias(tokens, first, at)
    elif kind == "other" and name_at < 0 and at > first and tokens[min(at, len(tokens)) - 1].kind == "word":
        name_at = min(at, len(tokens)) - 1
    return _made(tokens, first, at, kind, name_at)


def _made(tokens: Sequence[Token], first: int, last: int, kind: str, name_at: int) -> Item:
    closed = last < len(tokens)
    inside = tuple(tokens[first : max(last, first) + 1])
    name = tokens[name_at].text if name_at >= 0 and tokens[name_at].kind == "word" else ""
    return Item(kind, name, inside, name_at - first if name_at >= 0 else -1, closed)


def _namespace(tokens: Sequence[Token], first: int, keyword: int) -> Item:
    at = keyword
    while at < len(tokens) and tokens[at].text not in ("{", ";"):
        at += 1
    last = close(tokens, at) if at < len(tokens) and tokens[at].text == "{" else at
    named = keyword + 1 < len(tokens) and tokens[keyword + 1].kind == "word"
    return _made(tokens, first, last, "namespace", keyword + 1 if named else -1)


def _type_name(tokens: Sequence[Token], keyword: int) -> int:
    at = keyword + 1
    while at < len(tokens) and tokens[at].text in ("class", "struct", "[", "__attribute__", "alignas", "final"):
        bracket = at if tokens[at].text == "[" else at + 1
        at = close(tokens, bracket) + 1 if bracket < len(tokens) and tokens[bracket].text in "[(" else at + 1
    return at if at < len(tokens) and tokens[at].kind == "word" else -1


def _alias(tokens: Sequence[Token], first: int, end: int) -> tuple[str, int]:
    """`typedef … name;` and `using name = …;` name a type; `using namespace` and `using std::x` name nothing here."""
    if tokens[first].text == "using":
        return ("type", first + 1) if _texts(tokens, first + 2, 1) == ["="] else ("other", -1)
    pointer = [at for at in range(first, end - 1) if _texts(tokens, at, 2) == ["(", "*"]]
    if pointer:
        return "type", pointer[0] + 2
    at = end - 1
    while at > first and tokens[at].kind != "word":
        at -= 1
    return "type", at


def _statement_end(tokens: Sequence[Token], at: int) -> int:
    while at < len(tokens) and tokens[at].text != ";":
        at = close(tokens, at) + 1 if tokens[at].text in _CLOSING else at + 1
    return at


def _texts(tokens: Sequence[Token], at: int, count: int) -> list[str]:
    return [token.text for token in tokens[at : at + count]]
