"""Which program is taken out of a completion."""

from __future__ import annotations

import pytest

from halo_forge.verify.core.extract import extract_code

CPP = "#include <iostream>\nint main() { std::cout << 1; }\n"
PY = "n = int(input())\nprint(n)\n"
OTHER_CPP = "#include <iostream>\nint main() { std::cout << 2; }\n"


@pytest.mark.parametrize("tag", ["cpp", "c++", "C++", "CPP", "c", "cc", "", "cpp title=main.cpp", "{.cpp}"])
def test_cpp_fence_tags(tag):
    assert extract_code(f"Here:\n\n```{tag}\n{CPP}```\nDone.", "cpp") == CPP


@pytest.mark.parametrize("tag", ["python", "py", "Python3", "", "python3 "])
def test_python_fence_tags(tag):
    assert extract_code(f"Here:\n```{tag}\n{PY}```", "python") == PY


@pytest.mark.parametrize("other", ["bash", "output", "text", "python", "console"])
def test_fences_of_other_languages_are_ignored(other):
    text = f"```{other}\ng++ main.cpp && ./a.out\n```\n```cpp\n{CPP}```\n```{other}\n1\n```\n"
    assert extract_code(text, "cpp") == CPP


def test_only_a_fence_of_another_language_is_no_code():
    assert extract_code(f"```python\n{PY}```", "cpp") is None
    assert extract_code("```bash\nls -l\n```", "python") is None


def test_the_last_whole_program_wins():
    assert extract_code(f"```cpp\n{CPP}```\nBetter:\n```cpp\n{OTHER_CPP}```\n", "cpp") == OTHER_CPP


def test_a_fragment_after_the_program_does_not_win():
    assert extract_code(f"```cpp\n{CPP}```\nThe key line is\n```cpp\nstd::cout << 1;\n```\n", "cpp") == CPP
    assert extract_code(f"```python\n{PY}```\nwhere\n```python\nprint(n)\n```\n", "python") == PY


def test_an_unclosed_fence_runs_to_the_end():
    assert extract_code("Sure\n```cpp\n" + CPP.rstrip("\n"), "cpp") == CPP


def test_a_new_fence_closes_one_that_was_forgotten():
    assert extract_code(f"```cpp\nint helper();\n```cpp\n{CPP}```", "cpp") == CPP


def test_no_fence_with_prose_around():
    assert extract_code(f"Here is the program:\n\n{CPP}\nIt prints one.\n", "cpp") == CPP
    assert extract_code(f"The answer is below.\n\n{PY}", "python") == PY


def test_prose_after_a_bare_python_program_is_cut():
    assert extract_code(f"{PY}\nThis program reads one number and prints it.\n", "python") == PY
    assert extract_code("if you want this for a number, ask.", "python") is None


def test_a_bare_program_is_taken_whole():
    program = '// sums\n#include <cstdio>\n#define X 1\n\nint main() {\n  puts("}");\n}\n'
    assert extract_code(program, "cpp") == program
    assert extract_code("# doubles\nimport sys\nprint(2 * int(sys.stdin.read()))\n", "python").startswith("# doubles")


def test_think_blocks_are_dropped_with_the_code_in_them():
    assert extract_code(f"<think>\n```cpp\n{OTHER_CPP}```\n</think>\n```cpp\n{CPP}```", "cpp") == CPP
    assert extract_code(f"maybe\n```cpp\n{OTHER_CPP}```\n</think>\n```cpp\n{CPP}```", "cpp") == CPP
    assert extract_code(f"<think>\n```cpp\n{OTHER_CPP}```\nhmm", "cpp") is None


def test_crlf_becomes_lf():
    assert extract_code("```cpp\r\n" + CPP.replace("\n", "\r\n") + "```\r\n", "cpp") == CPP


def test_end_of_turn_marks_are_not_code():
    assert extract_code(f"{CPP}<|im_end|>", "cpp") == CPP


