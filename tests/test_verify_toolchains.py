"""The compilers beside g++: what each does with right, wrong and hostile programs, and how one that is missing is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from needs import skip_without, trouble
from verify_tasks import stdio_tests, task_of

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.records import CompileTests, HarnessTests
from halo_forge.settings.verify import Verify
from halo_forge.verify.compiled import toolchain
from halo_forge.verify.cpp import gcc, headers, instantiated
from halo_forge.verify.registry import VERIFIERS, AutoVerifier, get_verifier
from halo_forge.verify.windows import mingw, wine

pytestmark = pytest.mark.needs("python")
SETTINGS = Verify(run_timeout_s=1.0, memory_mb=256, max_processes=16, max_output_kb=64)
COMPILERS = {"gcc": "g++", "clang": "clang++", "mingw": "x86_64-w64-mingw32-g++", "rust": "rustc", "go": "go"}
PACKAGES = {"gcc": "g\\+\\+", "clang": "clang", "mingw": "g\\+\\+-mingw-w64-x86-64", "rust": "rustc", "go": "golang-go"}
DOUBLE = {
    "cpp": "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << 2 * n << std::endl; }\n",
    "c": '#include <stdio.h>\nint main(void) { int new; scanf("%d", &new); printf("%d\\n", 2 * new); return 0; }\n',
    "rust": "use std::io::Read;\nfn main() {\n    let mut s = String::new();\n    std::io::stdin().read_to_string(&mut s).unwrap();\n"
    '    let n: i64 = s.trim().parse().unwrap();\n    println!("{}", 2 * n);\n}\n',
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tvar n int\n\tfmt.Scan(&n)\n\tfmt.Println(2 * n)\n}\n',
}
TIMES_THREE = {
    "cpp": ("2 * n", "3 * n"),
    "c": ("2 * new", "3 * new"),
    "rust": ("2 * n", "3 * n"),
    "go": ("2 * n", "3 * n"),
}


def task(language, tests=None):
    return task_of(tests or stdio_tests(("4\n", "8\n"), ("5\n", "10\n")), language)


def verifier(name):
    skip_without(name)
    return get_verifier(name, SETTINGS)


def judge(verifier, language, program, tests=None):
    return verifier.judge(task(language, tests), f"```{language}\n{program}\n```\n")


RUNS = [("clang", "cpp"), ("clang", "c"), ("rust", "rust"), ("go", "go")]
RUNS += [
    pytest.param("mingw", language, marks=[pytest.mark.slow, pytest.mark.needs("wine")]) for language in ("cpp", "c")
]


@pytest.mark.parametrize(("name", "language"), RUNS)
def test_right_wrong_and_broken_programs_are_told_apart(name, language):
    chosen = verifier(name)
    right = DOUBLE[language]
    assert judge(chosen, language, right).status == "pass"
    wrong = judge(chosen, language, right.replace(*TIMES_THREE[language]))
    assert (wrong.status, wrong.tests_passed) == ("wrong_answer", 0)
    broken = judge(chosen, language, right.replace("main", "main(", 1))
    assert (broken.status, broken.reward) == ("compile_error", 0.0) and "main." in broken.detail


@pytest.mark.parametrize("name", ["gcc", "clang", "rust", "go", pytest.param("mingw", marks=pytest.mark.slow)])
def test_a_probe_compiles_and_runs_a_first_program(name, monkeypatch):
    chosen, reports = verifier(name), []
    run = chosen._sandbox.run
    monkeypatch.setattr(chosen._sandbox, "run", lambda job: reports.append(run(job)) or reports[-1])
    chosen.probe()
    _empty_box, *trials = reports
    languages = chosen._toolchain.languages
    assert [trial.compile.exit_code for trial in trials] == [0] * len(languages)
    runs = 0 if chosen._toolchain.cannot_run() else len(languages)
    assert [run.stdout.split() for trial in trials for run in trial.tests] == [[b"1"]] * runs
    chosen.probe()
    assert len(reports) == len(trials) + 2  # once a process


STOPPED = [
    ("rust", 'fn main() { println!("8"); let v: Vec<i32> = vec![]; println!("{}", v[1]); }', "runtime_error"),
    ("rust", "fn main() { std::process::exit(0); }", "wrong_answer"),
    ("rust", "fn main() { loop {} }", "timeout"),
    ("rust", "fn main() { loop { println!(\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"); } }", "output_limit"),
    ("rust", 'fn main() { println!("{}", include_str!("/etc/passwd")); }', "compile_error"),
    ("rust", 'fn main() { println!("{}", std::fs::read_dir("/root").is_err() as i32 * 8); }', "wrong_answer"),
    ("go", 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println(8)\n\tpanic("no")\n}', "runtime_error"),
    ("go", 'package main\n\nimport "os"\n\nfunc main() { os.Exit(0) }', "wrong_answer"),
    ("go", "package main\n\nfunc main() { for {} }", "timeout"),
    ("go", 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfor {\n\t\tfmt.Println("xxxxxxxxxxxxxxxxxxxxxxxx")\n\t}\n}', "output_limit"),
    ("go", 'package main\n\nimport "C"\n\nfunc main() {}', "compile_error"),
    ("go", 'package main\n\nimport _ "embed"\n\n//go:embed /etc/passwd\nvar s string\n\nfunc main() { println(s) }', "compile_error"),
    ("go", 'package main\n\nimport "example.org/x/y"\n\nfunc main() { y.F() }', "compile_error"),
    ("clang", '#include "/etc/passwd"\nint main() {}', "compile_error"),
    ("clang", "#include <cstdlib>\nint main() { std::abort(); }", "runtime_error"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "program", "status"), STOPPED)
def test_programs_that_do_not_end_well(name, program, status):
    judgement = judge(verifier(name), {"clang": "cpp"}.get(name, name), program)
    assert judgement.status == status, judgement.detail
    assert "root:" not in judgement.detail


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("rust", "fn main() { let mut v = Vec::new(); loop { v.push(vec![1u8; 1 << 20]); } }"),
        ("go", "package main\n\nfunc main() {\n\tvar v [][]byte\n\tfor {\n\t\tb := make([]byte, 1<<20)\n\t\tfor i := range b {\n\t\t\tb[i] = 1\n\t\t}\n\t\tv = append(v, b)\n\t}\n}"),
    ],
)  # fmt: skip
def test_memory_is_limited_whatever_a_runtime_reserves(name, program):
    judgement = judge(verifier(name), name, program)
    assert judgement.status in ("memory_limit", "runtime_error"), judgement.detail
    assert "memory" in judgement.detail


def test_go_programs_may_use_goroutines():
    program = (
        'package main\n\nimport (\n\t"fmt"\n\t"sync"\n)\n\nfunc main() {\n\tvar n, sum int\n\tfmt.Scan(&n)\n\tvar all sync.WaitGroup\n'
        "\tvar one sync.Mutex\n\tfor i := 0; i < 2*n; i++ {\n\t\tall.Add(1)\n\t\tgo func() { defer all.Done(); one.Lock(); sum++; one.Unlock() }()\n"
        "\t}\n\tall.Wait()\n\tfmt.Println(sum)\n}\n"
    )
    assert judge(verifier("go"), "go", program).status == "pass"


@pytest.mark.parametrize(
    ("name", "language", "fragment"),
    [
        ("clang", "cpp", "#include <vector>\nstd::vector<int> f() { return {}; }"),
        ("mingw", "cpp", "#include <windows.h>\nint f() { return GetLastError(); }"),
        ("rust", "rust", "pub fn f() -> Vec<i32> { vec![] }"),
        ("go", "go", "package main\n\nfunc f() []int { return nil }"),
    ],
)
def test_tests_that_only_compile_need_no_main(name, language, fragment):
    chosen = verifier(name)
    assert judge(chosen, language, fragment, CompileTests()).status == "pass"
    assert judge(chosen, language, fragment.replace("f()", "f(", 1), CompileTests()).status == "compile_error"


@pytest.mark.parametrize("name", ["gcc-compile", "mingw-compile", "rust-compile", "go-compile"])
def test_compile_only_never_claims_a_pass_for_what_was_not_run(name):
    chosen = verifier(name)
    language = chosen._toolchain.languages[0]
    chosen.check(task(language))
    assert "not run" in chosen.description
    judgement = judge(chosen, language, DOUBLE[language])
    assert (judgement.status, judgement.reward, judgement.tests_passed) == ("wrong_answer", 0.5, 0)
    assert "not run" in judgement.detail and "nothing is known" in judgement.detail
    assert judge(chosen, language, DOUBLE[language].replace("main", "main(", 1)).status == "compile_error"
    assert judge(chosen, language, DOUBLE[language], CompileTests()).status == "pass"


def test_compile_only_links_where_the_tests_would_run_the_program():
    chosen = verifier("gcc-compile")
    judgement = judge(chosen, "cpp", "void f();\nint main() { f(); }")
    assert judgement.status == "compile_error" and "undefined reference" in judgement.detail


def test_without_wine_mingw_refuses_what_it_would_have_to_run(monkeypatch):
    chosen = verifier("mingw")
    monkeypatch.setattr(mingw.Mingw, "cannot_run", lambda self: "no wine: apt install wine wine64")
    with pytest.raises(InputError, match="no wine: apt install wine wine64; or choose 'mingw-compile'"):
        chosen.check(task("cpp"))
    with pytest.raises(InfrastructureError, match="no wine"):
        judge(chosen, "cpp", DOUBLE["cpp"])
    assert "no wine" in chosen.description
    assert judge(chosen, "cpp", DOUBLE["cpp"], CompileTests()).status == "pass"


@pytest.mark.parametrize("name", COMPILERS)
def test_without_a_compiler_the_package_is_named(name, monkeypatch, tmp_path):
    (tmp_path / "bwrap").symlink_to(shutil.which("bwrap"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match=f"apt install {PACKAGES[name]}$"):
        get_verifier(name, SETTINGS).probe()
    with pytest.raises(InfrastructureError, match=f"apt install {PACKAGES[name]}$"):
        get_verifier(name, SETTINGS).fingerprint()


RUSTUP = """error: rustup could not choose a version of rustc to run, because one wasn't specified explicitly.
help: run 'rustup default stable' to download the latest stable release of Rust

