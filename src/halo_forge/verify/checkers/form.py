"""What reading a checker tells: whether it is a program at all, and whether it would run what it is given."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from halo_forge.records import CheckerTests

RUNS_TEXT = {"eval", "exec"}
"""Given an answer's output, these let the answer decide."""
_TESTLIB = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<](?:[\w./-]*/)?testlib\.h[">]', re.M)
_PLACES = (Path("/usr/include"), Path("/usr/local/include"))


def fault(tests: CheckerTests) -> str | None:
    """Why a checker can be of no use, whatever the machine; None if its text does not say so."""
    if "\0" in tests.code:
        return "its checker holds a NUL character"
    if tests.language == "cpp":
        return None if re.search(r"\bmain\b", tests.code) else "its checker has no main"
    try:
        tree = ast.parse(tests.code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "its checker is not Python"
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if not called:
        return "its checker calls nothing, so it says nothing"
    names = {function.id for function in called if isinstance(function, ast.Name)}
    if found := names & RUNS_TEXT:
        return f"its checker calls {min(found)}, which would run what an answer prints"
    return None


def wants_testlib(tests: CheckerTests) -> bool:
    """Whether it includes testlib.h, which this machine's compilers do not find by themselves."""
    included = tests.language == "cpp" and _TESTLIB.search(tests.code)
    return bool(included) and not any((place / "testlib.h").exists() for place in _PLACES)
