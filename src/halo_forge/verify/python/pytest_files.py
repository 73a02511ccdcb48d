"""A task's pytest files made ready for the referee."""

from __future__ import annotations

import ast
import functools
import marshal

from halo_forge.errors import InputError
from halo_forge.records import PytestTests
from halo_forge.verify.python import imports, pytest_library
from halo_forge.verify.python.inside import marking, surroundings


@functools.lru_cache(maxsize=4096)
def prepared(tests: str, task_id: str, entry_point: str | None) -> bytes:
    """What the referee takes, from the tests as JSON.

    Raises InputError if a file does not parse, imports what will not be there, or nothing in the files can fail.
    """
    files = PytestTests.model_validate_json(tests).files
    library = pytest_library.folder()
    answers = imports.answer_modules(files, task_id, entry_point, library)
    nodes = [node for name, text in files.items() if name.endswith(".py") for node in ast.walk(ast.parse(text))]
    if not any(marking.judges(node) for node in nodes):
        raise InputError(f"{task_id}: tests.files check nothing: no assert, no raises; no answer could fail them")
    payload = {"kind": "pytest", "files": files, "library": str(library), "answers": answers}
    return marshal.dumps(payload | {"surroundings": surroundings.asked("\n".join(files.values()))})
