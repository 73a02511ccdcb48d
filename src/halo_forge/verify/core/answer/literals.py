"""Where the strings and comments of a program stand: what looks like a mark in one of them is no mark."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

_LINE, _BLOCK = r"//[^\n]*", r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|(?P<open_comment>\Z))"
_DOUBLE = r'"[^"\\\n]*+(?:\\[\s\S][^"\\\n]*+)*+(?:"|$|(?=\n))'
_CHARACTER = r"(?<![0-9A-Fa-f])'(?:\\[^\n][^'\n]{0,9}|[^\\'\n])'"
_TRIPLE = r'"""[^"\\]*+(?:(?:\\[\s\S]|"(?!""))[^"\\]*+)*+(?:"""|(?P<open_double>\Z|\\\Z))'
_TRIPLE_SINGLE = _TRIPLE.replace('"', "'").replace("open_double", "open_single")
_SINGLE = _DOUBLE.replace('"', "'")
_MANY_LINES = r'"[^"\\]*+(?:\\[\s\S][^"\\]*+)*+(?:"|(?P<open_string>\Z|\\\Z))'
_CPP_RAW = r'R"(?P<mark>[^\s()\\"]{0,16})\((?:[\s\S]*?\)(?P=mark)"|(?P<open_raw>[\s\S]*+))'
_RUST_RAW = r'\bb?r(?P<mark>#*)"(?:[\s\S]*?"(?P=mark)(?!#)|(?P<open_raw>[\s\S]*+))'
_GO_RAW = r"`[^`]*(?:`|(?P<open_raw>\Z))"
_C = re.compile("|".join([_LINE, _BLOCK, _CPP_RAW, _DOUBLE, _CHARACTER]), re.M)
_PATTERNS = {
    "python": re.compile("|".join([r"#[^\n]*", _TRIPLE, _TRIPLE_SINGLE, _DOUBLE, _SINGLE]), re.M),
    "cpp": _C,
    "c": _C,
    "rust": re.compile("|".join([_LINE, _BLOCK, _RUST_RAW, _MANY_LINES, _CHARACTER]), re.M),
    "go": re.compile("|".join([_LINE, _BLOCK, _GO_RAW, _DOUBLE, _CHARACTER]), re.M),
}


def literals(text: str, language: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether it comes to an end) of each string and comment of text[start:end], in their order."""
    pattern = _PATTERNS[language]
    for found in pattern.finditer(text, start, len(text) if end is None else end):
        yield found.start(), found.end(), _ends(found)


def literal_at(text: str, language: str, start: int) -> tuple[int, bool]:
    """Where the string or comment that begins at `start` ends, and whether it does."""
    found = _PATTERNS[language].match(text, start)
    return (found.end(), _ends(found)) if found else (start, True)


def _ends(found: re.Match[str]) -> bool:
    return not any(found[name] is not None for name in found.re.groupindex if name.startswith("open_"))


class Literals:
    """The strings and comments of one program, to be asked for one place after the other."""

    def __init__(self, text: str, language: str):
        self._spans = list(literals(text, language))
        self._starts = [start for start, _, _ in self._spans]

    def hold(self, at: int) -> bool:
        """Whether the character at `at` stands inside a string or a comment."""
        place = bisect_right(self._starts, at) - 1
        return place >= 0 and at < self._spans[place][1]

    def outside(self, text: str) -> Iterator[tuple[int, int]]:
        """(start, end) of the stretches of code between them."""
        at = 0
        for start, end, _ in self._spans:
            yield at, start
            at = end
        yield at, len(text)


def bare_of_literals(text: str, language: str) -> str:
    """The program with a space in the place of each string and comment."""
    return " ".join(text[start:end] for start, end in Literals(text, language).outside(text))
