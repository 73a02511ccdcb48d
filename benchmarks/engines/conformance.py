"""What every generation engine has to do alike: the questions that are put to it, and what its answers must be.

The fast tests put them to each engine on a tiny model, `make drill-vllm` on a real one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from halo_forge.generate.protocol import Completion, Engine, Request

TRUNCATED = 5
DRAWN = 8
"""Prompts that are drawn for, the first ones."""
ALONE = 3
"""The place of the request that is drawn once more without its neighbours."""
COMPARED = ("greedy", "truncated", "long", "nothing")
"""The questions to which all engines give the same answers: no draw, whose noise is each engine's own."""

Answers = Mapping[str, Sequence[Completion]]


def questions(
    chat: Any, prompts: Sequence[str], said: Sequence[tuple[str, str]], new: int, longest: int
) -> dict[str, list[Request]]:
    """Name -> requests. `said`: (prompt, answer) after which nothing is left to say; `longest`: tokens of a prompt."""
    greedy = [Request(chat.prompt_ids(prompt), 0, 0.0, 0, 1.0, new) for prompt in prompts]
    drawn = [replace(one, seed=7 + at, temperature=1.0, top_k=50) for at, one in enumerate(greedy[:DRAWN])]
    long = [number for one in [*greedy] * longest for number in one.prompt_ids][-longest:]
    nothing = [chat.prompt_ids(prompt) + chat.answer_ids(answer)[:-1] for prompt, answer in said]
    return {
        "greedy": greedy,
        "truncated": [replace(one, max_new_tokens=TRUNCATED) for one in greedy],
        "long": [replace(greedy[0], prompt_ids=long, max_new_tokens=8)],
        "nothing": [replace(greedy[0], prompt_ids=ids, max_new_tokens=8) for ids in nothing],
        "drawn": drawn,
        "reversed": drawn[::-1],
        "alone": [drawn[ALONE]],
        "other seeds": [replace(one, seed=one.seed + 1000) for one in drawn],
    }


def answered(engine: Engine, asked: Mapping[str, Sequence[Request]]) -> dict[str, list[Completion]]:
    return {name: engine.generate(requests) for name, requests in asked.items()}


def form_faults(answers: Answers, end: int, new: int) -> list[str]:
    """Where an answer is not in the form of a Completion, or a truncated one not the beginning of the whole."""
    found = []
    for name, completions in answers.items():
        for at, one in enumerate(completions):
            stopped = one.finish_reason == "stop"
            if end in one.ids or one.n_tokens != len(one.ids) + stopped:
                found.append(f"{name} {at}: {one}")
            if not stopped and name in ("greedy", "truncated") and one.n_tokens != (new, TRUNCATED)[name != "greedy"]:
                found.append(f"{name} {at}: neither stopped nor at its length: {one}")
    for at, (cut, whole) in enumerate(zip(answers["truncated"], answers["greedy"], strict=True)):
        if cut.ids != whole.ids[:TRUNCATED]:
            found.append(f"truncated {at}: {cut.ids}, not the beginning of {whole.ids}")
    return found


def seed_faults(answers: Answers) -> list[str]:
    """Where a draw depends on its neighbours or the order of the batch, or not on its seed."""
    drawn, back = list(answers["drawn"]), list(answers["reversed"])[::-1]
    found = [f"drawn {at}: in another order otherwise" for at in range(len(drawn)) if drawn[at] != back[at]]
    if drawn[ALONE] != answers["alone"][0]:
        found.append(f"drawn {ALONE}: alone otherwise")
    if drawn == list(answers["other seeds"]):
        found.append("drawn: the same with other seeds")
    return found


def differing(ours: Answers, theirs: Answers) -> list[tuple[str, int]]:
    """(question, place) of the answers that two engines should have in common and have not."""
    return [
        (name, at)
        for name in COMPARED
        for at, (one, other) in enumerate(zip(ours[name], theirs[name], strict=True))
        if one != other
    ]
