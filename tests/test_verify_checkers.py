"""Outputs judged by a task's checker: what the checker says counts, and nothing that an answer prints can be the judge."""

from __future__ import annotations

import dataclasses

import pytest
from verify_tasks import stdio_tests, task_of

from halo_forge.data.clean.checkers import broken_checkers
from halo_forge.data.clean.fingerprint import of_task
from halo_forge.errors import InputError, UnusableTests
from halo_forge.records import CheckerTests, Sample, StdioCase, Task
from halo_forge.settings.verify import Msvc, Verify
from halo_forge.toolchains import judged_with
from halo_forge.verify.checkers import checkers as module
from halo_forge.verify.checkers import jobs
from halo_forge.verify.checkers.checkers import Checkers
from halo_forge.verify.checkers.form import fault
from halo_forge.verify.checkers.protocol import Mark, mark_of
from halo_forge.verify.judge import judge_samples
from halo_forge.verify.registry import get_verifier
from halo_forge.verify.sandbox.job import Report, Run

pytestmark = pytest.mark.needs("python")
SETTINGS = Verify(cache=False)
HALVES = """\
import sys
n = int(open(sys.argv[1]).read())
a, b = map(int, open(sys.argv[3]).read().split())
print(int(min(a, b) > 0 and a + b == n))
"""
CPP_HALVES = """\
#include <fstream>
int main(int, char **argv) {
    std::ifstream input(argv[1]), output(argv[2]);
    long long n, a, b;
    input >> n;
    if (!(output >> a >> b)) return 2;
    return a > 0 && b > 0 && a + b == n ? 0 : 1;
}
"""
ANSWER = "```python\nn = int(input())\nprint(1, n - 1)\n```\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))


def checked(code: str = HALVES, language: str = "python", outputs=("2 2\n", "5 5\n"), protocol=None, **fields) -> Task:
    cases = [StdioCase(stdin="4\n", stdout=outputs[0]), StdioCase(stdin="10\n", stdout=outputs[-1])]
    return task_of(CheckerTests(cases=cases, language=language, code=code, protocol=protocol), **fields)


def judged(task: Task, completion: str = ANSWER, verifier: str = "python", settings: Verify = SETTINGS):
    return get_verifier(verifier, settings).judge(task, completion)


def printing(text: str) -> str:
    return f"```python\ninput()\nprint({text!r})\n```\n"


def sample(number: int = 0, completion: str = ANSWER) -> Sample:
    fields = {"prompt": "", "model": "m", "index": number, "seed": 0, "n_tokens": 1, "finish_reason": "stop"}
    return Sample(sample_id=f"s{number}", task_id="t", completion=completion, **fields)


@pytest.mark.parametrize("verifier", ["python", "auto"])
@pytest.mark.parametrize("code, language", [(HALVES, "python"), (CPP_HALVES, "cpp")], ids=["python", "cpp"])
def test_another_right_answer_passes_and_a_wrong_one_does_not(verifier, code, language):
    task = checked(code, language)
    assert judged(task, verifier=verifier).status == "pass"
    wrong = judged(task, printing("3 1"), verifier)
    assert (wrong.status, wrong.tests_passed, wrong.tests_total) == ("wrong_answer", 1, 2)
    assert "the checker does not accept '3 1'" in wrong.detail


@pytest.mark.needs("gcc")
def test_answers_in_a_compiled_language_are_judged_by_the_same_checkers():
    program = '```cpp\n#include <iostream>\nint main() { int n; std::cin >> n; std::cout << n - OFF << " 1"; }\n```\n'
    for task in (checked(language="python"), checked(CPP_HALVES, "cpp")):
        cpp = task.model_copy(update={"language": "cpp"})
        assert judged(cpp, program.replace("OFF", "1"), "auto").status == "pass"
        assert judged(cpp, program.replace("OFF", "2"), "gcc").status == "wrong_answer"
    only = judged(cpp, program.replace("OFF", "1"), "gcc-compile")
    assert only.status == "wrong_answer" and "not run" in only.detail


def test_what_a_windows_host_printed_is_checked_here_with_its_line_ends_made_plain():
    lines = "import sys\nn, out = int(open(sys.argv[1]).read()), open(sys.argv[3], newline='').read()\nprint(int(out == f'1 {n - 1}\\n'))"
    task = checked(lines, outputs=("1 3\n", "1 9\n")).model_copy(update={"language": "cpp"})

    class Host:
        ready = type("Ready", (), {"codepage": 65001})

        def run(self, job):
            runs = [Run(0, 0.0, 0.0, "-", b"1 %d\r\n" % (int(case["stdin"]) - 1), b"", b"") for case in job.cases]
            return Report(compile=Run(0, 0.0, 0.0, "-", b"", b"", b""), tests=runs, ready=True, whole=True)

    verifier = get_verifier("msvc", Verify(msvc=Msvc(host="build.example", user="judge")))
    verifier.check(task)
    verifier._sandbox = Host()
    assert verifier.judge(task, "```cpp\nint main() {}\n```\n").status == "pass"


