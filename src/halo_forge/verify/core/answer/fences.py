"""The fences of a text in Markdown as models write them: in lists and quotes, forgotten, and with fences inside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from halo_forge.verify.core.answer.languages import KNOWN_TAGS, language_of, tag_of
from halo_forge.verify.core.answer.literals import literal_at, literals

_MARK = re.compile(
    r"^(?:(?P<lead>(?:[ \t]*+>)*+[ \t]*+(?:(?:[-*+]|\d{1,3}[.)])[ \t]++)?)|[^`~\n]*[^`~\s][ \t]*)"
    r"(?P<mark>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^\n`]*+)$",
    re.M,
)
"""A line that opens or closes a fence; without `lead`, words stand before it."""
_CARELESS = re.compile(r"^(?P<lead>[ \t>]*+)(?:`{3,}+|~{3,}+)[^\n`]*+$|(?<=[^`\n])(?:```|~~~)[ \t]*+$", re.M)
"""What closes a fence that nothing else closes: with fewer marks, or words behind, or at the end of a line of code."""
_WORK = 4
"""How often, as a whole, a text is looked through in search of where fences, strings and comments end."""


@dataclass(frozen=True)
class Fence:
    tag: str
    body: str
    """Without the indentation and the quote marks of what the fence stands in; ends its last line."""
    closed: bool
    start: int
    """Where the body begins in the text, …"""
    end: int
    """… and where it ends."""


def fences(text: str, language: str) -> list[Fence]:
    """The fences of `text`, an answer in `language`.

    A line that could close a fence does not if it stands in a string or a comment of the fence's program: a docstring
    may hold fences itself. A fence that opens under a known tag inside another one closes that, as the model forgot to.
    """
    return list(_Reader(text, language).fences()) if "```" in text or "~~~" in text else []


def fence_lines(text: str) -> list[re.Match[str]]:
    """The lines of `text` that open or close fences, with the groups `mark` and `info`."""
    return [found for found in _MARK.finditer(text) if found["lead"] is not None]


class _Reader:
    def __init__(self, text: str, language: str):
        self._text, self._language = text, language
        self._budget = _WORK * len(text) + 100_000

    def fences(self) -> Iterator[Fence]:
        opener = self._opener(0)
        while opener is not None:
            tag, start = tag_of(opener["info"]), min(opener.end() + 1, len(self._text))
            closer = self._closer(start, opener["mark"], language_of(tag, self._language))
            end = max(start, closer.start() if closer else len(self._text))
            body = _unwrapped(self._text[start:end].rstrip("\n") + "\n", opener["lead"] or "")
            yield Fence(tag, body, closer is not None, start, end)
            if closer is None:
                return
            opens = closer.re is _MARK and closer["info"].strip()
            opener = closer if opens else self._opener(max(closer.end(), start))

    def _opener(self, at: int) -> re.Match[str] | None:
        found = _MARK.finditer(self._text, at)
        return next((one for one in found if one["lead"] is not None or tag_of(one["info"]) in KNOWN_TAGS), None)

    def _closer(self, start: int, mark: str, language: str | None) -> re.Match[str] | None:
        if self._budget > 0:
            proper = (one for one in _MARK.finditer(self._text, start) if _closes(one, mark))
            if found := self._outside(proper, start, language):
                return found
            self._budget -= len(self._text) - start
        return self._outside(_CARELESS.finditer(self._text, start), start, language)

    def _outside(self, candidates: Iterable[re.Match[str]], start: int, language: str | None) -> re.Match[str] | None:
        """The first candidate that stands in no string and no comment of the program that begins at `start`."""
        at = start
        for candidate in candidates:
            if language is None:
                return candidate
            if candidate.start() < at:
                continue  # in the string that the last one stood in
            opened = None
            for begin, end, ends in literals(self._text, language, at, candidate.start()):
                opened = None if ends else begin
                at = end
            if opened is None:
                return candidate
            at, ends = literal_at(self._text, language, opened)
            self._budget -= at - opened
            if not ends or self._budget < 0:
                return candidate  # the string never ends: the program is cut there, or broken
        return None


def _closes(line: re.Match[str], mark: str) -> bool:
    """Whether a line closes a fence that `mark` opened, perhaps by opening the next one."""
    if line["lead"] is None or not line["mark"].startswith(mark):
        return False
    return not line["info"].strip() or tag_of(line["info"]) in KNOWN_TAGS


def _unwrapped(body: str, lead: str) -> str:
    """The body of a fence in a list or a quote, as it would be outside of it."""
    if not lead:
        return body
    quote = re.compile(r"[ \t]*> ?" if lead.endswith((" ", "\t")) else r"[ \t]*>")
    lines = body.split("\n")
    for _ in range(lead.count(">")):
        lines = [quote.sub("", line, count=1) if quote.match(line) else line for line in lines]
    # One space belongs to the quote mark. What stands to the left of the fence has no indentation to lose.
    width = len(lead.rpartition(">")[2].expandtabs(4)) - (">" in lead)
    first = next((line for line in lines if line.strip()), "")
    width = min(width, _indentation(first))
    return "\n".join(_without_columns(line, width) for line in lines)


def _indentation(line: str) -> int:
    line = line.expandtabs(4)
    return len(line) - len(line.lstrip(" "))


def _without_columns(line: str, width: int) -> str:
    """The line without that many columns of white space, or all that it begins with."""
    column = 0
    while line[:1] in (" ", "\t") and column < width:
        column += 4 if line[0] == "\t" else 1
        line = line[1:]
    return line
