"""The public sets, each read from a small file in the hub's own columns (tests/data)."""

from __future__ import annotations

import base64
import json
import os
import pickle
import zlib
from pathlib import Path

import pytest

from halo_forge.data.any_answer import REASON
from halo_forge.data.public.load import EVALUATION_TAG, READERS, load
from halo_forge.data.public.registry import PublicSet, registry
from halo_forge.errors import InputError
from halo_forge.records import CheckerTests, CompileTests, PythonTests, StdioTests
from halo_forge.settings.data import DataSource

DATA = Path(__file__).parent / "data"
FILES = {
    "codeforces_cpp": ("codeforces_cots.jsonl", "codeforces.jsonl"),
    "codeforces_rust": ("codeforces.jsonl",),
    "codealpaca": ("codealpaca.json",),
}


def loaded_of(name: str, **settings):
    files = FILES.get(name, (f"{name}.jsonl",))
    settings.setdefault("local", [str(DATA / file) for file in files])
    loaded = load(DataSource(dataset=name, allow_evaluation_only=True, **settings))
    return loaded, list(loaded)


def defines(code: str, *names: str) -> dict:
    """What running `code` leaves behind; the programs here are the test's own."""
    space: dict = {}
    exec(code, space)
    assert set(names) <= set(space)
    return space


def test_mbpp_names_the_function_and_shows_one_assert_of_several():
    loaded, rows = loaded_of("mbpp")
    task = rows[0].task
    assert task.prompt.endswith(
        "Name the function `vowels`. For example, this must hold:\nassert vowels('banana') == 3"
    )
    assert isinstance(task.tests, PythonTests) and task.tests.code.count("assert") == 3
    assert "\r" not in task.solution
    assert rows[0].answer.startswith("```python\ndef vowels")
    assert (task.task_id, task.source.license) == ("mbpp/601", "cc-by-4.0")
    assert rows[1].task.tests.code.startswith("PAIRS = [(1, 2), (3, 4)]\nassert largest(PAIRS)")
    assert loaded.read == 5
    assert loaded.rejected == {
        "no tests": 1,
        "the tests are no asserts in Python": 1,
        "nothing in the column code": 1,
    }


@pytest.mark.parametrize("name", ["mbpp", "mbpp_plus", "humaneval_plus"])
def test_the_tests_that_were_made_pass_with_the_reference_and_fail_with_nonsense(name):
    for row in loaded_of(name)[1]:
        tests, task = row.task.tests, row.task
        defines(
            f"{task.solution}\n{tests.code}\n" + (f"check({task.entry_point})" if "def check(" in tests.code else "")
        )
        with pytest.raises((AssertionError, TypeError)):
            defines(f"def {task.entry_point}(*_): return 'nonsense'\n{tests.code}")


def test_mbpp_plus_needs_no_library_for_its_tests():
    rows = loaded_of("mbpp_plus")[1]
    assert [row.task.tests.code.count("assert ") for row in rows] == [3, 2, 1]
    assert not any("numpy" in row.task.tests.code for row in rows)
    wrong = rows[1].task.tests.code.replace("2.3333333", "2.334")
    with pytest.raises(AssertionError):
        defines(f"{rows[1].task.solution}\n{wrong}")


def test_the_same_problem_in_two_editions_is_one_family():
    plus = {row.task.family for row in loaded_of("mbpp_plus")[1]}
    assert "mbpp/601" in plus & {row.task.family for row in loaded_of("mbpp")[1]}
    assert [row.task.family for row in loaded_of("humaneval")[1]] == [
        row.task.family for row in loaded_of("humaneval_plus")[1]
    ]


def test_humaneval_asks_for_the_whole_function_and_answers_with_it():
    (row,) = loaded_of("humaneval")[1]
    assert "def running_total" in row.prompt and "candidate" not in row.prompt
    space = defines(row.task.solution + row.task.tests.code, "running_total", "check")
    space["check"](space["running_total"])
    assert row.task.tests.prefix.startswith("from typing import List")


