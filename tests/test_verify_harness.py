"""Test code in C and C++: right answers in odd shapes, wrong and broken ones, and tests that are no tests."""

from __future__ import annotations

import pytest
from harness_tasks import (
    ALLOWED,
    APART,
    BESIDE,
    BOX,
    HEAD,
    HEADS,
    RIGHT,
    RIGHT_APART,
    RIGHT_BESIDE,
    RIGHT_UNCUT,
    SETTINGS,
    STACK,
    UNCUT,
    C,
    judge,
    made_wrong,
    most_slow,
    task,
)

from halo_forge.errors import InputError
from halo_forge.verify.harness.gate import refuse
from halo_forge.verify.harness.join import LONGEST, join, read_prefix
from halo_forge.verify.harness.tokens import scan
from halo_forge.verify.registry import get_verifier

pytestmark = pytest.mark.needs("gcc")
IN_PROCESS = "[in-process]"


@pytest.fixture(scope="module")
def verifier():
    verifier = get_verifier("gcc", SETTINGS)
    verifier.probe()
    return verifier


@pytest.fixture(scope="module")
def allowed():
    return get_verifier("gcc", ALLOWED)


@pytest.mark.parametrize("kind", RIGHT)
def test_a_right_answer_passes_apart_from_the_tests(verifier, kind):
    task, program = RIGHT[kind]
    judgement = judge(verifier, task, program)
    assert (judgement.status, judgement.reward, judgement.tests_passed) == ("pass", 1.0, 1), judgement.detail
    assert not judgement.detail


@pytest.mark.parametrize("kind", RIGHT)
def test_a_wrong_answer_is_told_which_assertion_failed(verifier, kind):
    task, program = RIGHT[kind]
    judgement = judge(verifier, task, made_wrong(program))
    assert judgement.status == "wrong_answer"
    assert "assertion failed: " in judgement.detail and "of the tests" in judgement.detail


@pytest.mark.parametrize("kind", RIGHT_UNCUT)
def test_tests_that_cannot_be_cut_are_refused_unless_that_is_allowed(verifier, allowed, kind):
    task, program = RIGHT_UNCUT[kind]
    with pytest.raises(InputError, match="verify.beside: allow"):
        verifier.check(task)
    with pytest.raises(InputError, match="verify.beside: allow"):
        judge(verifier, task, program)
    allowed.check(task)
    judgement = judge(allowed, task, program)
    assert (judgement.status, judgement.reward) == ("pass", 1.0), judgement.detail
    assert judgement.detail.startswith(IN_PROCESS)
    assert judge(allowed, task, made_wrong(program)).status == "wrong_answer"


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
def test_right_answers_in_odd_shapes_pass_in_process(allowed, shape):
    taken = task(
        UNCUT.tests.code.replace("Box", "Many"), HEAD + "struct Many { int a, b; };\nvector<int> doubled(Many m){\n"
    )
    program = f"{ODD[shape]}\nvector<int> doubled(Many m) {{ return doubled(vector<int>{{m.a, m.b}}); }}"
    judgement = judge(allowed, taken, program)
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