def test_tilde_and_long_fences_hold_backticks():
    body = 's = """\n```\nx\n```\n"""\nprint(input())\n'
    assert extract_code(f"````python\n{body}````", "python") == body
    assert extract_code(f"~~~python\n{body}~~~", "python") == body


@pytest.mark.parametrize("text", ["", "   \n", "I cannot do that.", "```cpp\n\n```", "```\n```", "``` ```"])
@pytest.mark.parametrize("language", ["cpp", "python"])
def test_no_code(text, language):
    assert extract_code(text, language) is None


def test_hostile_completions_take_no_time():
    for text in ("```" * 50_000, "<think>" * 20_000, "#" * 200_000, "`" * 200_000, "int main(" * 20_000, " " * 200_000):
        assert extract_code(text, "cpp") is None or isinstance(extract_code(text, "cpp"), str)


def test_a_program_above_a_closing_fence_that_was_never_opened_is_taken_without_the_prose_below():
    program = "#include <iostream>\n\nint main() {\n    std::cout << 1;\n}\n"
    completion = program + "```\n\nThis program uses `std::cout` to print a number.\n"
    assert extract_code(completion, "cpp") == program


def test_a_second_program_that_is_cut_off_does_not_win_over_a_whole_one():
    completion = f"{CPP}```\n\nAnother way:\n\n```c++\n#include <iostream>\nint main() {{\n    std::cout <<"
    assert extract_code(completion, "cpp") == CPP
    assert extract_code(f"```cpp\n{completion}", "cpp") == CPP


def test_a_sample_output_in_a_fence_below_a_bare_program_is_not_code():
    assert extract_code(f"{CPP}\nIt prints:\n```\n1\n```\n", "cpp") == CPP
    assert extract_code(f"{PY}\nIt prints what it reads:\n```\n5\n```\n", "python") == PY


def test_prose_that_names_main_above_a_proper_fence_is_not_taken_for_the_program():
    program = "int main() { return 0; }\n"
    assert extract_code(f"Here is int main() {{}} for you:\n```\n{program}```\n", "cpp") == program


RUST = 'use std::io;\n\nfn main() {\n    println!("1");\n}\n'
GO = 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println(1)\n}\n'


@pytest.mark.parametrize(
    ("language", "tags", "program"),
    [("rust", ["rust", "rs", "Rust", ""], RUST), ("go", ["go", "golang", "Go", ""], GO)],
)
def test_rust_and_go_fences(language, tags, program):
    for tag in tags:
        assert extract_code(f"Here:\n\n```{tag}\n{program}```\nDone.", language) == program
    shell = f"```bash\ncargo run\n```\n```{tags[0]}\n{program}```\n```text\n1\n```"
    assert extract_code(shell, language) == program
    assert extract_code(f"```cpp\n{CPP}```", language) is None
    assert extract_code(f"```{tags[0]}\n{program}```", "cpp") is None


def test_bare_rust_and_go_without_the_prose_around():
    attributes = "#![allow(unused)]\n// doubles\n" + RUST
    assert extract_code(f"The program:\n\n{attributes}\nIt prints one.\n", "rust") == attributes
    assert extract_code(f"Sure, here it is.\n\n// prints\n{GO}\nRun it with go.\n", "go") == "// prints\n" + GO
    assert extract_code("Rust is a language. Use it, fn and all.", "rust") is None
    assert extract_code("Go to the package main office.", "go") is None


def test_the_whole_rust_and_go_programs_win_over_fragments():
    fragment = "fn helper(x: i32) -> i32 { x }\n" * 9
    assert extract_code(f"```rust\n{RUST}```\nwith\n```rust\n{fragment}```", "rust") == RUST
    assert extract_code(f"```go\n{GO}```\nwith\n```go\nfmt.Println(1)\n```", "go") == GO


