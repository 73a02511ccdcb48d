"""Ten disguises of a benchmark problem as it may turn up in training data. Each leaves only one thing to know it by."""

from __future__ import annotations

import random
import re
import zlib

from halo_forge.data.clean.normal import NAME, tokens
from halo_forge.records import CompileTests, StdioCase, StdioTests, Task

_REWORD = {
    "read": "take in",
    "print": "output",
    "write": "create",
    "function": "routine",
    "find": "work out",
    "check": "decide",
    "given": "provided",
    "larger": "bigger",
    "largest": "biggest",
    "number": "count",
    "integers": "whole numbers",
    "integer": "whole number",
    "otherwise": "else",
    "separated": "divided",
    "whether": "if",
    "using": "with",
    "compute": "calculate",
}
_STORY = (
    "Anna keeps a notebook about everything that happens at the harbour where her uncle repairs boats. On Monday a "
    "customer from far away walked in and wanted help with an odd request, which she copied down as she heard it. {} "
    "Her uncle laughed, poured some tea and told her that the old machine in the corner could surely do that before "
    "lunch, if only somebody would sit down and teach it how."
)
_LOOKALIKE = str.maketrans("aeopcxi", "аеорсхі")
UNRELATED = "Tell a friend in your own words how the weather was on the coast last Friday evening."


def _prompt_only(task: Task, prompt: str) -> Task:
    return task.model_copy(update={"prompt": prompt, "solution": None, "tests": CompileTests()})


def _solution_only(task: Task, solution: str) -> Task:
    return task.model_copy(update={"prompt": UNRELATED, "solution": solution, "tests": CompileTests()})


def reworded(task: Task) -> Task:
    """Common words replaced by others, and every twelfth word by one that has nothing to do with it."""
    words = [_REWORD.get(word.lower(), word) for word in task.prompt.split(" ")]
    words[4::12] = ["somehow"] * len(words[4::12])
    return _prompt_only(task, " ".join(words))


def renamed(task: Task) -> Task:
    """The solution under another prompt, every name of its author's replaced."""
    names = {token[1:] for token in tokens(task.solution, task.language) if token.startswith(NAME)}
    new = {name: f"z{zlib.crc32(name.encode()) % 9973}" for name in names if f".{name}" not in task.solution}
    return _solution_only(task, re.sub(r"(?<!\.)\b[^\W\d]\w*", lambda m: new.get(m[0], m[0]), task.solution))


def reformatted(task: Task) -> Task:
    """The prompt with other line breaks, indentation and bullets."""
    words = task.prompt.split()
    lines = [" ".join(words[start : start + 4]) for start in range(0, len(words), 4)]
    return _prompt_only(task, "\n".join(f"   * {line}" for line in lines))


def other_case_and_punctuation(task: Task) -> Task:
    return _prompt_only(task, re.sub(r"[.,:;'\"]", " -- ", task.prompt.swapcase()))


def other_numbers(task: Task) -> Task:
    return _prompt_only(task, re.sub(r"\d+", lambda match: str(int(match[0][:15]) * 7 + 13), task.prompt))


def in_a_story(task: Task) -> Task:
    return _prompt_only(task, _STORY.format(task.prompt))


def same_solution(task: Task) -> Task:
    return _solution_only(task, task.solution)


def same_tests(task: Task) -> Task:
    """Under another prompt, the first half of the tests in another order."""
    tests = task.tests
    if isinstance(tests, StdioTests):
        cases = random.Random(1).sample(tests.cases, len(tests.cases) // 2 + 1)
        tests = StdioTests(cases=[StdioCase(stdin=f" {case.stdin}\n", stdout=case.stdout) for case in cases])
    else:
        tests = tests.model_copy(update={"code": "\n".join(reversed(tests.code.split("\n"))).replace(",", " ,")})
    return task.model_copy(update={"prompt": UNRELATED, "solution": None, "tests": tests})


def lookalikes(task: Task) -> Task:
    """Cyrillic letters for Latin ones, invisible characters within words, unusual spaces."""
    text = task.prompt.translate(_LOOKALIKE).replace("t", "t\u200b").replace(" ", "\u00a0 ")
    return _prompt_only(task, text)


def in_comments(task: Task) -> Task:
    """The statement as the comments of a program in a fence, where the prompt says nothing."""
    mark = "#" if task.language == "python" else "//"
    commented = "\n".join(f"{mark} {line}" for line in task.prompt.split("\n"))
    code = f"{commented}\nanswer = 41\n" if mark == "#" else f"{commented}\nint answer() {{ return 41; }}\n"
    return task.model_copy(update={"prompt": UNRELATED, "solution": code, "tests": CompileTests()})


FORMS = (
    reworded,
    renamed,
    reformatted,
    other_case_and_punctuation,
    other_numbers,
    in_a_story,
    same_solution,
    same_tests,
    lookalikes,
    in_comments,
)


def planted(task: Task, form) -> Task:
    """`task` in a disguise, under another id and family."""
    return form(task).model_copy(update={"task_id": f"planted/{form.__name__}", "family": f"planted/{form.__name__}"})
