"""Tasks whose tests are a C or C++ program, of each kind that the harness tells apart, and right answers to them."""

from __future__ import annotations

import pytest
from verify_tasks import task_of

from halo_forge.records import HarnessTests, Task
from halo_forge.settings.verify import Verify

SETTINGS = Verify(run_timeout_s=1.0, memory_mb=300, max_processes=8, max_output_kb=64)


def task(code: str, prefix: str = "", language: str = "cpp") -> Task:
    return task_of(HarnessTests(prefix=prefix, code=code), language)


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
# In steps, since a type of the prompt's own cannot cross.
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
# In steps, since the class that is tested is the answer's.
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
# Beside the answer, where that is allowed: a template of the tests asserts, and C++ knows no such initialisers.
UNCUT = task(
    BESIDE.tests.code.replace(
        "int main", "template <class T> void same(T got, T want) { assert (got == want); doubled(Box{}); }\nint main"
    ),
    BOX,
)
UNCUT_C = task(C.tests.code.replace("{1, 2};", "{[1] = 2, [0] = 1};"), C.tests.prefix, "c")
ALLOWED = SETTINGS.model_copy(update={"beside": "allow"})
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
RIGHT_UNCUT = {"uncut": (UNCUT, RIGHT_BESIDE), "uncut c": (UNCUT_C, RIGHT_C)}
HEADS = {"apart": "std::vector<int> doubled(std::vector<int> v)", "beside": "std::vector<int> doubled(Box v)"}
HEADS["uncut"] = HEADS["beside"]


def made_wrong(right: str) -> str:
    """The answer of RIGHT with a wrong number in it; it compiles."""
    return right.replace("* v.b", "* v.a").replace("*= 2", "*= 3").replace("items.back()", "3")