FUNCTION = "bool even(int n) {\n    return n % 2 == 0;\n}\n"
DEMO = "#include <iostream>\nint main() {\n    if (even(2)) {\n        std::cout << 1;\n    }\n}\n"


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        (f"```cpp\n{FUNCTION}```\nUse it:\n```cpp\n{DEMO}```", FUNCTION),
        (f"```cpp\n{DEMO}```\n```cpp\n{FUNCTION}```", FUNCTION),
        (f"```\n{FUNCTION}```", FUNCTION),
        (FUNCTION, FUNCTION),
        (f"Here is the function:\n{FUNCTION}\nIt looks at the remainder.\n", FUNCTION),
        ("    return n % 2 == 0;\n}\n", "    return n % 2 == 0;\n}\n"),
        ("```\n    return n % 2 == 0;\n```", "    return n % 2 == 0;\n"),
        ("bool even(\n    int n,\n    int m) {\n    return n;\n}\n", "bool even(\n    int n,\n    int m) {\n    return n;\n}\n"),
    ],
)  # fmt: skip
def test_where_a_function_is_asked_for_less_than_a_program_is_enough(completion, code):
    assert extract_code(completion, "cpp", names=["even"]) == code


@pytest.mark.parametrize("text", ["", "I cannot do that.", "```bash\nls\n```", "```python\nprint(1)\n```"])
def test_no_function_either(text):
    assert extract_code(text, "cpp", names=["even"]) is None


def test_hostile_completions_take_no_time_where_a_function_is_asked_for():
    for text in ("even(" * 20_000, "even(\n" * 20_000, "a" * 200_000, "\n" * 200_000, "x;\n" * 60_000):
        found = extract_code(f"```cpp\n{text}\n```\n```cpp\nx\n```", "cpp", names=["even"])
        assert isinstance(found, str)
        bare = extract_code(text, "cpp", names=["even"])
        assert bare is None or bare in text + "\n"


F = "def f(x):\n    return x + 1\n"
WRONG = "```python\ndef f(x):\n    return 0\n```"
FENCED = f"```python\n{F}```"


def function(completion: str, *names: str, language: str = "python") -> str | None:
    return extract_code(completion, language, names=names or ["f"])


@pytest.mark.parametrize(
    "completion",
    [
        FENCED + "\nUsage:\n```python\n" + "print(f(1))\n" * 9 + "```",
        FENCED + "\nUsage:\n```python\nn = int(input())\nprint(f(n))\n```",
        "```python\nimport sys\nprint(f(int(sys.stdin.read())))\n```\n" + FENCED,
        WRONG + "\nNo, the next one:\n" + FENCED,
        FENCED + "\nIts signature:\n```python\ndef f(x):\n    ...\n```",
        FENCED + "\nIts signature:\n```python\ndef f(x):\n```",
        FENCED + '\nFor you to fill in:\n```python\ndef f(x):\n    """Adds one."""\n    raise NotImplementedError\n```',
        FENCED + "\nOr shorter:\n```python\ndef f(x):\n    return x +",
        f"```\n{F}```\nUse it so:\n```python\nprint(f(2))\n```",
        f"```main.py\n{F}```\nUse it so:\n```python\nprint(f(2))\n```",
    ],
)
def test_the_fence_that_defines_what_is_asked_for_wins(completion):
    assert function(completion) == F


@pytest.mark.parametrize(
    "definition",
    [
        "async def f(x):\n    return x + 1\n",
        "class f:\n    def g(self):\n        return 1\n",
        "class f(Exception):\n    pass\n",
        "f = lambda x: x + 1\n",
        "class Solution:\n    def f(self, x):\n        return x + 1\n",
        "@cache\ndef f(x):\n    return x + 1\n",
        "if True:\n    def f(x):\n        return x + 1\n",
    ],
)
def test_a_definition_has_many_forms(definition):
    usage = "```python\nprint(f(int(input())))\n" + "# and more\n" * 20 + "```"
    assert function(f"{usage}\n```python\n{definition}```\n{usage}") == definition


