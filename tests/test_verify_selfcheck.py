"""The conformance suite: it finds what is wrong with a bad verifier, and nothing wrong with those of this project."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
from collections import Counter

import pytest
from needs import skip_without

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.records import StdioTests
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.registry import get_verifier
from halo_forge.verify.selfcheck.cases import load_cases
from halo_forge.verify.selfcheck.check import SKIPPED, failures, limited, run_selfcheck, run_stress, skipped

LIMITED = limited(Verify())


class Fake:
    """A verifier that judges by a rule of the test's own; it runs nothing."""

    name = "fake"
    isolation = "none"

    def __init__(self, rule):
        self.rule = rule

    def probe(self):
        pass

    def check(self, task):
        if task.language != "python" or not isinstance(task.tests, StdioTests):
            raise InputError(f"{task.task_id}: stdio in Python only")

    def extract(self, task, completion):
        return completion

    def judge(self, task, completion):
        return self.rule(task, completion)


def judgement(status, **changes):
    made = Judgement(status, 1.0 if status == "pass" else 0.0, int(status == "pass"), 1, "", "")
    return dataclasses.replace(made, **changes)


def solved(task, completion):
    """What a perfect verifier would say of the few cases below."""
    return judgement("pass" if task.solution in completion else "wrong_answer")


@pytest.fixture(scope="module")
def cases():
    chosen = {"python_stdio/exit_at_once", "python_stdio/nothing", "python_stdio/on_stderr", "python_machine/fork_bomb"}
    found = [case for case in load_cases() if case.name in chosen or (case.solution and "stdio" in case.name)]
    assert chosen <= {case.name for case in found}
    return found


def problems_of(outcomes):
    return {outcome.case.name: " ".join(outcome.problems) for outcome in outcomes if outcome.problems}


def test_a_verifier_without_fault_has_no_problems(cases):
    outcomes = run_selfcheck(Fake(solved), cases)
    assert failures(outcomes) == []
    assert {outcome.status for outcome in outcomes} == {"pass", "wrong_answer", SKIPPED}


def test_a_verifier_that_goes_by_the_exit_code_is_caught(cases):
    def by_exit_code(task, completion):
        program = completion.removeprefix("```python\n").removesuffix("\n```\n")
        done = subprocess.run([sys.executable, "-I", "-c", program], stdin=subprocess.DEVNULL, capture_output=True)
        return judgement("pass" if task.solution in completion or done.returncode == 0 else "wrong_answer")

    found = problems_of(run_selfcheck(Fake(by_exit_code), cases))
    assert found["python_stdio/exit_at_once"].startswith("accepted")
    assert found["python_stdio/nothing"].startswith("accepted")


def test_a_verifier_that_refuses_what_is_right_is_caught(cases):
    found = problems_of(run_selfcheck(Fake(lambda *_: judgement("wrong_answer", detail="no")), cases))
    right = {case.name for case in cases if case.expect == ("pass",) and not case.boxed}
    assert right and all("refused as wrong_answer (no)" in found[name] for name in right)
    assert "an honest program after it" in found["python_stdio/nothing"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "pass", "reward": 0.7}, "pass pays 0.7"),
        ({"status": "wrong_answer", "reward": 1.0}, "wrong_answer pays 1.0"),
        ({"status": "wrong_answer", "reward": None}, "pays None"),
        ({"status": "infra_error", "reward": None}, "infra_error instead of"),
        ({"status": "wrong_answer", "tests_passed": 3}, "3 of 1 tests passed"),
        ({"status": "wrong_answer", "detail": "x" * 3000}, "more than 2000 bytes"),
        ({"status": "wrong_answer", "detail": "\ud800"}, "no verdict that can be written"),
        ({"status": "timeout"}, "timeout instead of"),
    ],
)
def test_judgements_that_cannot_be_are_caught(cases, changes, words):
    one = [case for case in cases if case.expect == ("wrong_answer",)]
    outcomes = run_selfcheck(Fake(lambda *_: judgement(**changes)), one)
    assert words in problems_of(outcomes)[one[0].name]


