"""A verifier is named by the code that judges for it, by no other, and unfinished work and kept verdicts by that name."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from verify_tasks import stdio_tests, task_of

from halo_forge.imports import PACKAGE
from halo_forge.jsonl import write_records
from halo_forge.records import Sample

# Digests of verifiers' code before and after edits, each edit in a process of its own that has not looked before.
CODES = """
import json, os, sys
from pathlib import Path
import halo_forge
from halo_forge.imports import direct
from halo_forge.settings.verify import Custom, Msvc, Verify
from halo_forge.verify.identity import code_of
from halo_forge.verify.registry import get_verifier

custom, edits = json.loads(sys.argv[1])
settings = Verify(custom=Custom(**custom), msvc=Msvc(host="h", user="u"))
names = ("gcc", "gcc-compile", "clang", "rust", "go", "mingw", "python", "msvc", "custom")
verifiers = {name: get_verifier(name, settings) for name in names}
for file in Path(halo_forge.__file__).parent.joinpath("verify").rglob("*.py"):
    direct(file)  # what a comment does not change
for name, edit in [("", None), *edits]:
    reading, writing = os.pipe()
    if os.fork() == 0:
        if edit:
            with open(edit, "a") as file:
                file.write("\\n")
        os.write(writing, json.dumps({name: code_of(verifier) for name, verifier in verifiers.items()}).encode())
        os._exit(0)
    os.wait()
    print(json.dumps([name, json.loads(os.read(reading, 1 << 16))]))
    if edit:
        Path(edit).write_bytes(Path(edit).read_bytes()[:-1])
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The folder of a copy of the package that may be edited."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def changed(source: Path, edits: dict[str, Path], custom: dict | None = None, cwd: Path | None = None):
    """edit -> the verifiers whose code is another after it."""
    given = json.dumps([custom or {"command": ["true", "{file}"]}, [[name, str(path)] for name, path in edits.items()]])
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-c", CODES, given], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (_, before), *after = map(json.loads, done.stdout.splitlines())
    return {edit: {name for name in before if codes[name] != before[name]} for edit, codes in after}


BOXED = {"gcc", "gcc-compile", "clang", "rust", "go", "mingw", "python", "custom"}
COMPILED = BOXED - {"python", "custom"}
EDITS = {
    "core/grade.py": BOXED | {"msvc"},
    "core/extract.py": BOXED | {"msvc"},
    "late.py": BOXED | {"msvc"},
    "sandbox/box.py": BOXED | {"msvc"},  # whose checkers run in a box here
    "sandbox/inside/runner.py": BOXED | {"msvc"},
    "checkers/protocol.py": BOXED - {"custom"} | {"msvc"},
    "compiled/verifier.py": COMPILED,
    "cpp/gcc.py": {"gcc", "gcc-compile", "clang", "mingw"},
    "harness/gate.py": {"gcc", "clang"},
    "harness/guard.h": {"gcc", "clang"},
    "harness/statements.py": {"gcc", "clang"},
    "harness/steps.h": {"gcc", "clang"},
    "rust.py": {"rust"},
    "go.py": {"go"},
    "windows/mingw.py": {"mingw"},
    "windows/wine.py": {"mingw"},
    "windows/msvc.py": {"msvc"},
    "windows/driver/runner.cpp": {"msvc"},
    "remote/sandbox.py": {"msvc"},
    "python/asserts.py": {"python"},
    "python/inside/referee.py": {"python"},
    "custom.py": {"custom"},
    **dict.fromkeys(
        ("judge.py", "programs.py", "registry.py", "run.py", "verdict_cache.py", "selfcheck/check.py"), set()
    ),
}


def test_an_edit_changes_the_names_of_the_verifiers_that_it_judges_for_and_of_no_other(copied):
    verify = copied / PACKAGE.name / "verify"
    assert changed(copied, {edit: verify / edit for edit in EDITS}) == EDITS


OWN = """
from abc import ABC
from judging import rules
from .limits import LIMIT
import pytest

class Base(ABC):
    isolation = "none"
    def probe(self): pass
    def check(self, task): pass
    def extract(self, task, completion): return completion

class Mine(Base):
    name = "mine"
    def __init__(self, settings, options): self.shape = rules.Shape()
    def judge(self, task, completion):
        from judging.late_import import more
"""


def test_the_name_of_a_users_own_class_holds_its_module_and_what_that_imports_of_his(tmp_path):
    folder = tmp_path / "judging"  # without an __init__.py, as folders beside params.yaml are
    folder.mkdir()
    (folder / "mine.py").write_text(OWN)
    (folder / "rules.py").write_text("from shapes import Shape\n")
    (folder / "limits.py").write_text("LIMIT = 3\n")
    (folder / "late_import.py").write_text("more = 1\n")
    (folder / "other.py").write_text("")
    (tmp_path / "shapes.py").write_text("class Shape: pass\n")
    edits = {name: folder / f"{name}.py" for name in ("mine", "rules", "limits", "late_import", "other")}
    edits["shapes"] = tmp_path / "shapes.py"
    found = changed(PACKAGE.parent, edits, {"implementation": "judging.mine:Mine"}, tmp_path)
    assert {edit for edit, names in found.items() if names == {"custom"}} == edits.keys() - {"other"}
    assert found["other"] == set()


RUN = """
from pathlib import Path
from halo_forge.settings.verify import Verify
from halo_forge.verify.run import verify_file
verify_file(Verify(workers=1), Path("tasks.jsonl"), Path("."), "test", "python")
"""


@pytest.mark.needs("python")
def test_a_run_that_was_killed_starts_anew_when_the_code_that_judges_has_changed(tmp_path, copied):
    """A judge that takes every output for right is killed and mended: none of its verdicts is taken over."""
    task = task_of(stdio_tests(("4\n", "8\n")))
    completions = [f"```python\nimport time\ntime.sleep(0.2)\nprint({number})\n```" for number in range(5)]
    samples = [Sample.of_reference(task, text, f"s{number}") for number, text in enumerate(completions)]
    write_records(tmp_path / "tasks.jsonl", [task])
    write_records(tmp_path / "samples.jsonl", samples)
    environment = {**os.environ, "PYTHONPATH": str(copied), "HALO_FORGE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", RUN]
    compare = copied / PACKAGE.name / "verify/core/compare.py"
    sound = compare.read_text()
    compare.write_text(sound + "\n\ndef outputs_match(*_):\n    return True\n")
    process = subprocess.Popen(command, cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 120
    while not any(file.read_text().count('"pass"') for file in tmp_path.glob(".state/*/*.jsonl")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    compare.write_text(sound)
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    statuses = [json.loads(line)["status"] for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert statuses == ["wrong_answer"] * 5
