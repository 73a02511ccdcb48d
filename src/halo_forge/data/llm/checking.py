"""What a model wrote, compiled and tested before it is kept: patterns, tests that test, solutions that pass them."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halo_forge.data.asked import as_asked
from halo_forge.data.clean.near import near_duplicates
from halo_forge.data.llm.cache import Reply
from halo_forge.data.llm.drafts import Draft, Reason, Rejected, read_draft
from halo_forge.data.llm.requests import Request, prompt_of
from halo_forge.data.llm.topics import Slot, TopicSpec
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.model.chat import fenced
from halo_forge.records import Sample, Source, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify.judge import judge_samples
from halo_forge.verify.registry import BY_LANGUAGE, get_verifier

_NOTHING = {
    "python": "pass",
    "cpp": "int main() {}",
    "c": "int main(void) { return 0; }",
    "rust": "fn main() {}",
    "go": "package main\n\nfunc main() {}",
}
"""A program that does nothing: tests that it passes test nothing."""
_EMPTY = "/empty"
_DETAIL = 300


@dataclass(frozen=True)
class Checked:
    """What became of one answer: a task, or the reason why there is none."""

    request: Request
    task: Task | None
    reason: Reason | None = None
    detail: str = ""
    problem: str = ""


class Checker:
    """Takes answers batch by batch and remembers what it has kept, to notice duplicates."""

    def __init__(self, spec: TopicSpec, verify: Verify, near_duplicate: float):
        self.spec, self.verify, self.near_duplicate = spec, verify, near_duplicate
        self._problems: list[str] = []
        self._seen: set[str] = set()

    def probe(self) -> None:
        """Raises InfrastructureError, naming the cure, if the topic's language cannot be judged here.

        Asked before the first request is paid for.
        """
        try:
            get_verifier(BY_LANGUAGE[self.spec.language], self.verify).probe()
        except InfrastructureError as error:
            raise InfrastructureError(
                f"topic {self.spec.name}: its {self.spec.language} solutions cannot be checked here: {error}"
            ) from error

    def check(self, answers: Sequence[tuple[Request, Reply]]) -> list[Checked]:
        """What becomes of each answer, in their order. Raises InfrastructureError if judging itself fails."""
        checked: dict[int, Checked] = {}
        tasks: dict[int, tuple[Task, str]] = {}
        for number, (request, reply) in enumerate(answers):
            try:
                draft = read_draft(reply, self.spec.tests)
                self._check_patterns(draft)
                tasks[number] = self._task(draft, reply.model, request.slot), draft.problem
            except Rejected as reject:
                checked[number] = Checked(request, None, reject.reason, reject.detail[:_DETAIL])
        faults = self._judge([task for task, _ in tasks.values()])
        for number, (task, problem) in tasks.items():
            reason, detail = faults.get(task.task_id, (None, ""))
            request = answers[number][0]
            kept = task if reason is None else None
            checked[number] = Checked(request, kept, reason, detail[:_DETAIL], problem)
        return self._without_duplicates([checked[number] for number in range(len(answers))])

    def _check_patterns(self, draft: Draft) -> None:
        for pattern in self.spec.required_patterns:
            if not re.search(pattern, draft.solution, re.M):
                raise Rejected("missing_pattern", pattern)
        for pattern in self.spec.forbidden_patterns:
            if re.search(pattern, draft.solution, re.M):
                raise Rejected("forbidden_pattern", pattern)

    def _task(self, draft: Draft, model: str, slot: Slot) -> Task:
        tests = as_asked(draft.to_tests(), draft.problem)
        name = hashlib.sha256(f"{draft.problem}\0{draft.solution}\0{tests.model_dump_json()}".encode()).hexdigest()[:16]
        levels = list(self.spec.complexity_levels)
        return Task(
            task_id=f"llm/{self.spec.name}/{name}",
            language=self.spec.language,
            prompt=prompt_of(draft, tests, self.spec),
            tests=tests,
            solution=draft.solution,
            entry_point=draft.entry_point,
            source=Source(dataset=f"llm/{self.spec.name}", revision=model),
            tags=[slot.category, slot.level],
            family=f"llm/{self.spec.name}/{name}",
            difficulty=1 + 4 * levels.index(slot.level) // max(len(levels) - 1, 1),
        )

    def _judge(self, tasks: Sequence[Task]) -> dict[str, tuple[Reason, str]]:
        """task_id -> what is wrong with it. A solution must pass twice, and a program that does nothing must not."""
        faults: dict[str, tuple[Reason, str]] = {}
        verifier = get_verifier(BY_LANGUAGE[self.spec.language], self.verify)
        for task in tasks:
            try:
                verifier.check(task)
            except InputError as error:
                faults[task.task_id] = "weak_tests", str(error)
        known = {task.task_id: task for task in tasks if task.task_id not in faults}
        for verdict in self._verdicts(known, [_sample(task) for task in known.values()], self.verify):
            if not verdict.passed:
                reason: Reason = "not_judged" if verdict.status == "infra_error" else "fails_its_tests"
                faults[verdict.task_id] = reason, f"{verdict.status}: {verdict.detail}"
        passed = [task for task in known.values() if task.task_id not in faults]
        again = [_sample(task) for task in passed]
        if self.spec.tests != "compile":
            again += [_sample(task, empty=True) for task in passed]
        for verdict in self._verdicts(known, again, self.verify.model_copy(update={"cache": False})):
            empty = verdict.sample_id.endswith(_EMPTY)
            if empty and verdict.passed:
                faults[verdict.task_id] = "passes_without_solution", "a program that does nothing passes the tests"
            elif not empty and not verdict.passed:
                faults[verdict.task_id] = "flaky", f"passed, then {verdict.status}: {verdict.detail}"
        return faults

    def _verdicts(self, tasks: dict[str, Task], samples: Sequence[Sample], settings: Verify) -> list[Verdict]:
        if not samples:
            return []
        with tempfile.TemporaryDirectory(prefix="halo-forge-") as folder:
            return judge_samples(tasks, samples, settings, wip=Path(folder) / "verdicts.jsonl")

    def _without_duplicates(self, checked: Sequence[Checked]) -> list[Checked]:
        """Among what passed, the first of those that repeat each other stays."""
        faults: dict[int, Reason] = {}
        fresh: list[int] = []
        for number, one in enumerate(checked):
            if one.task is None:
                continue
            marks = {_bare(one.problem), _bare(one.task.solution or "")}
            if marks & self._seen:
                faults[number] = "duplicate"
            else:
                fresh.append(number)
            self._seen |= marks
        known = len(self._problems)
        for place, _ in near_duplicates([*self._problems, *(checked[i].problem for i in fresh)], self.near_duplicate):
            faults[fresh[place - known]] = "near_duplicate"
        self._problems += [checked[i].problem for i in fresh if i not in faults]
        return [
            Checked(one.request, None, faults[i], one.problem[:80]) if i in faults else one
            for i, one in enumerate(checked)
        ]


def _sample(task: Task, *, empty: bool = False) -> Sample:
    program = _NOTHING[task.language] if empty else task.solution or ""
    return Sample.of_reference(task, fenced(program, task.language), task.task_id + (_EMPTY if empty else ""))


def _bare(text: str) -> str:
    """Letters and digits alone: layout and case are no difference."""
    return re.sub(r"[\W_]+", "", text).lower()
