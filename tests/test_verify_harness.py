"""Test code in C and C++: what an answer can try to pass without being right, and right answers in odd shapes."""

from __future__ import annotations

import shutil

import pytest

from halo_forge.config_verify import Verify
from halo_forge.errors import InputError
from halo_forge.records import HarnessTests, Source, Task
from halo_forge.verify.harness.gate import refuse
from halo_forge.verify.harness.join import LONGEST, join, read_prefix
from halo_forge.verify.harness.tokens import scan
from halo_forge.verify.registry import get_verifier

pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None or shutil.which("g++") is None, reason="needs bubblewrap and g++"
)
SETTINGS = Verify(run_timeout_s=1.0, memory_mb=300, max_processes=8, max_output_kb=64)
IN_PROCESS = "[in-process]"


@pytest.fixture(scope="module")
def verifier():
    verifier = get_verifier("gcc", SETTINGS)
    verifier.probe()
    return verifier


def task(code, prefix="", language="cpp", entry_point=None):
    tests = HarnessTests(prefix=prefix, code=code)
    return Task(
        task_id="t",
        language=language,
        prompt="",
        tests=tests,
        entry_point=entry_point,
        source=Source(dataset="x"),
        family="f",
    )


def most_slow(cases, *quick):
    """Every case as a parameter, all but a few marked slow: compilers take their time."""
    assert set(quick) <= set(cases)
    return [pytest.param(case, marks=[] if case in quick else pytest.mark.slow) for case in cases]


def judge(verifier, task, program):
    return verifier.judge(task, f"```{task.language}\n{program}\n```\n")