def test_the_fence_that_defines_most_of_the_names_wins_and_takes_the_others_along():
    both = "def f(x):\n    return 1\ndef g(x):\n    return 2\n"
    assert function(f"```python\n{both}```\nor\n```python\ndef f(x):\n    return 3\n```", "f", "g") == both
    apart = "```python\nclass A:\n    x = 1\n```\nthen\n```python\nclass B(A):\n    pass\n```"
    assert function(apart, "A", "B") == "class A:\n    x = 1\n\nclass B(A):\n    pass\n"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("import math\n", "def f(x):\n    return math.sqrt(x)\n"),
        ("def helper(x):\n    return x\n", "def f(x):\n    return helper(x)\n"),
        ("LIMIT = 3\n", "def f(x, most=LIMIT):\n    return min(x, most)\n"),
        ("class Node:\n    x = 1\n", "class Tree(Node):\n    pass\ndef f(x):\n    return Tree()\n"),
    ],
)
def test_what_the_function_uses_is_taken_from_the_fence_that_defines_it(first, second):
    assert function(f"First\n```python\n{first}```\nthen\n```python\n{second}```\nDone.") == f"{first}\n{second}"
    assert function(f"```python\n{second}```\nwith\n```python\n{first}```\nDone.") == f"{first}\n{second}"


def test_a_fence_that_the_function_does_not_need_is_left_out():
    assert function("```python\nx = 1\ndef old(x):\n    return x\n```\nBetter:\n" + FENCED) == F


@pytest.mark.parametrize(
    ("language", "helper", "program", "joined"),
    [
        ("cpp", "int h() {\n  return 1;\n}\n", "#include <cstdio>\nint main() { return h(); }\n", "#include <cstdio>\nint h() {\n  return 1;\n}\n\nint main() { return h(); }\n"),
        ("cpp", "struct P { int x; };\n", '#include "p.h"\nint main() { P p; }\n', "struct P { int x; };\n\nint main() { P p; }\n"),
        ("rust", "fn h() -> i32 { 1 }\n", "fn main() { h(); }\n", "fn main() { h(); }\n\nfn h() -> i32 { 1 }\n"),
        ("go", "func h() int { return 1 }\n", "package main\n\nfunc main() { h() }\n", "package main\n\nfunc main() { h() }\n\nfunc h() int { return 1 }\n"),
        ("python", "def h(x):\n    return x\n", "print(h(input()))\n", "def h(x):\n    return x\n\nprint(h(input()))\n"),
    ],
)  # fmt: skip
def test_a_program_over_two_fences_is_joined(language, helper, program, joined):
    assert extract_code(f"```{language}\n{helper}```\nand\n```{language}\n{program}```", language) == joined


@pytest.mark.parametrize(
    "completion",
    [
        "1. Here:\n\n   ```python\n   def f(x):\n       return x + 1\n   ```\n2. Done.",
        "- ```python\n  def f(x):\n      return x + 1\n  ```\n",
        "10) ```python\n    def f(x):\n        return x + 1\n    ```\n",
        "            ```python\n            def f(x):\n                return x + 1\n            ```\n",
        "\t```python\n\tdef f(x):\n\t    return x + 1\n\t```\n",
        "> Here:\n> ```python\n> def f(x):\n>     return x + 1\n> ```\n",
        ">```python\n>def f(x):\n>    return x + 1\n>```\n",
        "> > ```python\n> > def f(x):\n> >     return x + 1\n> > ```\n",
        "```python\n    def f(x):\n        return x + 1\n```\n",
        " ```python\ndef f(x):\n    return x + 1\n```\n",
        "Sure: ```python\ndef f(x):\n    return x + 1\n```\n",
        "```python\ndef f(x):\n    return x + 1```\nDone.",
        "```python\ndef f(x):\n    return x + 1\n```Done it is.\n",
        "````python\ndef f(x):\n    return x + 1\n```\nDone it is.\n",
        "```python\ndef f(x):\n    return x + 1\n\nThis function adds one.\n",
        "```python\ndef f(x):\n    return x + 1\n\n**Explanation**: adds one.\n",
        "\ufeff```python\r\ndef f(x):\r\n    return x + 1\r\n```\r\n",
        "```python\n\ufeff\u200bdef f(x):\n\u00a0\u00a0\u00a0\u00a0return x + 1\n```",
        "Here it is, for example:\nfor you:\n\ndef f(x):\n    return x + 1\n\nThis adds one to it.",
        '<pre><code class="language-python">def f(x):\n    return x &#43; 1\n</code></pre>',
        "<answer>\ndef f(x):\n    return x + 1\n</answer>",
        "[PYTHON]\ndef f(x):\n    return x + 1\n[/PYTHON]",
        "\\begin{lstlisting}[language=Python]\ndef f(x):\n    return x + 1\n\\end{lstlisting}",
        "```\n>>> def f(x):\n...     return x + 1\n```\n",
    ],
)
def test_a_program_is_freed_of_what_it_stands_in(completion):
    assert function(completion) == F


