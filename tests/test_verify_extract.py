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