# The tests in a process of their own: vectors and strings can cross.
HEAD = """/*
Each number twice as large.
*/
#include<vector>
#include<string>
using namespace std;
"""
APART = task(
    """#undef NDEBUG
#include<assert.h>
int main(){
    assert (doubled({1,2}) == vector<int>({2,4}));
    vector<int> many={5,6,7};
    assert (doubled(many)[2] == 14);
    assert (doubled({}).size() == 0);
}
""",
    HEAD + "vector<int> doubled(vector<int> v){\n",
)
# Beside the answer, since a type of the prompt's own cannot cross.
BOX = HEAD + "struct Box { int a, b; };\nvector<int> doubled(Box v){\n"
BESIDE = task(
    """#undef NDEBUG
#include<assert.h>
#include<string.h>
int main(){
    assert (doubled({1,2}) == vector<int>({2,4}));
    string text = to_string(doubled(Box{3, 4})[0]);
    assert (text == "6");
    assert (strcmp(text.c_str(), "6") == 0);
    assert (memcmp(text.c_str(), "6", 1) == 0);
    assert (doubled(Box{0, 9})[1] == 18);
}
""",
    BOX,
)
# Beside the answer, since the class that is tested is the answer's.
STACK = task(
    """#include <cassert>
int main() {
    Stack s;
    assert(s.empty());
    s.push(3);
    s.push(4);
    assert(s.top() == 4);
    s.pop();
    assert(!s.empty() && s.top() == 3);
    return 0;
}
"""
)
C = task(
    """#undef NDEBUG
#include <assert.h>
#include <string.h>
#include <stdio.h>
int main(void) {
    int numbers[] = {1, 2};
    char text[20];
    doubled(numbers, 2);
    assert(numbers[0] == 2 && numbers[1] == 4);
    sprintf(text, "%d", numbers[1]);
    assert(strcmp(text, "4") == 0);
    assert(memcmp(text, "4", 2) == 0);
    return 0;
}
""",
    "#include <stdlib.h>\nvoid doubled(int *v, int n) {\n",
    "c",
)
RIGHT_APART = "vector<int> doubled(vector<int> v) { for (int &x : v) x *= 2; return v; }"
RIGHT_BESIDE = "vector<int> doubled(Box v) { return {2 * v.a, 2 * v.b}; }"
RIGHT_STACK = """#include <vector>
class Stack {
    std::vector<int> items;
public:
    void push(int x) { items.push_back(x); }
    int top() const { return items.back(); }
    void pop() { items.pop_back(); }
    bool empty() const { return items.empty(); }
};"""
RIGHT_C = "void doubled(int *v, int n) { for (int i = 0; i < n; i++) v[i] *= 2; }"
RIGHT = {
    "apart": (APART, RIGHT_APART),
    "beside": (BESIDE, RIGHT_BESIDE),
    "class": (STACK, RIGHT_STACK),
    "c": (C, RIGHT_C),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_a_right_answer_passes_and_the_verdict_says_where_the_tests_ran(verifier, kind):
    task, program = RIGHT[kind]
    judgement = judge(verifier, task, program)
    assert (judgement.status, judgement.reward, judgement.tests_passed) == ("pass", 1.0, 1), judgement.detail
    assert judgement.detail.startswith(IN_PROCESS) == (kind != "apart")


@pytest.mark.parametrize("kind", RIGHT)
def test_a_wrong_answer_is_told_which_assertion_failed(verifier, kind):
    task, program = RIGHT[kind]
    wrong = program.replace("* v.b", "* v.a").replace("*= 2", "*= 3").replace("items.back()", "3")
    judgement = judge(verifier, task, wrong)
    assert judgement.status == "wrong_answer"
    assert "assertion failed: " in judgement.detail and "of the tests" in judgement.detail


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
def test_nothing_above_a_wrong_function_makes_it_pass_in_process(verifier, trick):
    judgement = judge(verifier, BESIDE, f"{ABOVE[trick]}\n{WRONG['beside']}")
    assert judgement.status != "pass", judgement.detail
    assert judgement.tests_passed == 0 and judgement.reward < 1


@pytest.mark.slow
@pytest.mark.parametrize("trick", ABOVE)
def test_nothing_above_a_wrong_function_makes_it_pass(verifier, trick):
    judgement = judge(verifier, APART, f"{ABOVE[trick]}\n{WRONG['apart']}")
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
HEADS = {"apart": "std::vector<int> doubled(std::vector<int> v)", "beside": "std::vector<int> doubled(Box v)"}


@pytest.mark.parametrize("trick", most_slow(INSTEAD, "exit", "second call only", "return past the tests"))
@pytest.mark.parametrize("kind", [pytest.param("apart", marks=pytest.mark.slow), "beside"])
def test_no_way_out_of_the_function_is_a_pass(verifier, kind, trick):
    program = INSTEAD[trick].replace("{} {", HEADS[kind] + " {", 1)
    judgement = judge(verifier, RIGHT[kind][0], program)
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
    "sprintf": "int sprintf(char *s, const char *f, ...) { s[0] = '4'; s[1] = 0; return 1; }\nvoid doubled(int *v, int n) { v[0] = 2; v[1] = 4; }",
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
def test_c_tricks_do_not_pass(verifier, trick):
    judgement = judge(verifier, C, C_TRICKS[trick])
    assert judgement.status != "pass", judgement.detail


BODY = "    for (int &x : v) x *= 2;\n    return v;\n"
ODD = {
    "CRLF": RIGHT_APART.replace("{ ", "{\r\n").replace("; ", ";\r\n"),
    "the prompt repeated": HEAD + RIGHT_APART,
    "the prompt's includes and more": "#include <bits/stdc++.h>\n#include <vector>\nusing namespace std;\n"
    + RIGHT_APART,
    "no using namespace": "#include <vector>\nstd::vector<int> doubled(std::vector<int> v) { for (auto &x : v) x *= 2; return v; }",
    "other parameter types": "vector<int> doubled(const vector<int> &v) { vector<int> r; for (long x : v) r.push_back(2 * x); return r; }",
    "long long int": "#define int long long\nvector<signed> doubled(vector<signed> v) { for (auto &x : v) x *= 2; return v; }\nsigned main() { int n = 0; return n; }",
    "macros": "#define all(x) x.begin(), x.end()\n#define rep(i, n) for (int i = 0; i < (int)(n); i++)\n#define vi vector<int>\nvi doubled(vi v) { rep(i, v.size()) v[i] *= 2; return vi(all(v)); }",
    "a demo main": RIGHT_APART + "\n#include <iostream>\nint main() { for (int x : doubled({1, 2})) cout << x; }",
    "a demo main with arguments": RIGHT_APART + "\nint main(int argc, char **argv) { return argc + (argv == 0); }",
    "a helper overload": "int doubled(int x) { return 2 * x; }\nvector<int> doubled(vector<int> v) { for (int &x : v) x = doubled(x); return v; }",
    "a template": "template <typename T> vector<T> twice(vector<T> v) { for (T &x : v) x *= 2; return v; }\nvector<int> doubled(vector<int> v) { return twice(v); }",
    "the function is a template": "template <typename T> vector<T> doubled(vector<T> v) { for (T &x : v) x *= 2; return v; }",
    "a struct with operator<": "#include <algorithm>\nstruct P { int x; bool operator<(const P &o) const { return x < o.x; } };\nvector<int> doubled(vector<int> v) { vector<P> p; for (int x : v) p.push_back({x}); vector<int> r; for (P q : p) r.push_back(2 * q.x); return r; }",
    "a specialised hash": "#include <unordered_set>\nstruct P { int x; bool operator==(const P &o) const { return x == o.x; } };\nnamespace std { template <> struct hash<P> { size_t operator()(const P &p) const { return p.x; } }; }\nvector<int> doubled(vector<int> v) { unordered_set<P> s; for (int &x : v) { s.insert({x}); x *= 2; } return v; }",
    "a hash of pairs": "#include <unordered_set>\ntemplate <> struct std::hash<std::pair<int, int>> { size_t operator()(const std::pair<int, int> &p) const { return p.first; } };\n"
    + RIGHT_APART,
    "operator<< for vectors": "#include <iostream>\nostream &operator<<(ostream &out, const vector<int> &v) { for (int x : v) out << x; return out; }\nvector<int> doubled(vector<int> v) { for (int &x : v) x *= 2; cout << v << endl; return v; }",
    "operator== for vectors": "bool operator==(const vector<int> &a, const vector<int> &b) { return a.size() == b.size() && equal(a.begin(), a.end(), b.begin()); }\n#include <algorithm>\n"
    + RIGHT_APART,
    "state": "static int calls;\nvector<int> doubled(vector<int> v) { static vector<int> last; calls++; last = v; for (int &x : last) x *= 2; return last; }",
    "prints": '#include <cstdio>\nvector<int> doubled(vector<int> v) { printf("debug %d", (int)v.size()); for (int &x : v) x *= 2; return v; }',
    "prints and flushes": '#include <iostream>\nvector<int> doubled(vector<int> v) { cout << "debug" << flush; for (int &x : v) x *= 2; return v; }',
    "a forward declaration": "vector<int> doubled(vector<int>);\nstatic int two(int x) { return 2 * x; }\nvector<int> doubled(vector<int> v) { for (int &x : v) x = two(x); return v; }",
    "a lambda": "auto doubled = [](vector<int> v) { for (int &x : v) x *= 2; return v; };",
    "asserts": '#include <cassert>\nvector<int> doubled(vector<int> v) { assert(v.size() < 99 && "small"); for (int &x : v) x *= 2; return v; }',
    "pragmas": '#pragma GCC optimize("O3")\n#pragma GCC target("sse2")\n' + RIGHT_APART,
    "quotes and comments": '/* " */ // \'\nconst char *s = "/* } \\" " R"(")"; char q = \'"\', r = \'}\'; int million = 1\'000\'000;\n'
    + RIGHT_APART,
    "conditionals": '#ifdef LOCAL\n#include "debug.h"\n#else\n#define debug(...)\n#endif\nvector<int> doubled(vector<int> v) { debug(v); for (int &x : v) x *= 2; return v; }',
    "a line that goes on": "#define TWICE(x) \\\n    ((x) * 2)\nvector<int> doubled(vector<int> v) { for (int &x : v) x = TWICE(x); return v; }",
    "Unicode": '// größer, 大きい\nvector<int> doubled(vector<int> v) { string s = "ä"; for (int &x : v) x *= 2; return v; }',
}


@pytest.mark.parametrize(
    "shape", most_slow(ODD, "the prompt repeated", "long long int", "a demo main", "a specialised hash", "prints")
)
def test_right_answers_in_odd_shapes_pass(verifier, shape):
    judgement = judge(verifier, APART, ODD[shape])
    assert judgement.status == "pass", judgement.detail
    assert not judgement.detail.startswith(IN_PROCESS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", sorted(ODD.keys() - {"the function is a template", "other parameter types", "a lambda", "long long int"})
)
def test_right_answers_in_odd_shapes_pass_in_process(verifier, shape):
    taken = task(
        BESIDE.tests.code.replace("Box", "Many"), HEAD + "struct Many { int a, b; };\nvector<int> doubled(Many m){\n"
    )
    program = f"{ODD[shape]}\nvector<int> doubled(Many m) {{ return doubled(vector<int>{{m.a, m.b}}); }}"
    judgement = judge(verifier, taken, program)
    assert judgement.status == "pass", judgement.detail
    assert judgement.detail.startswith(IN_PROCESS)


@pytest.mark.parametrize(
    "completion",
    [
        BODY,
        BODY + "}\n",
        f"```cpp\n{BODY}}}\n```",
        f"```\n{BODY}```",
        f"Here is the rest:\n\n```cpp\n#include <algorithm>\n{BODY}}}\n\nint main() {{ return 0; }}\n```\nDone.",
        f"{RIGHT_APART}\n",
        f"{BODY}}}\n\nThis function doubles each number.\n",
        f"```cpp\nint main() {{ doubled({{1}}); }}\n```\n```cpp\n{RIGHT_APART}\n```\nUse it so:\n```cpp\nint main() {{ doubled({{1}}); }}\n```",
    ],
)
def test_a_completion_may_be_the_body_alone(verifier, completion):
    judgement = verifier.judge(APART, completion)
    assert judgement.status == "pass", judgement.detail


def test_a_c_completion_may_be_the_body_alone(verifier):
    assert verifier.judge(C, "    for (int i = 0; i < n; i++) v[i] *= 2;\n}\n").status == "pass"


@pytest.mark.parametrize(
    "program",
    [
        RIGHT_BESIDE,
        "struct Box { int a, b; };\n" + RIGHT_BESIDE,
        BOX.replace("vector<int> doubled(Box v){\n", RIGHT_BESIDE),
    ],
)
def test_what_the_prompt_declares_may_be_repeated(verifier, program):
    judgement = judge(verifier, BESIDE, program)
    assert judgement.status == "pass", judgement.detail


POLY = task(
    "#include <cassert>\n#include <cmath>\nint main() { assert(poly({1, 2}, 3) == 7); assert(fabs(poly({-2, 1}, root({-2, 1}))) < 1e-6); }",
    "#include <vector>\nusing namespace std;\ndouble poly(vector<double> c, double x) {\n    double s = 0;\n    for (int i = c.size(); i-- > 0;) s = s * x + c[i];\n    return s;\n}\ndouble root(vector<double> c) {\n",
)


def test_a_helper_of_the_prompt_means_to_the_tests_what_the_prompt_says(verifier):
    mine = "double poly(vector<double> c, double x) { double s = 0, p = 1; for (double a : c) { s += a * p; p *= x; } return s; }\n"
    right = "double root(vector<double> c) { return poly(c, 0) == 0 ? 0 : -c[0] / c[1]; }"
    assert judge(verifier, POLY, mine + right).status == "pass"
    lying = mine.replace("return s", "return x == 3 ? 7 : 0")
    assert judge(verifier, POLY, lying + right.replace("-c[0]", "c[0]")).status == "wrong_answer"


def test_a_function_that_the_prefix_does_not_name_is_called_apart_as_well(verifier):
    plain = task(
        '#include <cassert>\n#include <string>\nint main() { assert(shout("a", 2) == std::string("aa!")); return 0; }'
    )
    program = "#include <string>\nusing namespace std;\nstring shout(const string &s, int n) { string r; while (n--) r += s; return r + '!'; }"
    judgement = judge(verifier, plain, program)
    assert (judgement.status, judgement.detail) == ("pass", "")
    assert judge(verifier, plain, program.replace("'!'", "'?'")).status == "wrong_answer"


def test_values_of_all_plain_types_cross_unharmed(verifier):
    prefix = """#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>
using namespace std;
typedef map<string, vector<pair<int, double>>> Table;
Table same(Table t, set<char> &s, const vector<bool> &b, optional<tuple<bool, long, string>> o, const char *c) {
"""
    code = """#include <cassert>
#include <cmath>
int main() {
    Table t = {{"", {}}, {string("a\\0b", 3), {{-1, NAN}, {7, -0.0}}}};
    set<char> s = {'x', '\\n'};
    Table r = same(t, s, {true, false, true}, make_tuple(true, -5L, string("ü")), "text");
    assert(r.size() == 2 && r.begin()->second.empty());
    auto row = r[string("a\\0b", 3)];
    assert(row[0].first == -1 && std::isnan(row[0].second) && std::signbit(row[1].second));
    assert(s == set<char>({'x', '\\n', 'A'}));
    bool thrown = false;
    try { same({}, s, {}, nullopt, "out of range"); } catch (const out_of_range &error) { thrown = string(error.what()) == "far"; }
    assert(thrown);
}
"""
    program = """Table same(Table t, set<char> &s, const vector<bool> &b, optional<tuple<bool, long, string>> o, const char *c) {
    if (!o) throw out_of_range("far");
    if (b == vector<bool>{true, false, true} && get<1>(*o) == -5 && get<2>(*o) == "ü" && string(c) == "text") s.insert('A');
    return t;
}"""
    judgement = judge(verifier, task(code, prefix), program)
    assert (judgement.status, judgement.detail) == ("pass", "")


def test_classes_with_operators_that_the_tests_ask_for_pass(verifier):
    code = "#include <cassert>\nint main() { Ratio a(1, 2), b(2, 4); assert(a == b); assert(a + b == Ratio(1, 1)); assert(!(a == Ratio(1, 3))); }"
    program = """struct Ratio {
    long n, d;
    Ratio(long n, long d) : n(n), d(d) {}
    bool operator==(const Ratio &o) const { return n * o.d == o.n * d; }
    Ratio operator+(const Ratio &o) const { return Ratio(n * o.d + o.n * d, d * o.d); }
};"""
    judgement = judge(verifier, task(code), program)
    assert judgement.status == "pass", judgement.detail
    assert judgement.detail.startswith(IN_PROCESS)


def test_helpers_with_operators_that_the_tests_never_meet_are_no_matter(verifier):
    program = """#include <queue>
#include <vector>
struct Entry {
    int value, at;
    bool operator<(const Entry &other) const { return at < other.at; }
    bool operator==(const Entry &other) const { return at == other.at; }
};
typedef long long ll;
class Stack {
    std::priority_queue<Entry> items;
    int next = 0;
    void note(Entry entry, int top) { items.push(entry); next = top; }
public:
    void push(int x) { note({x, next}, next + 1); }
    int top() const { return items.top().value; }
    void pop() { items.pop(); }
    bool empty() const { return items.empty(); }
    ll size(Entry) const { return items.size(); }
};"""
    judgement = judge(verifier, STACK, program)
    assert judgement.status == "pass", judgement.detail


TWICE = task(
    "#include <assert.h>\nint main(void) { assert(twice(1) == 2); assert(twice(2) == 4); assert(twice(3) == 6); return 0; }",
    "int twice(int x) {\n",
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
def test_the_proof_holds_where_the_gate_does_not(verifier, monkeypatch, trick):
    monkeypatch.setattr("halo_forge.verify.harness.gate.refuse", lambda *_: None)
    assert judge(verifier, TWICE, "int twice(int x) { return 2 * x; }").status == "pass"
    judgement = judge(verifier, TWICE, OTHERS[trick])
    assert judgement.status != "pass", judgement.detail


@pytest.mark.parametrize("program", [ORACLE, EARLY_ORACLE])
def test_a_copy_of_the_process_learns_nothing_even_where_the_tests_start_threads(verifier, program):
    code = C.tests.code.replace("int main", "#include <pthread.h>\nvoid *(*unused)(void *);\nint main").replace(
        "return 0;", "if (unused) pthread_create(0, 0, unused, 0);\n    return 0;"
    )
    taken = C.model_copy(update={"tests": HarnessTests(prefix=C.tests.prefix, code=code)})
    assert judge(verifier, taken, RIGHT_C).status == "pass"
    judgement = judge(verifier, taken, program)
    assert judgement.status != "pass", judgement.detail


def test_tests_may_start_threads(verifier):
    code = """#include <cassert>
#include <thread>
#include <vector>
int main() {
    Counter counter;
    std::vector<std::thread> all;
    for (int n = 0; n < 4; n++) all.emplace_back([&] { counter.add(25); });
    for (auto &one : all) one.join();
    assert(counter.total() == 100);
}
"""
    program = "#include <mutex>\nclass Counter { std::mutex m; int n = 0; public: void add(int x) { std::lock_guard<std::mutex> l(m); n += x; } int total() { return n; } };"
    judgement = judge(verifier, task(code), program)
    assert judgement.status == "pass", judgement.detail
    assert judge(verifier, task(code), program.replace("n += x", "n += 1")).status == "wrong_answer"


def test_tests_that_end_before_their_assertions_prove_nothing(verifier):
    code = "#include <cassert>\n#include <cstdlib>\nint main() { Thing t; if (t.good()) exit(0); assert(false); }"
    judgement = judge(verifier, task(code), "struct Thing { bool good() { return true; } };")
    assert judgement.status == "wrong_answer" and "without an assertion" in judgement.detail
    never = task("int main() { return 0; }", HEAD + "vector<int> doubled(vector<int> v){\n")
    judgement = judge(verifier, never, RIGHT_APART)
    assert judgement.status == "wrong_answer"


def test_statuses_are_told_apart(verifier):
    head = HEADS["apart"]
    cases = {
        "runtime_error": f"{head} {{ int *p = nullptr; return {{*p}}; }}",
        "timeout": f"{head} {{ for (;;); }}",
        "memory_limit": f"{head} {{ for (;;) new char[1 << 20]; }}",
        "compile_error": f"{head} {{ return 1 }}",
    }
    assert {wanted: judge(verifier, APART, program).status for wanted, program in cases.items()} == {
        k: k for k in cases
    }


def test_tests_without_a_main_are_refused():
    with pytest.raises(InputError, match="no main"):
        get_verifier("gcc", SETTINGS).check(task("void check() {}"))
    with pytest.raises(InputError, match="never ends"):
        get_verifier("gcc", SETTINGS).check(task("int main() {} /*"))


@pytest.mark.parametrize(
    "text", ["namespace ", "<(", "operator==", "a<", "(", "struct a ", "{}", "a::", "template<>", "using a=b;"]
)
def test_hostile_texts_are_read_in_no_time(text):
    joined = join(read_prefix("", "cpp"), text * ((LONGEST - 1) // len(text)), "cpp")
    reason = refuse(joined, scan(STACK.tests.code, "cpp"), "cpp")
    assert reason is None or isinstance(reason, str)


@pytest.mark.parametrize(
    "text", ["{" * 9_000, "#if 1\n" * 9_000, "x" * (LONGEST + 1), "{" * 300 + "}" * 300, "/*", "'"]
)
def test_texts_that_cannot_be_read_are_compile_errors(verifier, text):
    assert judge(verifier, STACK, text).status == "compile_error"


@pytest.mark.skipif(shutil.which("clang++") is None, reason="needs clang")
@pytest.mark.parametrize("kind", RIGHT)
def test_clang_judges_the_same(kind):
    clang = get_verifier("clang", SETTINGS)
    task, program = RIGHT[kind]
    assert judge(clang, task, program).status == "pass"
    wrong = program.replace("* v.b", "* v.a").replace("*= 2", "*= 3").replace("items.back()", "3")
    assert judge(clang, task, wrong).status == "wrong_answer"
    if kind in WRONG:
        lie = ABOVE["operator== for vectors"] + WRONG[kind]
        assert judge(clang, task, lie).status != "pass"
