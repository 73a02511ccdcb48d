"""Rows of Codeforces and LiveCodeBench as the fields of a task.

Columns, as the hub has them:
  open-r1/codeforces            id, title, description, input_format, output_format, interaction_format, note, examples
                                and official_tests (lists of input, output), rating, tags, input_mode,
                                generated_checker, executable, …
  open-r1/codeforces-cots       id, generation (reasoning, then the answer), finish_reason, …
  livecodebench/code_generation_lite  question_title, question_content, platform, question_id, contest_date,
                                starter_code, difficulty, public_test_cases (JSON), private_test_cases, metadata (JSON)
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from halo_forge.data.any_answer import REASON, asks_for_any
from halo_forge.data.asked import as_asked, stated_error
from halo_forge.data.columns import Rejected
from halo_forge.data.public.python_sets import NEAR, USUAL_ERROR, Fields, floats_in, scaled
from halo_forge.errors import InputError
from halo_forge.model.chat import fenced
from halo_forge.records import CheckerTests, PythonTests, StdioCase, StdioTests
from halo_forge.verify.core.extract import extract_code

MAX_CASES = 20
MAX_CASE_BYTES = 100_000
"""Longer cases are left out: a file of thousands of tasks has to stay a file that fits a disk and a memory."""
_MAX_PRIVATE_BYTES = 200_000_000

_ASK = {
    "cpp": "Write a complete C++ program that reads standard input and writes the answer to standard output.",
    "python": "Write a complete Python program that reads standard input and writes the answer to standard output.",
    "rust": "Write a complete Rust program that reads standard input and writes the answer to standard output.",
}


def solutions(
    rows: Iterable[Mapping[str, Any]], language: str, rejected: Counter[str], limit: int | None = None
) -> dict[str, str]:
    """A program for each problem id: the first whole one among the generations. At most `limit` problems.

    What is not taken is counted in `rejected`, by the reason.
    """
    found: dict[str, str] = {}
    for row in rows:
        if "id" not in row or "generation" not in row:
            raise InputError(f"no columns 'id' and 'generation' (columns: {', '.join(map(str, row))})")
        if row["id"] in found:
            rejected["answer: the problem has one already"] += 1
        elif row.get("finish_reason") == "length":
            rejected["answer: cut off"] += 1
        elif code := row["generation"] and extract_code(row["generation"], language):
            found[row["id"]] = code
        else:
            rejected["answer: no program in it"] += 1
        if limit and len(found) >= limit:
            break
    return found


def codeforces(row: Mapping[str, Any], language: str, known: Mapping[str, str] | None = None) -> Fields:
    """A problem with its tests. `known` has programs by id, and then a problem without one is rejected."""
    if "id" not in row or "official_tests" not in row:
        raise InputError(f"no columns 'id' and 'official_tests' (columns: {', '.join(map(str, row))})")
    if known is not None and row["id"] not in known:
        raise Rejected("no solution")
    if row.get("input_mode") not in (None, "stdio"):
        raise Rejected("reads and writes files")
    if row.get("interaction_format"):
        raise Rejected("interactive")
    if row.get("executable") is False:
        raise Rejected("no known program passes its tests")
    if not row.get("description"):
        raise Rejected("no statement")
    examples = _cases(row.get("examples") or [])
    cases = _capped([*examples, *_cases(row["official_tests"] or [])])
    says = "\n\n".join(row[name] for name in ("description", "input_format", "output_format", "note") if row.get(name))
    # A Python program that prints 1 or 0, run as the protocol `score` has it.
    checker = row.get("generated_checker")
    tests = CheckerTests(cases=cases, language="python", code=checker) if checker else StdioTests(cases=cases)
    tests = as_asked(tests, says)
    return {
        "task_id": f"codeforces/{language}/{row['id']}",
        "language": language,
        "prompt": _statement(row, examples, language),
        "tests": tests.model_dump(),
        "solution": (known or {}).get(row["id"]),
        "tags": list(row.get("tags") or []),
        "family": f"codeforces/{row['id']}",
        "difficulty": _difficulty(row.get("rating")),
    }


def livecodebench(row: Mapping[str, Any], language: str = "python") -> Fields:
    """A problem with its public and private tests: input and output, or calls of the class that it starts from."""
    if "question_content" not in row or "private_test_cases" not in row:
        raise InputError(f"no column 'question_content' (columns: {', '.join(map(str, row))})")
    cases = [*_json(row["public_test_cases"]), *private_cases(row["private_test_cases"])]
    parts = [row["question_content"].strip()]
    kinds = {case.get("testtype") for case in cases}
    if kinds == {"functional"}:
        name = _json(row.get("metadata") or "{}").get("func_name")
        if not name or not row.get("starter_code"):
            raise Rejected("no name of the function to call")
        if asks_for_any(row["question_content"]):
            raise Rejected(REASON)
        parts.append(f"Start from this and answer with the whole class:\n\n{fenced(row['starter_code'], language)}")
        tests: StdioTests | PythonTests = _calls(cases, name, stated_error(row["question_content"]))
    elif kinds == {"stdin"}:
        parts.append(_ASK[language])
        tests = as_asked(StdioTests(cases=_capped(_cases(cases))), row["question_content"])
    else:
        raise Rejected("no tests")
    return {
        "task_id": f"livecodebench/{row['question_id']}",
        "language": language,
        "prompt": "\n\n".join(parts),
        "tests": tests.model_dump(),
        "tags": [str(row[name])[:10] for name in ("platform", "difficulty", "contest_date") if row.get(name)],
        "family": f"livecodebench/{row['question_id']}",
    }


class _TextOnly(pickle.Unpickler):
    """Unpickles texts and nothing that would have to be looked up by name, so no code of the file's is run."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is not text")


