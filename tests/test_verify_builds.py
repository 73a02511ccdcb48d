"""A program is judged by the build that does best for it: fast where it is late, of the older standard where it is."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import ValidationError
from verify_tasks import stdio_tests, task_of

from halo_forge.settings.verify import Verify
from halo_forge.verify.compiled.builds import FIRST_SHARE, report_of, spared_s
from halo_forge.verify.compiled.toolchain import Toolchain
from halo_forge.verify.cpp.gcc import GCC
from halo_forge.verify.registry import get_verifier
from halo_forge.verify.sandbox.job import Report, Run

SETTINGS = Verify(run_timeout_s=0.5, memory_mb=200, max_processes=8, max_output_kb=64)
TASK = task_of(stdio_tests(("4\n", "8\n")), "cpp")
BITS = "#include <bits/stdc++.h>\nusing namespace std;\n"


@dataclass(frozen=True)
class Tools(Toolchain):
    """Compilers of which only the names of their builds matter."""

    build: str = "plain"
    other: str | None = None

    def quick(self):
        return Tools(f"{self.build} quick", self.other)

    def other_standard(self, language, said):
        return Tools(self.other) if self.other and "newer" in said else None


def run(exit_code=0, limit="-", stderr=b""):
    return Run(exit_code, 0.1, 0.1, limit, b"", stderr, b"")


FINE = Report(compile=run(), tests=[run()], whole=True)
LATE = Report(compile=run(), tests=[run(-9, "cpu")], whole=True)
REFUSED = Report(compile=run(1, stderr=b"error: newer"), whole=True)
TYPO = Report(compile=run(1, stderr=b"error: typo"), whole=True)


def judged(reports, other=None, **options):
    """(the builds that were made, whose report counts)"""
    shares, report = shared(reports, other, **options)
    return list(shares), next(name for name in shares if reports[name] is report)


def shared(reports, other=None, **options):
    """({build: the share of the time limit that its last run had}, the report)"""
    made = {}

    def build(tools, share):
        made[tools.build] = share
        return reports[tools.build]

    return made, report_of(build, Tools(other=other), "cpp", "", **options)


def test_what_is_in_time_is_built_once():
    assert judged({"plain": FINE}) == (["plain"], "plain")


def test_what_is_late_is_built_to_be_fast_and_judged_by_that():
    assert judged({"plain": LATE, "plain quick": FINE}) == (["plain", "plain quick"], "plain quick")


def test_what_is_known_to_be_late_is_built_to_be_fast_at_once():
    assert judged({"plain quick": LATE}, late=True) == (["plain quick"], "plain quick")


def test_a_fast_build_that_fails_leaves_the_first_report():
    broken = Report(compile=run(1, "cpu"), whole=True)
    assert judged({"plain": LATE, "plain quick": broken})[1] == "plain"
    assert judged({"plain": LATE, "plain quick": broken}, late=True) == (["plain quick", "plain"], "plain")


def test_what_is_not_built_to_be_fast_gets_a_part_of_its_time_and_all_of_it_where_no_fast_build_is():
    assert shared({"plain": LATE, "plain quick": LATE})[0] == {"plain": FIRST_SHARE, "plain quick": 1.0}
    assert shared({"plain": LATE}, hasten=False)[0] == {"plain": 1.0}
    broken = Report(compile=run(1, "cpu"), whole=True)
    assert shared({"plain": LATE, "plain quick": broken})[0] == {"plain": 1.0, "plain quick": 1.0}


@pytest.mark.parametrize(
    ("limit_s", "share", "left"), [(4.0, 0.25, 1.0), (2.0, 0.25, 0.5), (0.5, 0.25, 0.5), (2.0, 1.0, 2.0)]
)
def test_no_part_of_a_limit_is_too_short_to_start_in(limit_s, share, left):
    assert limit_s - spared_s(limit_s, share) == left


def test_another_standard_is_tried_where_the_compiler_speaks_of_it():
    assert judged({"plain": REFUSED, "newer": FINE}, "newer") == (["plain", "newer"], "newer")
    assert judged({"plain": TYPO}, "newer") == (["plain"], "plain")


def test_an_error_in_both_standards_is_told_in_the_words_of_the_one_that_is_set():
    assert judged({"plain": REFUSED, "newer": TYPO}, "newer") == (["plain", "newer"], "newer")


def test_what_must_not_be_optimised_is_not():
    assert judged({"plain": LATE}, hasten=False) == (["plain"], "plain")


def judge(program, task=TASK, name="gcc", settings=SETTINGS):
    return get_verifier(name, settings).judge(task, f"```{task.language}\n{program}\n```\n")


RANGES = "#include <iostream>\n#include <ranges>\n#include <vector>\nint main() { int n; std::cin >> n; "
RANGES += (
    "std::vector<int> v{n}; for (int x : v | std::views::transform([](int x) { return 2 * x; })) std::cout << x; }"
)


@pytest.mark.needs("gcc")
def test_the_standard_is_the_one_that_is_set():
    assert judge(RANGES).status == "pass"
    assert judge(RANGES, settings=SETTINGS.model_copy(update={"cpp_standard": "c++17"})).status == "compile_error"


@pytest.mark.needs("gcc")
def test_the_standard_of_c_is_the_one_that_is_set():
    task = task_of(stdio_tests(("4\n", "8\n")), "c")
    program = '#include <math.h>\n#include <stdio.h>\nint main(void) { printf(M_PI > 3 ? "8" : "0"); }'
    assert judge(program, task).status == "pass"
    assert judge(program, task, settings=SETTINGS.model_copy(update={"c_standard": "c17"})).status == "compile_error"


@pytest.mark.parametrize("field", ["cpp_standard", "c_standard"])
def test_a_standard_that_is_none_is_refused(field):
    with pytest.raises(ValidationError, match=field):
        Verify(**{field: "c++20 -fplugin=x"})


@pytest.mark.needs("gcc")
def test_the_standards_are_part_of_what_decides_a_verdict():
    prints = {
        get_verifier("gcc", SETTINGS.model_copy(update=update)).fingerprint()
        for update in ({}, {"cpp_standard": "gnu++17"}, {"c_standard": "gnu11"})
    }
    assert len(prints) == 3


@pytest.mark.needs("gcc")
def test_a_program_that_is_cut_off_is_compiled_once():
    """No standard mends it, and a quarter of a weak model's answers are so."""
    first = GCC.first("cpp", "")
    assert first.other_standard("cpp", "main.cpp:3:2: error: expected '}' at end of input") is None
    assert first.other_standard("cpp", "main.cpp:3:2: error: 'popcount' was not declared") == GCC


