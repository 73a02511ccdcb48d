"""Repair: a failed answer goes back once, and what it becomes is kept for the task's own prompt."""

from __future__ import annotations

import pytest

from halo_forge.generate.drawing import draws_of
from halo_forge.generate.protocol import Completion
from halo_forge.generate.samples import Sampler
from halo_forge.raft.cycle import close_cycle
from halo_forge.raft.repair import turns_of
from halo_forge.raft.rounds import further_draws
from halo_forge.settings.generate import Generate
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import Params
from halo_forge.settings.raft import Raft

WRONG = {"status": "wrong_answer", "detail": "test 1: expected '2', printed '3'"}


@pytest.fixture
def mended(make_task, make_judged):
    """mended([(task_id, reward, code, status), …], repair) -> draws of the second round."""

    def mended(results, repair: int = 1, seed: int = 0, **settings):
        judged = [
            make_judged(name, index, reward, code, status=status)[1]
            for index, (name, reward, code, status) in enumerate(results)
        ]
        tasks = [make_task(name) for name in dict.fromkeys(name for name, *_ in results)]
        raft = Raft(samples_per_task=len(results), repair=repair, **settings)
        return further_draws("c1", tasks, judged, raft, seed)

    return mended


def test_only_failed_programs_of_tasks_that_nothing_solved_go_back(mended) -> None:
    draws = mended(
        [
            ("solved", 1.0, "int a;", "pass"),
            ("solved", 0.7, "int b;", "wrong_answer"),
            ("open", 0.0, "int c;", "compile_error"),
            ("silent", 0.0, "", "no_code"),
            ("broken", None, "int d;", "infra_error"),
        ],
        repair=9,
    )
    assert [draw.repairs for draw in draws] == ["open/2"]


def test_the_best_of_different_programs_go_back_and_no_more_than_asked(mended) -> None:
    results = [
        ("t", reward, code, "wrong_answer") for reward, code in ((0.5, "int a;"), (0.8, "int b;"), (0.7, "int  b;"))
    ]
    assert [draw.repairs for draw in mended(results, 1)] == ["t/1"]
    assert [draw.repairs for draw in mended(results, 3)] == ["t/1", "t/0"]
    assert mended(results, 0) == []


def test_repairs_have_indices_of_their_own_beside_the_further_draws(mended) -> None:
    draws = mended([("t", 0.0, f"int v{number};", "compile_error") for number in range(4)], 2, first_round=2)
    assert [(draw.index, draw.repairs is None) for draw in draws] == [(2, True), (3, True), (4, False), (5, False)]


def test_the_model_is_shown_the_prompt_its_program_the_words_and_the_input_of_the_test(make_task, make_judged) -> None:
    task, (_, verdict) = make_task("t"), make_judged("t", 0, 0.7, "int a;", status="wrong_answer")
    turns = turns_of(task, verdict.model_copy(update={"detail": WRONG["detail"]}))
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[0]["content"] == task.prompt and turns[1]["content"] == "```cpp\nint a;\n```"
    assert "expected '2', printed '3'\nThe input of this test:\n1\n" in turns[2]["content"]
    long = turns_of(task, verdict.model_copy(update={"status": "compile_error", "detail": "e" * 9_000}))
    assert 900 < len(long[2]["content"]) < 1_200 and "does not compile" in long[2]["content"]


def test_what_is_asked_is_the_conversation_and_what_is_recorded_the_tasks_prompt(mended, tiny_chat) -> None:
    asked = []

    class Engine:
        name, batch_size = "e", 4

        def generate(self, requests, finished=None):
            asked.extend(tiny_chat.text(request.prompt_ids) for request in requests)
            return [Completion([65], 1, "stop") for _ in requests]

    from halo_forge.generate.drawing import Drawing

    draws = mended([("t", 0.0, "int a;", "compile_error")])
    drawing = Drawing("sft", "c1", 1.0, 8)
    sampler = Sampler(Engine(), tiny_chat, drawing, Generate(), seed=1)
    (sample,) = sampler.draw(draws)
    assert "int a;" in asked[0] and (sample.prompt, sample.repairs) == ("Solve t.", "t/0")
    (plain,) = sampler.draw(draws_of([draws[0].task], 1))
    assert plain.repairs is None and "int a;" not in asked[1]


def test_a_repaired_program_is_trained_on_as_the_answer_to_the_prompt_and_counts_in_no_rate(
    make_task, make_judged
) -> None:
    first, (second, verdict) = make_judged("t", 0, 0.0, "int a;"), make_judged("t", 1, 1.0, "int b;")
    second = second.model_copy(update={"repairs": "t/0", "completion": "Sorry! It is:\n```cpp\nint b;\n```"})
    base = BaseModelChoice(provider="local", id="m")
    generation = {"model": "sft", "temperature": 1.0, "tokens": 6, "seconds": 1.0, "tokens_per_s": 6.0}
    outcome = close_cycle(
        "c1",
        Params(seed=0, preset="p", base_model=base),
        {"t": make_task("t")},
        [first, (second, verdict)],
        generation,
        [],
        [],
    )
    (row,) = outcome.rows
    assert row.completion == "```cpp\nint b;\n```" and row.prompt == "p"
    assert (outcome.history[0].judged, outcome.history[0].passed) == (1, 0)
    told = outcome.statistics
    assert (told["samples"], told["passed"], told["repairs"], told["repaired"], told["kept"]) == (1, 0, 1, 1, 1)
