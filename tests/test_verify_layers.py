"""The rings of verify/: what each may import of the others."""

from __future__ import annotations

import ast
from collections import defaultdict

from halo_forge.imports import PACKAGE, imported_names, module_file

VERIFY = PACKAGE / "verify"
GROUND = {"core", "sandbox"}
# ring -> what it may import; a ring not named here may import the ground
ALLOWED = {
    "sandbox": set(),
    "core": {"sandbox/job.py"},  # a Report is what grading reads
    "checkers": GROUND,
    "compiled": {"checkers", *GROUND},
    "python": {"checkers", *GROUND},
    "cpp": {"compiled", *GROUND},
    "harness": {"cpp", "compiled", *GROUND},
    "windows": {"checkers", "cpp", "compiled", "remote", *GROUND},
    "rust.py": {"compiled", *GROUND},
    "go.py": {"compiled", *GROUND},
    "selfcheck": {"core"},  # any verifier can be run through it
}
# What puts them together, from the bottom up: each may import the rings and what stands before it.
ABOVE = (
    "registry.py",
    "late.py",
    "identity.py",
    "verdict_cache.py",
    "ahead.py",
    "shelf.py",
    "programs.py",
    "references.py",
    "judge.py",
    "second_look.py",
    "run.py",
)


def imports() -> dict[str, set[str]]:
    """ring, or module beside the rings -> files of others below verify/ that it imports."""
    found = defaultdict(set)
    for file in VERIFY.rglob("*.py"):
        ring = file.relative_to(VERIFY).parts[0]
        for path in filter(None, map(module_file, imported_names(ast.parse(file.read_bytes())))):
            if path.is_relative_to(VERIFY) and path.relative_to(VERIFY).parts[0] != ring:
                found[ring].add(path.relative_to(VERIFY).as_posix())
    return found


def test_rings_import_the_ground_and_no_other_but_those_that_build_on_each_other() -> None:
    wrong = {
        ring: sorted(path for path in paths if not {path, path.split("/")[0]} & ALLOWED.get(ring, GROUND))
        for ring, paths in imports().items()
        if ring not in ABOVE
    }
    assert {ring: paths for ring, paths in wrong.items() if paths} == {}


def test_what_stands_above_the_rings_imports_only_downwards() -> None:
    found = imports()
    for place, module in enumerate(ABOVE):
        assert not found[module] & set(ABOVE[place:]), module
    assert set().union(*found.values()) >= {"core/protocol.py", "registry.py"}, "no import was seen at all"
