"""Test code in C and C++: what an answer can try in order to pass without being right."""

from __future__ import annotations

import pytest
from harness_tasks import (
    ALLOWED,
    APART,
    HEADS,
    RIGHT,
    RIGHT_C,
    RIGHT_UNCUT,
    SETTINGS,
    STACK,
    UNCUT,
    UNCUT_C,
    C,
    judge,
    made_wrong,
    most_slow,
    task,
)

from halo_forge.records import HarnessTests
from halo_forge.verify.registry import get_verifier

pytestmark = pytest.mark.needs("gcc")


@pytest.fixture(scope="module")
def verifier():
    verifier = get_verifier("gcc", SETTINGS)
    verifier.probe()
    return verifier


@pytest.fixture(scope="module")
def allowed():
    return get_verifier("gcc", ALLOWED)


# What an answer may put above a function that returns nothing useful. None of it may pass.
ABOVE = {
    "static initialiser": "#include <cstdlib>\nstruct Early { Early() { std::_Exit(0); } } early;",
    "constructor": "#include <unistd.h>\n__attribute__((constructor)) void early() { _exit(0); }",
    "destructor": "#include <unistd.h>\n__attribute__((destructor)) void late() { _exit(0); }\nstruct L { ~L() { _exit(0); } } l;",
    "main of its own": "#include <cstdlib>\nint main() { return 0; }",
    "main of its own, undefined": "#undef main\nint main() { return 0; }",
    "main as a macro": "#define main other_main",
    "assert away": "#include <cassert>\n#undef assert\n#define assert(...) ((void)0)",
    "NDEBUG": "#define NDEBUG\n#include <cassert>",
    "if is always true": "#define if(...) if (true)",
    "false is true": "#define false true",
    "no comparison": "#define static_cast\n#define bool int\n#define operator",
    "return nothing": "#define return ;",
    "pushed macro": '#define assert(x)\n#pragma push_macro("assert")\n#undef assert\n#define assert(x)\n#pragma pop_macro("assert")',
    "pasted pragma": '#define P(x) _Pra##gma(x)\nP("push_macro(\\"assert\\")")',
    "the function as a macro": "#define doubled(...) lie\nstruct { template <class T> bool operator==(const T &) const { return true; } } lie;",
    "__assert_fail": 'extern "C" void __assert_fail(const char *, const char *, unsigned, const char *) noexcept { __builtin_exit(0); }',
    "exit": 'extern "C" void exit(int) noexcept { for (;;); }',
    "strcmp": 'extern "C" int strcmp(const char *, const char *) { return 0; }',
    "memcmp": "#include <cstring>\nint memcmp(const void *, const void *, size_t) noexcept { return 0; }",
    "write": '#include <unistd.h>\nextern "C" ssize_t write(int, const void *, size_t n) { return n; }',
    "weak alias": 'extern "C" int liar() { return 0; }\nextern "C" int strcmp(const char *, const char *) __attribute__((weak, alias("liar")));',
    "asm label": 'extern "C" int liar(const char *, const char *) __asm__("strcmp");\nint liar(const char *, const char *) { return 0; }',
    "top-level asm": 'asm(".globl strcmp\\nstrcmp: xor %eax, %eax\\nret");',
    "incbin": 'asm(".incbin \\"main.cpp\\"");',
    "redefine_extname": '#pragma redefine_extname liar strcmp\nextern "C" int liar(const char *, const char *) { return 0; }',
    "operator== for vectors": "bool operator==(const vector<int> &, const vector<int> &) { return true; }",
    "operator== for everything": "template <class A, class B> bool operator==(const A &, const B &) { return true; }",
    "operator== in std": "namespace std { bool operator==(const vector<int> &, const vector<int> &) { return true; } }",
    "operator== in std, specialised": "template <> bool std::operator==<int, std::allocator<int>>(const vector<int> &, const vector<int> &) { return true; }",
    "operator== in std by a macro": "#define S std\nnamespace S { bool operator==(const vector<int> &, const vector<int> &) { return true; } }",
    "vector specialised": "template <> class std::vector<int> { public: template <class... T> vector(T &&...) {} bool operator==(const vector &) const { return true; } };",
    "char_traits": "#define __builtin_memcmp(...) 0\n#include <string>\n#include <cstring>",
    "to_string": 'namespace std { inline const char *to_string(vector<int>) { return "6"; } }',
    "abs and to_string of its own": 'string to_string(int) { return "6"; }',
    "namespace left open": "namespace mine {",
    "a brace too many": "}",
    "comment left open": "/*",
    "raw string left open": 'const char *rest = R"x(',
    "conditional left open": "#if 0",
    "line": '#line 1 "tests"',
    "linemarker": '# 1 "tests" 3',
    "includes itself": "#ifndef ONCE\n#define ONCE\n#include __FILE__\n#endif",
    "includes its base": "#include __BASE_FILE__",
    "includes stdin": '#include "/dev/stdin"',
    "includes a neighbour": '#include "answer.cpp"\n#include "main.cpp"',
    "counter": "int seen = __COUNTER__;",
    "signals": "#include <csignal>\n#include <unistd.h>\nstruct H { H() { for (int n = 1; n < 32; n++) std::signal(n, [](int) { _exit(0); }); } } h;",
    "threads": "#include <thread>\n#include <unistd.h>\nstruct T { T() { std::thread([] { usleep(20000); _exit(0); }).detach(); } } t;",
    "fork": "#include <unistd.h>\n#include <sys/wait.h>\nstruct F { F() { if (fork()) { wait(nullptr); _exit(0); } } } f;",
    "atexit": "#include <cstdlib>\n#include <unistd.h>\nstruct A { A() { std::atexit([] { _exit(0); }); } } a;",
    "terminate": "#include <exception>\n#include <unistd.h>\nstruct A { A() { std::set_terminate([] { _exit(0); }); } } a;",
    "handshake": '#include <cstdio>\nstruct P { ~P() { puts("\\npassed\\n0123456789abcdef0123456789abcdef"); } P() { fputs("passed\\n", stdout); } } p;',
    "nonce": "#include <cstdio>\nstruct P { P() { char b[64]; size_t n = fread(b, 1, 64, stdin); fwrite(b, 1, n, stdout); fflush(stdout); } } p;",
}
WRONG = {
    "apart": "vector<int> doubled(vector<int> v) { return v; }",
    "beside": "vector<int> doubled(Box v) { return {v.a, v.b}; }",
}


