"""C++ and C answers, and precompiled headers that change nothing but the time."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from verify_tasks import stdio_tests, task_of

from halo_forge.cache import cache_root
from halo_forge.errors import InfrastructureError
from halo_forge.records import CompileTests
from halo_forge.settings.verify import Verify
from halo_forge.verify.cpp import gcc, headers, instantiated
from halo_forge.verify.registry import get_verifier

pytestmark = pytest.mark.needs("gcc")
SETTINGS = Verify(run_timeout_s=0.5, memory_mb=200, max_processes=8, max_output_kb=64)
IO = "#include <iostream>\n"
LIBRARY = re.compile(r"_Z(?:T[VTIS]|GV|GR)?N?[VKRO]*(?:S[tabsiod]|9__gnu_cxx|6__pstl)")
"""Mangled names in the namespaces of libstdc++."""


@pytest.fixture(scope="module")
def verifier():
    verifier = get_verifier("gcc", SETTINGS)
    verifier.probe()
    return verifier


def task(*cases, language="cpp"):
    return task_of(stdio_tests(*cases), language)


DOUBLE = task(("4\n", "8\n"), ("5\n", "10\n"))


def judge(verifier, program, task=DOUBLE):
    return verifier.judge(task, f"```{task.language}\n{program}\n```\n")


def main(body, top=IO):
    return top + "int main() { int n; std::cin >> n; " + body + " }\n"


def test_a_right_program_passes(verifier):
    judgement = judge(verifier, main("std::cout << 2 * n;"))
    assert (judgement.status, judgement.reward, judgement.tests_passed) == ("pass", 1.0, 2)


def test_what_the_compiler_says_of_the_precompiled_headers_names_no_home(verifier):
    """So that a verdict is the same on every machine."""
    judgement = judge(verifier, main("return std::cin == 'c';", "#include <bits/stdc++.h>\n"))
    assert judgement.status == "compile_error" and str(cache_root()) not in judgement.detail
    assert re.search(r"from headers/\w+/bits/stdc\+\+\.h", judgement.detail), "it names no precompiled header at all"


def test_c_programs_are_compiled_as_c(verifier):
    program = '#include <stdio.h>\nint main(void) { int new; scanf("%d", &new); printf("%d", 2 * new); return 0; }'
    assert judge(verifier, program, task(("4", "8"), language="c")).status == "pass"
    assert judge(verifier, program).status == "compile_error"


@pytest.mark.parametrize(
    ("body", "status", "reward"),
    [
        ("std::cout << 2 * n << std::endl; std::abort();", "runtime_error", 0.5),
        ("std::cout << 2 * n << std::endl; return 3;", "runtime_error", 0.5),
        ("std::exit(0);", "wrong_answer", 0.7),
        ("std::cout << 8;", "wrong_answer", 0.85),
        ("int unused; std::abort();", "runtime_error", 0.3),
        ("int unused; std::cout << 2 * n;", "pass", 1.0),
        ("int *p = nullptr; std::cout << *p;", "runtime_error", 0.5),
        ("while (true) new char[1 << 20];", "memory_limit", 0.5),
        ("while (true) std::cout << n << n << n << n << '\\n';", "output_limit", 0.5),
        ("while (true) n++;", "timeout", 0.5),
    ],
)
def test_the_ladder_on_real_programs(verifier, body, status, reward):
    judgement = judge(verifier, main(body, IO + "#include <cstdlib>\n"))
    assert (judgement.status, judgement.reward) == (status, reward), judgement.detail


def test_compiler_words_are_kept_from_the_first_on(verifier):
    judgement = judge(verifier, main("undeclared = 1;"))
    assert (judgement.status, judgement.reward) == ("compile_error", 0.0)
    assert "main.cpp:2:" in judgement.detail.split("\n")[1] and "undeclared" in judgement.detail


def test_a_missing_include_stays_an_error(verifier):
    judgement = judge(verifier, main("std::vector<int> v(n); std::cout << v.size() * 2;"))
    assert judgement.status == "compile_error"


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", "/root/.bashrc", "/proc/1/environ"])
def test_includes_of_host_files_find_nothing(verifier, path):
    judgement = judge(verifier, f'#include "{path}"\n' + main("std::cout << 2 * n;"))
    assert judgement.status == "compile_error"
    assert "root:" not in judgement.detail and "HALO" not in judgement.detail


@pytest.mark.parametrize(
    "program",
    [
        "#define X X X X X X X X X X\n" + "template <int n> struct A { A<n + 1> a; };\nA<0> a;\nint main() {}",
        '#include "/dev/zero"\nint main() {}',
        "int x[1 << 28] = {1};\nint main() {}",
    ],
)
def test_compiling_is_limited_too(program):
    settings = SETTINGS.model_copy(update={"compile_timeout_s": 3.0})
    assert judge(get_verifier("gcc", settings), program).status == "compile_error"


def test_compile_tests_need_no_main(verifier):
    compiling = DOUBLE.model_copy(update={"tests": CompileTests()})
    assert judge(verifier, "#include <vector>\nstd::vector<int> f() { return {}; }", compiling).status == "pass"
    assert judge(verifier, "#include <vector>\nstd::vector<int> f() { return 1 }", compiling).status == "compile_error"


@pytest.mark.parametrize(
    ("head", "header"),
    [
        ("#include <iostream>\n", "iostream"),
        ("// c\n/* <vector> */\n#include <vector>\n  # include <iostream>\nusing namespace std;\n", "iostream"),
        ("#include <iostream>\n#include <bits/stdc++.h>\n", "bits/stdc++.h"),
        ("#include <vector>\n", None),
        ("using namespace std;\n#include <iostream>\n", None),
        ("#define vector list\n#include <iostream>\n", None),
        ("#if 0\n#include <iostream>\n#endif\n", None),
        ("/* #include <iostream> */\n", None),
        ("// \\\n#include <iostream>\n", None),
        ('#include "iostream"\n', None),
        ("", None),
    ],
)
def test_a_header_is_moved_to_the_front_only_from_the_head(head, header):
    assert headers.first_header(head + "int main() {}\n") == header


BITS = "#include <bits/stdc++.h>\nusing namespace std;\n"
PROGRAMS = [
    BITS + "int main() { vector<int> v{3, 1}; sort(v.begin(), v.end()); cout << v[0] << max(1, 2L); }",
    BITS + "int main() { auto p = make_unique<int>(1); optional<int> o = *p; cout << to_string(*o); int unused; }",
    BITS + "int main() { mutex m; lock_guard<mutex> g(m); thread t([] {}); t.join(); }",
    BITS + "int async = 1; int main() { return async; }",
    BITS + '#define P(a, b) a##b\nint main() { P(reg, ex) r("a"); }',
    BITS + "int gcd(int a, int b) { return b ? gcd(b, a % b) : a; } int main() { cout << gcd(4, 6) << ::gcd(4, 6); }",
    BITS + "int main() { random_device d; mt19937 g(d()); chrono::seconds s(1); cout << g() << s.count() << y1; }",
    "#include <iostream>\nint main() { std::cout << std::sqrt(2.0); }",
    "#include <iostream>\nint main() { std::cout << std::string(3, 'a'); }",
    "#include <iostream>\nint main() { std::sort(0, 0); }",
    '#include <iostream>\nint main() { printf("1"); }',
    "#include <iostream>\nint main() { std::map<int, int> m; }",
    "#include <iostream>\nint main() { std::stringstream s; }",
    "#include <iostream>\nint main() { uint64_t x = INT_MAX; return x; }",
    "#include <vector>\n#include <iostream>\nint main() { int unused; std::cout << 1; }",
    "#include <iostream>\n#include <iostream>\nusing namespace std; int main() { cout << abs(-1.5); }",
    "#include <iostream>\n#include <algorithm>\nusing namespace std; int count; int main() { count = 1; }",
]


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_compiler_says_the_same_with_and_without_precompiled_headers(program, tmp_path):
    (tmp_path / "main.cpp").write_text(program + "\n")
    flags = gcc.GCC.flags("cpp")
    options = headers.options(shutil.which("g++"), flags, program, whole=True)
    assert options
    said = []
    for extra in ([], options):
        command = ["g++", *flags, "main.cpp", *extra, "-o", "main"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        said.append(
            (done.returncode, [line for line in done.stderr.split("\n") if "error:" in line or "warning:" in line])
        )
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("use", "lean"), [("cout << 1;", True), ("promise<int> p;", False), ("#define F(a) f##a\n", False)]
)
def test_the_lean_header_is_for_programs_that_name_nothing_it_lacks(use, lean, tmp_path):
    full = headers.options(shutil.which("g++"), gcc.GCC.flags("cpp"), BITS)
    program = BITS + f"int main() {{ {use} }}\n"
    chosen = headers.options(shutil.which("g++"), gcc.GCC.flags("cpp"), program, whole=True)
    assert (chosen != full) == lean
    assert headers.options(shutil.which("g++"), gcc.GCC.flags("cpp"), program) == full
    (tmp_path / "main.cpp").write_text(program)
    command = ["g++", *gcc.GCC.flags("cpp"), *chosen, "-H", "-fsyntax-only", "main.cpp"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stderr
    assert said.startswith("! ") and "stdc++.h.gch" in said.split("\n")[0]
    assert ("/future" in said) != lean


@pytest.mark.parametrize("top", [IO, "#include <vector>\n" + IO])
def test_the_precompiled_header_is_used(top, tmp_path):
    (tmp_path / "main.cpp").write_text(main("std::cout << n;", top))
    options = headers.options(shutil.which("g++"), gcc.GCC.flags("cpp"), top)
    command = ["g++", *gcc.GCC.flags("cpp"), *options, "-H", "-fsyntax-only", "main.cpp"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stderr
    assert said.startswith("! ") and "iostream.gch" in said.split("\n")[0]


@pytest.mark.parametrize("top", [IO, BITS])
def test_nothing_of_a_precompiled_header_is_instantiated_again(top, tmp_path):
    (tmp_path / "main.cpp").write_text(top + "int main() {}\n")
    options = headers.options(shutil.which("g++"), gcc.GCC.flags("cpp"), top, whole=True)
    command = ["g++", *gcc.GCC.flags("cpp"), *options, "-ftime-report", "-c", "main.cpp"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stderr
    assert "TOTAL" in said
    memory = re.search(r"^ phase lang\. deferred .* (\d+)k", said, re.M)  # a phase that takes nothing has no line
    assert memory is None or int(memory[1]) < 200  # 4,000 and 9,000 without `instantiated`


@pytest.mark.parametrize("name", ["instantiate_pending_templates", "c_register_pragma"])
def test_a_compiler_without_a_function_that_instantiates_precompiles_as_it_can(name, monkeypatch, tmp_path):
    compiler = shutil.which("g++")
    assert instantiated.options(compiler, tmp_path / "has", clang=False)
    monkeypatch.setattr(instantiated, "_PLUGIN", instantiated._PLUGIN.replace(name, f"no_{name}"))
    assert instantiated.options(compiler, tmp_path / name, clang=False) == []


SPECIALIZED = [
    BITS + "template <> struct std::hash<pair<int, int>> { size_t operator()(pair<int, int>) const { return 7; } };\n"
    "int main() { unordered_set<pair<int, int>> s{{1, 2}}; cout << s.size(); }",
    BITS + "struct P {}; namespace std { template <> struct less<P> { bool operator()(P, P) const { return 0; } }; }\n"
    "int main() { set<P> s{{}, {}}; cout << s.size(); }",
    BITS + "namespace std { ostream& operator<<(ostream& o, const vector<int>& v) { return o << v.size(); } }\n"
    "int main() { cout << vector<int>(3); }",
    BITS + "template <> struct numeric_limits<char*> { static int max() { return 3; } };\n"
    "int main() { cout << numeric_limits<char*>::max(); }",
    BITS + "template class std::vector<int>; template int std::max(const int&, const int&); int main() {}",
    BITS
    + "template <> void std::swap(int& a, int& b) noexcept { a = b; } int main() { int a = 1, b = 2; swap(a, b); }",
    BITS + "template <class T> T abs(T x) { return x; } template <class T> T move(T x) { return x; }\n"
    'int main() { string s = to_string(stoi("12") + abs(-1)); cout << s; }',
    IO + 'using namespace std; template <> string std::to_string(int); int main() { cout << stod("1.5"); }',
    IO + '#define T 5\nint main() { std::cout << std::stoi("3") << std::to_string(T) << std::hex << 7; }',
]


@pytest.mark.slow
@pytest.mark.parametrize("program", [*PROGRAMS, *SPECIALIZED])
@pytest.mark.parametrize("build", [gcc.PLAIN, gcc.QUICK])
def test_what_is_instantiated_earlier_makes_the_same_program(program, build, monkeypatch, tmp_path):
    """Which of the library's own templates it holds besides, unused ones and those that the library has itself, depends
    on when they were asked for."""
    chosen, made = replace(gcc.GCC, build=build), []
    (tmp_path / "main.cpp").write_text(program + "\n")
    for instantiating in (True, False):
        with monkeypatch.context() as changed:
            if not instantiating:  # the headers of a test are those of all
                changed.setenv("HALO_FORGE_CACHE", str(tmp_path.parent / "not-instantiated"))
                changed.setattr(instantiated, "options", lambda *_, **__: [])
            options = chosen.precompiled("cpp", program, whole=True)
        command = [*chosen.options("cpp"), "main.cpp", *options, "-c", "-o", "main.o"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        said = re.sub(r"\S*/headers/\w+/", "", done.stderr)
        made.append((done.returncode, said, set() if done.returncode else _functions(tmp_path / "main.o")))
    (code, said, earlier), (plain_code, plain_said, plain) = made
    assert (code, said) == (plain_code, plain_said)
    assert {name for *_, name in earlier ^ plain if not LIBRARY.match(name)} == set()
    assert _own(earlier) == _own(plain)


def _functions(file):
    """Every symbol with its kind, and its size if it is defined here."""
    listed = subprocess.run(["nm", "-S", file], capture_output=True, text=True, check=True).stdout
    return {tuple(line.split()[1:] if line[0] != " " else line.split()) for line in listed.splitlines()}


def _own(symbols):
    """Those that are no template's nor inline, which are weak, nor elsewhere."""
    return {symbol for symbol in symbols if symbol[-2] not in "WVnuU"}


def test_without_a_compiler_it_refuses(monkeypatch, tmp_path):
    (tmp_path / "bwrap").symlink_to(shutil.which("bwrap"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match="apt install g"):
        get_verifier("gcc", SETTINGS).probe()