def test_a_judge_that_is_brought_down_is_reported_and_the_suite_goes_on(cases):
    def falls(task, completion):
        if task.solution in completion:
            return judgement("pass")
        raise InfrastructureError("no disk") if "exit" in completion else RecursionError("deep")

    outcomes = run_selfcheck(Fake(falls), cases)
    found = problems_of(outcomes)
    assert "brought down: RecursionError: deep" in found["python_stdio/nothing"]
    assert "no judgement: InfrastructureError: no disk" in found["python_stdio/exit_at_once"]
    assert len(outcomes) == len(cases)


def test_a_judge_that_is_kept_busy_is_reported(cases, monkeypatch):
    monkeypatch.setattr("halo_forge.verify.selfcheck.check.JUDGE_CPU_S", 0.0)
    outcomes = run_selfcheck(Fake(lambda *a: sum(range(10**5)) and solved(*a)), cases)
    assert "kept the judge itself busy" in problems_of(outcomes)["python_stdio/nothing"]


def leaves_a_process(held):
    # Its parent ends at once: only who adopts orphans can find it.
    subprocess.run(["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 </dev/null &"])


def leaves_a_file(held):
    held.append(tempfile.mkstemp(prefix="halo-forge-"))
    os.close(held[-1][0])


def leaves_a_descriptor(held):
    held += [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]


@pytest.mark.parametrize(
    ("leave", "words"),
    [
        (leaves_a_process, "(sleep) is still running"),
        (leaves_a_file, "lies in the temporary folder"),
        (leaves_a_descriptor, "3 more open descriptors"),
    ],
)
def test_what_is_left_behind_is_reported_and_only_for_the_case_that_left_it(cases, monkeypatch, leave, words):
    monkeypatch.setattr("halo_forge.verify.selfcheck.leftovers.GRACE_S", 0.2)
    held = []

    def leaving(task, completion):
        if "_exit" in completion:
            leave(held)
        return solved(task, completion)

    found = problems_of(run_selfcheck(Fake(leaving), cases))
    for number in held:
        os.close(number) if isinstance(number, int) else None
    assert words in found.pop("python_stdio/exit_at_once")
    assert not found


def test_nothing_that_does_harm_is_given_to_a_verifier_without_a_box(cases):
    seen = []

    def watching(task, completion):
        seen.append(completion)
        return solved(task, completion)

    outcomes = run_selfcheck(Fake(watching), cases) + run_stress(Fake(watching), cases, at_once=2)
    assert not any("fork" in completion for completion in seen)
    assert any("outside a box" in reason for reason in skipped(outcomes))


def test_what_a_compiler_does_not_have_is_not_asked_of_it_as_a_right_answer(cases):
    """Neither as a case of its own nor as the honest program after a hostile one; the hostile one is judged."""
    hostile = next(case for case in cases if case.name == "python_stdio/exit_at_once")
    honest = dataclasses.replace(hostile.honest, asks=("gnu",))
    poor = Fake(lambda task, completion: judgement("compile_error"))
    poor.lacks = ("gnu", "posix")
    outcomes = run_selfcheck(poor, [honest, dataclasses.replace(hostile, honest=honest)])
    assert failures(outcomes) == []
    assert [outcome.status for outcome in outcomes] == [SKIPPED, "compile_error"]
    assert list(skipped(outcomes)) == ["it asks for gnu, which the verifier's compiler does not have"]
    poor.lacks = ("posix",)
    assert "refused as compile_error" in problems_of(run_selfcheck(poor, [honest]))[honest.name]


