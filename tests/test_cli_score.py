"""`benchmark score`: the card of `benchmark run` from anybody's samples, however many there are of each task."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from halo_forge.cli import benchmark as cli_benchmark
from halo_forge.errors import InputError

pytestmark = pytest.mark.needs("python")
DRAWN = {"temperature", "max_new_tokens", "engine", "weights", "tokens_per_s", "seconds", "base", "provenance"}
"""What only the one that drew the samples knows, and what says who wrote the card."""


def right(number: int) -> str:
    return f"def f():\n    return {number}\n"


WRONG = "def f():\n    return -1\n"


def task_row(number: int) -> dict:
    tests = {
        "kind": "python",
        "code": f"def check(candidate):\n    assert candidate() == {number}\n",
        "entry_point": "f",
    }
    own = {"task_id": f"HumanEval/{number}", "language": "python", "family": f"f{number}", "source": {"dataset": "x"}}
    return own | {"prompt": f"Write f, which returns {number}.", "tests": tests}


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answers(*outcomes: tuple[int, int, int], **more) -> list[dict]:
    """Rows of samples: (task, how many pass, how many do not)."""
    return [
        {"task_id": f"HumanEval/{task}", "completion": f"```python\n{program}```", **more}
        for task, passing, failing in outcomes
        for program in [right(task)] * passing + [WRONG] * failing
    ]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def here(tmp_path, monkeypatch, cache) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HALO_FORGE_CACHE", str(cache))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    write_rows(tmp_path / "tasks.jsonl", [task_row(number) for number in range(3)])
    return tmp_path


@pytest.fixture
def call(here):
    """call("score", …) -> what it printed; errors meant for the user are raised."""
    from halo_forge.state import drop_state

    whole = typer.Typer()
    whole.add_typer(cli_benchmark.app, name="benchmark")

    def call(*words: str) -> str:
        result = CliRunner().invoke(whole, ["benchmark", *map(str, words)])
        drop_state()
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return call


@pytest.fixture
def score(call, here):
    """score(rows, *flags) -> (card, what was printed)."""

    def score(rows: list[dict], *flags: str) -> tuple[dict, str]:
        write_rows(here / "samples.jsonl", rows)
        said = call("score", "--tasks", "tasks.jsonl", "--samples", "samples.jsonl", "--output", "card.json", *flags)
        return json.loads((here / "card.json").read_text()), said

    return score


def test_the_card_is_that_of_the_benchmark_that_drew_the_samples(call, here, tiny_model) -> None:
    given = ("--model", tiny_model, "--prompts", "tasks.jsonl", "--max-new-tokens", "8", "--samples", "2", "--k", "1,2")
    call("run", *given, "--output", "run.json")
    tasks, samples = "run_answers/tasks.jsonl", "run_answers/samples.jsonl"
    call("score", "--tasks", tasks, "--samples", samples, "--k", "1,2", "--output", "scored.json")
    ran, scored = (json.loads((here / name).read_text()) for name in ("run.json", "scored.json"))
    assert ran.keys() <= scored.keys() | {"base"}
    known = ran.keys() - DRAWN - {"model"}
    assert {key: scored[key] for key in known} == {key: ran[key] for key in known}
    assert "run.json -> scored.json" in call("compare", "run.json", "scored.json")
    assert (here / "scored_answers/verdicts.jsonl").read_bytes().count(b"\n") == 6


def test_each_task_counts_the_same_however_many_samples_it_has(score) -> None:
    card, said = score(answers((0, 1, 1), (1, 2, 8), (2, 0, 3)))
    assert {row: (card["per_task"][row]["passed"], card["per_task"][row]["n"]) for row in card["per_task"]} == {
        "HumanEval/0": (1, 2),
        "HumanEval/1": (2, 10),
        "HumanEval/2": (0, 3),
    }
    assert card["pass_at_k"] == {"1": pytest.approx((1 / 2 + 2 / 10 + 0) / 3)}
    assert (card["n_samples"], card["samples_per_task"], card["passed"]) == (15, None, 2)
    assert "no pass@5: pass@5 needs 5 samples of each task; 2 of 3 tasks have fewer: 'HumanEval/0' has 2" in said


def test_pass_at_k_is_estimated_from_the_samples_of_each_task(score) -> None:
    card, _ = score(answers((0, 1, 1), (1, 2, 8), (2, 0, 3)), "--k", "2")
    expected = [1.0, 1 - comb(8, 2) / comb(10, 2), 0.0]
    assert card["pass_at_k"]["2"] == pytest.approx(sum(expected) / 3)


def test_a_k_that_one_task_has_too_few_samples_for_is_refused(score) -> None:
    words = r"--k: pass@3 needs 3 samples of each task; 1 of 3 tasks have fewer: 'HumanEval/1' has 2; draw more, or"
    with pytest.raises(InputError, match=words):
        score(answers((0, 0, 3), (1, 2, 0), (2, 3, 0)), "--k", "1,3")


def test_nothing_is_said_of_k_where_every_task_has_as_many_samples(score) -> None:
    card, said = score(answers((0, 2, 1), (1, 0, 3), (2, 3, 0)))
    assert card["samples_per_task"] == 3 and "no pass@" not in said and "warning" not in said


def test_tasks_without_a_sample_stop_the_score_unless_told(score) -> None:
    with pytest.raises(InputError, match=r"1 of 3 tasks have no sample, the first 'HumanEval/1'; --unanswered failed"):
        score(answers((0, 1, 0), (2, 1, 0)))


def test_tasks_without_a_sample_count_as_failed_when_asked(score, call) -> None:
    card, said = score(answers((0, 2, 0), (2, 2, 0)), "--unanswered", "failed", "--k", "1,2")
    assert card["pass_at_k"] == {"1": pytest.approx(2 / 3), "2": pytest.approx(2 / 3)}
    assert card["unanswered"] == {"counted_as": "failed", "tasks": ["HumanEval/1"]}
    assert "1 tasks without a sample count as failed, 'HumanEval/1' the first" in said
    assert card["by_status"]["no_code"] == 2


def test_tasks_without_a_sample_are_left_out_when_asked(score) -> None:
    card, said = score(answers((0, 1, 0), (2, 0, 1)), "--unanswered", "left-out")
    assert (card["pass_at_k"]["1"], card["n_tasks"]) == (0.5, 2)
    assert card["unanswered"] == {"counted_as": "left-out", "tasks": ["HumanEval/1"]} and "are not scored" in said


@pytest.mark.parametrize(
    "row",
    [
        lambda task: {"task_id": f"HumanEval/{task}", "solution": right(task)},
        lambda task: {"task_id": f"humaneval/{task}", "completion": right(task)},
        lambda task: {
            "custom_id": f"HumanEval/{task}-0",
            "response": {"body": {"choices": [{"message": {"content": f"Here:\n```python\n{right(task)}```"}}]}},
        },
        lambda task: {"problem": f"HumanEval/{task}", "said": right(task)},
    ],
    ids=["EvalPlus", "HumanEval", "OpenAI batch", "mapped"],
)
def test_samples_of_other_tools_are_scored(score, row) -> None:
    rows = [row(number) for number in range(3)]
    flags = ("--mapping", "task_id=problem", "--mapping", "completion=said") if "said" in rows[0] else ()
    card, _ = score(rows, *flags)
    assert (card["pass_at_k"], card["model"]) == ({"1": 1.0}, "samples")


def test_what_nobody_says_of_the_samples_is_null(score) -> None:
    card, _ = score(answers((0, 1, 0), (1, 1, 0), (2, 1, 0)))
    unknown = ("temperature", "max_new_tokens", "engine", "weights", "tokens_per_s", "mean_tokens", "truncated")
    assert [card[key] for key in unknown] == [None] * len(unknown)


def test_the_model_is_the_one_that_the_samples_name(score) -> None:
    rows = answers((0, 1, 0), (1, 1, 0), (2, 1, 0), model="mine")
    assert score(rows)[0]["model"] == "mine"
    assert score(rows, "--model", "other")[0]["model"] == "other"
    rows[0]["model"] = "yours"
    with pytest.raises(InputError, match=r"samples of 2 models, 'mine' and 'yours'"):
        score(rows)
    assert score(rows, "--model", "both")[0]["model"] == "both"


def test_the_same_score_is_not_made_twice_and_another_one_loses_neither(score, here) -> None:
    rows = answers((0, 1, 0), (1, 1, 0), (2, 1, 0))
    score(rows)
    first = (here / "card.json").read_bytes()
    assert "measured before" in score(rows)[1]
    assert "moved to" in score(rows[:-1] + answers((2, 0, 1)))[1]
    assert "measured before" in score(rows)[1] and (here / "card.json").read_bytes() == first


def test_rows_that_cannot_be_read_are_counted_in_the_card(score) -> None:
    rows = answers((0, 5, 0), (1, 5, 0), (2, 5, 0)) + [{"task_id": "HumanEval/9", "completion": "x"}]
    card, said = score(rows)
    assert card["unreadable"] == 1 and "1 rows cannot be read" in said
    with pytest.raises(InputError, match=r"samples.jsonl:16: task_id 'HumanEval/9'"):
        score(rows, "--strict")
