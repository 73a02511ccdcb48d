"""When two answers are one program."""

from __future__ import annotations

import io
import re
import tokenize

_CPP_TOKEN = re.compile(
    r"""(?P<skipped>//[^\n]*|/\*.*?\*/) | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | \w+ | [^\w\s]""",
    re.DOTALL | re.VERBOSE,
)


def normalised(code: str, language: str) -> str:
    """The tokens of a program without comments and layout, so that two spellings of it compare equal."""
    if language != "python":
        return "\x1f".join(match[0] for match in _CPP_TOKEN.finditer(code) if not match["skipped"])
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):
        return code.strip()
    # Layout tokens (INDENT, DEDENT, NEWLINE) have blank text but carry meaning: their type stands for them.
    skipped = (tokenize.COMMENT, tokenize.NL)
    return "\x1f".join(t.string.strip() or tokenize.tok_name[t.type] for t in tokens if t.type not in skipped)
