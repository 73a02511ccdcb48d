"""Tests that use what the answer defines, cut in two: what stays outside, and that right answers of all kinds still fit."""

from __future__ import annotations

import pytest
from harness_tasks import SETTINGS, judge, most_slow, task

from halo_forge.verify.harness.level import Unsplittable
from halo_forge.verify.harness.split import Splitter
from halo_forge.verify.registry import get_verifier

pytestmark = pytest.mark.needs("gcc")


@pytest.fixture(scope="module")
def verifier():
    return get_verifier("gcc", SETTINGS)


def cut(code: str, language: str = "cpp", *, library=("std", "assert", "strcmp", "vector", "size_t")):
    return Splitter(code, language, asked=lambda names: names - set(library), remote=set(), whole=set()).split()


@pytest.mark.parametrize(
    "code",
    [
        "int main() { assert(f(2) == 70215); }",
        "int main() { assert(70215 != f(2) && !(f(3) < 70215)); }",
        "int main() { int want = 70215; assert(f(2) == want); }",
        "int main() { if (f(2) != 70215) return 1; return f(3) == 70215 ? 0 : 1; }",
        "int main() { Stack s; s.push(3); assert(s.top() - 70215 < 1e-6); }",
        "int main() { for (int x : f(2)) assert(x == 70215); }",
        "static void same(Stack &s, int want) { assert(s.top() == want); }\nint main() { Stack s; same(s, 70215); }",
        "int main() { auto same = [&](int n, int want) { assert(f(n) == want); }; same(2, 70215); }",
        "int main() { try { f(2); } catch (const Wrong &e) { assert(e.code == 70215); } }",
        "bool same(const Stack &s, int want) { return s.top() == want; }\nint main() { Stack s; assert(same(s, 70215)); }",
        'int main() { assert(strcmp(f("a"), "70215") == 0); }',
        "int main() { Ratio r(1, 2); assert(r == 70215); }",
        "int main() { auto r = f(2); std::vector<int> want = {70215}; assert(std::equal(r.begin(), r.end(), want.begin())); }",
    ],
)
def test_what_is_expected_is_no_part_of_the_steps(code):
    split = cut(code)
    assert "70215" in split.tests and "70215" not in split.steps


def test_the_answers_own_text_is_not_asked_how_to_judge(verifier):
    code = "#include <cassert>\nint main() { assert(f(2) == 4); assert(f(3) == 9); return 0; }"
    programs = [
        "int f(int n) { return n * n; }",
        "auto f = [](auto n) { return n * n; };",
        "template <class T> T f(T n) { return n * n; }",
        "struct F { long operator()(long n) const { return n * n; } } f;",
        "double f(double n, int by = 1) { return n * n * by; }",
    ]
    assert [judge(verifier, task(code), program).detail for program in programs] == [""] * 5
    assert judge(verifier, task(code), programs[0].replace("n * n", "2 * n")).status == "wrong_answer"


def test_tests_that_name_nothing_of_the_answer_cannot_be_cut():
    with pytest.raises(Unsplittable, match="nothing"):
        cut("int main() { assert(1 + 1 == 2); }")


