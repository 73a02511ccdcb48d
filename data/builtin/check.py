"""Check the built-in tasks after an edit: python data/builtin/check.py [--fill] [FILE.yaml ...]

--fill first writes the missing expected outputs, taken from the Python solution. Then, for every variant, the C++
and the Python solution must pass all tests and every wrong program must fail at least one. The programs are the
repository's own, so they run as plain subprocesses here; the test suite runs them again in the sandbox.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "src"))

from halo_forge.data.builtin import Variant, load_families, variants  # noqa: E402


def run(command: list[str], stdin: str) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, errors="replace", timeout=10)
    return done.stdout if done.returncode == 0 else f"exit {done.returncode}: {done.stderr[-300:]}"


def command_for(language: str, code: str, folder: Path) -> list[str]:
    source = folder / ("main.cpp" if language == "cpp" else "main.py")
    source.write_text(code, encoding="utf-8")
    if language == "python":
        return [sys.executable, "-I", str(source)]
    binary = folder / "main"
    done = subprocess.run(
        ["g++", "-std=c++17", "-O0", "-Wall", str(source), "-o", str(binary)], capture_output=True, text=True
    )
    if done.returncode or done.stderr:
        raise SystemExit(f"g++ is not silent about this program:\n{code}\n{done.stderr}")
    return [str(binary)]


def outputs(variant: Variant, language: str, code: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        command = command_for(language, variant.fill(code), Path(folder))
        return [run(command, variant.fill(test.stdin)) for test in variant.family.tests]


def tokens(text: str) -> list[str]:
    return text.split()


def fill(path: Path) -> None:
    """Rewrite one file with the outputs of the Python solutions; layout of block scalars is kept."""
    editor = YAML()
    editor.width = 10_000
    editor.preserve_quotes = True
    rows = editor.load(path.read_text(encoding="utf-8"))
    families = {family.family: family for family in load_one(path)}
    for row in rows:
        family = families[row["family"]]
        if all(len(test.stdout) == len(family.variants) for test in family.tests):
            continue
        columns = [
            outputs(Variant(family, n), "python", family.solutions["python"]) for n in range(len(family.variants))
        ]
        for number, test in enumerate(row["tests"]):
            found = [column[number].rstrip("\n") for column in columns]
            failed = [text for text in found if text.startswith("exit ")]
            if failed:
                raise SystemExit(
                    f"{path}: family {row['family']}: the Python solution fails on {test['stdin']!r}: {failed[0]}"
                )
            test["stdout"] = CommentedSeq(DoubleQuotedScalarString(text) for text in found)
            test["stdout"].fa.set_flow_style()
    with path.open("w", encoding="utf-8") as file:
        editor.dump(rows, file)


def load_one(path: Path) -> list:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / path.name).write_bytes(path.read_bytes())
        return load_families(folder)


def complaints(variant: Variant) -> list[str]:
    family, found = variant.family, []
    expected = [tokens(case.stdout) for case in variant.cases()]
    for language, code in family.solutions.items():
        got = outputs(variant, language, code)
        for number, (have, want) in enumerate(zip(got, expected, strict=True)):
            if tokens(have) != want:
                found.append(f"{variant.name}: {language} solution, test {number}: wanted {want}, got {have[:300]!r}")
    for wrong in family.wrong:
        language, code = ("cpp", wrong.cpp) if wrong.cpp else ("python", wrong.python)
        if [tokens(have) for have in outputs(variant, language, code)] == expected:
            found.append(f"{variant.name}: the wrong program '{wrong.why}' passes every test: add a test that fails it")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="default: every file of data/builtin")
    parser.add_argument("--fill", action="store_true", help="write missing expected outputs first")
    options = parser.parse_args()
    os.nice(10)  # a check in the background should not slow the machine
    files = options.files or sorted(HERE.glob("*.yaml"))
    if options.fill:
        for path in files:
            fill(path)
    families = [family for path in files for family in load_one(path)]
    with ThreadPoolExecutor(2) as pool:
        found = [line for lines in pool.map(complaints, variants(families)) for line in lines]
    print("\n".join(found))
    print(f"{len(families)} families, {len(variants(families))} variants: {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
