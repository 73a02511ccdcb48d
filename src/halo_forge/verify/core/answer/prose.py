"""Code without the sentences around it, where no fence says where it begins and ends."""

from __future__ import annotations

import re
from collections.abc import Sequence

from halo_forge.verify.core.answer import source
from halo_forge.verify.core.answer.languages import LOOKS_LIKE
from halo_forge.verify.core.answer.literals import Literals
from halo_forge.verify.core.answer.mend import mended

_CODE_LINE = re.compile(
    r"^[ \t]+\S|^[ \t]*(?:#|//|/\*|@|[}{])|^.*[;{}][ \t]*(?://.*)?$|^(?:def|class|import|from|template|return)\b"
)
_PROSE_LINE = re.compile(r"^[A-Z][\w']*(?:[ ,].*)?[.:!?]$")
_SENTENCE = re.compile(r"\n[ \t]*\n(?=[A-Z][\w']*,? [a-z]\w*,? \w)")
_SAID = re.compile(
    r"^[ \t]*(?:\*\*|#{1,6} |[-*] |\d+[.)] |[A-Z\"'`(][^\n]*[a-z`][ ,:.][^\n]*$|[A-Z][\w' ,-]*[.:!?]$)", re.M
)
_STARTS = 24
"""So many lines that look like code are tried as the first of the program."""
_ABOVE = {"python": re.compile(r"\s*(?:#|@|$)")}
_ABOVE_BRACED = re.compile(r"\s*(?://|/\*|\*|#|$)")


def program_in(text: str, language: str) -> str | None:
    """The program in a text without fences: prose before the first line of code is cut, and prose below it."""
    return (language == "python" and _read(text, ())) or _cut(text, language)


def function_in(text: str, language: str, names: Sequence[str]) -> str | None:
    """What defines `names` in a text without fences, or the inside of a function: from the first line of code to where
    prose begins again."""
    if language == "python" and (found := _read(text, names)):
        return found
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if _CODE_LINE.match(line)), None)
    if first is None:
        return None
    # The head of a function may take several lines, of which only the last ends like code.
    while first > 0 and lines[first - 1].strip() and not _PROSE_LINE.match(lines[first - 1].strip()):
        first -= 1
    return without_prose_below("\n".join(lines[first:]), language)


def without_prose(program: str, language: str) -> str | None:
    """A program whose end nothing marks, without the sentences below it; None if all of it is code, or cut off."""
    if language == "python":
        head = None if source.parsed(program) else source.whole_head(program)
        return f"{head.rstrip()}\n" if head and _SAID.match(program[len(head) :].lstrip("\n")) else None
    sentence = _below(program, language)
    if sentence is None or not program[:sentence].rstrip().endswith(("}", ";")):
        return None
    return program[:sentence].rstrip() + "\n"


def _read(text: str, names: Sequence[str]) -> str | None:
    """The first stretch of lines that can be read as Python, and that defines something of `names` if there are any."""
    ends = [found.start() for found in LOOKS_LIKE["python"].finditer(text)][: _STARTS if names else 1]
    tried, budget = set(), 2 * len(text) + 20_000
    for end in ends:
        start = _with_comments(text, text.rfind("\n", 0, end) + 1, "python")
        budget -= len(text) - start
        if start in tried or budget < 0:
            continue
        tried.add(start)
        body = mended(text[start:], "python")
        head = source.whole_head(body)
        if head is None:
            continue
        rest = body[len(head) :].lstrip("\n")
        if names and source.defines(head, names)[0]:
            return f"{head.strip(chr(10))}\n" if rest and _SAID.match(rest) else _ended(body)
        if not names and (not rest or _SAID.match(rest)):
            return f"{head.strip(chr(10))}\n"
    return None


def _ended(code: str) -> str:
    return code.strip("\n") + "\n"


def _with_comments(text: str, start: int, language: str) -> int:
    """Where comments and directives right above the first recognised line begin: they belong to the program."""
    lines = text[:start].split("\n")[:-1]
    while lines and _ABOVE.get(language, _ABOVE_BRACED).match(lines[-1]):
        start -= len(lines.pop()) + 1
    return start


def _cut(text: str, language: str) -> str | None:
    first = LOOKS_LIKE[language].search(text)
    if not first:
        return None
    start = _with_comments(text, text.rfind("\n", 0, first.start()) + 1, language)
    return without_prose_below(text[start:], language)


def without_prose_below(code: str, language: str) -> str | None:
    if language != "python" and "}" in code:
        code = code[: code.rindex("}") + 1] + code[code.rindex("}") + 1 :].split("\n", 1)[0]
    elif language == "python" and (end := _below(code, language)) is not None:
        code = code[:end]
    return _ended(code) if code.strip() else None


def _below(code: str, language: str) -> int | None:
    """Where a sentence begins below an empty line, outside of strings and comments."""
    spans = None
    for found in _SENTENCE.finditer(code):
        spans = spans or Literals(code, language)
        if not spans.hold(found.end()) or code[found.end() : found.end() + 2] in ("//", "/*"):
            return found.start()
    return None