@pytest.mark.parametrize(
    "info",
    ['python title="x"', "{.python .numberLines}", "Python3", "python3.11", "{python}", "python:main.py", "main.py"]
    + ["python,linenos", "language-python", "python{1,3}", "ipython3", "lang=python", " python\t", "python # it"],
)
@pytest.mark.parametrize("mark", ["```", "~~~", "`````"])
def test_info_strings(info, mark):
    assert function(f"Here\n{mark}{info}\n{F}{mark}\nRun\n{mark}bash\npython main.py\n{mark}\n") == F


@pytest.mark.parametrize(
    ("language", "program"),
    [
        ("python", 'def f(x):\n    """Doc.\n\n    ```\n    f(1)\n    ```\n    """\n    return x + 1\n'),
        ("python", 'def f(x):\n    """Doc.\n\n```python\nf(1)\n```\n    """\n    return "```"\n'),
        ("python", "MARK = r'''\n```\n'''\ndef f(x):\n    return MARK\n"),
        ("cpp", "/* Use:\n```\nf(1)\n```\n*/\nint f(int x) {\n    return 1'000 + x;\n}\n"),
        ("cpp", 'const char* mark = R"x(\n```\n)x";\nint f(int x) {\n    return x;\n}\n'),
        ("c", "/*\n```\n*/\nint f(int x) {\n    return x;\n}\n"),
        ("rust", "fn f<'a>(x: &'a str) -> &'a str {\n    let s = r#\"\n```\n\"#;\n    x\n}\n"),
        ("rust", 'fn f() {\n    let s = "\n```\n";\n}\n'),
        ("go", "package main\n\n/*\n```\n*/\nfunc f() {}\n"),
    ],
)
def test_a_fence_line_in_a_string_or_comment_closes_nothing(language, program):
    assert function(f"Here:\n```{language}\n{program}```\nIt gives:\n```\n1\n```\n", language=language) == program


def test_a_docstring_that_never_ends_does_not_swallow_the_next_fence():
    broken = '```python\ndef g(x):\n    """Oh\n```\n'
    assert function(broken + FENCED) == F


THOUGHTS = [
    *(
        (f"<{name}>", f"</{name}>")
        for name in ("think", "thinking", "thought", "reasoning", "reflection", "seed:think")
    ),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
]


@pytest.mark.parametrize(("opening", "closing"), THOUGHTS)
def test_thoughts_of_all_kinds_are_no_answer(opening, closing):
    assert function(f"{opening}Perhaps\n{WRONG}\nhm.\n{closing}\n{FENCED}") == F
    assert function(f"{opening}\nPerhaps\n```python\ndef f(x):\n    return 0\n{closing}{FENCED}") == F
    assert function(f"{opening}\nPerhaps.{closing}\n{F}") == F
    assert function(f"{opening}\nPerhaps\n{WRONG}\nhm, I will") is None
    assert function(f"{opening}\nPerhaps\n{WRONG}\n{closing}\nI do not know.") is None


