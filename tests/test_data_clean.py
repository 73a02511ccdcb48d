"""Cleaning: every task set aside has its reason, the rest stays as it was, and the same input gives the same bytes."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time

import pytest
from conftest import REPOSITORY

from halo_forge.data.clean.gold import gold_failures
from halo_forge.data.clean.near import near_duplicates
from halo_forge.data.clean.reading import read_all
from halo_forge.data.clean.tasks import clean
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.files import read_json
from halo_forge.jsonl import read_records, write_records
from halo_forge.records import CheckerTests, PythonTests, StdioCase, StdioTests, Task
from halo_forge.settings.clean import Clean
from halo_forge.settings.verify import Verify

SENTENCE = "Count how many trees in the park are taller than the tree that stands right before them in the row"


def python_task(make_task, name: str, solution: str | None, **fields):
    tests = fields.pop("tests", StdioTests(cases=[StdioCase(stdin="3", stdout="6")]))
    task = make_task(name, fields.pop("prompt", f"Prompt of {name}."), language="python", solution=solution, **fields)
    return task.model_copy(update={"tests": tests})


def test_a_text_that_says_nearly_the_same_repeats_the_first(make_task) -> None:
    texts = [
        SENTENCE,
        "Something else entirely, about boats.",
        SENTENCE.upper() + "!",
        SENTENCE.replace("park", "wood"),
    ]
    assert near_duplicates(texts, 0.7) == [(2, 0), (3, 0)]
    assert near_duplicates(texts, 1.0) == [(2, 0)]


def test_near_duplicates_are_those_of_the_exact_measure() -> None:
    """The sketch proposes, the Jaccard index decides: nothing below the threshold, and what is above it found."""
    random_ = random.Random(5)
    words = [f"w{number}" for number in range(400)]
    originals = [random_.choices(words, k=60) for _ in range(40)]
    texts = [" ".join(text) for text in originals]
    for text in originals:
        changed = list(text)
        changed[10] = "new"
        texts.append(" ".join(changed))
    assert near_duplicates(texts, 0.8) == [(40 + number, number) for number in range(40)]
    assert near_duplicates(texts, 0.96) == []


def test_texts_without_words_repeat_each_other_only_if_equal() -> None:
    assert near_duplicates(["", "?!", "", "…"], 0.8) == [(2, 0)]


def test_a_threshold_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        near_duplicates(["a"], 0.0)


def test_the_defaults_keep_every_task(make_task, tmp_path) -> None:
    tasks = [make_task("a", SENTENCE), make_task("b", SENTENCE), make_task("c", "x" * 100_000)]
    assert clean(tasks, Clean(), Verify(), tmp_path)[0] == tasks


@pytest.mark.needs("python")
def test_a_task_whose_checker_is_broken_is_set_aside_whatever_the_settings(make_task, tmp_path, no_cache) -> None:
    cases = [StdioCase(stdin="3", stdout="6")]
    good, bad = (
        CheckerTests(cases=cases, language="python", code=f"import sys\nprint(int({said}))")
        for said in ("open(sys.argv[3]).read() > ''", "sys.argv[1:] == []")
    )
    tasks = [python_task(make_task, "good", None, tests=good), python_task(make_task, "bad", None, tests=bad)]
    kept, report = clean(tasks, Clean(), Verify(), tmp_path)
    assert [task.task_id for task in kept] == ["good"] and report["set_aside"] == {"checker is broken": 1}
    assert "does not accept the expected output of test 1: it printed '0'" in report["tasks"][0]["detail"]


def test_each_length_limit_has_its_reason(make_task, tmp_path) -> None:
    tasks = [
        make_task("short", "Sum."),
        make_task("long", "x" * 300),
        make_task("bulky", "Print the sum of all.", solution="y" * 200),
        make_task("bare", "Print the sum of all things."),
        make_task("good", "Print the sum of everything.", solution="z"),
    ]
    settings = Clean(min_prompt_chars=10, max_prompt_chars=200, max_solution_chars=100, require_solution=True)
    settings = settings.model_copy(update={"gold_runs": 0})
    kept, report = clean(tasks, settings, Verify(), tmp_path)
    assert [task.task_id for task in kept] == ["good"]
    assert [(row["task_id"], row["reason"]) for row in report["tasks"]] == [
        ("short", "prompt too short"),
        ("long", "prompt too long"),
        ("bulky", "solution too long"),
        ("bare", "no solution"),
    ]
    assert report["set_aside"] == dict.fromkeys(sorted(row["reason"] for row in report["tasks"]), 1)


def test_duplicates_are_of_one_language_and_variants_are_none(make_task, tmp_path) -> None:
    tasks = [
        make_task("first", SENTENCE),
        make_task("other language", SENTENCE, language="python"),
        make_task("equal", f"  {SENTENCE.lower()}."),
        make_task("near", SENTENCE + " now", family="near"),
        make_task("variant", SENTENCE.replace("park", "wood"), family="first"),
    ]
    kept, report = clean(tasks, Clean(duplicates=0.7), Verify(), tmp_path)
    assert [task.task_id for task in kept] == ["first", "other language", "variant"]
    assert report["set_aside"] == {"duplicate": 1, "near duplicate": 1}


def test_nothing_left_is_an_error(make_task, tmp_path) -> None:
    with pytest.raises(InputError, match="none of 1 tasks is left, the first a: prompt too short"):
        clean([make_task("a", "Hm.")], Clean(min_prompt_chars=50), Verify(), tmp_path)


def test_a_range_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="max_prompt_chars"):
        Clean(min_prompt_chars=10, max_prompt_chars=5)


@pytest.fixture
def no_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))


def test_the_gold_gate_sets_wrong_references_aside_with_the_reason(make_task, tmp_path, no_cache) -> None:
    tasks = [
        python_task(make_task, "right", "print(2 * int(input()))"),
        python_task(make_task, "wrong", "print(3 * int(input()))"),
        python_task(make_task, "broken", "print(2 * int(input())"),
        python_task(make_task, "no reference", None),
        python_task(make_task, "no asserts", "x = 1", tests=PythonTests(code="print(f(1))")),
        python_task(make_task, "fence inside", "# ```\nprint(2 * int(input()))"),
    ]
    kept, report = clean(tasks, Clean(gold_runs=1), Verify(), tmp_path)
    assert [task.task_id for task in kept] == ["right", "no reference", "fence inside"]
    assert report["set_aside"] == {
        "reference: compile_error": 1,
        "reference: wrong_answer": 1,
        "tests cannot be used": 1,
    }
    assert all(row["detail"] for row in report["tasks"])


def test_a_reference_that_passes_by_luck_is_flaky(make_task, tmp_path, no_cache) -> None:
    """It is right until a moment that has passed when it is judged again: its cached verdict must not save it."""
    for patience_s in (3, 20, 120):  # the machine may be busy: until its first verdict falls in time
        deadline = time.time() + patience_s
        code = f"import time\nprint(6 if time.time() < {deadline} else 7)"
        tasks = [python_task(make_task, "lucky", code), python_task(make_task, "steady", "print(6)")]
        if gold_failures(tasks, Verify(), 1, tmp_path / f"before-{patience_s}") == {}:
            break
    time.sleep(max(0.0, deadline - time.time()))
    failures = gold_failures(tasks, Verify(), 2, tmp_path / "after")
    assert {name: reason for name, (reason, _) in failures.items()} == {"lucky": "reference is flaky: wrong_answer"}


def test_the_second_run_judges_anew(make_task, tmp_path, no_cache, monkeypatch) -> None:
    import halo_forge.data.clean.gold as gold

    asked = []
    real = gold.judge_samples

    def judge(tasks, samples, settings, **more):
        verdicts = real(tasks, samples, settings, **more)
        asked.append((settings.cache, [sample.task_id for sample in samples]))
        if len(asked) == 2:  # what chance does to a flaky reference
            verdicts = [verdicts[0].model_copy(update={"status": "timeout", "reward": 0.5}), *verdicts[1:]]
        return verdicts

    monkeypatch.setattr(gold, "judge_samples", judge)
    tasks = [python_task(make_task, name, "print(2 * int(input()))") for name in ("a", "b")]
    tasks.append(python_task(make_task, "wrong", "print(1)"))
    failures = gold_failures(tasks, Verify(), 3, tmp_path)
    assert failures["a"][0] == "reference is flaky: timeout" and failures["wrong"][0] == "reference: wrong_answer"
    assert asked == [(True, ["a", "b", "wrong"]), (False, ["a", "b"]), (False, ["b"])]


def test_a_reference_that_cannot_be_judged_is_not_called_wrong(make_task, tmp_path, no_cache, monkeypatch) -> None:
    from halo_forge.verify.python.verifier import PythonVerifier

    def fail(*_):
        raise InfrastructureError("the disk is gone")

    monkeypatch.setattr(PythonVerifier, "judge", fail)
    monkeypatch.setattr("halo_forge.verify.judge.PAUSE_S", 0)
    with pytest.raises(InfrastructureError, match="its reference could not be judged: the disk is gone"):
        gold_failures([python_task(make_task, "a", "print(6)")], Verify(), 1, tmp_path)


def test_the_same_tasks_give_the_same_bytes(make_task, tmp_path, no_cache) -> None:
    tasks = [
        python_task(make_task, f"t{number}", f"print({number}, object())", prompt=f"{SENTENCE} {number % 3}")
        for number in range(6)
    ] + [python_task(make_task, "good", "print(6)", prompt="Print six.")]
    settings = Clean(gold_runs=1, duplicates=0.9)
    runs = [clean(tasks, settings, Verify(), tmp_path / str(number)) for number in range(2)]
    assert json.dumps(runs[0][1]) == json.dumps(runs[1][1]) and runs[0][0] == runs[1][0]


def test_every_bad_line_is_reported_and_every_good_one_read(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(
        b'{"prompt": "Sort."}\n{"prompt": \n\n{"promt": "Sort."}\n\xff\xfe{"prompt": "a"}\n[1]\n'
        b'{"prompt": "Sum.", "completion": "1"}\n{"prompt": ""}\n{"prompt": "cut'
    )
    reading = read_all(path)
    assert [row.line for row in reading.rows] == [1, 7]
    assert reading.values == [{"prompt": "Sort."}, {"prompt": "Sum.", "completion": "1"}]
    assert [error.split(":")[1] for error in reading.errors] == ["2", "4", "5", "6", "8", "9"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b"", "no rows; the file is empty"),
        ("rows.jsonl", b"\n\n", "no rows; the file is empty"),
        ("rows.csv", b"", "no rows; the file is empty"),
        ("rows.csv", b'prompt\n"open\n', "not CSV"),
        ("rows.json", b'[{"prompt": "a"}, ', "not JSON"),
        ("rows.parquet", b"PAR1", "not a whole Parquet file"),
        ("rows.xls", b"x", "is not a kind of file that is read here"),
        ("rows.jsonl", None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error(tmp_path, name, content, message) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    reading = read_all(path)
    assert reading.rows == [] and len(reading.errors) == 1 and message in reading.errors[0]


def test_the_stage_sets_aside_what_params_ask_for_and_changes_nothing_else(make_task, tmp_path, no_cache) -> None:
    tasks = [
        python_task(make_task, "right", "print(2 * int(input()))"),
        python_task(make_task, "wrong", "print(3 * int(input()))"),
    ]
    write_records(tmp_path / "data/own/mine.jsonl", tasks)
    shutil.copy(REPOSITORY / "presets.yaml", tmp_path)
    text = (REPOSITORY / "params.yaml").read_text().replace("builtin: true", "builtin: false")
    text = text.replace("languages: [cpp]", "languages: [python]").replace(
        "files: []", "files: [{path: data/own/mine.jsonl}]"
    )

    def prepared(gold_runs: int) -> tuple[list[str], dict]:
        assert "gold_runs: 1" in text
        (tmp_path / "params.yaml").write_text(text.replace("gold_runs: 1", f"gold_runs: {gold_runs}"))
        command = [sys.executable, str(REPOSITORY / "stages/prepare.py")]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        kept = read_records(tmp_path / "data/prepared/tasks.jsonl", Task)
        return [task.task_id for task in kept], read_json(tmp_path / "data/prepared/report.json")

    kept, report = prepared(0)
    assert kept == ["right", "wrong"] and report["clean"]["set_aside"] == {}
    kept, report = prepared(1)
    assert kept == ["right"] and report["clean"]["set_aside"] == {"reference: wrong_answer": 1}
    assert not list(tmp_path.glob(".state/*"))


PREAMBLE = (
    "You are an expert programmer. Read the input from standard input and write the result to standard output. The "
    "first line holds n, the second line n integers. Every number is between 1 and one million. Print nothing else.\n\n"
)
ASKED = ["sum", "largest", "second smallest", "product modulo 7", "number of even ones", "most frequent"]


def test_different_problems_under_one_preamble_are_no_duplicates() -> None:
    assert near_duplicates([f"{PREAMBLE}Print the {asked} of the numbers." for asked in ASKED], 0.8) == []


def test_the_same_problem_under_one_preamble_is_a_duplicate() -> None:
    texts = [f"{PREAMBLE}Print the {asked} of the numbers." for asked in ASKED]
    again = f"{PREAMBLE} Print, the {ASKED[3].upper()} of the numbers!"
    assert near_duplicates([*texts, again], 0.8) == [(6, 3)]


def test_prompts_that_are_near_but_whose_tests_disagree_are_different_problems(make_task, tmp_path) -> None:
    def task(name: str, prompt: str, stdout: str) -> Task:
        tests = StdioTests(cases=[StdioCase(stdin="3\n1 2 3\n", stdout=stdout)])
        return make_task(name, prompt, family=name).model_copy(update={"tests": tests})

    tasks = [task("largest", SENTENCE + " now", "3\n"), task("smallest", SENTENCE + " soon", "1\n")]
    kept, _ = clean(
        [*tasks, task("copy", SENTENCE + " today", "3\n")], Clean(duplicates=0.7, gold_runs=0), Verify(), tmp_path
    )
    assert [task.task_id for task in kept] == ["largest", "smallest"]
