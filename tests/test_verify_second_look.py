"""Programs that pass are looked at once more before a model learns from them: faults by name, no honest one refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness_tasks import APART
from verify_tasks import stdio_tests, task_of

from halo_forge.jsonl import read_records, write_records
from halo_forge.raft.answers import answers_of
from halo_forge.raft.filter import cycle_statistics
from halo_forge.raft.select import select
from halo_forge.records import CheckerTests, Sample, StdioCase, Verdict
from halo_forge.settings.params import Params
from halo_forge.settings.raft import Raft
from halo_forge.settings.verify import Verify
from halo_forge.verify import second_look
from halo_forge.verify.cpp.gcc import Gcc
from halo_forge.verify.registry import get_verifier
from halo_forge.verify.run import verify_file
from halo_forge.verify.selfcheck.cases import load_cases

SETTINGS = Verify(run_timeout_s=1.0, memory_mb=256, workers=2)
TASK = task_of(stdio_tests(("4\n", "8\n")), "cpp")
HEAD = "#include <climits>\n#include <cstdlib>\n#include <cstring>\n#include <iostream>\n#include <vector>\n"


@pytest.fixture(autouse=True)
def own_verdicts(tmp_path, monkeypatch):
    """A verdict cache of its own; precompiled headers are those of all tests."""
    monkeypatch.setattr("halo_forge.verify.verdict_cache.cache_folder", lambda name: _made(tmp_path / name))


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def main(body):
    return HEAD + f"int main() {{ int n; std::cin >> n; {body} std::cout << 2 * n; }}"


def look(program, task=TASK, name="gcc"):
    verifier = get_verifier(name, SETTINGS)
    assert verifier.judge(task, f"```{task.language}\n{program}\n```").status == "pass"
    assert verifier.cannot_look_again(task) is None
    return verifier.look_again(task, program)


FAULTS = {
    "heap-buffer-overflow": "std::vector<int> v(n); if (v[n + 1] == 12345678) return 1;",
    "heap-use-after-free": "int *p = new int(n); delete p; if (*p == 12345678) return 1;",
    "signed-integer-overflow": "volatile int big = INT_MAX; big = big + n;",
    "out-of-bounds-index": "volatile int a[4] = {}; if (a[n] == 12345678) return 1;",
    "invalid-shift-exponent": "volatile int shifted = 1 << (n + 30);",
    "alloc-dealloc-mismatch": "int *p = new int(n); std::free(p);",
    "null-pointer-use": "std::vector<int> v; int *p = &v[0]; if (p) return 1;",
    "stack-buffer-overflow": "char text[8]; std::memset(text, 0, sizeof text); volatile char c = text[n + 4 + n / 4]; (void)c;",
}


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(("fault", "body"), FAULTS.items())
def test_a_fault_that_happens_to_do_no_harm_is_found_by_name(fault, body):
    found = look(main(body))
    assert found == fault or (fault == "stack-buffer-overflow" and found == "out-of-bounds-index")


@pytest.mark.needs("gcc")
def test_a_function_without_its_return_is_found():
    assert (
        look(HEAD + "int f(int n) { std::cout << 2 * n; } int main() { int n; std::cin >> n; f(n); }")
        == "missing-return"
    )


@pytest.mark.needs("gcc")
def test_memory_that_holds_what_the_program_needs_only_by_luck_prints_something_else():
    body = "unsigned char *p = (unsigned char *)std::malloc(16); n += p[3] == 0x5a ? 0 : 1; std::free(p);"
    assert look(main(body)) == "other-output"


HONEST = {
    "unsigned wrap": "unsigned u = 0; u -= n; u *= 2654435761u; if (u == 1) return 1;",
    "memory not given back": "int *p = new int[100](); if (p[n]) return 1;",
    "deep recursion": "struct D { static int down(int k) { volatile char room[64]; room[0] = k; "
    "return k ? down(k - 1) + room[0] * 0 + 1 : 0; } }; if (D::down(30000) != 30000) return 1;",
    "much memory": "std::vector<char> v(100 << 20, 1); if (v[n] != 1) return 1;",
    "memory refused": "if (std::malloc(std::size_t(1) << 40)) return 1;",
    "the end of a vector": "std::vector<int> v(n); if (v.data() + n == nullptr) return 1;",
}


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("body", [pytest.param(text, id=name) for name, text in HONEST.items()])
def test_what_is_defined_is_clean(body):
    assert look(main(body)) == "clean"


@pytest.mark.needs("gcc")
def test_a_mask_in_c_is_clean():
    program = '#include <stdio.h>\nint main(void) { int n, m = 1 << 31; if (scanf("%d", &n) != 1) return 1; '
    assert (
        look(program + 'printf("%d", m < 0 ? 2 * n : 0); return 0; }', task_of(stdio_tests(("4\n", "8\n")), "c"))
        == "clean"
    )


@pytest.mark.needs("gcc")
def test_a_program_of_the_older_standard_is_looked_at_by_that():
    assert (
        look("#include <iostream>\nint main() { int requires; std::cin >> requires; std::cout << 2 * requires; }")
        == "clean"
    )


@pytest.mark.needs("gcc")
def test_answers_to_test_code_are_looked_at_with_it():
    verifier = get_verifier("gcc", SETTINGS)
    assert (
        verifier.look_again(APART, "vector<int> doubled(vector<int> v) { for (int &x : v) x *= 2; return v; }")
        == "clean"
    )
    beyond = "vector<int> doubled(vector<int> v) { int last = v.data()[v.size()]; for (int &x : v) x *= 2; "
    assert verifier.look_again(APART, beyond + "if (last == 77) v.clear(); return v; }") == "heap-buffer-overflow"


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(
    ("body", "said"),
    [("", "clean"), ("int *p = new int(n); delete p; if (*p == 12345678) return 1;", "heap-use-after-free")],
)
def test_a_task_with_a_checker_is_looked_at_as_any_other(body, said):
    checker = "import sys\nprint(1.0 if open(sys.argv[3]).read().split() else 0.0)"
    tests = CheckerTests(
        cases=[StdioCase(stdin="4\n", stdout="8\n")], language="python", code=checker, protocol="score"
    )
    assert look(main(body), task_of(tests, "cpp")) == said


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.needs("gcc")
def test_right_answers_in_odd_shapes_are_clean():
    verifier = get_verifier("gcc", SETTINGS)
    cases = [case for case in load_cases() if case.expect == ("pass",) and case.task.language in ("cpp", "c")]
    cases = [case for case in cases if verifier.cannot_look_again(case.task) is None]

    def found(case):
        return verifier.look_again(case.task, verifier.extract(case.task, case.completion))

    with ThreadPoolExecutor(2) as pool:
        said = dict(zip([case.name for case in cases], pool.map(found, cases), strict=True))
    slow = {"unknown: timeout"}  # programs that need optimisation
    odd = {name: words for name, words in said.items() if words not in {"clean", *slow}}
    # Beside its tests, which declare other types, it does not compile; only apart from them is it right.
    assert len(said) > 60 and odd == {"harness_c/other_types": "unknown: compile_error"}


def verdicts_of(*programs):
    return [
        Verdict(
            sample_id=f"s{number}",
            task_id=TASK.task_id,
            status="pass" if program else "wrong_answer",
            reward=1.0 if program else 0.7,
            tests_passed=1,
            tests_total=1,
            detail="",
            code=program or "int main() {}",
            duration_s=0.1,
            verifier="gcc",
            isolation="none",
        )
        for number, program in enumerate(programs)
    ]


def again(verdicts, settings=SETTINGS):
    return list(second_look.look_again({TASK.task_id: TASK}, verdicts, settings, "auto", "test"))


@pytest.mark.needs("gcc")
def test_each_program_is_looked_at_once_and_then_known(monkeypatch, capsys):
    good, bad = main(""), main(FAULTS["signed-integer-overflow"])
    looked = again(verdicts_of(good, bad, None, good))
    assert [verdict.sanitizers for verdict in looked] == ["clean", "signed-integer-overflow", None, "clean"]
    assert [verdict.faulty for verdict in looked] == [False, True, False, False]
    assert "2 of 2 passing programs looked at" in capsys.readouterr().out
    monkeypatch.setattr(second_look, "_look", lambda program: pytest.fail("looked at twice"))
    assert again(verdicts_of(good, bad, None, good)) == looked


@pytest.mark.needs("gcc")
def test_a_compiler_without_sanitizers_refuses_nobody_and_says_so_once(monkeypatch, capsys):
    monkeypatch.setattr(Gcc, "cannot_sanitize", lambda self, language: "no libasan: apt install it")
    looked = again(verdicts_of(main(""), main("n += 0;")))
    assert {verdict.sanitizers for verdict in looked} == {"unknown: no libasan: apt install it"}
    assert not any(verdict.faulty for verdict in looked)
    assert capsys.readouterr().err.count("2 programs could not be looked at under sanitizers: no libasan") == 1


@pytest.mark.needs("python")
def test_languages_that_leave_nothing_undefined_are_not_asked():
    task = task_of(stdio_tests(("4\n", "8\n")), "python")
    (verdict,) = verdicts_of("print(8)")
    assert list(second_look.look_again({task.task_id: task}, [verdict], SETTINGS, "auto", "test")) == [verdict]


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(
    ("training", "sanitize", "found"),
    [(True, "kept", "signed-integer-overflow"), (True, "off", None), (False, "kept", None)],
)
def test_only_samples_for_training_are_looked_at_and_only_if_that_is_set(tmp_path, training, sanitize, found):
    completion = f"```cpp\n{main(FAULTS['signed-integer-overflow'])}\n```"
    write_records(tmp_path / "tasks.jsonl", [TASK])
    write_records(tmp_path / "samples.jsonl", [Sample.of_reference(TASK, completion, "s")])
    settings = SETTINGS.model_copy(update={"sanitize": sanitize})
    verify_file(settings, tmp_path / "tasks.jsonl", tmp_path, "test", training=training)
    (verdict,) = read_records(tmp_path / "verdicts.jsonl", Verdict)
    assert (verdict.status, verdict.sanitizers) == ("pass", found)


def test_a_faulty_program_is_not_kept_and_the_next_one_is(make_task, make_judged):
    pairs = [make_judged("t", index, 1.0, f"int main() {{ return {index} - {index}; }}") for index in range(4)]
    pairs = [
        (sample, verdict.model_copy(update={"sanitizers": said}))
        for (sample, verdict), said in zip(
            pairs, ["heap-buffer-overflow", "clean", "unknown: timeout", "missing-return"], strict=True
        )
    ]
    answers = answers_of(pairs, {"t": make_task("t")})
    selection = select(answers, Raft(keep_top_percent=1.0, max_keep_per_task=4), 0)
    assert {answer.sample_id for answer in selection.kept} == {"t/1", "t/2"}
    assert selection.faulty == 2


def test_the_statistics_count_what_was_found(make_task, make_judged):
    sample, verdict = make_judged("t", 0, 1.0)
    verdict = verdict.model_copy(update={"sanitizers": "missing-return"})
    tasks, params = {"t": make_task("t")}, Params(seed=1, preset="x", base_model={"provider": "local", "id": "x"})
    answers = answers_of([(sample, verdict)], tasks)
    selection = select(answers, params.raft, 0)
    generation = {"model": "m", "temperature": 1.0, "tokens": 1, "seconds": 1.0, "tokens_per_s": 1.0}
    statistics = cycle_statistics("c1", params, tasks, answers, selection, generation)
    assert (statistics["sanitizers"], statistics["faulty"], statistics["kept"]) == ({"missing-return": 1}, 1, 0)