@pytest.mark.needs("gcc")
def test_a_local_atomic_is_zero_as_cpp20_says():
    program = "#include <atomic>\n#include <iostream>\nint main() { int n; std::cin >> n; std::atomic<int> sum; "
    assert judge(program + "sum += n; sum += n; std::cout << sum; }").status == "pass"


@pytest.mark.needs("gcc")
def test_a_program_is_told_the_standard_that_is_set():
    program = "#include <iostream>\nint main() { std::cout << (__cplusplus >= 202002L ? 8 : 0); }"
    assert judge(program).status == "pass"


CPP17 = {
    "a word": "int main() { vector<int> requires(1); cin >> requires[0]; cout << 2 * requires[0]; }",
    "a name": "int span; int main() { cin >> span; cout << 2 * span; }",
    "a function": "double lerp(double a, double b, double t) { return a + (b - a) * t; }\n"
    "int main() { double n; cin >> n; cout << lerp(0.0, n, 2.0); }",
    "a text": 'int main() { int n; cin >> n; const char *text = u8""; cout << 2 * n << text; }',
    "an aggregate": "struct P { P() = default; int x, y; }; int main() { int n; cin >> n; P p{n, n}; cout << p.x + p.y; }",
}


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("program", [pytest.param(text, id=name) for name, text in CPP17.items()])
def test_what_cpp20_took_away_is_still_right(program):
    assert judge(BITS + program).status == "pass"


@pytest.mark.needs("gcc")
def test_a_compile_error_names_what_is_wrong_by_the_standard_that_is_set():
    judgement = judge(BITS + "int main() { int requires = 1; undeclared = requires; }")
    assert judgement.status == "compile_error" and "requires" in judgement.detail


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(
    "use",
    [
        "promise<int> p; p.set_value(2 * n); cout << p.get_future().get();",
        "mutex a, b; lock(a, b); a.unlock(); b.unlock(); cout << 2 * n;",
        "mutex a; if (a.try_lock()) cout << 2 * n; a.unlock();",
        "pmr::vector<int> v{2 * n}; cout << v[0];",
        "jthread t([&] { cout << 2 * n; });",
    ],
)
def test_no_name_of_the_standard_is_missing_below_bits_stdcpp(use):
    judgement = judge(BITS + f"int main() {{ int n; cin >> n; {use} }}")
    assert judgement.status == "pass", judgement.detail


@pytest.mark.needs("rust")
def test_a_rust_program_of_the_next_edition_is_right_too():
    task = task_of(stdio_tests(("4\n", "8\n")), "rust")
    program = 'fn main() { let a = Some(4); if let Some(n) = a && n > 3 { println!("{}", 2 * n); } }'
    judgement = judge(program, task, "rust")
    if "let chains" in judgement.detail and "2024" not in judgement.detail:
        pytest.skip("rustc is older than chains of let")
    assert judgement.status == "pass", judgement.detail


@pytest.mark.needs("gcc")
def test_one_late_test_ends_a_program():
    """Late answers are judged again: waiting for a second test of theirs would only cost time."""
    task = task_of(stdio_tests(("1\n", "1"), ("2\n", "2"), ("3\n", "3")), "cpp")
    judgement = judge(
        "#include <iostream>\nint main() { int n; std::cin >> n; while (n < 3) {} std::cout << n; }", task
    )
    assert (judgement.status, judgement.tests_passed) == ("timeout", 0)


@pytest.mark.needs("gcc")
def test_the_patient_verifier_has_the_name_and_more_time():
    patient = get_verifier("gcc", SETTINGS).patient(3)
    assert (patient.name, patient.isolation) == ("gcc", get_verifier("gcc", SETTINGS).isolation)
    spin = "#include <ctime>\n#include <iostream>\nint main() { int n; std::cin >> n; "
    spin += "while (std::clock() < 0.9 * CLOCKS_PER_SEC) {} std::cout << 2 * n; }"
    assert judge(spin).status == "timeout"
    assert patient.judge(TASK, f"```cpp\n{spin}\n```").status == "pass"


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("seconds", [0.3, 0.4])
def test_a_program_has_all_of_its_time_whatever_the_first_build_gets(seconds):
    spin = "#include <ctime>\n#include <iostream>\nint main() { int n; std::cin >> n; "
    spin += f"while (std::clock() < {seconds} * CLOCKS_PER_SEC) {{}} std::cout << 2 * n; }}"
    assert judge(spin).status == "pass"


def test_the_fast_build_of_gcc_believes_no_loop_to_end():
    assert "-fno-finite-loops" in GCC.quick().build and GCC.sanitized().quick() is None
