"""A harness task's test code, made ready to be compiled above or below an answer."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from halo_forge.verify.harness.declarations import close, items, without
from halo_forge.verify.harness.tokens import Token, directive, scan


@dataclass(frozen=True)
class Marked:
    """Test code whose `main` and exits are the guard's, and whose assertions carry numbers."""

    code: str
    includes: str
    numbers: tuple[int, ...]
    """Those of the assertions that every passing run goes through, in their order."""
    asserting: bool
    """Whether there are assertions at all."""


def separate(tests: str, language: str) -> tuple[str, str]:
    """The code without its #include lines, and these; a brace that closes the prefix's function is dropped."""
    tokens = scan(tests, language)
    dropped = [token for token in tokens if token.kind == "directive" and directive(token)[0] == "include"]
    included = "".join(f"{token.text}\n" for token in dropped)
    first = next((token for token in tokens if token.kind != "directive"), None)
    if first is not None and first.text == "}":
        dropped.append(first)
    return without(tests, [(token.start, token.end) for token in dropped]), included


def mark(tests: str, language: str, name: str) -> Marked:
    """The code with `main` called `<name>_tests`, exit `<name>_end` and reached assertions `<name>_must`."""
    code, includes = separate(tests, language)
    tokens = scan(code, language)
    main = next(item for item in items(tokens) if item.name == "main")
    opening = next(at for at, token in enumerate(main.tokens) if token.text == "{")
    edits = [(main.tokens[main.name_at].start, main.tokens[main.name_at].end, f"{name}_tests")]
    edits += [(token.start, token.end, "int") for token in main.tokens[: main.name_at] if token.text == "void"]
    edits.append((main.end - 1, main.end - 1, " return 0; "))
    edits += _exits(tokens, name)
    own = re.search(r"#\s*define\s+assert\b", code)
    numbers = []
    for token in [] if own else _reached(tokens, main.tokens[opening:]):
        numbers.append(secrets.randbits(64))
        edits.append((token.start, code.index("(", token.end) + 1, f"{name}_must(0x{numbers[-1]:x}ULL, "))
    parts, at = [], 0
    for start, end, text in sorted(edits):
        parts += [code[at:start], text]
        at = end
    asserting = not own and re.search(r"\bassert\s*\(", code) is not None
    return Marked("".join(parts) + code[at:], includes, tuple(numbers), asserting)


def _exits(tokens: Sequence[Token], name: str) -> list[tuple[int, int, str]]:
    """exit(0) in the tests is a way to end them well."""
    found = []
    for at, token in enumerate(tokens[:-1]):
        if token.text in ("exit", "_exit", "_Exit", "quick_exit") and tokens[at + 1].text == "(":
            first = at
            while first > 0 and tokens[first - 1].text in ("::", "std"):
                first -= 1
            found.append((tokens[first].start, token.end, f"{name}_end"))
    return found


def _reached(tokens: Sequence[Token], body: Sequence[Token]) -> list[Token]:
    """The assertions that every passing run of the tests' main goes through, once each and in this order."""
    start, end = body[0].start, body[-1].end
    if any(token.kind == "directive" and start < token.start < end for token in tokens):
        return []
    found, level, at = [], 0, 0
    while at < len(body):
        token = body[at]
        if token.text == "{" and body[at - 1].text in (")", "]") and _is_lambda(body, at):
            at = close(body, at)
        elif token.text in ("return", "goto", "exit", "_exit", "longjmp", "throw", "try") and level > 0:
            break
        elif token.kind == "punctuation":
            level += (token.text == "{") - (token.text == "}")
        elif (
            token.text == "assert" and level == 1 and body[at - 1].text in ("{", "}", ";") and body[at + 1].text == "("
        ):
            found.append(token)
        at += 1
    return found


def _is_lambda(body: Sequence[Token], at: int) -> bool:
    index, level = at - 1, 0
    if body[index].text == ")":
        while index > 0:
            level += (body[index].text == ")") - (body[index].text == "(")
            index -= 1
            if level == 0:
                break
    return body[index].text == "]"