A = "#include <cassert>\n"
BITS = "#include <bits/stdc++.h>\nusing namespace std;\n"
# name -> (tests, right answers, wrong answers)
KINDS = {
    "floats": (
        A + "#include <cmath>\nint main() { assert(std::fabs(area(2) - 12.566370614) < 1e-6); assert(area(0) == 0);"
        " double a = area(1.0); assert(a > 3.14159265 && a < 3.14159266); }",
        [
            "double area(double r) { return 3.14159265358979 * r * r; }",
            "#include <cmath>\nauto area(long double r) { return M_PIl * r * r; }".replace(
                "M_PIl", "3.14159265358979L"
            ),
        ],
        ["float area(float r) { return 3.14159265f * r * r; }", "int area(double r) { return 3 * r * r; }"],
    ),
    "values in tables": (
        A + "#include <string>\n#include <vector>\nstruct Case { std::string in; std::size_t want; };\nint main() {"
        ' std::vector<Case> cases = {{"abc", 3}, {"", 0}}; for (const auto &c : cases) assert(length(c.in) == c.want); }',
        [
            "#include <string>\nint length(const std::string &s) { return s.size(); }",
            "#include <string_view>\nauto length(std::string_view s) { return s.size(); }",
        ],
        ["#include <string>\nint length(const std::string &s) { return 3; }"],
    ),
    "arguments changed in place": (
        A
        + "#include <vector>\nint main() { std::vector<int> v = {1, 2, 3}; twice(v); assert(v == (std::vector<int>{2, 4, 6}));"
        " int a = 1, b = 2; turn(a, b); assert(a == 2 && b == 1); int q, r; divide(7, 2, q, r); assert(q == 3); assert(r == 1); }",
        [
            "#include <vector>\nvoid twice(std::vector<int> &v) { for (int &x : v) x *= 2; }\nvoid turn(int &a, int &b) { int c = a; a = b; b = c; }\nvoid divide(int a, int b, int &q, int &r) { q = a / b; r = a % b; }"
        ],
        [
            "#include <vector>\nvoid twice(std::vector<int> v) {}\nvoid turn(int &a, int &b) { int c = a; a = b; b = c; }\nvoid divide(int a, int b, int &q, int &r) { q = a / b; r = a % b; }"
        ],
    ),
    "an argument that the result is compared with": (
        A
        + "int main() { int n = 5; assert(twice(n) == n * 2); for (int i = 1; i < 4; i++) assert(twice(i) == 2 * i); }",
        ["int twice(int n) { return 2 * n; }", "int twice(const int &n) { return n + n; }"],
        ["int twice(int &n) { n = 0; return 0; }", "int twice(int &n) { n = 100; return 200; }"],
    ),
    "macros": (
        '#include <cstdio>\nstatic int failures = 0;\n#define CHECK_EQ(a, b) do { if (!((a) == (b))) { printf("line %d: %s\\n", __LINE__, #a); failures++; } } while (0)\n'
        'int main() { CHECK_EQ(fib(10), 55); CHECK_EQ(fib(20), 6765); printf("%d\\n", fib(3)); return failures != 0; }',
        ["int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }"],
        ["int fib(int n) { return 55; }", "#include <cstdlib>\nint fib(int n) { exit(0); }"],
    ),
    "templates and lambdas of the tests": (
        "#include <iostream>\n#include <string>\n#include <cstdlib>\ntemplate <typename T> void expect(const T &got, const T &want, const std::string &name) {"
        ' if (got != want) { std::cerr << name << ": " << got << std::endl; std::exit(1); } }\nint main() { expect(vowels("hello"), 2, "hello");'
        ' auto run = [&](const std::string &s, int want) { if (vowels(s) != want) std::exit(1); }; run("aeiou", 5); std::cout << vowels("x") << std::endl; }',
        [
            '#include <string>\nlong vowels(const std::string &s) { int n = 0; for (char c : s) n += std::string("aeiou").find(c) != std::string::npos; return n; }'
        ],
        ["#include <string>\nint vowels(const std::string &s) { return 2; }"],
    ),
    "containers": (
        BITS
        + A
        + 'int main() { auto m = counts("a b a"); assert(m["a"] == 2 && m.size() == 2); assert(counts("q") == (map<string, int>{{"q", 1}}));'
        ' assert(!digit("ab")); assert(digit("7") == 7); assert(*digit("a3") == 3); auto [lo, hi] = range({3, 1, 2}); assert(lo == 1); assert(hi == 3); assert(range({4}) == make_pair(4, 4)); }',
        [
            BITS
            + "map<string, int> counts(const string &s) { map<string, int> m; stringstream in(s); string w; while (in >> w) m[w]++; return m; }\noptional<int> digit(const string &s) { for (char c : s) if (isdigit(c)) return c - '0'; return nullopt; }\npair<int, int> range(const vector<int> &v) { return {*min_element(v.begin(), v.end()), *max_element(v.begin(), v.end())}; }"
        ],
        [
            BITS
            + 'map<string, int> counts(const string &s) { return {{"a", 2}, {"b", 1}}; }\noptional<int> digit(const string &s) { for (char c : s) if (isdigit(c)) return c - \'0\'; return nullopt; }\npair<int, int> range(const vector<int> &v) { return {v[1], v[0]}; }'
        ],
    ),
    "threads": (
        A
        + "#include <thread>\n#include <vector>\nint main() { Counter c; std::vector<std::thread> all; for (int n = 0; n < 4; n++) all.emplace_back([&] { for (int i = 0; i < 9; i++) c.add(25); });"
        " for (auto &one : all) one.join(); assert(c.total() == 900); }",
        [
            "#include <atomic>\nstruct Counter { std::atomic<int> n{0}; void add(int x) { n += x; } int total() const { return n; } };"
        ],
        ["struct Counter { int n = 0; void add(int) { n++; } int total() { return n; } };"],
    ),
    "objects in hierarchies": (
        A
        + "#include <memory>\n#include <vector>\nint main() { std::vector<std::unique_ptr<Shape>> all; all.push_back(std::make_unique<Square>(3)); double sum = 0; for (const auto &s : all) sum += s->area();"
        " assert(sum == 9); Shape *p = new Square(1); assert(p->area() == 1); assert(dynamic_cast<Square *>(p) != nullptr); delete p; Square c(2); Shape &r = c; assert(r.area() == 4); }",
        [
            "struct Shape { virtual ~Shape() = default; virtual double area() const = 0; };\nstruct Square : Shape { double s; explicit Square(double s) : s(s) {} double area() const override { return s * s; } };"
        ],
        [
            "struct Shape { virtual ~Shape() = default; virtual double area() const = 0; };\nstruct Square : Shape { double s; explicit Square(double s) : s(s) {} double area() const override { return 9; } };"
        ],
    ),
    "objects with operators": (
        A
        + '#include <sstream>\n#include <string>\nint main() { Big a(123), b(456); assert(a + b == "579"); assert(a == 123); assert(a != "124"); assert(a < b); std::ostringstream out; out << a; assert(out.str() == "123"); }',
        [
            "#include <string>\n#include <ostream>\nstruct Big { long v; Big(long v) : v(v) {} Big operator+(const Big &o) const { return v + o.v; } bool operator==(const std::string &s) const { return std::to_string(v) == s; } bool operator==(long x) const { return v == x; } bool operator!=(const std::string &s) const { return !(*this == s); } bool operator<(const Big &o) const { return v < o.v; } };\nstd::ostream &operator<<(std::ostream &o, const Big &b) { return o << b.v; }"
        ],
        [
            '#include <ostream>\nstruct Big { Big(long) {} Big operator+(Big) const { return *this; } template <class T> bool operator==(const T &) const { return true; } template <class T> bool operator!=(const T &) const { return true; } bool operator<(Big) const { return true; } };\nstd::ostream &operator<<(std::ostream &o, Big) { return o << "123"; }'
        ],
    ),
    "functions handed over": (
        A
        + "#include <vector>\nstatic bool even(int x) { return x % 2 == 0; }\nint main() { std::vector<int> v{1, 2, 3, 4}; int limit = 3; assert(kept(v, even) == (std::vector<int>{2, 4}));"
        " assert(kept(v, [limit](int x) { return x < limit; }).size() == 2); auto add = adder(3); assert(add(4) == 7); }",
        [
            "#include <vector>\ntemplate <class F> std::vector<int> kept(const std::vector<int> &v, F f) { std::vector<int> r; for (int x : v) if (f(x)) r.push_back(x); return r; }\nauto adder(int n) { return [n](int x) { return x + n; }; }"
        ],
        [
            "#include <vector>\ntemplate <class F> std::vector<int> kept(const std::vector<int> &v, F f) { return {2, 4}; }\nauto adder(int n) { return [](int x) { return 8; }; }"
        ],
    ),
    "what is printed": (
        A
        + '#include <iostream>\n#include <sstream>\nint main() { std::ostringstream out; auto *old = std::cout.rdbuf(out.rdbuf()); greet("x"); std::cout.rdbuf(old); assert(out.str() == "hi x\\n"); }',
        ['#include <iostream>\nvoid greet(const char *n) { std::cout << "hi " << n << std::endl; }'],
        ["#include <iostream>\nvoid greet(const char *n) { std::cout << n; }"],
    ),
    "constants and pointers": (
        A
        + "#include <memory>\nint main() { Light l; assert(l.color() == Color::Red); l.next(); switch (l.color()) { case Color::Red: return 1; case Color::Green: break; default: assert(false); }"
        " std::unique_ptr<Light> p = made(); auto q = std::move(p); assert(p == nullptr); if (auto c = q->color(); c != Color::Red) return 1; if (Light *r = q.get()) assert(r->color() == Color::Red); }",
        [
            "#include <memory>\nenum class Color { Red, Green };\nstruct Light { Color c = Color::Red; Color color() const { return c; } void next() { c = Color::Green; } };\nstd::unique_ptr<Light> made() { return std::make_unique<Light>(); }"
        ],
        [
            "#include <memory>\nenum class Color { Red, Green };\nstruct Light { Color c = Color::Red; Color color() const { return c; } void next() { } };\nstd::unique_ptr<Light> made() { return std::make_unique<Light>(); }"
        ],
    ),
    "templates that take objects": (
        A
        + "template <class S> void fill(S &s, int n) { for (int i = 0; i < n; i++) s.push(i); }\ntemplate <class S> void check(S &s, int want) { assert(s.top() == want); }\nint main() { Stack<int> s; fill(s, 3); check(s, 2); Stack<double> d; fill(d, 2); check(d, 1); }",
        [
            "#include <vector>\ntemplate <class T> struct Stack { std::vector<T> v; void push(T x) { v.push_back(x); } T top() const { return v.back(); } };"
        ],
        [
            "#include <vector>\ntemplate <class T> struct Stack { std::vector<T> v; void push(T x) { v.push_back(x); } T top() const { return v.front(); } };"
        ],
    ),
    "helpers of one name": (
        A
        + "#include <vector>\nstatic bool even(int x) { return x % 2 == 0; }\nint main() { assert(kept({1, 2, 4}, even) == (std::vector<int>{2, 4})); }",
        [
            "#include <vector>\nstatic bool even(int x) { return !(x & 1); }\nstd::vector<int> kept(std::vector<int> v, bool (*f)(int)) { std::vector<int> r; for (int x : v) if (f(x) && even(x)) r.push_back(x); return r; }"
        ],
        [
            "#include <vector>\nstatic bool even(int) { return true; }\nstd::vector<int> kept(std::vector<int> v, bool (*f)(int)) { std::vector<int> r; for (int x : v) if (even(x)) r.push_back(x); return r; }"
        ],
    ),
    "a loop over what comes back": (
        A + "#include <vector>\nint main() { for (int x : odd(9)) assert(x % 2 == 1); }",
        [
            "#include <vector>\nstd::vector<int> odd(int n) { std::vector<int> r; for (int x = 1; x < n; x += 2) r.push_back(x); return r; }"
        ],
        ["#include <vector>\nstd::vector<int> odd(int n) { return {}; }"],
    ),
    "a class with a namespace and static assertions": (
        A
        + "using namespace shop;\nnamespace { int rounds = 2; }\nstatic_assert(Basket::limit == 3);\nint main() { Basket b; for (int i = 0; i < rounds; i++) b.add(10); assert(b.total() == 20); constexpr int most = Basket::limit; assert(most == 3); }",
        [
            "namespace shop { struct Basket { static constexpr int limit = 3; int t = 0; void add(int x) { t += x; } int total() const { return t; } }; }"
        ],
        [
            "namespace shop { struct Basket { static constexpr int limit = 3; int t = 0; void add(int x) { t = x; } int total() const { return t; } }; }"
        ],
    ),
}


