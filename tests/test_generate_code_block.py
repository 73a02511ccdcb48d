"""An answer that ends with its code block is judged as the whole one would have been."""

from __future__ import annotations

import pytest
from conftest import REPOSITORY

from halo_forge.generate.code_block import code_block
from halo_forge.jsonl import read_rows
from halo_forge.records import CallCase, CallTests, CompileTests, PytestTests
from halo_forge.verify.core.asked import asked_names
from halo_forge.verify.core.extract import extract_code

MAIN = "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << n; }"
ADD = "def add(a, b):\n    return a + b"
CALLS = CallTests(entry_point="add", cases=[CallCase(args=[1, 2], expected=3)])


def fenced(code: str, tag: str = "cpp") -> str:
    return f"```{tag}\n{code}\n```\n"


def kept(task, answer: str) -> str | None:
    """What is left of an answer of which every character is a token; None if it is not cut."""
    block = code_block(task, "".join)
    length = block and block.length(list(answer))
    return None if length is None else answer[:length]


def judged(task, answer: str) -> str | None:
    return extract_code(answer, task.language, names=asked_names(task))


@pytest.mark.parametrize(
    "answer",
    [
        fenced(MAIN) + "This reads a number and prints it.",
        "Here is the program:\n\n" + fenced(MAIN) + "\n### Explanation\n- `std::cin` reads.\n- `std::cout` prints.",
        fenced(MAIN) + "It prints, for example:\n```\n5\n```\n",
        fenced(MAIN) + "Compile it:\n```bash\ng++ a.cpp && ./a.out\n```\n",
        fenced(MAIN) + "In Python it would be\n```python\nprint(input())\n```\n",
        fenced(MAIN) + "The line\n```cpp\nstd::cin >> n;\n```\nreads it.",
        fenced(MAIN, "c++") + "Done.",
        fenced(MAIN) + "The int main() above is all, ```cpp never closed",
    ],
)
def test_what_is_said_below_the_program_is_saved_and_the_same_program_is_judged(make_task, answer) -> None:
    task = make_task("t")
    short = kept(task, answer)
    assert short is not None and len(short) < len(answer) and short.rstrip().endswith("```")
    assert judged(task, short) == judged(task, answer) is not None


@pytest.mark.parametrize(
    "answer",
    [
        "```bash\ng++ a.cpp\n```\n" + fenced(MAIN),
        fenced("int twice(int n) { return 2 * n; }") + "and then\n" + fenced(MAIN),
        "<think>\n" + fenced("int main() {}") + "No, that is wrong.\n</think>\n" + fenced(MAIN),
        fenced('int main() { puts(R"(\n```\n)"); }') + fenced(MAIN),
        fenced("int main() { /* as in\n```\n*/ }") + fenced(MAIN),
        "```\nint main() {}\n```\n" + fenced(MAIN),
        "- First:\n  ```cpp\n  int main() {}\n  ```\n" + fenced(MAIN),
        "The form is ```cpp …``` here.\n" + fenced(MAIN),
        "~~~cpp\nint main() {}\n~~~\n" + fenced(MAIN),
        fenced("x = int(input())", "python") + fenced(MAIN),
        "```cpp\nint main() {}\n```cpp\n" + MAIN + "\n```\n",
        "````cpp\n" + fenced("int main() {}") + "````\n" + fenced(MAIN),
        MAIN,
        "```cpp\n" + MAIN,
        "```cpp\n" + MAIN + "\n```",
    ],
)
def test_an_answer_goes_on_where_its_first_fence_is_not_surely_its_program(make_task, answer) -> None:
    assert kept(make_task("t"), answer) is None


def test_the_function_that_is_called_ends_an_answer_and_another_one_does_not(make_task) -> None:
    task = make_task("t", language="python").model_copy(update={"tests": CALLS, "entry_point": "add"})
    full = fenced(ADD, "python") + "For example:\n" + fenced("print(add(1, 2))", "python")
    assert kept(task, full) == fenced(ADD, "python")
    assert judged(task, kept(task, full)) == judged(task, full)
    for other in ("def helper(a):\n    return a", "print(add(1, 2))", "class A:\n    def add(self, b):\n        pass"):
        assert kept(task, fenced(other, "python") + fenced(ADD, "python")) is None
    assert kept(task, fenced(f'def add(a, b):\n    """As in\n```\n{ADD}\n```\n"""', "python")) is None


def test_tests_that_may_ask_for_more_than_one_name_and_other_languages_end_no_answer(make_task) -> None:
    pytest_task = make_task("t", language="python").model_copy(update={"tests": PytestTests(files={"test_a.py": ""})})
    two = make_task("t", language="python").model_copy(update={"tests": CALLS, "entry_point": "other"})
    for task in (pytest_task, two, make_task("t", language="rust")):
        assert code_block(task, "".join) is None
    assert code_block(make_task("t").model_copy(update={"tests": CompileTests()}), "".join) is not None


def test_an_answer_ends_at_the_same_place_however_it_is_cut_into_tokens(make_task) -> None:
    answer = "Sure:\n\n" + fenced(MAIN) + "\nIt prints the number. é"
    block = code_block(make_task("t"), "".join)
    for size in (1, 2, 3, 5, 8):
        for first in range(size):
            tokens = [answer[:first], *(answer[at : at + size] for at in range(first, len(answer), size))]
            length = block.length(tokens)
            assert "".join(tokens[:length]).count("```") == 2
            assert not block.closed(tokens[: length - 1])
            assert judged(make_task("t"), "".join(tokens[:length])) == judged(make_task("t"), answer)


def test_drawn_answers_of_a_real_model_are_judged_the_same(make_task) -> None:
    """Answers of SmolLM2-135M-Instruct to built-in C++ tasks, drawn up to 144 tokens."""
    answers = [row["completion"] for _, row in read_rows(REPOSITORY / "tests/data/drawn_answers.jsonl")]
    cut = {answer: kept(make_task("t"), answer) for answer in answers}
    shorter = {answer: short for answer, short in cut.items() if short is not None}
    assert len(shorter) > len(answers) / 2
    assert [a for a, short in shorter.items() if judged(make_task("t"), short) != judged(make_task("t"), a)] == []