def private_cases(text: str) -> list[dict]:
    """Test cases as JSON, or as that JSON pickled, compressed and in base64, as LiveCodeBench hides them."""
    if text.lstrip()[:1] == "[":
        return _json(text)
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _MAX_PRIVATE_BYTES)
        return _json(_TextOnly(io.BytesIO(data)).load())
    except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError) as error:
        raise Rejected("private tests that cannot be read") from error


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str | bytes) else text
    except ValueError as error:
        raise Rejected("tests that are not JSON") from error


def _calls(cases: list[dict], name: str, stated: float | None) -> PythonTests:
    """Asserts; of floats the error that the statement allows, or EvalPlus' own."""
    usable = [case for case in cases if len(case["input"]) + len(case["output"]) <= MAX_CASE_BYTES][:MAX_CASES]
    if not usable:
        raise Rejected("no tests of a usable size")
    values = [_json(case["output"]) for case in usable]
    error = scaled(stated or USUAL_ERROR, values) if any(True for _ in floats_in(values)) else None
    lines = [NEAR] if error else []
    for case, value in zip(usable, values, strict=True):
        given = ", ".join(repr(_json(line)) for line in case["input"].split("\n") if line.strip())
        call = f"Solution().{name}({given})"
        lines.append(f"assert _same({call}, {value!r}, {error!r})" if error else f"assert {call} == {value!r}")
    return PythonTests(code="\n".join(lines), entry_point="Solution")


def _cases(rows: Iterable[Mapping[str, Any]]) -> list[StdioCase]:
    """Pairs of input and output, each ending its last line."""
    pairs = [(row.get("input"), row.get("output")) for row in rows]
    return [
        StdioCase(stdin=stdin.rstrip("\n") + "\n", stdout=stdout.rstrip("\n") + "\n")
        for stdin, stdout in pairs
        if isinstance(stdin, str) and isinstance(stdout, str)
    ]


def _capped(cases: list[StdioCase]) -> list[StdioCase]:
    """The first MAX_CASES different ones that are not too long. Raises Rejected if none is left."""
    kept: dict[str, StdioCase] = {}
    for case in cases:
        if len(kept) < MAX_CASES and len(case.stdin) + len(case.stdout) <= MAX_CASE_BYTES:
            kept.setdefault(case.stdin, case)
    if not kept:
        raise Rejected("no tests of a usable size" if cases else "no tests")
    return list(kept.values())


def _statement(row: Mapping[str, Any], examples: list[StdioCase], language: str) -> str:
    parts = [row["title"].strip()] if row.get("title") else []
    parts.append(row["description"].strip())
    for heading, column in (("Input", "input_format"), ("Output", "output_format")):
        if row.get(column):
            parts.append(f"{heading}:\n{row[column].strip()}")
    parts += [f"Example input:\n{case.stdin.strip()}\nExample output:\n{case.stdout.strip()}" for case in examples]
    if row.get("note"):
        parts.append(f"Note:\n{row['note'].strip()}")
    return "\n\n".join([*parts, _ASK[language]])


def _difficulty(rating: float | None) -> int | None:
    """A rating on the scale of the built-in tasks, on which the easiest problems of a contest are in the middle."""
    if not rating:
        return None
    return 3 if rating <= 1200 else 4 if rating <= 1800 else 5
