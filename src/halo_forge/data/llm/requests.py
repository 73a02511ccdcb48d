"""The request for one problem: what it says, and the key that its answer is kept under."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from halo_forge.data.llm.budget import Tokens, estimate_tokens
from halo_forge.data.llm.drafts import Draft, schema
from halo_forge.data.llm.endpoints import Endpoint
from halo_forge.data.llm.topics import Slot, TopicSpec
from halo_forge.records import StdioTests, Tests

_LANGUAGES = {"cpp": "C++17", "c": "C17", "python": "Python 3.11", "rust": "Rust (edition 2021)", "go": "Go"}
_NAMES = {"cpp": "C++", "c": "C", "python": "Python", "rust": "Rust", "go": "Go"}
TYPICAL_ANSWER = 1600
"""Tokens of a problem with solution and tests; for estimates."""

_FIELDS = {
    "stdio": (
        "`tests`: a list of 5 to 8 objects with `stdin` and `stdout`, two strings. The solution reads all its input "
        "from standard input and prints only the answer to standard output, the same on every run whatever the "
        "scheduler does. Among the tests are the smallest input, a large one (a few hundred values at most) and the "
        "cases that a careless program gets wrong. Expected outputs differ from test to test."
    ),
    "calls": (
        "`function`: the name of the function that the problem asks for.\n"
        "`tests`: a list of 6 to 10 objects with `args` (the list of arguments, written as JSON in a string) and "
        "`expected` (the returned value, written as JSON in a string). Cover the edge cases."
    ),
    "pytest": (
        "`tests`: the text of a file test_solution.py for pytest, which imports what it needs with "
        "`from solution import …` and has 5 or more test functions with plain asserts, some of them for edge cases "
        "and for errors that must be raised. No plugins, no files, no network, no sleeping, nothing random."
    ),
    "harness": (
        "`tests`: the text that is compiled below the solution: it includes <cassert>, has a `main` with 6 or more "
        "calls of assert that check results, also of edge cases, and needs no input. The solution has no `main`."
    ),
    "compile": "The program is only compiled, so it must be complete.",
}
_ASK = {
    "stdio": "Write a complete {language} program that reads the input from standard input and prints only the answer.",
    "calls": "Write a {language} function `{function}`.",
    "pytest": "Write a {language} module; the tests import it as `solution`.",
    "harness": "Write the {language} code without a main function.",
    "compile": "Write a complete {language} program.",
}


@dataclass(frozen=True)
class Request:
    """One request for one problem; no two have the same prompt. `attempt` counts from 1."""

    slot: Slot
    attempt: int
    system: str
    prompt: str
    schema: dict[str, Any] = field(compare=False)

    def key(self, endpoint: Endpoint) -> str:
        """What the answer depends on, hashed: where it is sent, and all that is sent."""
        parts = [endpoint.identity(), self.system, self.prompt, self.schema]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()

    def most(self, endpoint: Endpoint) -> Tokens:
        """An upper estimate of the tokens it costs."""
        return Tokens(self._prompt_tokens(), endpoint.max_tokens)

    def expected(self, endpoint: Endpoint) -> Tokens:
        return Tokens(self._prompt_tokens(), min(TYPICAL_ANSWER, endpoint.max_tokens))

    def _prompt_tokens(self) -> int:
        return estimate_tokens(self.system + self.prompt + json.dumps(self.schema))


def request_for(spec: TopicSpec, slot: Slot, attempt: int = 1) -> Request:
    language = _LANGUAGES[spec.language]
    category, level = spec.categories[slot.category], spec.complexity_levels[slot.level]
    again = f" (draft {attempt})" if attempt > 1 else ""
    lines = [
        f"Write one programming exercise in {language}, with its solution and its tests.",
        "",
        f"Domain: {spec.description}",
        f"Category: {slot.category}{f': {category}' if category else ''}",
        f"Level: {slot.level}{f': {level}' if level else ''}",
        f"Scene: {slot.scene(spec, attempt)}. Use it to find a problem of its own, not a renamed classic.",
        f"This is exercise {slot.number + 1} of a series{again}; its problem must differ from all the others.",
    ]
    if spec.style_guide:
        lines += ["", spec.style_guide.strip()]
    lines += ["", "The solution uses the language's standard library only, and:"]
    lines += [f"- contains {_pattern(name, words)}" for name, words in spec.required_patterns.items()]
    lines += [f"- does not contain {_pattern(name, words)}" for name, words in spec.forbidden_patterns.items()]
    lines += ["- is complete, correct, and written as an expert would hand it in."]
    lines += ["", "Answer with one JSON object and nothing else. Its fields:"]
    lines += ["`title`: a few words."]
    lines += [
        "`problem`: the statement as a student gets it, complete without the tests: what comes in, in which form, what "
        "goes out, limits, and the names and signatures that the tests rely on. No solution, no hints."
    ]
    lines += ["`solution`: the source code, without a fence around it."]
    lines += [_FIELDS[spec.tests]]
    if spec.test_guide:
        lines += [spec.test_guide.strip()]
    return Request(slot, attempt, spec.system_prompt, "\n".join(lines), schema(spec.tests))


def prompt_of(draft: Draft, tests: Tests, spec: TopicSpec) -> str:
    """What the task says to a student: the statement, an example if there is one, and what to hand in."""
    parts = [draft.problem.strip()]
    if isinstance(tests, StdioTests):
        first = tests.cases[0]
        parts.append(f"Example input:\n{first.stdin.rstrip()}\nExample output:\n{first.stdout.rstrip()}")
    parts.append(_ASK[spec.tests].format(language=_NAMES[spec.language], function=draft.entry_point))
    return "\n\n".join(parts)


def _pattern(pattern: str, words: str) -> str:
    return f"{words} (regular expression {pattern})" if words else f"the regular expression {pattern}"
