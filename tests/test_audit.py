"""The audit: holes in tests are found with the test that closes them, and what is no hole is not called one."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from conftest import REPOSITORY
from verify_tasks import stdio_tests, task_of

from halo_forge.audit.audit import audit, weak_families
from halo_forge.audit.summary import figures, in_a_line
from halo_forge.data.builtin import load_families, variants
from halo_forge.data.clean.weak import leave_out
from halo_forge.errors import InputError
from halo_forge.imports import PACKAGE, imported_names
from halo_forge.records import CallCase, CallTests, CompileTests, HarnessTests, PytestTests, PythonTests, Task
from halo_forge.settings.audit import Audit
from halo_forge.settings.verify import Verify

VERIFY = Verify(cache=False)
python = pytest.mark.needs("python")
gcc = pytest.mark.needs("gcc")


def with_solution(task: Task, solution: str, **more) -> Task:
    return task.model_copy(update={"solution": solution, **more})


def found_of(task: Task, wip: Path, mutants: int = 30, verify: Verify = VERIFY, **more):
    (found,), _ = audit([task], Audit(mutants=mutants, **more), verify, wip)
    return found


ABS = "n = int(input())\nif n < 0:\n    n = -n\nprint(n)\n"
STRONG = stdio_tests(("5", "5"), ("-3", "3"), ("0", "0"), ("-1", "1"), ("1", "1"))
HOLE = stdio_tests(("5", "5"), ("3", "3"), ("10", "10"))
"""No number below zero."""


@python
def test_a_known_hole_is_found_with_the_test_that_closes_it(tmp_path: Path) -> None:
    found = found_of(with_solution(task_of(HOLE), ABS, prompt="Print the absolute value of n."), tmp_path)
    assert found.survived >= 2 and found.is_weak(0.8)
    for survivor in found.survivors:
        assert int(survivor.input) < 0 and survivor.expected.strip() == str(abs(int(survivor.input)))
        assert [line[0] for line in survivor.difference] == ["-", "+"]


@python
def test_strong_tests_leave_no_survivor_and_equivalent_mutants_are_not_called_one(tmp_path: Path) -> None:
    found = found_of(with_solution(task_of(STRONG), ABS), tmp_path)
    assert found.survived == 0 and found.kill_rate == 1.0
    # `n <= 0` for `n < 0` is the same program: -0 is 0.
    assert found.equivalent >= 1 and found.mutants == found.killed + found.equivalent


@python
def test_a_test_that_was_suggested_kills_the_survivor(tmp_path: Path) -> None:
    task = with_solution(task_of(HOLE), ABS)
    survivors = found_of(task, tmp_path / "before").survivors
    more = [*[(case.stdin, case.stdout) for case in HOLE.cases], *[(one.input, one.expected) for one in survivors]]
    after = found_of(task.model_copy(update={"tests": stdio_tests(*more)}), tmp_path / "after")
    assert after.survived < len(survivors) and after.kill_rate > 0.9


@python
def test_the_same_seed_finds_the_same_and_another_draws_others(tmp_path: Path) -> None:
    task = with_solution(task_of(HOLE), ABS)
    first, again, other = (
        audit([task], Audit(mutants=4), VERIFY, tmp_path / name, seed=seed)[0]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    assert other[0].mutants == first[0].mutants == 4


@python
def test_calls_are_audited_by_other_arguments(tmp_path: Path) -> None:
    tests = CallTests(
        entry_point="largest", cases=[CallCase(args=[[1, 2, 3]], expected=3), CallCase(args=[[2, 9]], expected=9)]
    )
    code = "def largest(items):\n    best = items[0]\n    for item in items:\n        if item > best:\n            best = item\n    return best\n"
    found = found_of(with_solution(task_of(tests), code, prompt="The largest."), tmp_path)
    assert found.survived >= 1  # every list of the tests rises: the last one is the largest
    assert all(max(survivor.input[0]) == survivor.expected for survivor in found.survivors)


@python
def test_the_calls_in_asserts_and_pytest_files_are_audited_too(tmp_path: Path) -> None:
    code = "def sign(n):\n    if n < 0:\n        return -1\n    return 1\n"
    asserts = PythonTests(
        code="def check(candidate):\n    assert candidate(5) == 1\n    assert candidate(7) == 1", entry_point="sign"
    )
    pytest_file = PytestTests(
        files={"test_it.py": "from solution import sign\n\ndef test_it():\n    assert sign(5) == 1\n"}
    )
    tasks = [
        with_solution(task_of(tests, task_id=name), code, family=name, entry_point="sign", prompt="The sign.")
        for name, tests in (("asserts", asserts), ("pytest", pytest_file))
    ]
    found, _ = audit(tasks, Audit(mutants=12), VERIFY, tmp_path)
    for one in found:
        assert one.reference == "pass", one
        assert one.survived >= 1 and one.unknown == 0, one
        assert all(survivor.input[0] < 0 or survivor.expected == 1 for survivor in one.survivors), one


@gcc
def test_a_hole_in_the_tests_of_a_cpp_program_is_found(tmp_path: Path) -> None:
    code = "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; if (a < b) a = b; std::cout << a; return 0; }\n"
    tests = stdio_tests(("1 5", "5"), ("2 3", "3"), ("-4 9", "9"))
    found = found_of(with_solution(task_of(tests, "cpp"), code, prompt="The larger of a and b."), tmp_path)
    assert found.survived >= 1
    a, b = map(int, found.survivors[0].input.split())
    assert a > b and found.survivors[0].expected == str(a)


@gcc
def test_mutants_that_do_not_compile_are_not_counted(tmp_path: Path) -> None:
    code = '#include <iostream>\n#include <string>\nint main() { std::string s; std::cin >> s; std::cout << s + "x"; return 0; }\n'
    found = found_of(with_solution(task_of(stdio_tests(("ab", "abx")), "cpp"), code), tmp_path)
    assert found.not_compiled >= 1  # `s - "x"`
    assert found.mutants == found.killed + found.equivalent + found.survived + found.unknown


@gcc
def test_mutants_that_nothing_can_be_compared_with_are_called_unknown(tmp_path: Path) -> None:
    tests = HarnessTests(code="#include <cassert>\nint main() { assert(sign(5) == 1); return 0; }")
    found = found_of(
        with_solution(task_of(tests, "cpp"), "int sign(int n) { return n < 0 ? -1 : 1; }"), tmp_path, mutants=4
    )
    assert found.reference == "pass" and found.survived == found.equivalent == 0
    assert found.unknown >= 1 and found.mutants == found.killed + found.unknown


@python
def test_a_reference_that_fails_its_own_tests_is_named_and_not_audited(tmp_path: Path) -> None:
    found = found_of(with_solution(task_of(STRONG), "print(int(input()))"), tmp_path)
    assert (found.reference, found.mutants, found.kill_rate) == ("wrong_answer", 0, None)
    report = figures([found], {}, 0.8)
    assert report["reference_fails"] == {"t": "wrong_answer"} and report["weak"] == []
    assert "1 references fail their own tests" in in_a_line(report)


@python
def test_a_slow_reference_is_given_the_time_that_answers_have(tmp_path: Path) -> None:
    slow = "import time\nstart = time.process_time()\nwhile time.process_time() - start < 0.3:\n    pass\nprint(int(input()) + 1)\n"
    found = found_of(with_solution(task_of(stdio_tests(("1", "2"))), slow), tmp_path, mutants=2, run_timeout_s=0.1)
    assert found.reference == "pass" and found.mutants == 2


def test_tasks_that_cannot_be_audited_are_counted_by_reason(tmp_path: Path) -> None:
    tasks = [
        task_of(STRONG, task_id="a"),
        with_solution(task_of(CompileTests(), task_id="b"), ABS),
        with_solution(task_of(STRONG, "pascal", task_id="c"), "begin end."),
    ]
    audited, skipped = audit(tasks, Audit(), VERIFY, tmp_path)
    assert audited == [] and sum(skipped.values()) == 3
    assert skipped["no reference solution"] == skipped["no tests but compiling"] == 1


@python
def test_one_task_stands_for_its_family(tmp_path: Path) -> None:
    tasks = [with_solution(task_of(STRONG, task_id=name), ABS) for name in "abc"]
    audited, skipped = audit(tasks, Audit(mutants=1), VERIFY, tmp_path / "one")
    assert [one.task_id for one in audited] == ["a"]
    assert skipped == {"another task of its family was audited": 2}
    every, _ = audit(tasks, Audit(mutants=1, per_family=0), VERIFY, tmp_path / "all")
    assert [one.task_id for one in every] == ["a", "b", "c"]


@python
def test_a_killed_audit_goes_on_where_it_was(tmp_path: Path) -> None:
    task = with_solution(task_of(HOLE), ABS)
    first = found_of(task, tmp_path, mutants=5)
    kept = {path: path.read_text() for path in tmp_path.rglob("*.jsonl")}
    assert len(kept) == 3  # references, mutants, those that passed
    assert found_of(task, tmp_path, mutants=5) == first
    assert {path: path.read_text() for path in tmp_path.rglob("*.jsonl")} == kept


@python
@pytest.mark.slow
def test_tasks_with_weak_tests_are_left_out_with_their_family(tmp_path: Path) -> None:
    weak = [with_solution(task_of(HOLE, task_id=name), ABS, family="weak") for name in ("w1", "w2")]
    strong = with_solution(task_of(STRONG, task_id="s"), ABS, family="strong")
    unknown = task_of(STRONG, task_id="u").model_copy(update={"family": "unknown"})
    settings = Audit(mutants=30, weak="leave_out")
    kept, report = leave_out([*weak, strong, unknown], settings, VERIFY, 0, tmp_path / "some")
    assert [task.task_id for task in kept] == ["s", "u"]
    assert [(row["task_id"], row["audited"]) for row in report["left_out"]] == [("w1", "w1"), ("w2", "w1")]
    with pytest.raises(InputError, match="all 2 tasks are weak"):
        leave_out(weak, settings, VERIFY, 0, tmp_path / "all")


@python
def test_no_task_is_weak_at_the_rate_of_nothing(tmp_path: Path) -> None:
    audited, _ = audit([with_solution(task_of(HOLE), ABS)], Audit(mutants=30), VERIFY, tmp_path)
    assert weak_families(audited, 0.0) == {} and len(weak_families(audited, 0.99)) == 1


def test_nothing_but_the_top_and_the_cleaning_of_tasks_imports_the_audit() -> None:
    above = ("audit", "cli", "data/clean/weak.py")
    for file in PACKAGE.rglob("*.py"):
        if not any(file.is_relative_to(PACKAGE / place) for place in above):
            names = imported_names(ast.parse(file.read_bytes()))
            assert not any(name.startswith("halo_forge.audit") for name in names), file


FAMILIES = load_families(REPOSITORY / "data" / "builtin")


@python
@gcc
@pytest.mark.slow
def test_the_tests_of_some_built_in_families_fail_every_mutant(tmp_path: Path) -> None:
    chosen = [variant for variant in variants(FAMILIES[7::60]) if variant.number == 0]
    tasks = [variant.task(language) for variant in chosen for language in ("cpp", "python")]
    audited, _ = audit(tasks, Audit(mutants=5, per_family=0), Verify(), tmp_path)
    assert [one for one in audited if one.reference != "pass" or one.survived] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("language", ["cpp", "python"])
def test_the_built_in_tests_fail_at_least_95_of_100_mutants(language: str, tmp_path: Path) -> None:
    """A few mutants of each family; `make drill-audit` tries all."""
    tasks = [variant.task(language) for variant in variants(FAMILIES) if variant.number == 0]
    audited, skipped = audit(tasks, Audit(mutants=2), Verify(), tmp_path)
    report = figures(audited, skipped, 0.8)
    print(json.dumps({name: value for name, value in report.items() if name != "not_audited"}))
    assert report["reference_fails"] == {}
    assert report["kill_rate"] >= 0.95
