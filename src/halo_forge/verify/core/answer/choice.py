"""Which of an answer's fences is the program, and which others it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from halo_forge.verify.core.answer import source
from halo_forge.verify.core.answer.fences import Fence
from halo_forge.verify.core.answer.languages import KNOWN_TAGS, LOOKS_LIKE, TAGS, WHOLE
from halo_forge.verify.core.answer.literals import bare_of_literals
from halo_forge.verify.core.answer.mend import mended
from halo_forge.verify.core.answer.prose import without_prose

_DEFINING = {"rust": "fn|struct|enum|trait|type|const|static|mod|union", "go": "func|type|var|const"}
_BRACED = re.compile(
    r"^(?:template[ \t]*<[^\n]*>[ \t]*)?(?:typedef[ \t]+)?(?:class|struct|union|enum(?:[ \t]+class)?)[ \t]+"
    r"(?P<type>\w+)"
    r"|^#[ \t]*define[ \t]+(?P<macro>\w+)"
    r"|^(?![ \t]*(?:if|while|for|return|switch|else|using|namespace)\b)[^\n(){};=#]*[\w>&*\]][ \t*&]+(?P<function>\w+)"
    r"[ \t\n]*\([^;{}]{0,2000}\)[^;{}()]{0,200}\{",
    re.M,
)
_EMPTY = re.compile(r"(?:\s|//[^\n]*|/\*[\s\S]*?\*/|\.\.\.|…)*\}")
_HEAD = re.compile(r"^(?:[ \t]*(?:#[ \t]*(?:include|define|pragma)\b[^\n]*|using\b[^\n]*;|//[^\n]*)?\n)*")
_OWN_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*\"[^\n]*\n", re.M)
_GO_HEAD = re.compile(r"^package[ \t]+\w+[^\n]*\n|^import[ \t]+(?:\"[^\n]*\n|\([^)]*\)[^\n]*\n)", re.M)


@dataclass(frozen=True)
class _Candidate:
    body: str
    closed: bool
    place: int


def choose(found: Sequence[Fence], language: str, names: Sequence[str] | None) -> str | None:
    """The program among the fences, joined with those that define what it only uses; see `extract_code`."""
    filled = [(fence, _body(fence, language), place) for place, fence in enumerate(found) if fence.body.strip()]
    looks = LOOKS_LIKE[language]

    def those(wanted: Callable[[str, str], bool]) -> list[_Candidate]:
        return [_Candidate(body, fence.closed, place) for fence, body, place in filled if wanted(fence.tag, body)]

    levels = [
        those(lambda tag, body: tag in TAGS[language]),
        those(lambda tag, body: not tag and looks.search(body) is not None),
        those(lambda tag, body: tag not in KNOWN_TAGS and tag != "" and looks.search(body) is not None),
    ]
    if names is not None:
        levels.append(those(lambda tag, body: not tag))
    offered = {candidate.place: candidate for level in levels for candidate in level}
    others = [offered[place] for place in sorted(offered)]
    for level in levels if names else ():
        ranked = [
            (*_defines(candidate.body, names, language), candidate.closed, candidate.place) for candidate in level
        ]
        best = max(ranked, default=None)
        if best and best[0]:
            return _joined(offered[best[-1]], others, language, names)
    level = next(filter(None, levels), [])
    if names is None or language != "python":
        holding = [candidate for candidate in level if WHOLE[language].search(candidate.body)]
        holding = [candidate for candidate in holding if candidate.closed] or holding
        if holding:
            return _joined(holding[-1], others, language, names or ())
    if not level:
        return None
    # Without the function: what looks like the inside of one, and then the longest.
    inside = [candidate for candidate in level if names and re.search(r"^[ \t]*return\b", candidate.body, re.M)]
    return _joined(max(inside or level, key=lambda candidate: len(candidate.body)), others, language, names or ())


def _body(fence: Fence, language: str) -> str:
    body = mended(fence.body, language)
    return body if fence.closed else without_prose(body, language) or body


def _defines(body: str, names: Sequence[str], language: str) -> tuple[int, bool]:
    """(how many of `names` a fence defines, whether it can be read as it is)."""
    if language == "python":
        return source.defines(body, names)
    return sum(any(map(_is_filled(body), definition(name, language).finditer(body))) for name in names), True


def _is_filled(body: str) -> Callable[[re.Match[str]], bool]:
    """Whether a definition has more in it than dots or a comment."""

    def filled(found: re.Match[str]) -> bool:
        brace = body.find("{", found.start())
        return brace < 0 or _EMPTY.match(body, brace + 1) is None

    return filled


def definition(name: str, language: str) -> re.Pattern[str]:
    """What finds the definition of a function or type in a language with braces."""
    name = re.escape(name)
    if language in _DEFINING:
        receiver = r"(?:\([^)\n]*\)[ \t]*)?" if language == "go" else ""
        return re.compile(rf"^[ \t]*(?:\w+[ \t]+)*(?:{_DEFINING[language]})[ \t]+{receiver}{name}\b", re.M)
    body = rf"{name}[ \t\n]*\([^;{{}}]{{0,2000}}\)[^;{{}}]{{0,200}}\{{"
    statement = r"(?![ \t]*(?:if|while|for|return|switch|else)\b)"
    return re.compile(rf"^{statement}[^\n(=]*\b(?:{body}|(?:class|struct)[ \t]+{name}\b)", re.M)


def _joined(chosen: _Candidate, others: Sequence[_Candidate], language: str, names: Sequence[str]) -> str:
    """The chosen fence below those that define what it uses and nobody else does.

    Without them it could not work: a helper in a fence of its own, imports, the first of two classes.
    """
    others = [other for other in others if other.place != chosen.place]
    if not others:
        return chosen.body
    if language == "python":
        return _joined_python(chosen, others, names)
    needed = _needed(chosen, others, language)
    if not needed:
        return chosen.body
    parts = "\n".join(candidate.body for candidate in needed)
    if language == "go":
        heads = "".join(line for line in _GO_HEAD.findall(parts) if not line.startswith("package"))
        missing = "".join(line for line in heads.splitlines(keepends=True) if '"' in line and line not in chosen.body)
        parts = _GO_HEAD.sub("", parts)
        first = re.match(r"(?:\s*//[^\n]*\n|\s)*package[ \t]+\w+[^\n]*\n", chosen.body)
        at = first.end() if first else 0
        imports = "".join(f"import {line.strip().removeprefix('import').strip()}\n" for line in missing.splitlines())
        return f"{chosen.body[:at]}{imports}{chosen.body[at:]}\n{parts}"
    if language == "rust":
        return f"{chosen.body}\n{parts}"
    body = _OWN_INCLUDE.sub("", chosen.body)
    head = _HEAD.match(body)
    at = head.end() if head else 0
    return f"{body[:at]}{_OWN_INCLUDE.sub('', parts)}\n{body[at:]}"


def _joined_python(chosen: _Candidate, others: Sequence[_Candidate], names: Sequence[str]) -> str:
    if source.parsed(chosen.body) is None:
        return chosen.body
    bound = {other.place: source.bound(other.body) for other in others}
    taken: list[_Candidate] = []
    missing = (source.free(chosen.body) | set(names)) - source.bound(chosen.body)
    while missing:
        name = min(missing)
        missing.remove(name)
        defining = [other for other in others if name in bound[other.place]]
        above = [other for other in defining if other.place < chosen.place]
        if defining and not any(name in bound[other.place] for other in taken):
            other = (above or defining)[-1]
            taken.append(other)
            have = source.bound(chosen.body).union(*(bound[one.place] for one in taken))
            missing = (missing | source.free(other.body)) - have
    taken.sort(key=lambda candidate: candidate.place)
    return "\n".join(candidate.body for candidate in [*taken, chosen])


def _needed(chosen: _Candidate, others: Sequence[_Candidate], language: str) -> list[_Candidate]:
    """The fences, none of them a program of its own, that define words of the chosen one which it does not define."""
    own = _top_level(chosen.body, language)
    words = set(re.findall(r"[A-Za-z_]\w*", bare_of_literals(chosen.body, language)))
    needed: list[_Candidate] = []
    for other in others:
        defined = _top_level(other.body, language)
        if defined & (words - own) and not defined & own and not WHOLE[language].search(other.body):
            needed.append(other)
            own |= defined
    return needed


def _top_level(body: str, language: str) -> set[str]:
    if language in _DEFINING:
        return set(re.findall(rf"^(?:\w+[ \t]+)*(?:{_DEFINING[language]})[ \t]+(\w+)", body, re.M))
    return {found[found.lastgroup] for found in _BRACED.finditer(body)}
