"""The audit: mutants of every reference are judged by its task's tests; those that pass are looked at more closely.

A mutant that passes is compared with its reference on further inputs. If one tells them apart, the tests have a hole,
and that input with the reference's output is a test that closes it: the mutant survived. If none does, it is taken for
equivalent: another way to write the same program. Nothing is said of it where no further inputs can be made.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from halo_forge.audit.further import as_program, completion, further_tests
from halo_forge.audit.mutants import Mutant, choose, mutants
from halo_forge.audit.records import Survivor, TaskAudit
from halo_forge.records import CompileTests, Sample, StdioTests, Task, Verdict
from halo_forge.settings.audit import Audit
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.grade import failed_test
from halo_forge.verify.core.protocol import Verifier
from halo_forge.verify.registry import get_verifier, resolve
from halo_forge.verify.run import judge_with_progress

SHOWN = 3
"""Survivors that are kept of a task, those of which an input is known."""
_REFERENCE = "reference"


def audit(
    tasks: Sequence[Task], settings: Audit, verify: Verify, wip: Path, *, seed: int = 0, verifier: str = "auto"
) -> tuple[list[TaskAudit], dict[str, int]]:
    """What the tests of each audited task are worth, in order, and how many tasks were not audited, by reason.

    `wip` is a folder for unfinished work, new when tasks or settings change. Raises what `judge_samples` raises.
    """
    chosen, skipped = _auditable(tasks, settings.per_family)
    quick = verify.model_copy(update={"run_timeout_s": min(settings.run_timeout_s, verify.run_timeout_s)})
    found: dict[str, TaskAudit] = {}
    waiting = chosen
    for name, limits in (("quick", quick), ("patient", verify)):
        if not waiting or (name == "patient" and limits == quick):
            break
        judge = _Judge(limits, verifier, wip / name)
        passed, failed = judge.references(waiting)
        found |= {one.task_id: one for one in failed}
        found |= {one.task_id: one for one in _audited(passed, settings, judge, seed)}
        slow = {one.task_id for one in failed if one.reference == "timeout"}
        waiting = [task for task in waiting if task.task_id in slow]
    return [found[task.task_id] for task in chosen], dict(skipped)


def weak_families(audited: Iterable[TaskAudit], min_kill_rate: float) -> dict[tuple[str, str], TaskAudit]:
    """(family, language) -> the audited task of it whose tests are weakest, of those below the rate."""
    found: dict[tuple[str, str], TaskAudit] = {}
    for one in audited:
        if one.is_weak(min_kill_rate):
            known = found.get((one.family, one.language))
            if known is None or one.kill_rate < known.kill_rate:
                found[one.family, one.language] = one
    return found


class _Judge:
    """Judges with one set of limits, keeping unfinished work in a folder of its own."""

    def __init__(self, settings: Verify, verifier: str, wip: Path):
        self.settings, self.verifier, self._wip = settings, verifier, wip

    def references(self, tasks: Sequence[Task]) -> tuple[list[Task], list[TaskAudit]]:
        """The tasks whose reference passes its own tests, and what is to be said of the others."""
        programs = {(task.task_id, _REFERENCE): task.solution or "" for task in tasks}
        verdicts = self.judge(tasks, programs, "references")
        failed = []
        for task in tasks:
            verdict = verdicts[task.task_id, _REFERENCE]
            if not verdict.passed:
                failed.append(TaskAudit.of(task, reference=verdict.status, detail=verdict.detail))
        gone = {one.task_id for one in failed}
        return [task for task in tasks if task.task_id not in gone], failed

    def judge(
        self, tasks: Sequence[Task], programs: Mapping[tuple[str, str], str], label: str
    ) -> dict[tuple[str, str], Verdict]:
        """(task_id, name) -> the verdict of the program of that name."""
        by_id = {task.task_id: task for task in tasks}
        samples = [
            Sample.of_reference(by_id[task_id], completion(by_id[task_id], code), f"{task_id}/{name}")
            for (task_id, name), code in programs.items()
        ]
        wip = self._wip / f"{label.partition(',')[0].replace(' ', '-')}.jsonl"
        verdicts = judge_with_progress(by_id, samples, self.settings, self.verifier, wip, f"audit, {label}")
        return dict(zip(programs, verdicts, strict=True))

    def further(self, tasks: Sequence[Task], limit: int, seed: int) -> dict[str, Task]:
        """task_id -> the task with further tests, where such can be made."""
        made: dict[str, Verifier] = {}
        for task in tasks:
            name = resolve(self.verifier, task)
            if name not in made:
                made[name] = get_verifier(name, self.settings)

        def ask(task: Task) -> Task | None:
            return further_tests(task, made[resolve(self.verifier, task)], limit, f"{seed}/{task.task_id}")

        with ThreadPoolExecutor(self.settings.workers or len(os.sched_getaffinity(0))) as pool:
            return {task.task_id: found for task, found in zip(tasks, pool.map(ask, tasks), strict=True) if found}


def _auditable(tasks: Sequence[Task], per_family: int) -> tuple[list[Task], Counter[str]]:
    skipped: Counter[str] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    chosen = []
    for task in tasks:
        if task.solution is None:
            skipped["no reference solution"] += 1
        elif isinstance(task.tests, CompileTests):
            skipped["no tests but compiling"] += 1
        elif not mutants(task.solution, task.language):
            skipped[f"no mutants of {task.language} programs like its reference"] += 1
        elif per_family and seen[task.family, task.language] >= per_family:
            skipped["another task of its family was audited"] += 1
        else:
            seen[task.family, task.language] += 1
            chosen.append(task)
    return chosen, skipped


def _audited(tasks: Sequence[Task], settings: Audit, judge: _Judge, seed: int) -> list[TaskAudit]:
    own = {
        task.task_id: choose(mutants(task.solution, task.language), settings.mutants, f"{seed}/{task.task_id}")
        for task in tasks
    }
    programs = {(task_id, str(number)): one.code for task_id, ones in own.items() for number, one in enumerate(ones)}
    verdicts = judge.judge(tasks, programs, "mutants") if programs else {}
    passing = {key: own[key[0]][int(key[1])] for key, verdict in verdicts.items() if verdict.passed}
    compared = _compared(tasks, passing, settings, judge, seed)
    found = []
    for task in tasks:
        statuses = Counter(verdicts[task.task_id, str(number)].status for number in range(len(own[task.task_id])))
        found.append(_summed_up(task, statuses, [one for key, one in compared.items() if key[0] == task.task_id]))
    return found


def _compared(
    tasks: Sequence[Task], passing: Mapping[tuple[str, str], Mutant], settings: Audit, judge: _Judge, seed: int
) -> dict[tuple[str, str], Survivor | None]:
    """For each mutant that passed and could be compared: what tells it from its reference, or None if nothing does."""
    suspected = {task_id for task_id, _ in passing}
    by_id = {task.task_id: task for task in tasks if task.task_id in suspected}
    further = judge.further(list(by_id.values()), settings.inputs, seed)
    programs = {key: as_program(by_id[key[0]], mutant.code) for key, mutant in passing.items() if key[0] in further}
    if not programs:
        return {}
    verdicts = judge.judge(list(further.values()), programs, "mutants that passed, on further inputs")
    return {
        key: None if verdict.passed else _survivor(by_id[key[0]], further[key[0]], passing[key], verdict)
        for key, verdict in verdicts.items()
    }


def _survivor(task: Task, further: Task, mutant: Mutant, verdict: Verdict) -> Survivor:
    number = failed_test(verdict.detail)
    case = further.tests.cases[number] if number is not None and number < len(further.tests.cases) else None
    stdio = isinstance(further.tests, StdioTests)
    return Survivor(
        operator=mutant.operator,
        line=mutant.line,
        difference=mutant.difference(task.solution or ""),
        input=None if case is None else case.stdin if stdio else case.args,
        expected=None if case is None else case.stdout if stdio else case.expected,
    )


def _summed_up(task: Task, statuses: Counter[str], compared: Sequence[Survivor | None]) -> TaskAudit:
    survivors = [one for one in compared if one is not None]
    not_compiled = statuses["compile_error"] + statuses["no_code"]
    counted = statuses.total() - not_compiled - statuses["infra_error"]
    return TaskAudit.of(
        task,
        reference="pass",
        mutants=counted,
        not_compiled=not_compiled,
        killed=counted - statuses["pass"],
        equivalent=len(compared) - len(survivors),
        survived=len(survivors),
        unknown=statuses["pass"] - len(compared),
        survivors=sorted(survivors, key=lambda one: one.input is None)[:SHOWN],
    )