BROKEN = {
    "refuses what is expected": ("print(0)", "does not accept the expected output of test 1"),
    "refuses the second": (HALVES.replace("== n", "== n == 4"), "expected output of test 2"),
    "crashes": ("raise ValueError(print())", "test 1: it ended with exit code 1: ValueError"),
    "says nothing": ("len('')", "it printed ''"),
    "says more than a score": ("print('score: 1')", "it printed 'score: 1'"),
    "scores, then fails": ("print(1)\nraise SystemExit(2)", "exit code 2"),
    "accepts nothing at all": ("print(1)", "accepts an empty output in every test"),
    "asks for a module": ("import numpy\nprint(1)", "ModuleNotFoundError"),
}
CPP_BROKEN = {
    "says FAIL": (
        '#include <cstdio>\nint main() { std::fputs("no answer", stderr); return 3; }',
        "it failed: no answer",
    ),
    "aborts": ("#include <cstdlib>\nint main() { std::abort(); }", "SIGABRT"),
    "accepts nothing at all": ("int main() {}", "accepts an empty output"),
    "does not compile": ("int main() { return missing; }", "does not compile: "),
}


@pytest.mark.parametrize(
    ("language", "code", "words"),
    [
        *(pytest.param("python", *row, id=name) for name, row in BROKEN.items()),
        *(pytest.param("cpp", *row, id=f"cpp: {name}") for name, row in CPP_BROKEN.items()),
    ],
)
def test_a_broken_checker_is_the_tasks_fault_and_no_verdict(language, code, words):
    with pytest.raises(UnusableTests, match="^t: its checker ") as caught:
        judged(checked(code, language))
    assert words in str(caught.value) and str(caught.value).endswith("mend its checker, or leave out the task")


def test_a_broken_checker_pays_nothing_and_is_not_tried_again(tmp_path, monkeypatch):
    asked, judging = [], Checkers.judging
    monkeypatch.setattr(Checkers, "judging", lambda *of: asked.append(of) or judging(*of))
    samples = [sample(0), sample(1, printing("2 2"))]
    verdicts = judge_samples({"t": checked("print(0)")}, samples, SETTINGS, wip=tmp_path / "wip")
    assert [(verdict.status, verdict.reward) for verdict in verdicts] == [("infra_error", None)] * 2
    assert len(asked) == 2  # once a program


def test_a_checker_that_crashes_on_an_output_alone_makes_it_a_wrong_answer():
    judgement = judged(checked(), printing("two two"))
    assert (judgement.status, judgement.reward) == ("wrong_answer", 0.7)
    assert "exit code 1: ValueError: invalid literal" in judgement.detail


def test_an_output_that_keeps_the_checker_busy_is_wrong_and_the_others_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(jobs, "RUN", dataclasses.replace(jobs.RUN, cpu_s=0.3))
    slow = "import sys\nn = int(open(sys.argv[3]).read())\nwhile n < 0: pass\nprint(int(n > 0))"
    cases = [StdioCase(stdin=f"{n}\n", stdout="1\n") for n in range(4)]
    task = task_of(CheckerTests(cases=cases, language="python", code=slow))
    judgement = judged(task, printing("-1"))
    assert judgement.status == "wrong_answer" and "it used up its CPU time" in judgement.detail
    last = judged(task, "```python\nprint(2 if input() == '0' else -1)\n```\n")
    assert (last.status, last.tests_passed) == ("wrong_answer", 1)


def runs_of(monkeypatch) -> list:
    """The jobs that checkers' boxes are opened for, from now on."""
    seen, run = [], module.Sandbox.run

    def counting(self, job):
        if job.cases:
            seen.append(job)
        return run(self, job)

    monkeypatch.setattr(module.Sandbox, "run", counting)
    return seen


def test_a_checker_is_tried_once_and_that_is_kept_between_runs(monkeypatch):
    task, jobs_seen = checked(), runs_of(monkeypatch)
    Checkers(SETTINGS).try_out(task)
    assert len(jobs_seen) == 2  # the expected outputs, and empty ones
    again = Checkers(SETTINGS)
    again.try_out(task)
    again.try_out(task)
    assert len(jobs_seen) == 2
    Checkers(SETTINGS).try_out(checked(HALVES + "\n# mended"))
    assert len(jobs_seen) == 4