Stack backtrace:
   0: anyhow::error::<impl core::convert::From<E> for anyhow::Error>::from
   1: main
"""
BROKEN = {
    "gcc": ("g++: fatal error: cannot execute 'cc1plus'\ncompilation terminated.\n", "install g[+][+] again"),
    "clang": ("clang: error while loading shared libraries: libLLVM.so\nand more\n", "install clang[+][+] again"),
    "mingw": (
        "x86_64-w64-mingw32-g++: error: spawn: no such file\nand more\n",
        "install x86_64-w64-mingw32-g[+][+](-posix)? again",
    ),
    "rust": (RUSTUP, "one wasn't specified explicitly; `rustup default stable`, or apt install rustc"),
    "go": ("go: cannot find GOROOT directory: /usr/lib/go\nand more\n", "apt install golang-go"),
}


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """broken(name): its compilers are on the path, say what BROKEN has, and fail."""

    def break_it(name):
        tools = tmp_path / "broken" / "bin"
        tools.mkdir(parents=True)
        c = {"gcc": "gcc", "clang": "clang", "mingw": "x86_64-w64-mingw32-gcc"}
        compilers = {COMPILERS[name], c.get(name, COMPILERS[name])}
        for compiler in compilers | {f"{compiler}-posix" for compiler in compilers}:  # MinGW's, if it has two kinds
            (tools / compiler).write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{BROKEN[name][0]}END\nexit 1\n")
            (tools / compiler).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

    return break_it


@pytest.mark.parametrize("name", BROKEN)
def test_a_compiler_that_is_there_and_broken_is_told_in_one_line_with_the_cure(name, broken):
    broken(name)
    said, cure = BROKEN[name]
    with pytest.raises(InfrastructureError, match=cure) as error:
        get_verifier(name, SETTINGS).probe()
    words = str(error.value)
    assert "\n" not in words and said.split("\n")[0].removeprefix("error: ").rstrip(".") in words


def test_a_compiler_that_only_fails_to_compile_is_found_out_by_the_probe(monkeypatch, tmp_path):
    """Else every C program would be taken for a wrong one."""
    skip_without("gcc")
    compiler = tmp_path / "own" / "bin" / "gcc"
    compiler.parent.mkdir(parents=True)
    real, said = shutil.which("gcc"), "gcc: fatal error: cannot execute 'as'"
    compiler.write_text(f'#!/bin/sh\n[ "$1" = -v ] && exec {real} -v\necho "{said}" >&2\nexit 1\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{compiler.parent}:{os.environ['PATH']}")
    with pytest.raises(InfrastructureError, match="cannot compile a first program.*cannot execute 'as'.*g[+][+]"):
        get_verifier("gcc", SETTINGS).probe()


def test_tests_of_a_tool_that_is_broken_are_skipped_with_the_reason(broken):
    broken("rust")
    with pytest.raises(pytest.skip.Exception, match="rust: .*rustup could not choose.*; `rustup default stable`"):
        pytest.skip(f"rust: {trouble.__wrapped__('rust')}")


def test_a_wine_that_does_not_start_is_none(monkeypatch, tmp_path):
    (tmp_path / "wine").write_text("#!/bin/sh\necho 'error: unable to find wine executable.' >&2\nexit 1\n")
    (tmp_path / "wine").chmod(0o755)
    monkeypatch.setattr(wine, "BOX_PATH", str(tmp_path))
    assert re.search("unable to find wine executable; apt install wine wine64$", wine.missing())
    with pytest.raises(InfrastructureError, match="unable to find wine"):
        wine.version()


@pytest.mark.needs("gcc")
def test_a_compiler_that_was_wrapped_has_another_fingerprint(monkeypatch, tmp_path):
    """It says the same of its version, and is not the same."""
    real, wrapper = shutil.which("g++"), tmp_path / "own" / "bin" / "g++"
    wrapper.parent.mkdir(parents=True)
    prints = {get_verifier("gcc", SETTINGS).fingerprint()}
    for flag in ("-O1", "-O2"):
        wrapper.write_text(f'#!/bin/sh\nexec {real} {flag} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
        for kept in (headers.version, toolchain.content):
            kept.cache_clear()
        prints.add(get_verifier("gcc", SETTINGS).fingerprint())
    assert len(prints) == 3


@pytest.mark.needs("gcc")
def test_a_precompiled_header_is_made_again_when_a_header_that_it_holds_has_changed(monkeypatch, tmp_path):
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(headers, "HEADERS", ("own.h",))
    header = tmp_path / "include" / "own.h"
    header.parent.mkdir()
    flags, code = ["-isystem", str(header.parent)], "#include <own.h>\nint main() { return VALUE; }\n"

    def built(value):
        header.write_text(f"#define VALUE {value}\n")
        headers._fresh.clear()
        *_, folder, _include, _name = headers.options(shutil.which("g++"), flags, code)
        return Path(folder) / "own.h.gch"

    first = built(3).stat()
    assert built(3).stat().st_ino == first.st_ino
    assert built(4).stat().st_ino != first.st_ino


def test_a_compiler_in_a_home_is_not_shown_to_the_answers(monkeypatch, tmp_path):
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    for compiler in ("clang", "clang++"):
        (home / "bin" / compiler).write_text("#!/bin/sh\n")
        (home / "bin" / compiler).chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    chosen = get_verifier("clang", SETTINGS)
    with pytest.raises(InfrastructureError, match="into a folder of its own"):
        chosen.probe()


def test_a_rust_toolchain_outside_usr_is_shown_to_the_box_and_nothing_beside_it():
    skip_without("rust")
    root = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True).stdout.strip()
    bound = get_verifier("rust", SETTINGS)._toolchain.binds()
    assert [str(path) for path in bound] == ([] if root.startswith("/usr") else [root])


def test_a_probe_says_when_a_compiler_does_not_work_in_the_box(monkeypatch):
    chosen = verifier("rust")
    monkeypatch.setitem(chosen._toolchain.trials, "rust", "fn main( {}")
    with pytest.raises(InfrastructureError, match="cannot compile a first program in the sandbox: this file contains"):
        chosen.probe()
    monkeypatch.setitem(chosen._toolchain.trials, "rust", "fn main() { std::process::exit(7); }")
    with pytest.raises(InfrastructureError, match="cannot run a first program in the sandbox.*exit code 7"):
        chosen.probe()


@pytest.mark.needs("clang")
@pytest.mark.parametrize("top", ["#include <iostream>\n", "#include <vector>\n#include <iostream>\n"])
def test_clang_uses_the_precompiled_header(top, tmp_path):
    (tmp_path / "main.cpp").write_text(top + "int main() { std::cout << 1; }\n")
    options = headers.options(shutil.which("clang++"), gcc.CLANG.flags("cpp"), top, clang=True)
    assert options[0] == "-include-pch"
    command = ["clang++", *gcc.CLANG.flags("cpp"), *options, "-H", "-fsyntax-only", "main.cpp"]
    opened = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert opened.returncode == 0 and "ostream" not in opened.stderr


@pytest.mark.needs("clang")
def test_a_clang_without_the_option_that_instantiates_precompiles_as_it_can(monkeypatch, tmp_path):
    compiler = shutil.which("clang++")
    assert instantiated.options(compiler, tmp_path, clang=True)
    monkeypatch.setattr(instantiated, "_CLANG", "-fpch-no-such-option")
    assert instantiated.options(compiler, tmp_path, clang=True) == []


@pytest.mark.needs("clang")
def test_clang_takes_a_precompiled_header_whose_stub_another_process_wrote_again(monkeypatch, tmp_path):
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))
    tmp_path.chmod(0o755)
    assert judge(verifier("clang"), "cpp", DOUBLE["cpp"]).status == "pass"
    (stub,) = headers.folder().glob("*/iostream")
    os.utime(stub, (1, 1))
    assert judge(verifier("clang"), "cpp", DOUBLE["cpp"]).status == "pass"


def test_clang_with_a_precompiled_header_still_misses_what_was_not_included():
    judgement = judge(verifier("clang"), "cpp", DOUBLE["cpp"].replace("2 * n", "std::stack<int>().size()"))
    assert judgement.status == "compile_error"


def test_auto_makes_the_verifier_of_a_language_when_its_first_task_comes(monkeypatch):
    go, made = verifier("go"), []
    auto = AutoVerifier(SETTINGS)
    monkeypatch.setitem(VERIFIERS, "go", lambda settings: made.append(settings) or go)
    auto.probe()
    assert not made
    assert judge(auto, "go", DOUBLE["go"]).status == "pass" and len(made) == 1
    assert judge(auto, "cpp", DOUBLE["cpp"]).status == "pass" and len(made) == 1


@pytest.mark.parametrize("name", ["rust", "go", "mingw", "gcc-compile"])
def test_harness_tests_are_for_compilers_of_c_that_run_here(name):
    language = {"mingw": "cpp", "gcc-compile": "cpp"}.get(name, name)
    with pytest.raises(InputError, match="'harness'"):
        verifier(name).check(task(language, HarnessTests(code="int main() {}")))


@pytest.mark.needs("gcc")
def test_a_fingerprint_changes_with_what_can_change_a_verdict():
    prints = [get_verifier("gcc", SETTINGS).fingerprint(), get_verifier("gcc-compile", SETTINGS).fingerprint()]
    prints.append(get_verifier("gcc", SETTINGS.model_copy(update={"memory_mb": 300})).fingerprint())
    prints.append(get_verifier("gcc", SETTINGS.model_copy(update={"run_timeout_s": 3.0})).fingerprint())
    assert len(set(prints)) == len(prints)
    assert get_verifier("gcc", SETTINGS).fingerprint() == prints[0]