@pytest.mark.parametrize(
    "trick",
    most_slow(
        ABOVE,
        "static initialiser",
        "main of its own, undefined",
        "assert away",
        "if is always true",
        "pushed macro",
        "strcmp",
        "top-level asm",
        "operator== for vectors",
        "operator== in std",
        "comment left open",
        "includes itself",
        "includes its base",
    ),
)
def test_nothing_above_a_wrong_function_makes_it_pass_in_process(allowed, trick):
    judgement = judge(allowed, UNCUT, f"{ABOVE[trick]}\n{WRONG['beside']}")
    assert judgement.status != "pass", judgement.detail
    assert judgement.tests_passed == 0 and judgement.reward < 1


@pytest.mark.slow
@pytest.mark.parametrize("trick", ABOVE)
@pytest.mark.parametrize("kind", WRONG)
def test_nothing_above_a_wrong_function_makes_it_pass(verifier, kind, trick):
    judgement = judge(verifier, RIGHT[kind][0], f"{ABOVE[trick]}\n{WRONG[kind]}")
    assert judgement.status != "pass", judgement.detail
    assert judgement.tests_passed == 0 and judgement.reward < 1


# What a function may do instead of its work. {} is its head.
INSTEAD = {
    "exit": "#include <cstdlib>\n{} { exit(0); }",
    "_exit": "#include <unistd.h>\n{} { _exit(0); }",
    "quick_exit": "#include <cstdlib>\n{} { std::quick_exit(0); }",
    "system call": "#include <unistd.h>\n#include <sys/syscall.h>\n{} { syscall(SYS_exit_group, 0); return {}; }",
    "abort with a handler": "#include <csignal>\n#include <cstdlib>\n#include <unistd.h>\n{} { signal(SIGABRT, [](int) { _exit(0); }); abort(); }",
    "throw": "{} { throw 1; }",
    "second call only": "#include <cstdlib>\n{} { static int n; if (n++) exit(0); return {2, 4}; }",
    "fork": "#include <unistd.h>\n{} { if (fork()) _exit(0); return {2, 4}; }",
    "longjmp": "#include <csetjmp>\nstatic jmp_buf early;\nint set = setjmp(early);\n{} { longjmp(early, 1); }",
    "stderr": '#include <cstdio>\n#include <cstdlib>\n{} { fputs("passed\\n", stderr); exit(0); }',
    "closed pipes": "#include <unistd.h>\n{} { for (int n = 0; n < 64; n++) close(n); return {2, 4}; }",
    "kill the parent": "#include <csignal>\n#include <unistd.h>\n{} { if (getppid() > 1) kill(getppid(), 9); _exit(0); }",
    "forged frames": "#include <unistd.h>\n{} { char b[4096] = {}; for (int fd = 3; fd < 9; fd++) if (write(fd, b, 4096) < 0) continue; return {}; }",
    "return past the tests": """{} {
    long here[1] = {0}, *at = here;
    for (int n = 0; n < 40; n++)
        if (at[n] > (long)&at[n] && at[n] - (long)&at[n] < 4096) {
            long *caller = (long *)at[n];
            at[n] = caller[0];
            at[n + 1] = caller[1];
            break;
        }
    return {};
}""",
    "read the neighbours": """#include <dirent.h>
#include <fstream>
#include <cstdlib>
#include <iostream>
#include <unistd.h>
{} {
    for (const char *folder : {"/tmp", "/proc/self/fd", "/proc/self", "/proc/1", "/proc/2", "/proc/3", "/proc/4"})
        if (DIR *all = opendir(folder))
            while (dirent *one = readdir(all)) {
                std::ifstream file(std::string(folder) + "/" + one->d_name, std::ios::binary);
                std::string text(1 << 20, 0);
                file.read(&text[0], text.size());
                text.resize(file.gcount());
                if (text.find("{2,4}") != std::string::npos && text.find("many") != std::string::npos) return {2, 4};
            }
    exit(0);
}""",
}


