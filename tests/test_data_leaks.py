"""A benchmark problem in any of ten disguises is found in the training data, and other problems are not."""

from __future__ import annotations

import dataclasses

import pytest
from conftest import REPOSITORY
from leak_forms import FORMS, planted

from halo_forge.data.builtin import load_families, variants
from halo_forge.data.clean.fingerprint import of_row, of_task
from halo_forge.data.clean.normal import renamed, tokens, words
from halo_forge.data.overlap import copies
from halo_forge.data.rows import parse_row
from halo_forge.records import PythonTests, Source, Task

PATH_COST = Task(
    task_id="python/path_cost",
    language="python",
    prompt=(
        "A robot walks over a grid of tolls from the upper left corner to the lower right one and moves only right or "
        "down. Write a function cheapest_walk that takes the grid as a list of rows and returns the smallest sum of "
        "tolls that the robot has to pay on its way, both corners included."
    ),
    tests=PythonTests(
        code="assert cheapest_walk([[1, 2, 3], [4, 8, 2], [1, 5, 3]]) == 11\n"
        "assert cheapest_walk([[2, 7], [9, 4]]) == 13\n"
        "assert cheapest_walk([[6]]) == 6"
    ),
    solution=(
        "def cheapest_walk(grid):\n"
        "    best = [[0] * len(grid[0]) for _ in grid]\n"
        "    for i, row in enumerate(grid):\n"
        "        for j, toll in enumerate(row):\n"
        "            before = []\n"
        "            if i:\n                before.append(best[i - 1][j])\n"
        "            if j:\n                before.append(best[i][j - 1])\n"
        "            best[i][j] = toll + min(before, default=0)\n"
        "    return best[-1][-1]\n"
    ),
    source=Source(dataset="test"),
    family="path_cost",
)


@pytest.fixture(scope="module")
def builtin() -> list[Task]:
    families = load_families(REPOSITORY / "data" / "builtin")
    return [variant.task("cpp") for variant in variants(families) if variant.number == 0]


@pytest.fixture(scope="module")
def benchmark(builtin) -> list[Task]:
    longest = sorted(builtin, key=lambda task: (-len(task.prompt), task.task_id))
    return [*longest[:12], PATH_COST]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_benchmark_problem_is_found_in_every_disguise(builtin, benchmark, form) -> None:
    held_out = {task.task_id for task in benchmark}
    training = [of_task(task) for task in builtin if task.task_id not in held_out]
    problems = [of_task(task) for task in benchmark]
    plants = [dataclasses.replace(of_task(planted(task, form)), name=f"planted/{task.task_id}") for task in benchmark]
    found = {(pair.name, pair.of) for pair in copies([*training, *plants], problems)}
    missed = [task.task_id for task in benchmark if (f"planted/{task.task_id}", task.task_id) not in found]
    assert missed == []


def test_different_problems_are_no_copies(builtin) -> None:
    """Of the pairs of built-in families, told apart by hand, one for some fifteen families is taken for a copy: all of
    them near relatives, such as the square of a number and the area of a square."""
    pairs = copies([of_task(task) for task in builtin])
    assert len(builtin) >= 304 and len(pairs) <= 0.08 * len(builtin)
    assert ("builtin/cpp/square_measure.0", "builtin/cpp/power_of_number.0") in {(pair.name, pair.of) for pair in pairs}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_most_problems_are_found_however_short_they_are(builtin, form) -> None:
    """All families, with prompts of one sentence too: a rewording leaves little of `Print a times b minus 3`."""
    least = {"reworded": 0.83, "in_comments": 0.97}.get(form.__name__, 0.99)
    plants = [
        dataclasses.replace(of_task(form(task)), name=f"planted/{number}", family=f"planted/{number}")
        for number, task in enumerate(builtin)
    ]
    found = {(pair.name, pair.of) for pair in copies(plants, [of_task(task) for task in builtin])}
    caught = sum((f"planted/{number}", task.task_id) in found for number, task in enumerate(builtin))
    assert caught / len(builtin) >= least


