"""C and C++ source text as tokens: enough of translation phases 1 to 4 to know what a text is, not what it means.

Comments and white space are dropped; a preprocessing directive is one token, whatever lines it spans. Code that a
conditional leaves out is read like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SPLICE = r"\\[ \t\f\v\r]*\n"
_STRING = rf'"(?:[^"\\\n]|{_SPLICE}|\\[^\n])*+"?'
_CHARACTER = rf"'(?:[^'\\\n]|{_SPLICE}|\\[^\n])*+'?"
_LINE_COMMENT = rf"//(?:{_SPLICE}|[^\n])*+"
_COMMENT = r"/\*.*?(?:\*/|\Z)"
_DIRECTIVE = re.compile(rf"(?:[^\\/\"'\n]|{_SPLICE}|{_COMMENT}|{_LINE_COMMENT}|{_STRING}|{_CHARACTER}|[^\n])*+", re.S)
_IN_DIRECTIVE = re.compile(rf"{_STRING}|{_CHARACTER}|{_COMMENT}|//[^\n]*", re.S)
# Ordered for speed: what most of a program is made of comes first. `raw` is for C++ only, where R"( opens a string.
_PATTERN = rf"""(?P<space>[ \t\f\v\r]+)
    |(?P<word>[^\W\d][\w$]*+(?!["']))
    |(?P<newline>\n)
    |(?P<mark>[;,(){{}}=+*&|!?\[\]~^>])
    |(?P<splice>{_SPLICE})
    |(?P<comment>{_LINE_COMMENT}|{_COMMENT})
    |(?P<raw>(?:u8|[uUL])?R"(?P<end>[^ ()\\\t\v\f\n]{{0,16}})\((?:.*?\)(?P=end)"|.*\Z))
    |(?P<string>(?:u8|[uUL])?{_STRING})
    |(?P<character>(?:u8|[uUL])?{_CHARACTER})
    |(?P<number>\.?[0-9](?:[eEpP][+-]|'?[\w.])*+)
    |(?P<odd>[^\W\d][\w$]*+|\$[\w$]*+)
    |(?P<other>%:%:|\#\#|%:|<%|%>|::|->|.)
    """
_CPP = re.compile(_PATTERN, re.X | re.S)
_C = re.compile(re.sub(r"\|\(\?P<raw>.*\n", "", _PATTERN).replace("'?[", "["), re.X | re.S)
_KINDS = {"mark": "punctuation", "other": "punctuation", "raw": "string", "end": "string", "odd": "word"}
_ALTERNATIVE = {"<%": "{", "%>": "}", "%:": "#", "%:%:": "##"}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """word, number, string, character, punctuation or directive."""
    text: str
    """As written, except that digraphs are spelled out and a directive has its lines joined and comments dropped."""
    start: int
    end: int


class Unreadable(Exception):
    """The text does not end as it should, or hides from a reader what the compiler sees."""


def scan(code: str, language: str) -> list[Token]:
    """The tokens of C or C++ source. Raises Unreadable for comments, raw strings and words broken by a line end."""
    if language == "c" and (trigraph := re.search(r"\?\?[=/'()!<>-]", code)):
        raise Unreadable(f"the trigraph {trigraph[0]}")
    match = (_C if language == "c" else _CPP).match
    tokens: list[Token] = []
    at, line_start = 0, True
    while at < len(code):
        found = match(code, at)
        kind, text = _KINDS.get(found.lastgroup, found.lastgroup), found[0]
        end = at + len(text)
        if kind == "newline":
            line_start = True
        elif kind == "comment":
            _closed(text)
        elif kind == "splice":
            if at and end < len(code) and not (code[at - 1].isspace() or code[end].isspace()):
                raise Unreadable("a line that goes on in the middle of a word")
        elif text in ("#", "%:") and line_start:
            end = _DIRECTIVE.match(code, at).end()
            tokens.append(Token("directive", _without_comments(code[at:end]), at, end))
        elif kind != "space":
            if found.lastgroup in ("raw", "end") and not text.endswith(f'){found["end"]}"'):
                raise Unreadable("a raw string that never ends")
            tokens.append(Token(kind, _ALTERNATIVE.get(text, text), at, end))
            line_start = False
        at = end
    return tokens


def depth(tokens: Sequence[Token]) -> tuple[int, int, int]:
    """Braces: how far open at the end, at the lowest and at the highest point."""
    levels = [0]
    for token in tokens:
        if token.kind == "punctuation" and token.text in "{}":
            levels.append(levels[-1] + (1 if token.text == "{" else -1))
    return levels[-1], min(levels), max(levels)


def directive(token: Token) -> tuple[str, str]:
    """("define", "X 1") of `# define X 1`."""
    name, rest = re.match(r"(?:#|%:)\s*(\w*)\s*(.*)", token.text, re.S).groups()
    return name, rest.strip()


def words(tokens: Sequence[Token]) -> set[str]:
    """The identifiers and keywords, those inside directives too."""
    found = {token.text for token in tokens if token.kind == "word"}
    for token in tokens:
        if token.kind == "directive":
            found.update(re.findall(r"[^\W\d]\w*", token.text))
    return found


def _without_comments(text: str) -> str:
    def shorten(part: re.Match) -> str:
        if not part[0].startswith("/"):
            return part[0]
        _closed(part[0])
        return " "

    return _IN_DIRECTIVE.sub(shorten, re.sub(_SPLICE, "", text)).strip()


def _closed(comment: str) -> None:
    if comment.startswith("/*") and (len(comment) < 4 or not comment.endswith("*/")):
        raise Unreadable("a comment that never ends")