@pytest.mark.parametrize("trick", most_slow(INSTEAD, "exit", "second call only", "return past the tests"))
@pytest.mark.parametrize("kind", [pytest.param("apart", marks=pytest.mark.slow), "beside", "uncut"])
def test_no_way_out_of_the_function_is_a_pass(verifier, allowed, kind, trick):
    program = INSTEAD[trick].replace("{} {", HEADS[kind] + " {", 1)
    judgement = judge(allowed if kind == "uncut" else verifier, {**RIGHT, **RIGHT_UNCUT}[kind][0], program)
    assert judgement.status != "pass", judgement.detail
    assert judgement.tests_passed == 0


def test_apart_the_answer_finds_nothing_of_the_tests(verifier):
    program = """#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <iostream>
#include <unistd.h>
#include <vector>
std::vector<int> doubled(std::vector<int> v) {
    std::string pid = std::to_string(getppid());
    for (std::string name : {"/mem", "/maps", "/environ", "/exe", "/fd/0", "/fd/1", "/fd/5"})
        if (open(("/proc/" + pid + name).c_str(), O_RDONLY) >= 0) std::cerr << "reached " << name << "\\n";
    if (open("tests", O_RDONLY) >= 0) std::cerr << "reached tests\\n";
    if (getenv("HALO_NONCE")) std::cerr << "reached the nonce\\n";
    for (int fd = 5; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0) std::cerr << "reached descriptor " << fd << "\\n";
    if (write(1, "x", 1) != 1) std::cerr << "no stdout\\n";
    return {};
}"""
    judgement = judge(verifier, APART, program)
    assert judgement.status == "wrong_answer"
    assert "assertion failed" in judgement.detail and "reached" not in judgement.detail, judgement.detail