def test_a_long_text_about_other_things_contains_no_problem_by_chance(builtin) -> None:
    row = parse_row("license.jsonl", 1, {"prompt": (REPOSITORY / "LICENSE").read_text()})
    assert copies([of_row(row, "license")], [of_task(task) for task in builtin]) == []


def test_a_text_of_forty_other_problems_seldom_contains_one_by_chance(builtin) -> None:
    """The hardest case: one in 23 is found in it, since some of the forty are near relatives."""
    held_out, others = builtin[::6], [task for place, task in enumerate(builtin) if place % 6]
    problems, found = [of_task(task) for task in others], 0
    stories = len(others) // 32
    for start in range(stories):
        story = " ".join(task.prompt.split("\n\n")[0] for task in others[start::stories])
        row = of_row(parse_row("story.jsonl", 1, {"prompt": story}), "story")
        pairs = copies([*problems, row], [of_task(task) for task in held_out])
        found += len([pair for pair in pairs if pair.name == "story"])
    assert found <= 0.05 * stories * len(held_out)


@pytest.mark.parametrize(
    "value",
    [
        {"text": "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\nNo idea.<|im_end|>"},
        {"messages": [{"role": "user", "content": "{prompt}"}, {"role": "assistant", "content": "No."}]},
        {"prompt": "How does this work?", "completion": "Look:\n```python\n{solution}```\nEasy."},
        {"prompt": "How does this work?", "completion": "{solution}"},
        {"prompt": "Make this hold:\n{tests}"},
        {"prompt": "Tell me something.", "completion": "There is a task that goes: {prompt}"},
    ],
    ids=["text", "messages", "fenced answer", "bare answer", "asserts", "answer retells it"],
)
def test_a_leak_is_found_in_every_kind_of_row(builtin, value) -> None:
    def fill(part):
        if isinstance(part, str):
            for name, text in (
                ("prompt", PATH_COST.prompt),
                ("solution", PATH_COST.solution),
                ("tests", PATH_COST.tests.code),
            ):
                part = part.replace(f"{{{name}}}", text)
            return part
        return [fill(item) for item in part] if isinstance(part, list) else {k: fill(v) for k, v in part.items()}

    row = of_row(parse_row("rows.jsonl", 1, fill(value)), "row")
    pairs = copies([*(of_task(task) for task in builtin[:100]), row], [of_task(PATH_COST)])
    assert [(pair.name, pair.of) for pair in pairs] == [("row", "python/path_cost")]


def test_names_comments_and_layout_do_not_tell_programs_apart() -> None:
    one = "int main() { int a, b; std::cin >> a >> b; /* sum */ std::cout << a + b; }"
    other = (
        "#include <iostream>\nusing namespace std;\nint main()\n{\n  int x,y; // two\n  cin>>x>>y;\n  cout<<x+y;\n}\n"
    )
    assert renamed(tokens(one, "cpp")) == renamed(tokens(other, "cpp"))
    assert renamed(tokens(one, "cpp")) != renamed(tokens(one.replace("a + b", "a + a"), "cpp"))


def test_what_looks_the_same_reads_the_same() -> None:
    assert (
        words("Sum of the \uff46irst\u00a0two") == words("sum OF the fir\u200bst two!") == words("sum оf the first two")
    )


def test_equal_prompts_are_copies_however_short() -> None:
    rows = [
        of_row(parse_row("a.jsonl", n, {"prompt": text}), f"r{n}") for n, text in enumerate(["Sort it!", "sort IT"])
    ]
    other = dataclasses.replace(rows[1], family="other")
    assert [(pair.name, pair.of, pair.prompt) for pair in copies([rows[0], other])] == [("r1", "r0", 1.0)]


def test_the_same_pairs_come_out_in_another_process(builtin) -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.path.insert(0, 'src')\n"
        "from halo_forge.data.builtin import load_families, variants\n"
        "from halo_forge.data.clean.fingerprint import of_task\n"
        "from halo_forge.data.overlap import copies\n"
        "print(copies([of_task(v.task('cpp')) for v in variants(load_families('data/builtin'))][:200]))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] and "Copy" in runs[0]