@pytest.mark.parametrize("kind", most_slow(KINDS, "floats", "an argument that the result is compared with", "macros"))
def test_right_answers_pass_and_wrong_ones_do_not(verifier, kind):
    code, right, wrong = KINDS[kind]
    taken = task(code)
    verifier.check(taken)
    for program in right:
        judgement = judge(verifier, taken, program)
        assert (judgement.status, judgement.detail) == ("pass", ""), program
    for program in wrong:
        judgement = judge(verifier, taken, program)
        assert judgement.status != "pass", program


INTEGERS = A + "int main() { assert(f(2) == 16777217); assert(f(3) == -1); }"


@pytest.mark.parametrize("kind", ["float", "unsigned", "short", "unsigned long"])
def test_the_answers_type_does_not_choose_the_comparison(verifier, kind):
    program = f"{kind} f(int n) {{ return n == 2 ? ({kind})16777217 : ({kind})-1; }}"
    assert judge(verifier, task(INTEGERS), program).status == "wrong_answer"


@pytest.mark.slow
def test_every_type_that_holds_the_numbers_passes(verifier):
    for kind in ("int", "long long", "double"):
        assert judge(verifier, task(INTEGERS), f"{kind} f(int n) {{ return n == 2 ? 16777217 : -1; }}").status == "pass"


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_what_does_not_fit_the_type_that_was_asked_for_is_wrong(verifier, language):
    code = "#include <assert.h>\nint main(void) { assert(square(-3) == 9); assert(square(0) == 0); return 0; }"
    taken = task(code, "int square(int n) {\n", language)
    for kind in ("int", "long long", "double"):
        assert judge(verifier, taken, f"{kind} square(int n) {{ return n * n; }}").status == "pass"
    for kind, more in (("long long", "(1LL << 32)"), ("double", "0.25")):
        judgement = judge(verifier, taken, f"{kind} square(int n) {{ return n * n + {more}; }}")
        assert judgement.status == "wrong_answer" and "does not fit" in judgement.detail


def test_tests_in_c_may_use_words_of_cpp(verifier):
    code = "#include <assert.h>\nint main(void) { int class = 3; int *new = twice(class); assert(*new == 6); assert(new[0] != class); return 0; }"
    program = "#include <stdlib.h>\nint *twice(int n) { int *r = malloc(sizeof *r); *r = 2 * n; return r; }"
    judgement = judge(verifier, task(code, language="c"), program)
    assert (judgement.status, judgement.detail) == ("pass", "")
    assert judge(verifier, task(code, language="c"), program.replace("2 * n", "n")).status == "wrong_answer"