LIAR = "struct Any { template <class T> bool operator==(const T &) const { return true; } bool operator!() const { return true; } operator bool() const { return true; } };\n"
LYING_CLASSES = {
    "a type that equals everything": LIAR
    + "struct Stack { void push(int) {} Any top() { return {}; } void pop() {} Any empty() { return {}; } };",
    "nested": "struct Stack { "
    + LIAR
    + " void push(int) {} Any top() { return {}; } void pop() {} Any empty() { return {}; } };",
    "auto": LIAR
    + "struct Stack { void push(int) {} auto top() { return Any{}; } void pop() {} auto empty() { return Any{}; } };",
    "alias": LIAR
    + "using Number = Any;\ntypedef Number Digit;\nstruct Stack { void push(int) {} Digit top() { return {}; } void pop() {} Digit empty() { return {}; } };",
    "int is a macro": LIAR
    + "#define int Any\nstruct Stack { void push(long) {} int top() { return {}; } void pop() {} int empty() { return {}; } };",
    "a field": LIAR + "struct Stack { void push(int) {} std::function<Any()> top, empty; void pop() {} };",
    "a base": LIAR
    + "template <class T> struct Base { T top() { return {}; } T empty() { return {}; } };\nstruct Stack : Base<Any> { void push(int) {} void pop() {} };",
    "a free operator": "struct Any {};\nbool operator==(Any, int) { return true; }\nbool operator!(Any) { return true; }\nstruct Stack { void push(int) {} Any top() { return {}; } void pop() {} bool empty() { return true; } };",
    "itself": "struct Stack { void push(int) {} Stack &top() { return *this; } bool operator==(int) { return true; } void pop() {} bool empty() { static int n; return !n++; } };",
    "an enumeration": "enum Any { any };\nbool operator==(Any, int) { return true; }\nstruct Stack { void push(int) {} Any top() { return any; } void pop() {} bool empty() { static int n; return !n++; } };",
}


@pytest.mark.parametrize("lie", LYING_CLASSES)
def test_a_class_may_not_hand_out_what_compares_as_it_likes(verifier, lie):
    judgement = judge(verifier, STACK, "#include <functional>\n" + LYING_CLASSES[lie])
    assert judgement.status != "pass", judgement.detail


# Guesses in copies of the process, to learn from how they end which guess the tests like.
ORACLE = """#include <sys/wait.h>
#include <unistd.h>
void doubled(int *v, int n) {
    for (int guess = 0; guess < 8; guess++) {
        int copy = fork();
        if (copy == 0) { v[0] = 2; v[1] = guess; return; }
        waitpid(copy, 0, 0);
    }
}"""
EARLY_ORACLE = """#include <sys/wait.h>
#include <unistd.h>
static int guess;
__attribute__((constructor)) static void early(void) {
    for (guess = 0; guess < 8; guess++) {
        int copy = fork();
        if (copy == 0) return;
        waitpid(copy, 0, 0);
    }
    _exit(0);
}
void doubled(int *v, int n) { v[0] = 2; v[1] = guess; }"""
C_TRICKS = {
    "exit": "#include <stdlib.h>\nvoid doubled(int *v, int n) { exit(0); }",
    "constructor": "#include <unistd.h>\n__attribute__((constructor)) static void early(void) { _exit(0); }\nvoid doubled(int *v, int n) { }",
    "main": "int main(void) { return 0; }\nvoid doubled(int *v, int n) { }",
    "assert away": "#define assert(x)\nvoid doubled(int *v, int n) { }",
    "if": "#define if(x) if (1)\nvoid doubled(int *v, int n) { }",
    "strcmp": "int strcmp(const char *a, const char *b) { return 0; }\nvoid doubled(int *v, int n) { }",
    "strcmp as a macro": "#define strcmp(a, b) 0\n#define memcmp(a, b, c) 0\nvoid doubled(int *v, int n) { }",
    "sprintf": "int sprintf(char *s, const char *f, ...) { s[0] = '4'; s[1] = 0; return 1; }\nvoid doubled(int *v, int n) { v[0] = 2; v[1] = 3; }",
    "__assert_fail": "void __assert_fail(const char *a, const char *b, unsigned c, const char *d) { for (;;); }\nvoid doubled(int *v, int n) { }",
    "weak alias": 'int liar(void) { return 0; }\nint strcmp(const char *, const char *) __attribute__((weak, alias("liar")));\nvoid doubled(int *v, int n) { }',
    "asm": '__asm__(".globl strcmp\\nstrcmp: xor %eax, %eax\\nret");\nvoid doubled(int *v, int n) { }',
    "comment left open": "void doubled(int *v, int n) { } /*",
    "trigraphs": "??=define assert(x)\nvoid doubled(int *v, int n) { }",
    "digraphs": "%:define assert(x)\n%:define memcmp(...) 0\nvoid doubled(int *v, int n) <% %>",
    "includes itself": "#include __FILE__\nvoid doubled(int *v, int n) { }",
    "a fork that asks": ORACLE,
    "an early fork that asks": EARLY_ORACLE,
    "numbers are equal": "#define int _Bool\nvoid doubled(int *v, int n) { }",
}


