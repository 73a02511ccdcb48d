"""A problem as four sets of grams: what its prompt says and in which words, what its solution does, what its tests ask.

Two problems are copies of each other if one of the four is shared, so each of them is enough to find a copy:
    prompt    pairs of stems at most SPAN apart in the text (a changed word spoils few of them)
    wording   runs of PHRASE words, numbers all alike (found in any company, however few words the problem has)
    solution  runs of RUN tokens with the author's names replaced by their order (equal under any renaming)
    tests     whole cases: input with output, or an assert statement, names replaced; the longer a case, the more
              grams, since long cases are not the same by chance
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from halo_forge.data.clean.normal import hashed, program, remarks, renamed, stems, tokens, words
from halo_forge.data.rows import Row, family_of, read_file
from halo_forge.records import CallTests, CheckerTests, HarnessTests, PytestTests, PythonTests, StdioTests, Task, Tests
from halo_forge.verify.core.extract import TAGS

SPAN = 3
PHRASE = 6
CASE_TOKENS = 4
"""A case counts as one gram for this many tokens …"""
CASE_GRAMS = 8
"""… and as at most this many."""
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[ \t]*([\w+#-]*)[^\n]*\n(.*?)(?:^[ \t]*(?:`{3,}|~{3,})|\Z)", re.M | re.S)
_ASSERT = re.compile(r"^[ \t>]*(assert\b[^\n]+)", re.M)
_C_ASSERT = re.compile(r"\b(?:assert(?:_eq!|!)?|ASSERT\w*|EXPECT\w*)\s*\(.*?\)\s*(?:;|$)", re.M | re.S)


@dataclass(frozen=True)
class Fingerprint:
    """`name` is unique and for reports, `origin` the data set. `says` is the whole prompt, so that equal prompts are
    found however short they are."""

    name: str
    family: str
    origin: str
    says: int | None
    prompt: frozenset[int]
    wording: frozenset[int]
    solution: frozenset[int]
    tests: frozenset[int]


def of_task(task: Task) -> Fingerprint:
    solution = task.solution or ""
    prose = f"{task.prompt}\n{remarks(solution, task.language)}"
    return Fingerprint(
        task.task_id,
        task.family,
        task.source.dataset,
        _says(task.prompt),
        _stems(prose),
        _phrases(prose),
        program(solution, task.language),
        frozenset(_cases(task.tests, task.language)),
    )


def of_row(row: Row, name: str) -> Fingerprint:
    """Of any row: programs are its answer's fences, or the answer if it has none; tests are asserts that it shows."""
    if row.task is not None:
        return replace(of_task(row.task), name=name, origin=row.path)
    answer = row.answer or ""
    fences = [(_language(tag, body), body) for tag, body in _FENCE.findall(answer)]
    prose = _FENCE.sub("\n", answer)
    if answer and not fences and re.search(r"^\s*(?:def|class|import|from|#include|fn|func|package)\b", answer, re.M):
        fences, prose = [(_language("", answer), answer)], ""
    prose = "\n".join([row.prompt, prose, *(remarks(body, language) for language, body in fences)])
    programs = [program(body, language) for language, body in fences]
    return Fingerprint(
        name,
        family_of(row.prompt),
        row.path,
        _says(row.prompt),
        _stems(prose),
        _phrases(prose),
        frozenset().union(*programs),
        frozenset(gram for text in _ASSERT.findall(f"{row.prompt}\n{answer}") for gram in _statement(text, "python")),
    )


def of_file(path: str | Path) -> list[Fingerprint]:
    """Of every row of a file of any kind, named by its place. Raises InputError as data.rows.read_file does."""
    return [of_row(row, row.place) for row in read_file(path)]


def _says(prompt: str) -> int | None:
    found = words(prompt)
    return hashed(found) if found else None


def _stems(text: str) -> frozenset[int]:
    found = stems(text)
    return frozenset(
        hashed([stem, other])
        for start, stem in enumerate(found)
        for other in found[start + 1 : start + 1 + SPAN]
        if other != stem
    )


def _phrases(text: str) -> frozenset[int]:
    found = ["#" if word[0].isdigit() else word for word in words(text)]
    return frozenset(hashed(found[start : start + PHRASE]) for start in range(len(found) - PHRASE + 1))


def _cases(tests: Tests, language: str) -> Iterator[int]:
    match tests:
        case StdioTests() | CheckerTests():
            for case in tests.cases:
                yield from _weighed([*case.stdin.split(), "->", *case.stdout.split()])
        case CallTests():
            for case in tests.cases:
                arguments = ", ".join(map(repr, case.args))
                yield from _statement(f"assert {tests.entry_point}({arguments}) == {case.expected!r}", "python")
        case PythonTests():
            yield from _asserts(tests.code)
        case PytestTests():
            for code in tests.files.values():
                yield from _asserts(code)
        case HarnessTests():
            for statement in _C_ASSERT.findall(tests.code):
                yield from _statement(statement, language)


def _asserts(code: str) -> Iterator[int]:
    """The assert statements of Python tests, wherever they stand; of tests that do not parse, their lines."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "\d" in somebody's tests
            found = [ast.unparse(node) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Assert)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        found = _ASSERT.findall(code)
    for statement in found:
        yield from _statement(statement, "python")


def _statement(text: str, language: str) -> Iterator[int]:
    return _weighed(renamed(tokens(text, language)))


def _weighed(case: Sequence[str]) -> Iterator[int]:
    for number in range(min(CASE_GRAMS, 1 + len(case) // CASE_TOKENS)):
        yield hashed([str(number), *case])


def _language(tag: str, body: str) -> str:
    known = next((language for language, tags in TAGS.items() if tag.lower() in tags), None)
    return known or ("python" if re.search(r"^\s*(?:def|class|import|from) .*", body, re.M) else "cpp")
