"""What is to be judged: which samples hold the same program, and what is known of them from before."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.hashing import fingerprint
from halo_forge.jsonl import each_resumed
from halo_forge.parts import WHOLE, Part
from halo_forge.records import Sample, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import Judgement, Verifier, clip
from halo_forge.verify.identity import identity
from halo_forge.verify.registry import get_verifier, resolve
from halo_forge.verify.shelf import Shelf
from halo_forge.verify.verdict_cache import VerdictCache, decides, key_of


@dataclass
class Program:
    """One program and the tests it is judged by."""

    number: int
    """Among the programs of a file, in the order of their first samples."""
    task: Task
    asked: str
    """The name that the verifier was asked for by; one of the user's own may call itself otherwise."""
    verifier: Verifier
    completion: str
    """The first that holds the program."""
    code: str | None
    seconds: float = 0.0
    """What judging it has taken so far."""


@dataclass(frozen=True)
class Todo:
    """Programs that are to be judged."""

    verifiers: Mapping[str, Verifier]
    """Theirs, by the names that they are asked for by."""
    programs: Iterable[Program]
    """Each read when it is come to; none is held."""
    chosen: Callable[[Container[int]], Iterable[Program]]
    """Those of these numbers, once more."""


def refused(tasks: Iterable[Task], settings: Verify, verifier: str) -> dict[str, str]:
    """task_id -> why no verifier can judge it, for the tasks whose tests are at fault; the words name the cure."""
    made: dict[str, Verifier] = {}
    found = {}
    for task in tasks:
        try:
            name = resolve(verifier, task)
            if name not in made:
                made[name] = get_verifier(name, settings)
            made[name].check(task)
        except InputError as error:
            found[task.task_id] = str(error)
    return found


def refusal(sample: Sample, why: str, verifier: str) -> Verdict:
    """The verdict on an answer to a task that `refused` names: no answer is to blame for it."""
    return Verdict(
        sample_id=sample.sample_id,
        task_id=sample.task_id,
        status="infra_error",
        reward=None,
        tests_passed=0,
        tests_total=0,
        detail=clip(why),
        code="",
        duration_s=0.0,
        verifier=verifier,
        isolation="none",
    )


@dataclass(frozen=True)
class _How:
    """How the answers to a task are judged."""

    task: Task
    asked: str
    verifier: Verifier
    tests: str
    digest: str
    """Of all that a judgement depends on beside the program."""


