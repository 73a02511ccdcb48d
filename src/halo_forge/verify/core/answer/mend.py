"""A program as it was meant, where the text around it or an editor has bent it so that it cannot be read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from halo_forge.verify.core.answer.literals import Literals
from halo_forge.verify.core.answer.source import parsed

_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u00ad]")
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_STRANGE = re.compile(f"{_INVISIBLE.pattern}|{_SPACES.pattern}|[“”„‘’]")
_STRAIGHT = str.maketrans("“”„‘’", '"""\'\'')
_PROMPT = re.compile(r"^(?:>>>|\.\.\.)(?: |$)", re.M)


def mended(program: str, language: str) -> str:
    """The program, with what no compiler takes put right: a byte order mark, spaces that are none, curly quotes
    outside of strings, and in Python the indentation of what it stood in, or the prompts of a session.

    What can be read as it is stays as it is.
    """
    program = program.removeprefix("\ufeff")
    if language != "python":
        return _straight(program, language) if _STRANGE.search(program) else program
    if parsed(program) is not None:
        return program
    for other in _readings(program):
        if parsed(other) is not None:
            return other
    return program


def _readings(program: str) -> Iterator[str]:
    lines = program.strip("\n").split("\n")
    if lines[0].lstrip().startswith(">>> "):
        yield _typed(lines)
    plain = program
    if _STRANGE.search(program):
        plain = _spaced(program, "python")
        yield plain
        yield textwrap.dedent(plain)
        yield plain.translate(_STRAIGHT)
        yield textwrap.dedent(plain.translate(_STRAIGHT))
    elif lines[0][:1] in (" ", "\t"):
        yield textwrap.dedent(program)


def _typed(lines: list[str]) -> str:
    """What was typed in a session: the lines behind its prompts, without what was printed."""
    lines = textwrap.dedent("\n".join(lines)).split("\n")
    return "\n".join(line[4:] for line in lines if _PROMPT.match(line)) + "\n"


def _spaced(program: str, language: str) -> str:
    """With common spaces in the place of others, and without what cannot be seen, outside of strings and comments."""
    parts, at = [], 0
    for start, end in Literals(program, language).outside(program):
        parts += [program[at:start], _SPACES.sub(" ", _INVISIBLE.sub("", program[start:end]))]
        at = end
    return "".join(parts) + program[at:]


def _straight(program: str, language: str) -> str:
    program = _spaced(program, language)
    quoted = any(
        re.search("[“”„‘’]", program[start:end]) for start, end in Literals(program, language).outside(program)
    )
    return program.translate(_STRAIGHT) if quoted else program