@pytest.mark.parametrize(("opening", "closing"), THOUGHTS)
def test_marks_of_thoughts_in_the_answers_own_code_are_code(opening, closing):
    opening = opening.strip()
    code = f'def f(s):\n    """Drop {opening} and {closing}."""\n    # {closing}\n    return s.split("{closing}")[-1] or "{opening}"\n'
    lines = f'def f(s):\n    x = """\n{opening}\nabc\n{closing}\n"""\n    return x\n'
    for program in (code, lines):
        assert function(f"Sure:\n```python\n{program}```\nIt drops `{closing}`.") == program
        assert function(program) == program
        assert function(f"{opening}Split at '{closing}'.\n{closing}\n```python\n{program}```") == program
    assert function(f"{FENCED}\nGiven\n```text\n{opening}\nabc\n{closing}\n```\nit is 1.") == F


def test_the_final_channel_is_the_answer():
    call = "<|start|>assistant<|channel|>commentary to=functions.run <|constrain|>json<|message|>{}<|call|>"
    thought = f"<|channel|>analysis<|message|>hm {WRONG}<|end|>"
    assert function(f"{thought}{call}<|start|>assistant<|channel|>final<|message|>{FENCED}<|return|>") == F
    assert function(f"analysisPerhaps {WRONG}assistantfinal{FENCED}") == F
    assert function(thought) is None
    assert function(f"analysisPerhaps {WRONG}") is None


ENDS = [
    "<|eot_id|>",
    "<|return|>",
    "<end_of_turn>",
    "<|im_end|>",
    "</s>",
    "<|endoftext|>",
    "<|end|>",
    "<turn|>",
    "<|EOT|>",
]
ENDS += ["<｜end▁of▁sentence｜>", "[/INST]", "<|END_OF_TURN_TOKEN|>"]


@pytest.mark.parametrize("end", ENDS)
def test_the_answer_ends_with_its_turn(end):
    assert function(FENCED + end) == F
    assert function(F.rstrip() + end) == F
    assert function(f"```python\n{F.rstrip()}{end}") == F
    assert function(f"{FENCED}{end}\n<|im_start|>user\nAnother?\n<|im_start|>assistant\n{WRONG}") == F


@pytest.mark.parametrize("end", ENDS)
def test_an_end_of_turn_in_the_answers_own_code_is_code(end):
    program = f'def f(s):\n    return s.replace("{end}", "")  # {end}\n'
    assert function(f"```python\n{program}```\nIt drops `{end}`.") == program
    assert function(program) == program
    cpp = f'#include <iostream>\nint main() {{ std::cout << "{end}</think>"; }}\n'
    assert extract_code(cpp, "cpp") == cpp


def test_what_a_template_puts_before_the_answer_is_none_of_it():
    asked = f"write f like\n{WRONG}\n"
    assert function(f"[INST] {asked} [/INST]\n{FENCED} </s>") == F
    assert function(f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n{FENCED}<|im_end|>") == F
    assert function(f"<|im_start|>assistant\n{F}<|im_end|>") == F


def test_curly_quotes_are_straightened_only_where_nothing_else_can_be_read():
    assert function("```python\ndef f():\n    return “a”\n```") == 'def f():\n    return "a"\n'
    program = 'def f():\n    return "“a”"\n'
    assert function(f"```python\n{program}```") == program
    assert extract_code("```cpp\nint main() { return “a”[0]; }\n```", "cpp") == 'int main() { return "a"[0]; }\n'


@pytest.mark.parametrize("text", ['{"name": "run", "arguments": {"code": "def f(x):\\n    return x"}}', "null", "[]"])
def test_a_call_of_a_tool_is_no_program(text):
    assert function(text) is None


def test_the_body_of_a_function_is_enough_where_one_is_asked_for():
    body = "    y = x\n    return y + 1\n\n\nprint(f(1))\n"
    assert function(body) == body
    assert function("    y = x\n    return y + 1\n\nThis adds one to it.\n").endswith("return y + 1\n")
