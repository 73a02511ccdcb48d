"""How a problem wants its answers compared: what its statement says of errors, decimals and case, and its outputs show.

    absolute or relative error at most 10^{-5}     numbers, with that error
    rounded to two decimals                        numbers, equal but for zeros at their end
    exactly two decimals                           texts
    print YES or NO in any case                    texts, in upper or lower case

Where a statement says nothing, outputs with the long fractions that only computing brings about are numbers, with the
usual error; 1.10 and 12.30 stay texts, for they may be a version and a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from halo_forge.records import CallTests, StdioTests

_ROUNDED = 4
"""So many decimals are rounded to be read; more are asked for to see an exact enough number."""
_COMPUTED = 5
"""Decimals that nobody writes by hand."""
_DOUBLE = 17
"""Significant digits of a double: what has more of them is long arithmetic, and right to its last digit."""

_NUMBER = re.compile(r"[+-]?(\d+)(?:\.(\d*))?(?:[eE][+-]?\d+)?", re.ASCII)

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_MINUS = str.maketrans(dict.fromkeys("−–‐‑‒—﹣－", "-"))  # what statements write for a minus
_SUPERSCRIPT = re.compile(r"<sup>\s*(.*?)\s*</sup>|\\textsuperscript\{(.*?)\}|([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", re.S)
_MARKUP = re.compile(r"\\[,;:! ]|\\(?:text|mathrm|operatorname|mathit)\b|[${}`*~]|\\[()\[\]]|&nbsp;")

_ERROR = re.compile(
    r"(?:\b(?:1(?:\.0+)?\s*(?:×|x|\.|\\times|\\cdot)\s*)?\b10\s*(?:\^|\s)?\s*\(?\s*-\s*(?P<power>\d{1,2})\b"
    r"|\b1(?:\.0+)?\s*e\s*-\s*(?P<exponent>\d{1,2})\b|(?<![\d.])(?P<decimal>0\.0*[1-9])(?![\d.]*\d))",
    re.IGNORECASE,
)
_OF_ERRORS = re.compile(r"\b(?:errors?|precision|tolera\w+|accura\w+)\b", re.IGNORECASE)
_OF_DISTANCES = re.compile(r"\b(?:differ\w*|deviat\w+|within|approximat\w+|close)\b", re.IGNORECASE)
_OF_ANSWERS = re.compile(r"\b(?:answers?|outputs?|accepted|correct|jury|judges?|results?|solutions?)\b", re.IGNORECASE)
_APART = re.compile(r"\b(?:at\s+least|more\s+than|(?:>|\\ge)=?)\s*$", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[a-z)\d\"'])[.!?](?=\s+[A-Z\"(]|\s*$)|\n\s*\n")

_COUNTS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_COUNT = rf"(?P<count>\d{{1,2}}|{'|'.join(_COUNTS)})"
_PLACES = (
    r"(?:decimal\s+(?:places?|digits?|points?|positions?)|decimals?|(?:digits?|places?|numbers?|figures?)\s+(?:after|"
)
_PLACES += r"behind|past|following|to\s+the\s+right\s+of)\s+(?:the\s+)?(?:decimal|dot|point|comma|floating))"
_DECIMALS = re.compile(rf"\b{_COUNT}(?:\s*\(\s*\d+\s*\))?[\s-]+{_PLACES}\b", re.IGNORECASE)
_EXACTLY = re.compile(r"\bexactly\b[^.,;]{0,25}$|\bas\s+is\b", re.IGNORECASE)
_AT_LEAST = re.compile(
    r"\b(?:at\s+least|correct|accura\w+|precision|precise\w*|minimum\s+of)\b[^.;]{0,40}$", re.IGNORECASE
)

_SPELLED = re.compile(r"\bnearest\s+(tenth|hundredth|thousandth)s?\b|%\.(\d)l?f\b|\b(\d)\s*d\.?p\b\.?", re.IGNORECASE)
_NEAREST = {"tenth": "1", "hundredth": "2", "thousandth": "3"}

_ANY_CASE = re.compile(
    r"\b(?:print|output|answer|letter|character|display|write|verdict)(?:s|ted|ting|ed)?\b[^.\n]{0,90}?"
    r"(?:\bin\s+(?:any|either|arbitrary|whatever)\s+(?:letter\s+)?(?:case|register)\b"
    r"|\bcase[\s-]+(?:is\s+|are\s+|being\s+)?(?:insensitive|insensitively|ignored|(?:does\s+not|doesn't)\s+matter))",
    re.IGNORECASE,
)
_OF_INPUT = re.compile(
    r"\b(?:input|given|contain\w*|consists?|compar\w+|sort\w*|search\w*|consider\w*|treat\w*)\b", re.IGNORECASE
)


def as_asked(tests: Any, statement: str) -> Any:
    """The tests, compared as the statement asks and their outputs show; other kinds than stdio and calls as they are.

    For tests that say nothing of it themselves, as those of other data sets.
    """
    if isinstance(tests, CallTests):
        stated = stated_error(statement)
        return tests if stated is None else tests.model_copy(update={"tolerance": stated})
    if not isinstance(tests, StdioTests):
        return tests
    outputs = [case.stdout for case in tests.cases]
    found: dict[str, Any] = _numbers_asked(statement, outputs)
    if any_case(statement) and any(map(str.isalpha, "".join(outputs))):
        found["ignore_case"] = True
    return tests.model_copy(update=found)


def stated_error(statement: str) -> float | None:
    """The largest error, absolute or relative, that a statement allows; None if it says nothing of one.

    Read as it is spelled in plain text, LaTeX and HTML: 10^{-6}, 1e-6, 0.000001, 10<sup>−6</sup>, 10⁻⁶.
    """
    for sentence in _sentences(statement):
        of_errors = _OF_ERRORS.search(sentence)
        if not of_errors and not (_OF_DISTANCES.search(sentence) and _OF_ANSWERS.search(sentence)):
            continue
        for match in _ERROR.finditer(sentence):
            if not of_errors and _APART.search(sentence[: match.start()]):
                continue  # how far apart what is given stands
            digits = match["power"] or match["exponent"]
            error = float(f"1e-{digits}") if digits else float(match["decimal"])
            if 1e-18 <= error <= 0.1:
                return error
    return None


def any_case(statement: str) -> bool:
    """Whether a statement says that letters of the output may be in upper or lower case."""
    return any(
        (match := _ANY_CASE.search(sentence)) and not _OF_INPUT.search(sentence[: match.end()])
        for sentence in _sentences(statement)
    )


def _numbers_asked(statement: str, outputs: list[str]) -> dict[str, Any]:
    fractions = list(_fractions(outputs))
    stated = stated_error(statement)
    if stated is not None:
        return {"compare": "float", "tolerance": stated} if any(_numbers(outputs)) else {}
    if not fractions:
        return {}
    for sentence in _sentences(statement):
        for match in _DECIMALS.finditer(sentence):
            count = match["count"].lower()
            count = int(count) if count.isdigit() else 1 + _COUNTS.index(count)
            before = sentence[: match.start()]
            if not count or max(map(len, fractions)) > count and not _AT_LEAST.search(before):
                continue  # of the input, or of something else
            if _EXACTLY.search(before):
                return {}
            rounded = count <= _ROUNDED and not _AT_LEAST.search(before)
            return {"compare": "float", "tolerance": 0.0 if rounded else float(f"1e-{count}")}
    if any(len(decimals) >= _COMPUTED for decimals in fractions) and not _of_long_arithmetic(outputs):
        return {"compare": "float"}
    return {}


def _fractions(outputs: Iterable[str]) -> Iterator[str]:
    """The decimals of each number in the outputs that has some."""
    return (match[2] for match in _numbers(outputs) if match[2])


def _of_long_arithmetic(outputs: Iterable[str]) -> bool:
    return any(len(f"{match[1]}{match[2]}".strip("0")) > _DOUBLE for match in _numbers(outputs) if match[2])


def _numbers(outputs: Iterable[str]) -> Iterator[re.Match[str]]:
    return (match for output in outputs for token in output.split() if (match := _NUMBER.fullmatch(token)))


def _sentences(statement: str) -> list[str]:
    """The statement without markup, minus signs and exponents spelled one way."""
    text = _SUPERSCRIPT.sub(lambda match: "^" + (match[1] or match[2] or match[3]).translate(_SUPERSCRIPTS), statement)
    text = _MARKUP.sub("", text.translate(_MINUS))
    text = _SPELLED.sub(
        lambda match: f"{_NEAREST.get((match[1] or '').lower()) or match[2] or match[3]} decimals", text
    )
    return _SENTENCE.split(text)