def test_multipl_e_is_the_head_of_a_function_with_asserts_that_call_it_by_its_name():
    loaded, (row,) = loaded_of("multipl_e_cpp")
    task, tests = row.task, row.task.tests
    assert (task.task_id, task.family, task.entry_point) == ("multipl_e_cpp/900", "humaneval/900", "running_total")
    assert tests.prefix.endswith("running_total(std::vector<long> numbers) {\n") and "assert.h" in task.prompt
    assert tests.code.count("assert(running_total(") == 2 and "candidate" not in tests.code
    assert loaded.rejected == {"tests of another form": 1}


@pytest.mark.slow
def test_answers_to_multipl_e_are_told_right_from_wrong():
    from halo_forge.settings.verify import Verify
    from halo_forge.verify.registry import get_verifier

    (row,) = loaded_of("multipl_e_cpp")[1]
    judge = get_verifier("gcc", Verify()).judge
    answer = (
        "```cpp\n#include <vector>\nstd::vector<long> running_total(std::vector<long> n) {\n"
        "    for (size_t i = 1; i < n.size(); i++) n[i] += n[i - 1];\n    return n;\n}\n```"
    )
    assert judge(row.task, answer).status == "pass"
    assert judge(row.task, answer.replace("+=", "-=")).status == "wrong_answer"


def test_codeforces_joins_problems_with_their_first_whole_program():
    loaded, rows = loaded_of("codeforces_cpp")
    (row,) = rows
    assert row.task.task_id == "codeforces/cpp/9001/A"
    assert "n + m" in row.answer and "think" not in row.answer and row.answer.startswith("```cpp\n#include")
    assert [case.stdout for case in row.task.tests.cases] == ["5\n", "10\n", "2\n"]
    assert "Example input:\n2 3\nExample output:\n5" in row.prompt and "10 0" not in row.prompt
    assert row.task.source.dataset == "open-r1/codeforces"
    assert loaded.rejected == {
        "answer: cut off": 1,
        "answer: no program in it": 1,
        "answer: the problem has one already": 1,
        "interactive": 1,
        "tests: its checker calls nothing, so it says nothing": 1,
        "reads and writes files": 1,
        "no known program passes its tests": 1,
        "no solution": 1,
        "no tests": 1,
    }


CHECKER = "import sys\nprint(int(sum(map(int, open(sys.argv[3]).read().split())) == int(open(sys.argv[1]).read())))\n"


def problems(tmp_path, *changes: dict) -> list[str]:
    """A file of Codeforces problems like the first of the sample's, each with changes; what `local` takes."""
    first = json.loads((DATA / "codeforces.jsonl").read_text().splitlines()[0])
    rows = [first | {"id": f"77/{number}"} | change for number, change in enumerate(changes)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [str(tmp_path / "p.jsonl")]


def test_a_codeforces_problem_with_a_checker_is_judged_by_it(tmp_path):
    output = "Two positive integers whose sum is n. If there are several answers, print any of them."
    local = problems(tmp_path, {"output_format": output, "generated_checker": CHECKER}, {"output_format": output})
    loaded, (row,) = loaded_of("codeforces_rust", local=local)
    assert isinstance(row.task.tests, CheckerTests) and row.task.tests.code == CHECKER
    assert (row.task.tests.language, row.task.tests.protocol) == ("python", "score")
    assert [case.stdout for case in row.task.tests.cases] == ["5\n", "10\n", "2\n"]
    assert loaded.rejected == {REASON: 1}


@pytest.mark.parametrize("checker", ["print(1", "import sys\nprint(eval(open(sys.argv[3]).read()))"])
def test_a_checker_that_cannot_be_used_leaves_its_problem_out(tmp_path, checker):
    loaded, rows = loaded_of("codeforces_rust", local=problems(tmp_path, {"generated_checker": checker}))
    (reason,) = loaded.rejected
    assert rows == [] and reason.startswith("tests: its checker ")


def test_livecodebench_leaves_out_what_any_of_several_answers_solves(tmp_path):
    lines = [json.loads(line) for line in (DATA / "livecodebench.jsonl").read_text().split("\n") if line]
    for row in lines:
        row["question_content"] += "\n\nIf there are multiple answers, return any of them."
    (tmp_path / "l.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    loaded, rows = loaded_of("livecodebench", local=[str(tmp_path / "l.jsonl")])
    assert rows == [] and loaded.rejected == {REASON: len(lines)}


def test_a_file_of_ones_own_keeps_such_rows_and_says_where_they_are(tmp_path):
    row = {"prompt": "Print any divisor of n.", "tests": [{"input": "6", "output": "2"}], "language": "cpp"}
    row["prompt"] += " If there are several, print any of them."
    checked = row | {"checker": "#include <fstream>\nint main() { return 0; }"}
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (row, checked)))
    loaded = load(DataSource(dataset=str(tmp_path / "own.jsonl")))
    rows = list(loaded)
    assert [row.task.tests.kind for row in rows] == ["stdio", "checker"] and rows[1].task.tests.language == "cpp"
    assert loaded.doubtful == [f"{tmp_path}/own.jsonl:1"] and not loaded.rejected