def test_all_outputs_of_an_answer_are_judged_in_one_box_and_expected_ones_in_none(monkeypatch):
    task = checked()
    verifier = get_verifier("python", SETTINGS)
    verifier.judge(task, ANSWER)
    seen = runs_of(monkeypatch)
    assert verifier.judge(task, ANSWER).status == "pass"
    assert [len(job.cases) for job in seen] == [2, 2]  # the answer's own, then the checker's
    assert not any(HALVES.encode() in data for data in (seen[0].source, *(case["stdin"] for case in seen[0].cases)))
    del seen[:]
    assert verifier.judge(task, "```python\nn = int(input())\nprint(n // 2, n // 2)\n```\n").status == "pass"
    assert len(seen) == 1


def test_a_checker_in_cpp_is_compiled_once(monkeypatch):
    task, seen = checked(CPP_HALVES, "cpp"), runs_of(monkeypatch)
    for _ in range(2):
        assert judged(task).status == "pass"
    assert sum(job.compile is not None and "checker.cpp" in job.compile for job in seen) == 1


def run(exit_code=0, stdout=b"", stderr=b"", limit="-") -> Run:
    return Run(exit_code, 0.0, 0.0, limit, stdout, stderr, b"")


@pytest.mark.parametrize(
    ("protocol", "did", "mark"),
    [
        ("score", run(stdout=b"1\n"), Mark(0, 1.0)),
        ("score", run(stdout=b" 1.0 "), Mark(0, 1.0)),
        ("score", run(stdout=b"100"), Mark(0, 100.0)),
        ("score", run(stdout=b"0"), None),
        ("score", run(stdout=b"-1"), None),
        ("score", run(stdout=b"nan"), None),
        ("score", run(stdout=b"inf"), None),
        ("score", run(stdout=b"9" * 60_000), None),
        ("score", run(stdout=b"1\n0\n"), None),
        ("score", run(stdout=b"1 ok"), None),
        ("score", run(stdout="\u0661".encode()), None),
        ("score", run(stdout=b"1", exit_code=1), None),
        ("score", run(stdout=b"1", exit_code=-11), None),
        ("score", run(stdout=b"1", limit="cpu"), None),
        ("score", run(stderr=b"1"), None),
        ("testlib", run(), Mark(0, 1.0)),
        ("testlib", run(stdout=b"0", stderr=b"ok 0"), Mark(0, 1.0)),
        ("testlib", run(exit_code=1, stdout=b"1"), None),
        ("testlib", run(exit_code=2), None),
        ("testlib", run(exit_code=3), None),
        ("testlib", run(exit_code=7, stderr=b"points 40.5 of 50"), Mark(7, 40.5)),
        ("testlib", run(exit_code=7, stderr=b"points"), None),
        ("testlib", run(exit_code=-6), None),
        ("testlib", run(limit="wall"), None),
    ],
)
def test_a_mark_is_read_as_the_protocol_has_it(protocol, did, mark):
    assert mark_of(checked(protocol=protocol).tests, did) == mark


def test_marks_of_different_exit_codes_are_not_compared():
    assert Mark(0, 1.0).reaches(Mark(0, 1.0)) and Mark(7, 60).reaches(Mark(7, 50))
    assert not Mark(7, 100.0).reaches(Mark(0, 1.0)) and not Mark(0, 1.0).reaches(Mark(7, 0.5))


@pytest.mark.parametrize(("language", "usual"), [("python", "score"), ("cpp", "testlib")])
def test_a_protocol_that_is_not_named_is_the_usual_one_of_the_language(language, usual):
    assert checked("main", language).tests.protocol == usual
    row = {"kind": "checker", "cases": [{"stdin": "", "stdout": ""}], "language": language, "code": "x"}
    assert CheckerTests.model_validate(row).protocol == usual
    other = {"score": "testlib", "testlib": "score"}[usual]
    assert CheckerTests.model_validate(row | {"protocol": other}).protocol == other


def test_each_protocol_is_spoken_in_each_language():
    python = "import sys\nn, a, b = map(int, (open(sys.argv[1]).read() + open(sys.argv[2]).read()).split())\nsys.exit(a + b != n)"
    cpp = CPP_HALVES.replace("output(argv[2])", "output(argv[3])").replace("return a", "return !std::puts(a")
    cpp = "#include <cstdio>\n" + cpp.replace("? 0 : 1;", '? "1" : "0");').replace("return !std::puts", "std::puts")
    for task in (checked(python, protocol="testlib"), checked(cpp, "cpp", protocol="score")):
        assert judged(task).status == "pass"
        assert judged(task, printing("3 3")).status == "wrong_answer"


