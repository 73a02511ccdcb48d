"""A harness task's prefix and an answer, joined as the answer asks for it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from halo_forge.verify.harness.declarations import Item, items, without
from halo_forge.verify.harness.tokens import Token, Unreadable, depth, directive, scan

LONGEST, DEEPEST = 64_000, 200
"""Answers with more characters, or deeper braces, are not read any further."""
_FEATURES = re.compile(r"(?:_[A-Z0-9_]*SOURCE|_USE_MATH_DEFINES|_FILE_OFFSET_BITS)(?:\s+\d+L?)?")


@dataclass(frozen=True)
class Prefix:
    """What stands above the answer: whole declarations, and perhaps one that is left open (a function's head)."""

    head: str
    items: tuple[Item, ...]
    open_text: str
    """From the start of the open declaration on; "" if there is none."""
    open: Item | None


@dataclass(frozen=True)
class Joined:
    """The text of an answer that stands below `Prefix.head`, and the includes that stand above it."""

    included: tuple[Token, ...]
    """Its #include lines outside of conditionals: they mean the same above it, and an answer that is only a function's
    body may hold some too."""
    text: str
    """What is left: its own `main` is blanked, and what it repeats of the prefix word for word."""
    tokens: tuple[Token, ...]
    items: tuple[Item, ...]
    renamed: tuple[str, ...]
    """Functions of the prefix that the answer defines again in its own way: its own get another name."""
    above: int
    """How many characters of `text` are the prefix's."""

    @property
    def includes(self) -> str:
        return "".join(f"{token.text}\n" for token in self.included)

    @property
    def macros(self) -> list[str]:
        """Names that the answer defines or undefines as macros."""
        changed = (directive(token) for token in self.tokens if token.kind == "directive")
        names = [re.match(r"\w+", rest) for name, rest in changed if name in ("define", "undef")]
        return sorted({name[0] for name in names if name})

    def source(self, name: str) -> str:
        """The text, its lines numbered as the model wrote them, in a file of this name."""
        lines = f'# 1 "prompt" 3\n{self.text[: self.above]}\n' if self.above else ""
        return f'{lines}# 1 "{name}"\n{self.text[self.above :]}\n'


@functools.lru_cache(maxsize=64)
def read_prefix(prefix: str, language: str) -> Prefix:
    """Raises Unreadable."""
    tokens = scan(prefix, language)
    found = items(tokens)
    if not found or found[-1].closed:
        return Prefix(prefix, tuple(found), "", None)
    last = found.pop()
    return Prefix(prefix[: last.start], tuple(found), prefix[last.start :], last)


def join(prefix: Prefix, answer: str, language: str) -> Joined:
    """The answer below the prefix's head: as it is if it defines what the prefix leaves open, else inside of that.

    Raises Unreadable if its comments, braces or conditionals do not end within it.
    """
    if len(answer) > LONGEST:
        raise Unreadable(f"more than {LONGEST} characters")
    text, above = answer, 0
    if prefix.open is not None and not _defines(prefix.open, items(scan(answer, language))):
        opened = prefix.open_text.rstrip() + "\n"
        text, above = opened + answer, len(opened)
        tokens = scan(text, language)
        missing = depth(tokens)[0]
        if missing > 0:
            closing = "}" * missing + (";" if prefix.open.kind == "type" else "")
            text += f"\n{closing}\n"
    tokens = scan(text, language)
    left_open, lowest, deepest = depth(tokens)
    if left_open or lowest or deepest > DEEPEST:
        raise Unreadable("braces that do not pair" if deepest <= DEEPEST else f"braces more than {DEEPEST} deep")
    found, includes = items(tokens), _includes(tokens)
    known = {item.words for item in prefix.items}
    dropped = {item.start for item in found if item.words in known or (item.kind == "function" and item.name == "main")}
    kept = tuple(item for item in found if item.start not in dropped)
    ours = {item.name for item in prefix.items if item.kind == "function"}
    renamed = sorted({item.name for item in kept if item.kind == "function" and item.name in ours})
    spans = [(item.start, item.end) for item in found if item.start in dropped]
    spans += [(token.start, token.end) for token in includes]
    text = without(text, spans)
    left = tuple(scan(text, language))
    return Joined(tuple(includes), text, left, kept, tuple(renamed), above)


def _defines(asked: Item, found: Iterable[Item]) -> bool:
    """Whether one of these is what the prefix leaves open. A call of it, in a body that recurses, is not."""
    return any(item.name == asked.name and (item.kind in (asked.kind, "type") or "=" in item.words) for item in found)


def _includes(tokens: Iterable[Token]) -> list[Token]:
    """The #include lines outside of conditionals, and the macros above them that choose what headers declare."""
    found, level = [], 0
    for token in tokens:
        if token.kind != "directive":
            continue
        name, rest = directive(token)
        level += name in ("if", "ifdef", "ifndef")
        level -= name == "endif"
        if level < 0:
            break
        if level == 0 and (name == "include" or (name == "define" and _FEATURES.fullmatch(rest))):
            found.append(token)
    if level != 0:
        raise Unreadable("an #if without its #endif, or the other way round")
    return found