def test_codeforces_in_rust_has_tests_but_no_answers():
    rows = loaded_of("codeforces_rust")[1]
    assert [row.task.task_id for row in rows] == ["codeforces/rust/9001/A", "codeforces/rust/9001/F"]
    assert all(row.answer is None and row.task.language == "rust" and "Rust program" in row.prompt for row in rows)
    assert rows[0].task.family == loaded_of("codeforces_cpp")[1][0].task.family


def test_a_case_too_long_for_a_file_of_tasks_is_left_out(tmp_path):
    problem = json.loads((DATA / "codeforces.jsonl").read_text().splitlines()[0])
    problem["official_tests"] = [{"input": "1 " * 100_000, "output": "1"}, *problem["official_tests"]]
    (tmp_path / "p.jsonl").write_text(json.dumps(problem) + "\n")
    (row,) = loaded_of("codeforces_rust", local=[str(tmp_path / "p.jsonl")])[1]
    assert max(len(case.stdin) for case in row.task.tests.cases) < 10


def test_livecodebench_reads_hidden_tests_and_calls_of_a_class():
    program, plain, method = loaded_of("livecodebench")[1]
    assert (
        [case.stdout for case in program.task.tests.cases]
        == ["9\n", "25\n"]
        == [case.stdout for case in plain.task.tests.cases]
    )
    assert method.task.tests.code.splitlines()[0] == "assert Solution().addAll([1, 2], 3) == [4, 5]"
    assert "class Solution:" in method.prompt
    assert "2024-01-06" in program.task.tags


class _Touch:
    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_hidden_tests_that_would_run_code_are_rejected_unrun(tmp_path):
    row = json.loads((DATA / "livecodebench.jsonl").read_text().splitlines()[0])
    evil = pickle.dumps(_Touch(str(tmp_path / "made")))
    row["private_test_cases"] = base64.b64encode(zlib.compress(evil)).decode()
    (tmp_path / "l.jsonl").write_text(json.dumps(row) + "\n")
    loaded, rows = loaded_of("livecodebench", local=[str(tmp_path / "l.jsonl")])
    assert rows == [] and loaded.rejected == {"private tests that cannot be read": 1}
    assert not (tmp_path / "made").exists()


def test_an_argument_of_a_call_may_hold_any_kind_of_line_break(tmp_path):
    rows = [json.loads(line) for line in (DATA / "livecodebench.jsonl").read_text().split("\n") if line]
    row = next(row for row in rows if "functional" in row["public_test_cases"])
    cases = [{"input": '"a\u2028b"\r\n["\x85"]', "output": "1", "testtype": "functional"}]
    row |= {"public_test_cases": json.dumps(cases), "private_test_cases": "[]"}
    (tmp_path / "l.jsonl").write_text(json.dumps(row) + "\n")
    loaded, (read,) = loaded_of("livecodebench", local=[str(tmp_path / "l.jsonl")])
    assert r"('a\u2028b', ['\x85'])" in read.task.tests.code


