"""The built-in tasks: families of small stdio problems in data/builtin/*.yaml, turned into Task records.

A family is one problem idea. Its variants differ in the parameters written <<name>> in the statement, the
solutions and the inputs. Expected outputs are stored per variant, in the order of `variants`, so that a reader
can check them; data/builtin/check.py fills them in from the Python solution and runs everything else against them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from halo_forge.errors import InputError
from halo_forge.records import Source, StdioCase, StdioTests, Task, first_problem

BUILTIN = "builtin"
"""What these tasks call the data set that they are of."""
LANGUAGES = {"cpp": "C++", "python": "Python"}

_ASK = {
    "cpp": "Write a complete C++ program that reads the input with std::cin and prints only the answer with std::cout.",
    "python": "Write a complete Python program that reads the input from standard input and prints only the answer.",
}
_PARAMETER = re.compile(r"<<(\w+)>>")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wrong(_Strict):
    """A plausible wrong program: it must fail the tests, or the tests are too weak."""

    why: str
    cpp: str | None = None
    python: str | None = None

    @model_validator(mode="after")
    def _one_language(self) -> Wrong:
        if (self.cpp is None) == (self.python is None):
            raise ValueError("give exactly one of cpp and python")
        return self


class Test(_Strict):
    stdin: str
    stdout: list[str] = []
    """One a variant."""


class Family(_Strict):
    family: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    difficulty: int = Field(ge=1, le=5)
    tags: list[str] = Field(min_length=1)
    statement: str
    variants: list[dict[str, int | str]] = [{}]
    shown: int = Field(1, ge=1, le=2)
    """How many of the first tests the prompt shows as examples."""
    compare: Literal["tokens", "exact", "float"] = "tokens"
    solutions: dict[Literal["cpp", "python"], str]
    wrong: list[Wrong] = Field(min_length=2)
    tests: list[Test] = Field(min_length=8)

    @model_validator(mode="after")
    def _both_solutions(self) -> Family:
        missing = set(LANGUAGES) - set(self.solutions)
        if missing:
            raise ValueError(f"solutions: {sorted(missing)} missing")
        return self


@dataclass(frozen=True)
class Variant:
    """One family with its parameters filled in; `number` counts from 0."""

    family: Family
    number: int

    @property
    def name(self) -> str:
        return f"{self.family.family}.{self.number}"

    def fill(self, text: str) -> str:
        parameters = self.family.variants[self.number]

        def value(match: re.Match) -> str:
            if match[1] not in parameters:
                raise InputError(
                    f"data/builtin: family {self.family.family}: <<{match[1]}>> is not a parameter of variant "
                    f"{self.number} ({sorted(parameters)})"
                )
            return str(parameters[match[1]])

        return _PARAMETER.sub(value, text)

    def cases(self) -> list[StdioCase]:
        cases = []
        for test in self.family.tests:
            if len(test.stdout) != len(self.family.variants):
                raise InputError(
                    f"data/builtin: family {self.family.family}: a test has {len(test.stdout)} outputs for "
                    f"{len(self.family.variants)} variants; run python data/builtin/check.py --fill"
                )
            cases.append(StdioCase(stdin=self.fill(test.stdin), stdout=test.stdout[self.number]))
        return cases

    def prompt(self, language: str) -> str:
        parts = [self.fill(self.family.statement).strip()]
        for case in self.cases()[: self.family.shown]:
            parts.append(f"Example input:\n{case.stdin.strip()}\nExample output:\n{case.stdout.strip()}")
        parts.append(_ASK[language])
        return "\n\n".join(parts)

    def task(self, language: str) -> Task:
        return Task(
            task_id=f"builtin/{language}/{self.name}",
            language=language,
            prompt=self.prompt(language),
            tests=StdioTests(cases=self.cases(), compare=self.family.compare),
            solution=self.fill(self.family.solutions[language]),
            source=Source(dataset=BUILTIN, license="Apache-2.0"),
            tags=self.family.tags,
            family=f"builtin/{self.family.family}",
            difficulty=self.family.difficulty,
        )


def load_families(folder: str | Path) -> list[Family]:
    """All families under `folder`, in order of file and place. Raises InputError naming file and family."""
    families: dict[str, Family] = {}
    paths = sorted(Path(folder).glob("*.yaml"))
    if not paths:
        raise InputError(f"{folder}: no *.yaml files with task families")
    for path in paths:
        for row in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or []:
            try:
                family = Family.model_validate(row)
            except ValidationError as error:
                field, words, _ = first_problem(error)
                raise InputError(f"{path}: family {row.get('family', '?')}: {field}: {words}") from error
            if family.family in families:
                raise InputError(f"{path}: family {family.family} is defined twice; rename one")
            families[family.family] = family
    return list(families.values())


def variants(families: list[Family]) -> list[Variant]:
    return [Variant(family, number) for family in families for number in range(len(family.variants))]