class Programs:
    """The programs in `samples`, which are gone through each time that a text is needed: none is held, only the ids of
    the samples and a digest of each program. A sample is called by its place among them, a program by its number. Those
    of a `part` of the work are what is looked up and judged.

    Raises InputError as `judge_samples` does, and InfrastructureError if a verifier cannot say what it is.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        samples: Iterable[Sample],
        settings: Verify,
        verifier: str,
        part: Part = WHOLE,
    ):
        self._samples = samples
        self._how: dict[str, _How] = {}
        self._made: dict[str, Verifier] = {}
        self._identities: dict[str, list[str]] = {}
        self._places: dict[str, int] = {}
        self._tasks: list[str] = []  # place -> task_id; the text is the task's own
        self._number_of, self._first, self._next = array("I"), array("I"), array("I")
        self._digests: list[bytes] = []
        self._keys: list[bytes | None] = []
        numbers: dict[bytes, int] = {}
        last = array("I")
        for place, sample in enumerate(samples):
            if sample.sample_id in self._places:
                raise InputError(f"sample {sample.sample_id}: this sample_id comes twice; make sample ids unique")
            self._places[sample.sample_id] = place
            how = self._how_of(sample, tasks, settings, verifier)
            self._tasks.append(how.task.task_id)
            code = how.verifier.extract(how.task, sample.completion)
            digest = _digest(how, code)
            number = numbers.setdefault(digest, len(numbers))
            if number == len(self._first):
                self._digests.append(digest)
                self._keys.append(self._key(how, code))
                self._first.append(place)
                last.append(place)
            else:
                self._next[last[number]] = last[number] = place
            self._number_of.append(number)
            self._next.append(place)  # the last of its program leads to itself
        self._ids = list(self._places)
        self._own = part.of(range(len(self._first)))

    def _how_of(self, sample: Sample, tasks: Mapping[str, Task], settings: Verify, verifier: str) -> _How:
        if how := self._how.get(sample.task_id):
            return how
        task = tasks.get(sample.task_id)
        if task is None:
            raise InputError(f"sample {sample.sample_id}: no task {sample.task_id!r} among the {len(tasks)} given")
        asked = resolve(verifier, task)
        if asked not in self._made:
            self._made[asked] = get_verifier(asked, settings)
            self._identities[asked] = identity(self._made[asked])
        chosen = self._made[asked]
        chosen.check(task)
        tests = task.tests.model_dump_json()
        decided = json.dumps([chosen.name, *decides(task), tests]).encode("utf-8", "surrogatepass")
        how = _How(task, asked, chosen, tests, hashlib.sha256(decided).hexdigest())
        return self._how.setdefault(task.task_id, how)

    @property
    def samples(self) -> int:
        return len(self._ids)

    def __len__(self) -> int:
        return len(self._first)

    def _key(self, how: _How, code: str | None) -> bytes | None:
        """What a program's judgement is kept under between runs, if it may be."""
        if code is None or not hasattr(how.verifier, "fingerprint"):
            return None
        return key_of(self._identities[how.asked], how.task, how.tests, code)

    @property
    def identities(self) -> list[list[str]]:
        """Of the verifiers that are used."""
        return list(self._identities.values())

    def key(self, number: int) -> bytes | None:
        """What the judgement of a program is kept under between runs; None if it is not."""
        return self._keys[number]

    def todo(self, shelf: Shelf) -> Todo:
        """The programs of whose samples the first has no verdict."""
        hows = (self._how[self._tasks[self._first[number]]] for number in self._own if self._lacks(number, shelf))
        return Todo(
            {how.asked: how.verifier for how in hows},
            self._read(lambda number: number in self._own and self._lacks(number, shelf)),
            lambda numbers: self._read(lambda number: number in numbers),
        )

    def _lacks(self, number: int, shelf: Shelf) -> bool:
        return self._first[number] not in shelf

    def _read(self, wanted: Callable[[int], bool]) -> Iterator[Program]:
        for place, sample in enumerate(self._samples):
            number = self._number_of[place]
            if self._first[number] == place and wanted(number):
                how = self._how[sample.task_id]
                code = how.verifier.extract(how.task, sample.completion)
                yield Program(number, how.task, how.asked, how.verifier, sample.completion, code)

    def verdicts(
        self, number: int, judgement: Judgement, seconds: float, verifier: Verifier, shelf: Shelf
    ) -> list[Verdict]:
        """The verdicts of the samples of a program that have none yet, which are put there; the first took `seconds`,
        the others none."""
        new = [place for place in self._copies(number) if place not in shelf]
        found = []
        for place in new:
            took = seconds if place == new[0] else 0.0
            verdict = judgement.verdict(self._ids[place], self._tasks[place], took, verifier)
            shelf.put(place, verdict)
            found.append(verdict)
        return found

    def _copies(self, number: int) -> Iterator[int]:
        place = self._first[number]
        yield place
        while self._next[place] != place:
            place = self._next[place]
            yield place

    def look_up(self, cache: VerdictCache, shelf: Shelf) -> Iterator[list[Verdict]]:
        """Put there what the cache knows of programs without a verdict: the verdicts of each."""
        for number in self._own:
            key = self._keys[number]
            if key and self._lacks(number, shelf) and (kept := cache.get(key)):
                yield self.verdicts(number, *kept, self._how[self._tasks[self._first[number]]].verifier, shelf)

    def resume(self, wips: Iterable[Path], shelf: Shelf) -> int:
        """Put the verdicts of earlier runs there, where the sample still holds the program that was judged: how many
        there were."""
        for verdict in chain.from_iterable(each_resumed(wip, Verdict) for wip in wips):
            place = self._places.get(verdict.sample_id)
            if place is None:
                continue
            if verdict.status != "infra_error" and self._holds(place, verdict):
                shelf.put(place, verdict)
            else:
                shelf.take_off(place)  # what was written last counts
        return shelf.filled

    def _holds(self, place: int, verdict: Verdict) -> bool:
        """Whether the sample at `place` holds the program that the verdict is of."""
        if verdict.task_id != self._tasks[place]:
            return False
        how, digest = self._how[verdict.task_id], self._digests[self._number_of[place]]
        return digest == _digest(how, verdict.code) or (verdict.code == "" and digest == _digest(how, None))

    def share(self, shelf: Shelf) -> Iterator[Verdict]:
        """Give the samples without a verdict that of another with the same program, where one has it."""
        known: dict[int, int] = {}
        lacking: set[int] = set()
        for place, number in enumerate(self._number_of):
            if place in shelf:
                known[number] = place
            else:
                lacking.add(number)
        for number in sorted(lacking & known.keys()):
            judgement, how = Judgement.of(shelf.get(known[number])), self._how[self._tasks[self._first[number]]]
            yield from self.verdicts(number, judgement, 0.0, how.verifier, shelf)


def _digest(how: _How, code: str | None) -> bytes:
    """Of a program and all that its judgement depends on beside."""
    return hashlib.sha256(json.dumps([how.digest, code]).encode("utf-8", "surrogatepass")).digest()


def wip_of(wip: Path, identities: Iterable[list[str]], part: Part) -> Path:
    """The file beside `wip` for what these verifiers, as they are now, have judged of a part of the work."""
    return wip.with_stem("-".join(filter(None, [wip.stem, _name(identities), part.name])))


def wips_of(wip: Path, identities: Iterable[list[str]]) -> list[Path]:
    """The files of all parts of the work, that of the whole the last."""
    name = _name(identities)
    return [*sorted(wip.parent.glob(f"{wip.stem}-{name}-*{wip.suffix}")), wip_of(wip, identities, WHOLE)]


def _name(identities: Iterable[list[str]]) -> str:
    return fingerprint(sorted(identities, key=repr))
