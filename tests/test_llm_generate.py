"""Problems written by a language model: what is checked, kept and written, with the real SDK and the real sandbox."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from llm_server import Say, exercise, good, number_of, serving
from needs import skip_without
from ruamel.yaml import YAML

from halo_forge.data.llm.topics import load_topic, topic_files
from halo_forge.data.llm_generate import TopicSpec, TrainingDataGenerator, get_backend
from halo_forge.data.rows import read_file
from halo_forge.errors import HaloForgeError, InfrastructureError
from halo_forge.verify.registry import BY_LANGUAGE

ANSWERS = YAML(typ="safe").load(Path(__file__).with_name("llm_answers.yaml").read_text())
pytestmark = pytest.mark.needs("python")


def spec(**fields) -> TopicSpec:
    given = {
        "name": "my_domain",
        "description": "Small programs",
        "categories": ["cat1", "cat2"],
        "complexity_levels": ["easy", "hard"],
        "examples_per_category": 2,
        "system_prompt": "You are an expert in small programs",
    }
    return TopicSpec(**{**given, **fields})


def generate(server, path, topic=None, **settings):
    given = {"model": "m", "first_pause_s": 0.02, "concurrency": 3, "attempts": 1, "base_url": f"{server.url}/v1"}
    backend = get_backend("openai-compatible", **{**given, **settings})
    replies = path.parent / "replies.sqlite" if backend.settings.cache else None
    return TrainingDataGenerator(backend, topic or spec(), replies=replies).generate_all(path)


def test_the_rows_are_tasks_with_tests_messages_and_text(tmp_path):
    path = tmp_path / "out" / "my_domain.jsonl"
    with serving() as server:
        report = generate(server, path)
        assert (report.kept, report.asked, report.rejected) == (4, 4, {})
        body = server.requests[0]
    assert body["response_format"]["json_schema"]["strict"] is True and "`solution`" in body["messages"][1]["content"]
    assert len({json.dumps(request["messages"]) for request in server.requests}) == 4
    rows = list(read_file(path))
    assert [row.kind for row in rows] == ["task"] * 4
    assert rows[0].system == "You are an expert in small programs" and rows[0].answer.startswith("```python\n")
    assert rows[0].task.tests.kind == "stdio" and "Example input:" in rows[0].prompt
    assert sorted(row.task.tags for row in rows) == [[c, level] for c in ("cat1", "cat2") for level in ("easy", "hard")]
    text = json.loads(path.read_text().splitlines()[0])["text"]
    assert text.startswith("<|im_start|>system\nYou are an expert in small programs<|im_end|>\n<|im_start|>user\n")
    assert text.rstrip().endswith("```<|im_end|>")


def test_the_same_twice_sends_nothing_and_writes_the_same_bytes(tmp_path):
    with serving() as server:
        first = generate(server, tmp_path / "a.jsonl")
        again = generate(server, tmp_path / "b.jsonl")
        assert len(server.requests) == 4
        generate(server, tmp_path / "c.jsonl", model="other")
        assert len(server.requests) == 8
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert (again.sent, again.from_cache) == (0, 4) and first.as_json() == again.as_json()


def test_without_cache_nothing_is_left_and_the_next_run_asks_anew(tmp_path):
    topic = spec(categories=["c"], examples_per_category=1)
    with serving() as server:
        generate(server, tmp_path / "a.jsonl", topic, cache=False)
        generate(server, tmp_path / "a.jsonl", topic, cache=False)
    assert len(server.requests) == 2 and [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


def test_what_is_no_good_is_rejected_with_its_reason(tmp_path):
    same = [{"stdin": f"{n}", "stdout": "7\n"} for n in range(5)]
    quiet = [{"stdin": "1", "stdout": " \n"}, {"stdin": "2", "stdout": ""}, {"stdin": "", "stdout": "\n"}]
    answers = [
        exercise(0),
        exercise(1, solution="print(input())\n"),
        exercise(2, solution="print(1)\n"),
        exercise(3, solution="n = int(input())\nprint(eval('n * 5 + 1'))\n"),
        exercise(4, tests=same),
        exercise(5, tests=quiet, solution="input()\n"),
        exercise(6, solution="n = int(input()\n"),
    ]
    topic = spec(required_patterns=[r"\binput\("], forbidden_patterns={r"\beval\(": "eval"}, examples_per_category=4)
    with serving(lambda order, body: Say(content=json.dumps(answers[number_of(body)]))) as server:
        report = generate(server, tmp_path / "o.jsonl", topic, count=7)
    reasons = {"fails_its_tests": 2, "missing_pattern": 1, "forbidden_pattern": 1, "weak_tests": 2}
    assert report.rejected == reasons and report.kept == 1
    assert set(report.examples) == set(reasons)


@pytest.mark.slow
def test_a_solution_that_passes_once_and_then_not_is_flaky(tmp_path):
    # Each of 40 passes with probability 0.37: that none passes and then fails happens once in 30000 runs.
    coin = "import os\nn = int(input())\nprint(2 * n + 1 if os.urandom(1)[0] < 200 else 0)\n"

    def script(order, body):
        number = number_of(body)
        return Say(content=json.dumps(exercise(0, problem=exercise(number)["problem"], solution=f"{coin}# {number}\n")))

    topic = spec(examples_per_category=20)
    with serving(script) as server:
        try:
            rejected = generate(server, tmp_path / "o.jsonl", topic, concurrency=16, patience=100).rejected
        except HaloForgeError as error:
            rejected = {reason: 1 for reason in ("flaky", "fails_its_tests") if reason in str(error)}
    assert "flaky" in rejected and "fails_its_tests" in rejected


def test_tests_that_an_empty_program_passes_are_no_tests(tmp_path):
    lazy = (
        "import solution\n\ndef test_a():\n    assert getattr(solution, 'x', 1)\n\ndef test_b():\n    assert 1 == 1\n"
    )
    answer = {"title": "t", "problem": "p q r", "solution": "x = 1\n", "tests": lazy}
    with (
        serving(lambda order, body: Say(content=json.dumps(answer))) as server,
        pytest.raises(HaloForgeError) as caught,
    ):
        generate(server, tmp_path / "o.jsonl", spec(tests="pytest"), count=1)
    assert "passes_without_solution" in str(caught.value) and not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize(
    ("kind", "language", "solution", "tests"),
    [
        (
            "pytest",
            "python",
            "def f(x):\n    return x + 1\n",
            "from solution import f\n\ndef test_f():\n    assert f(1) == 2\n",
        ),
        (
            "harness",
            "cpp",
            "int f(int x) { return x + 1; }\n",
            "#include <cassert>\nint main() { assert(f(1) == 2); assert(f(-1) == 0); }\n",
        ),
        (
            "calls",
            "python",
            "def f(x):\n    return x + 1\n",
            [{"args": "[1]", "expected": "2"}, {"args": "(2,)", "expected": "3"}, {"args": [3], "expected": 4}],
        ),
        ("compile", "cpp", "int main() {}\n", None),
    ],
)
def test_every_kind_of_tests_is_judged(tmp_path, kind, language, solution, tests):
    good_one = {"title": "t", "problem": "Add one to x.", "solution": solution, "tests": tests, "function": "f"}
    bad_one = {**good_one, "problem": "Other words.", "solution": solution.replace("x + 1", "x").replace("{}", "{")}
    answers = [good_one, bad_one]
    with serving(lambda order, body: Say(content=json.dumps(answers[number_of(body)]))) as server:
        report = generate(server, tmp_path / "o.jsonl", spec(tests=kind, language=language), count=2)
    assert report.kept == 1 and report.rejected == {"fails_its_tests": 1}
    (row,) = read_file(tmp_path / "o.jsonl")
    assert row.task.tests.kind == kind and row.task.prompt.startswith("Add one to x.")


def test_duplicates_go_and_near_ones_too_and_the_first_stays(tmp_path):
    def script(order, body):
        number, draft = number_of(body), exercise(0)
        if number == 1:
            draft["problem"] = draft["problem"].upper() + "  "
        if number == 2:
            draft["problem"] = "Please. " + draft["problem"]
            draft["solution"] = "m = int(input())\nprint(2 * m + 1)\n"
        return Say(content=json.dumps(draft)) if number < 3 else good(order, body)

    with serving(script) as server:
        report = generate(server, tmp_path / "o.jsonl")
    assert report.rejected == {"duplicate": 1, "near_duplicate": 1} and report.kept == 2


def test_a_rejected_problem_is_asked_for_again_with_another_request(tmp_path):
    def script(order, body):
        return Say(content="nothing") if order == 0 else good(order, body)

    with serving(script) as server:
        report = generate(server, tmp_path / "o.jsonl", attempts=3, concurrency=1, count=2)
    assert report.kept == 2 and report.rejected == {"no_json": 1} and len(server.requests) == 3
    assert server.requests[0]["messages"] != server.requests[2]["messages"]


def test_a_model_that_is_not_up_to_it_is_stopped_before_the_money_is_gone(tmp_path):
    topic = spec(examples_per_category=100)
    with serving(lambda order, body: Say(content="no idea")) as server, pytest.raises(HaloForgeError) as caught:
        generate(server, tmp_path / "o.jsonl", topic, patience=10)
    assert "none of the first answers could be kept" in str(caught.value) and "no_json" in str(caught.value)
    assert len(server.requests) <= 40 and not (tmp_path / "o.jsonl").exists()


def test_a_language_without_its_compiler_is_said_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with serving() as server, pytest.raises(InfrastructureError, match="my_domain.*go.*apt install"):
        generate(server, tmp_path / "o.jsonl", spec(language="go"))
    assert not server.requests


def test_a_server_that_goes_down_leaves_what_was_made_and_the_next_run_goes_on(tmp_path):
    broken = True

    def script(order, body):
        return Say(503, "down") if broken and number_of(body) >= 2 else good(order, body)

    settings = {"tries": 2, "max_unanswered": 0, "concurrency": 1}
    with serving(script) as server:
        with pytest.raises(InfrastructureError, match="o.partial.jsonl"):
            generate(server, tmp_path / "o.jsonl", **settings)
        assert len(list(read_file(tmp_path / "o.partial.jsonl"))) == 2 and not (tmp_path / "o.jsonl").exists()
        broken = False
        report = generate(server, tmp_path / "o.jsonl", **settings)
    assert (report.kept, report.sent, report.from_cache) == (4, 2, 2) and not (tmp_path / "o.partial.jsonl").exists()
    assert set(server.paid.values()) == {1}


def test_nobody_there_is_said_soon_with_the_way_to_start_it(tmp_path):
    backend = get_backend("ollama", base_url="http://127.0.0.1:9/v1", first_pause_s=0.02)
    with pytest.raises(InfrastructureError, match="cannot be reached.*ollama serve"):
        TrainingDataGenerator(backend, spec()).generate_all(tmp_path / "o.jsonl")


def test_the_rows_within_the_budget_are_written(tmp_path):
    with serving() as server:
        report = generate(server, tmp_path / "o.jsonl", budget_tokens=900, max_tokens=60, concurrency=1)
    assert report.stopped == "budget" and 0 < report.kept < 4 and "stopped at the budget" in str(report)
    assert len(list(read_file(tmp_path / "o.jsonl"))) == report.kept


def test_it_runs_inside_an_event_loop_as_in_a_notebook(tmp_path):
    async def cell():
        return generate(server, tmp_path / "o.jsonl", count=1)

    with serving() as server:
        assert asyncio.run(cell()).kept == 1


@pytest.mark.slow
@pytest.mark.parametrize("topic", sorted(topic_files()))
def test_a_good_answer_to_every_topic_is_kept(tmp_path, topic):
    skip_without(BY_LANGUAGE[load_topic(topic).language])
    with serving(lambda order, body: Say(content=json.dumps(ANSWERS[topic]))) as server:
        report = generate(server, tmp_path / "o.jsonl", load_topic(topic), count=1)
    assert report.kept == 1