@pytest.mark.parametrize(
    "trick", most_slow(C_TRICKS, "exit", "main", "assert away", "strcmp", "digraphs", "a fork that asks")
)
def test_c_tricks_do_not_pass(verifier, allowed, trick):
    for judging, taken in ((verifier, C), (allowed, UNCUT_C)):
        judgement = judge(judging, taken, C_TRICKS[trick])
        assert judgement.status != "pass", judgement.detail


TWICE = task(
    "#include <assert.h>\nint unused[2] = {[1] = 1, [0] = 2};\nint main(void) { assert(twice(1) == 2); assert(twice(2) == 4); assert(twice(3) == 6); return 0; }",
    "struct pair { int a; };\n",
    "c",
)
FRAMES = "int twice(int x) { void **me = __builtin_frame_address(0), **caller = me[0]; if (x <= LAST) return 2 * x; me[0] = caller[0]; me[1] = caller[1]; return 0; }"
OTHERS = {
    "past all": FRAMES.replace("LAST", "0"),
    "past the last but one": FRAMES.replace("LAST", "1"),
    "past the last": FRAMES.replace("LAST", "2"),
    "patched code": "#include <stdint.h>\n#include <sys/mman.h>\nint twice(int x) { char *me = (char *)((uintptr_t)__builtin_return_address(0) & ~4095ul); mprotect(me - 4096, 16384, 7); for (int n = 0; n < 8192; n++) me[n] = 0xc3; return 0; }",
    "patched through /proc": '#include <fcntl.h>\n#include <unistd.h>\nint twice(int x) { int fd = open("/proc/self/mem", O_RDWR); char nops[64]; for (int n = 0; n < 64; n++) nops[n] = 0x90; pwrite(fd, nops, 64, (long)__builtin_return_address(0)); return 0; }',
    "a filter of its own": "#include <stddef.h>\n#include <sys/prctl.h>\n#include <unistd.h>\nint twice(int x) { if (prctl(22, 1, 0, 0, 0) == 0) return 2 * x; return 0; }",
    "forged number": '#include <stdio.h>\n#include <unistd.h>\nint twice(int x) { char b[16]; if (read(0, b, 16) > 0) printf("%032x", x); fflush(stdout); _exit(0); }',
}


@pytest.mark.parametrize("trick", OTHERS)
def test_the_proof_holds_where_the_gate_does_not(allowed, monkeypatch, trick):
    monkeypatch.setattr("halo_forge.verify.harness.gate.refuse", lambda *_: None)
    assert judge(allowed, TWICE, "int twice(int x) { return 2 * x; }").detail.startswith("[in-process]")
    judgement = judge(allowed, TWICE, OTHERS[trick])
    assert judgement.status != "pass", judgement.detail


@pytest.mark.parametrize("program", [ORACLE, EARLY_ORACLE])
def test_a_copy_of_the_process_learns_nothing_even_where_the_tests_start_threads(allowed, program):
    code = UNCUT_C.tests.code.replace("int main", "#include <pthread.h>\nvoid *(*unused)(void *);\nint main").replace(
        "return 0;", "if (unused) pthread_create(0, 0, unused, 0);\n    return 0;"
    )
    taken = C.model_copy(update={"tests": HarnessTests(prefix=C.tests.prefix, code=code)})
    assert judge(allowed, taken, RIGHT_C).status == "pass"
    judgement = judge(allowed, taken, program)
    assert judgement.status != "pass", judgement.detail


@pytest.mark.needs("clang")
@pytest.mark.parametrize("kind", RIGHT)
def test_clang_judges_the_same(kind):
    clang = get_verifier("clang", SETTINGS)
    task, program = RIGHT[kind]
    assert judge(clang, task, program).status == "pass"
    assert judge(clang, task, made_wrong(program)).status == "wrong_answer"
    if kind in WRONG:
        lie = ABOVE["operator== for vectors"] + WRONG[kind]
        assert judge(clang, task, lie).status != "pass"
