"""README.md and docs/ as the tests read them: code blocks, commands, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
PROGRAMS = ("halo-forge", "make", "python", "dvc")
"""Whose commands are looked for in the running text too."""
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block. `kind` is what stands behind the fence: `sh`, `yaml`, `json file=tasks.jsonl`, …"""

    page: Path
    line: int
    kind: str
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def file(self) -> str | None:
        """The file that the reader is to make of it."""
        return self.kind.partition(" file=")[2] or None


@dataclass(frozen=True)
class Command:
    """One command of a line, without its comment, in words as a shell splits them."""

    where: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where}: {shlex.join(self.words)}"


def blocks(page: Path) -> Iterator[Block]:
    block = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if block is None and line.startswith("```"):
            block = Block(page, number, line.removeprefix("```"))
        elif block is not None and line == "```":
            yield block
            block = None
        elif block is not None:
            block.lines.append(line)
    assert block is None, f"{page.name}:{block.line}: the block never ends"


def sh_lines(page: Path) -> list[str]:
    """The lines of a page's `sh` blocks."""
    return [line for block in blocks(page) if block.kind == "sh" for line in block.lines]


def write_files(page: Path, folder: Path) -> None:
    """The files that the reader is to make of a page's blocks."""
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")


def commands(page: Path) -> Iterator[Command]:
    """All of the `sh` blocks, and those of PROGRAMS in the running text: there a --help stands for what is left out."""
    for block in blocks(page):
        if block.kind == "sh":
            for number, line in enumerate(block.lines, start=block.line + 1):
                yield from commands_of(line, f"{page.name}:{number}")
    for span in _SPAN.findall(prose(page)):
        words = span.split()
        if words[0] in PROGRAMS and len(words) > 1 and not re.search(r"…|<\w+>|^python -I", span):
            whole = [*words, "--help"] if words[0] == "halo-forge" else words
            yield from commands_of(" ".join(whole), page.name)


def commands_of(line: str, where: str) -> Iterator[Command]:
    """What a shell would run of `line`: variables set before a command are no part of it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("&|;"):
            if words or not re.match(r"\w+=", word):
                words.append(word)
        elif words:
            yield Command(where, tuple(words))
            words = []


def prose(page: Path) -> str:
    """The text of a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def spans(page: Path) -> list[str]:
    """What stands between backticks in the running text."""
    return _SPAN.findall(prose(page))


def links(page: Path) -> list[str]:
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as they are made on the pages of forges."""
    found = re.findall(r"^#+ (.+)$", prose(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}