def test_a_missing_toolchain_is_a_reason_to_skip_its_cases_alone(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    go = [case for case in load_cases() if case.name.startswith("go/")]
    outcomes = run_selfcheck(get_verifier("auto", LIMITED), go)
    assert {outcome.status for outcome in outcomes} == {SKIPPED} and not failures(outcomes)
    assert list(skipped(outcomes)) == ["go not found: apt install golang-go"]


def test_stress_runs_bombs_beside_honest_programs(cases):
    boxed = Fake(solved)
    boxed.isolation = "a box of paper"
    boxed.check = lambda task: None
    outcomes = run_stress(boxed, cases, at_once=3)
    bombs = {case.name for case in cases if case.bomb}
    assert bombs and len(outcomes) == 6 * len(bombs)
    assert Counter(outcome.case.name in bombs for outcome in outcomes) == {True: 3 * len(bombs), False: 3 * len(bombs)}


def test_the_suite_has_cases_of_every_kind_and_says_why():
    cases = load_cases()
    kinds = Counter((case.task.language, case.task.tests.kind) for case in cases if case.expect != ("pass",))
    assert {("python", kind) for kind in ("stdio", "calls", "python", "pytest")} <= kinds.keys()
    assert {(language, "harness") for language in ("c", "cpp")} <= kinds.keys()
    assert {(language, "stdio") for language in ("c", "cpp", "rust", "go")} <= kinds.keys()
    assert sum(kinds.values()) > 300
    assert all(len(case.why) > 5 and case.expect for case in cases)
    assert all(case.honest and case.honest.expect == ("pass",) for case in cases if case.bomb)


def test_secrets_are_new_in_every_run():
    first, second = ({case.name: case.task.tests.model_dump_json() for case in load_cases()} for _ in range(2))
    assert first["python_stdio/every_readable_file"] != second["python_stdio/every_readable_file"]
    assert "<<secret>>" not in "".join(first.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("language: python\ntasks: {}\ncases: []", "tasks"),
        ("language: [", "not YAML"),
        ("CASE, expect: nearly, program: x}]", "'nearly' is no status"),
        ("CASE, expect: pass}]", "one of program and completion"),
        ("CASE, expect: pass, program: x, task: b}]", "no task 'b'"),
        ("CASE, expect: pass, program: x, wy: z}]", "wy"),
    ],
)
def test_cases_that_are_wrong_themselves_are_refused_with_their_file(tmp_path, text, words):
    head = "language: python\ntasks: {a: {tests: {kind: compile}}}\ncases: [{name: n, why: because"
    (tmp_path / "mine.yaml").write_text(text.replace("CASE", head))
    with pytest.raises(InputError, match=words) as caught:
        load_cases(tmp_path)
    assert "mine.yaml" in str(caught.value)


# For every day: one of each kind of trick, and the right answers that go with them.
QUICK = {
    "python_stdio/exit_at_once",
    "python_stdio/forged_report",
    "python_asserts/right_mbpp",
    "python_calls/large_value",
    "python_asserts/equal_to_everything",
    "python_asserts/exit_in_place_of_an_error",
    "python_asserts/frames_above",
    "python_calls/equal_to_everything",
    "pytest/conftest_planted",
    "python_machine/daemon",
    "extraction_python/no_code",
}


def whole(name, least):
    return pytest.param(name, least, id=name, marks=[pytest.mark.slow, pytest.mark.timeout(1500)])


@pytest.mark.parametrize(
    ("name", "least"),
    [
        pytest.param("python", 0, id="python, a few"),
        *(whole("python", 400), whole("gcc", 250), whole("clang", 250), whole("rust", 15), whole("go", 15)),
        whole("mingw", 2),  # 175 where Wine is; else only those that compile
    ],
)
def test_the_verifiers_of_this_project_stand_it(name, least):
    """`least`: judgements of the whole suite; 0 for QUICK."""
    skip_without(name)
    verifier = get_verifier(name, LIMITED)
    cases = [case for case in load_cases() if least or case.name in QUICK]
    outcomes = run_selfcheck(verifier, cases)
    assert failures(outcomes) == []
    assert sum(outcome.status != SKIPPED for outcome in outcomes) >= (least or len(QUICK))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python", "gcc"])
def test_honest_programs_keep_their_verdicts_beside_bombs(name):
    skip_without(name)
    verifier = get_verifier(name, LIMITED)
    outcomes = run_stress(verifier, load_cases(), at_once=4)
    assert outcomes and failures(outcomes) == []
