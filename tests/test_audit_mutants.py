"""Mutants: each operator does what its name says, in every language that has it, and few are drawn well."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from halo_forge.audit.grammars import GRAMMARS, parse
from halo_forge.audit.mutants import Mutant, choose, mutants
from halo_forge.audit.operators import OPERATORS

PYTHON = '''
def f(items, limit=10):
    """Words, not code: 1 < 2."""
    best = -limit
    for i in range(0, len(items)):
        if items[i] < limit and not items[i] == 3:
            best = max(best, items[i] % 7)
        elif items[i] > 99:
            break
    return best + 1 if best else [x for x in items[1:limit] if x]
print("yes" if f([1, 2]) else "no", True)
'''
CPP = """
#include <vector>
int table[100];
int f(std::vector<int> items, int limit) {
    int best = -limit;
    for (int i = 0; i < (int)items.size(); i++) {
        if (items[i] < limit && !(items[i] == 3)) best = std::max(best, items[i] % 7);
        else if (items[i] > 99) { break; }
    }
    int left = 5;
    while (left > 0) left--;
    char mark = 'a';
    return best + 1;
}
int main() { std::cout << (f({1, 2}, 3) ? "yes" : "no") << "\\n"; bool b = true; return 0; }
"""


def changes(code: str, language: str, operator: str) -> list[tuple[str, str]]:
    """(the reference's line, the mutant's line) of every mutant of one operator."""
    lines = code.split("\n")
    found = []
    for mutant in mutants(code, language):
        if mutant.operator == operator:
            found.append((lines[mutant.line - 1].strip(), mutant.code.split("\n")[mutant.line - 1].strip()))
    return found


def one(code: str, language: str, operator: str) -> set[str]:
    return {after for _, after in changes(code, language, operator)}


@pytest.mark.parametrize(("language", "code"), [("python", PYTHON), ("cpp", CPP)])
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_finds_something_in_python_and_in_cpp(language: str, code: str, operator: str) -> None:
    assert changes(code, language, operator), f"{operator} has no mutant"


@pytest.mark.parametrize(("language", "code"), [("python", PYTHON), ("cpp", CPP)])
def test_mutants_differ_from_the_reference_and_from_each_other_and_parse(language: str, code: str) -> None:
    found = mutants(code, language)
    texts = [mutant.code for mutant in found]
    assert len(set(texts)) == len(texts) and code not in texts
    for mutant in found:
        assert len(mutant.difference(code)) >= 2, mutant
        if language == "python":
            ast.parse(mutant.code)
        assert not parse(GRAMMARS[language], mutant.code.encode()).has_error, mutant.difference(code)


@pytest.mark.parametrize(
    ("operator", "code", "wanted"),
    [
        ("comparison", "a = b < c", {"a = b <= c"}),
        ("comparison", "a = b != c", {"a = b == c"}),
        ("arithmetic", "a = b + c", {"a = b - c"}),
        ("arithmetic", "a -= c", {"a += c"}),
        ("arithmetic", "a = b % c", {"a = b // c"}),
        ("constant", "a = 5", {"a = 6", "a = 4"}),
        ("constant", "a = 0", {"a = 1", "a = (-1)"}),
        ("constant", "a = 0x0F", {"a = 16", "a = 14"}),
        ("negation", "a = not b", {"a = b"}),
        ("negation", "a = True", {"a = False"}),
        ("sign", "a = -b", {"a = b"}),
        ("removal", "a.append(1)", {"pass"}),
        ("connective", "a = b and c", {"a = b or c"}),
        ("extreme", "a = min(b, c)", {"a = max(b, c)"}),
        ("string", "a = 'no'", {"a = 'Xno'"}),
        ("string", "a = f'{b} left'", {"a = f'{b}X left'"}),
        ("bounds", "a = b[1:n]", {"a = b[1:n + 1]", "a = b[1:n - 1]"}),
        ("condition", "a = b if c else d", {"a = b if True else d", "a = b if False else d"}),
    ],
)
def test_an_operator_does_what_its_name_says(operator: str, code: str, wanted: set[str]) -> None:
    assert one(code, "python", operator) == wanted


@pytest.mark.parametrize(
    ("operator", "code", "wanted"),
    [
        ("condition", "if a:\n    b()", {"if True:", "if False:"}),
        ("condition", "while a:\n    b()", {"while False:"}),
        ("bounds", "for i in range(1, n):\n    b()", {"for i in range(1, n + 1):", "for i in range(1, n - 1):"}),
        ("jump", "for i in n:\n    break", {"continue"}),
        ("result", "def f():\n    return a", {"return None"}),
    ],
)
def test_an_operator_on_statements_does_what_its_name_says(operator: str, code: str, wanted: set[str]) -> None:
    assert one(code, "python", operator) == wanted


@pytest.mark.parametrize(
    ("language", "code", "operator", "wanted"),
    [
        ("rust", "fn main() { if a < b { f(); } }", "comparison", "fn main() { if a <= b { f(); } }"),
        ("rust", "fn main() { for i in 0..n { f(); } }", "bounds", "fn main() { for i in 0..n + 1 { f(); } }"),
        ("go", "func main() { if a && b { f() } }", "connective", "func main() { if a || b { f() } }"),
        ("go", "func f() int { a = 3; return a }", "constant", "func f() int { a = 4; return a }"),
        ("c", "int f(int a) { return a + 1; }", "arithmetic", "int f(int a) { return a - 1; }"),
        ("c", "int f(int a) { if (a) { g(); } }", "condition", "int f(int a) { if (0) { g(); } }"),
    ],
)
def test_the_other_languages_have_the_operators_too(language: str, code: str, operator: str, wanted: str) -> None:
    assert wanted in one(code, language, operator)


def test_what_cannot_matter_or_would_not_compile_is_left_alone() -> None:
    lines = {before for mutant in OPERATORS for before, _ in changes(CPP, "cpp", mutant)}
    assert not any(line.startswith(("#include", "int table")) for line in lines)
    assert not any(
        "return 0;" in mutant.difference(CPP)[0] and "return 1;" in mutant.code for mutant in mutants(CPP, "cpp")
    )
    assert not any("Words" in "".join(mutant.difference(PYTHON)) for mutant in mutants(PYTHON, "python"))
    assert not any('"X\\n"' in mutant.code for mutant in mutants(CPP, "cpp"))  # by words the same
    assert not any("i--" in mutant.code for mutant in mutants(CPP, "cpp"))  # a loop without end


def test_a_language_without_grammar_has_no_mutants() -> None:
    assert mutants("begin end", "pascal") == []


def test_the_choice_follows_from_the_seed() -> None:
    found = mutants(CPP, "cpp")
    assert choose(found, 8, "1/a") == choose(found, 8, "1/a")
    assert choose(found, 8, "1/a") != choose(found, 8, "2/a")


def test_the_choice_is_spread_over_operators_and_places() -> None:
    found = mutants(CPP, "cpp")
    operators = {mutant.operator for mutant in found}
    chosen = choose(found, len(operators), "s")
    assert {mutant.operator for mutant in chosen} == operators
    crowded = [Mutant("constant", 1, str(n)) for n in range(50)] + [
        Mutant("constant", 2, "x"),
        Mutant("constant", 3, "y"),
    ]
    assert Counter(mutant.line for mutant in choose(crowded, 3, "s")) == {1: 1, 2: 1, 3: 1}


def test_no_more_are_chosen_than_asked_for_or_there_are() -> None:
    found = mutants("a = 1\n", "python")
    assert len(choose(found, 1, "s")) == 1
    assert choose(found, 99, "s") == found