def test_instruction_sets_are_questions_with_answers():
    loaded, rows = loaded_of("codealpaca")
    assert [(row.kind, row.prompt) for row in rows] == [
        ("completion", "Write a function that doubles a number."),
        ("completion", "Write a query that gives this number.\n\n1"),
    ]
    assert loaded.rejected == {"completion: expected text": 1}
    assert loaded_of("python_instructions")[1][0].answer == "```python\nnumbers.reverse()\n```"
    assert loaded_of("magicoder_oss")[1][0].answer.startswith("```rust\nfn add")
    assert loaded_of("code_feedback")[1][0].prompt == "How do I sort a list in Python?"


@pytest.mark.parametrize("name", ["humaneval", "humaneval_plus", "mbpp_plus", "livecodebench"])
def test_a_set_to_measure_with_is_refused_for_training_and_marked_when_one_insists(name):
    with pytest.raises(InputError, match="for evaluation only"):
        load(DataSource(dataset=name))
    assert all(EVALUATION_TAG in row.task.tags for row in loaded_of(name)[1])


def test_only_the_test_split_of_mbpp_is_to_measure_with():
    load(DataSource(dataset="mbpp", split="train"))
    for split in ("test", "test[:10]", "train+test", "train[:5]+ test[5:]"):
        with pytest.raises(InputError, match="for evaluation only"):
            load(DataSource(dataset="mbpp", split=split))
    assert EVALUATION_TAG not in loaded_of("mbpp")[1][0].task.tags


def test_naming_the_repository_does_not_get_round_that():
    mapping = {"prompt": "prompt", "solution": "canonical_solution"}
    with pytest.raises(InputError, match="for evaluation only"):
        load(DataSource(dataset="openai/openai_humaneval", split="test", mapping=mapping))


@pytest.mark.parametrize("entry", registry().values(), ids=str)
def test_every_entry_can_be_read_and_keeps_the_prompt_findable(entry: PublicSet):
    assert entry.reader in {*READERS, "columns", "codeforces"}
    assert bool(entry.mapping) == (entry.reader == "columns")
    assert len(entry.revision) == 40 or entry.revision == "main"
    # The shell snippets of the guides look for the first "user" in the text, and it has to be the role.
    assert "user" not in entry.system.lower()


def test_the_wrong_file_for_a_set_is_an_error_that_names_the_column():
    with pytest.raises(InputError, match="humaneval: no column 'task_id' .columns: output, instruction, input"):
        loaded_of("humaneval", local=[str(DATA / "codealpaca.json")])


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'humaneval'"):
        load(DataSource(dataset="humanevl"))


def test_a_limit_is_kept():
    assert len(loaded_of("codeforces_rust", limit=1)[1]) == 1


def test_the_builtin_tasks_are_a_set_too():
    rows = list(load(DataSource(dataset="builtin", language="cpp", limit=3)))
    assert [row.task.language for row in rows] == ["cpp"] * 3
    assert all(isinstance(row.task.tests, StdioTests) and row.answer.startswith("```cpp") for row in rows)


def test_a_file_with_a_mapping_says_where_its_tasks_come_from(tmp_path):
    (tmp_path / "own.csv").write_text('ask,io\nDouble it.,"[{""input"": ""2"", ""output"": ""4""}]"\n')
    source = DataSource(
        dataset=str(tmp_path / "own.csv"), mapping={"prompt": "ask", "tests": "io"}, language="cpp", license="mit"
    )
    (row,) = load(source)
    assert (row.task.source.dataset, row.task.source.license) == ("own.csv", "mit")
    assert not isinstance(row.task.tests, CompileTests)
