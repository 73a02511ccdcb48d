"""Rows of MultiPL-E in C++ as the fields of a task.

Columns, as the hub has them: name (HumanEval_0_has_close_elements), prompt (includes, a comment, the head of a function
with its opening brace), tests (the closing brace, then a `main` of asserts that call it by the name `candidate`), …
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from halo_forge.data.columns import Rejected
from halo_forge.errors import InputError
from halo_forge.records import HarnessTests

_NAME = re.compile(r"HumanEval_(\d+)_\w+")
_TESTS = re.compile(r"\s*\}\s*(int\s+main\(\)\s*\{)\s*auto candidate = (\w+);\n(.*)", re.S)


def multipl_e_cpp(row: Mapping[str, Any]) -> dict[str, Any]:
    """The family is that of HumanEval: it is the same problem. Raises InputError for the rows of another set."""
    if lacking := {"name", "prompt", "tests"} - row.keys():
        raise InputError(
            f"no column {min(lacking)!r} (columns: {', '.join(map(str, row))}); is this the named data set?"
        )
    named, tests = _NAME.fullmatch(row["name"]), _TESTS.fullmatch(row["tests"])
    if named is None:
        raise Rejected("not of HumanEval")
    if tests is None:
        raise Rejected("tests of another form")
    main, function, asserts = tests.groups()
    head = row["prompt"]
    code = f"{main}\n" + re.sub(r"\bcandidate\(", f"{function}(", asserts)
    return {
        "task_id": f"multipl_e_cpp/{named[1]}",
        "prompt": f"Complete this C++ function. Answer with the whole function.\n\n```cpp\n{head.strip()}\n```",
        "tests": HarnessTests(prefix=head, code=code).model_dump(),
        "entry_point": function,
        "family": f"humaneval/{named[1]}",
    }