@pytest.mark.parametrize(
    ("language", "code", "words"),
    [
        ("python", "print(1", "is not Python"),
        ("python", "1", "calls nothing"),
        ("python", "import sys\nprint(int(eval(open(sys.argv[3]).read()) == 4))", "calls eval"),
        ("python", "exec(input())", "calls exec"),
        ("python", "print(1)\0", "NUL"),
        ("cpp", "#include <iostream>\n", "has no main"),
    ],
)
def test_a_checker_that_can_be_of_no_use_is_refused_before_anything_runs(language, code, words):
    assert words in fault(checked(code, language).tests)
    with pytest.raises(InputError, match=f"^t: its checker.*{words}"):
        get_verifier("python", SETTINGS).check(checked(code, language))


@pytest.mark.parametrize(
    "code",
    [
        "import ast, sys\nprint(int(ast.literal_eval(open(sys.argv[3]).read()) == 4))",
        "import re\nprint(len(re.compile('x').pattern))",
    ],
)
def test_reading_a_value_is_not_running_it(code):
    assert fault(checked(code).tests) is None


TESTLIB = """\
#pragma once
#include <cstdlib>
#include <fstream>
inline std::ifstream inf, ouf, ans;
inline void registerTestlibCmd(int, char **argv) { inf.open(argv[1]); ouf.open(argv[2]); ans.open(argv[3]); }
inline void quit(bool right) { std::exit(right ? 0 : 1); }
"""
USING = """\
#include "testlib.h"
int main(int argc, char **argv) {
    registerTestlibCmd(argc, argv);
    long long n, a = 0, b = 0;
    inf >> n;
    ouf >> a >> b;
    quit(a > 0 && b > 0 && a + b == n);
}
"""


@pytest.mark.parametrize("include", ['"testlib.h"', "<testlib.h>"])
def test_testlib_is_the_users_own_copy(tmp_path, include):
    task = checked(USING.replace('"testlib.h"', include), "cpp")
    with pytest.raises(InputError, match="includes testlib.h, which is not here: name your copy in verify.testlib"):
        get_verifier("python", SETTINGS).check(task)
    (tmp_path / "testlib.h").write_text(TESTLIB)
    settings = SETTINGS.model_copy(update={"testlib": str(tmp_path / "testlib.h")})
    get_verifier("python", settings).check(task)
    assert judged(task, settings=settings).status == "pass"
    assert judged(task, printing("3 3"), settings=settings).status == "wrong_answer"
    before = get_verifier("python", settings).fingerprint()
    (tmp_path / "testlib.h").write_text(TESTLIB + "// another\n")
    assert get_verifier("python", settings).fingerprint() != before
    missing = SETTINGS.model_copy(update={"testlib": str(tmp_path / "nothing.h")})
    with pytest.raises(InputError, match="verify.testlib: .*nothing.h: no such file"):
        get_verifier("python", missing).check(task)


def test_without_gpp_a_checker_in_cpp_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(jobs, "BOX_PATH", "/nowhere")
    verifier = get_verifier("python", SETTINGS)
    verifier.check(checked())
    with pytest.raises(jobs.InfrastructureError, match="apt install g"):
        verifier.check(checked(CPP_HALVES, "cpp"))


def test_another_checker_is_another_verdict(tmp_path):
    strict = checked(HALVES.replace("min(a, b) > 0", "a == b"))
    settings = Verify()
    for number, (task, status) in enumerate([(checked(), "pass"), (strict, "wrong_answer"), (checked(), "pass")]):
        (verdict,) = judge_samples({"t": task}, [sample()], settings, wip=tmp_path / f"wip{number}")
        assert verdict.status == status


def test_tasks_with_a_broken_checker_are_found_before_anybody_is_judged():
    tasks = [
        checked(task_id="good"),
        checked("print(0)", task_id="refusing"),
        checked("eval(input())", task_id="hollow"),
        task_of(stdio_tests(("1", "1")), task_id="plain"),
    ]
    found = broken_checkers(tasks, SETTINGS)
    assert {name: reason for name, (reason, _) in found.items()} == {
        "refusing": "checker is broken",
        "hollow": "checker cannot be used",
    }


def test_a_checkers_cases_are_those_of_the_same_problem_without_it():
    task = checked()
    plain = task.model_copy(update={"tests": stdio_tests(("4\n", "2 2\n"), ("10\n", "5 5\n"))})
    assert of_task(task).tests == of_task(plain).tests != frozenset()


def test_what_builds_a_checker_is_among_what_judged():
    task = checked(CPP_HALVES, "cpp")
    verdict = judged(task).verdict("s", "t", 0.0, get_verifier("python", SETTINGS))
    assert "g++" in judged_with([task], [verdict])
