"""An input that a program reads, as lines of words."""

from __future__ import annotations

import re

Lines = list[list[str]]
"""The words of an input, line by line."""
_INTEGER = re.compile(r"[+-]?\d{1,18}")


def lines_of(stdin: str) -> Lines:
    return [line.split() for line in stdin.strip("\n").split("\n")]


def text_of(lines: Lines) -> str:
    return "\n".join(" ".join(line) for line in lines) + "\n"


def number(word: str) -> int | None:
    return int(word) if _INTEGER.fullmatch(word) else None
