"""Topics: what problems are to be about, in YAML files of data/topics or of the user's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from halo_forge.errors import InputError
from halo_forge.settings.checking import check, read_yaml

TestKind = Literal["stdio", "calls", "pytest", "harness", "compile"]
KINDS = {
    "python": ("stdio", "calls", "pytest", "compile"),
    "cpp": ("stdio", "harness", "compile"),
    "c": ("stdio", "harness", "compile"),
    "rust": ("stdio", "compile"),
    "go": ("stdio", "compile"),
}
"""The kinds of tests that there is a judge for."""
_SUFFIXES = (".yaml", ".yml")
_REPOSITORY = Path(__file__).resolve().parents[4]
_SCENES = [
    "a public library",
    "a train station",
    "a hospital ward",
    "a bakery's orders",
    "weather stations",
    "a chess club",
    "a warehouse",
    "a newsroom",
    "a satellite's telemetry",
    "a marathon",
    "a music archive",
    "a greenhouse",
    "a city's traffic lights",
    "a power grid",
    "a language course",
    "an online auction",
    "a fishing harbour",
    "log files of servers",
    "a film festival",
    "a genealogy",
    "a mountain rescue",
    "a bank's ledger",
    "a printing press",
    "plain numbers, no story",
]


def _named(value: Any) -> Any:
    """A list of names as a mapping to what they mean, of which nothing is said."""
    names = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    return dict.fromkeys(value, "") if names else value


Named = Annotated[dict[Annotated[str, Field(min_length=1)], str], BeforeValidator(_named), Field(min_length=1)]
Patterns = Annotated[dict[str, str], BeforeValidator(_named)]


class TopicSpec(BaseModel):
    """A domain to write problems for.

    `categories`, `complexity_levels` and the patterns are lists of names, or mappings of names to a sentence that
    tells the model what is meant. `examples_per_category` problems are asked for in every category, spread evenly over
    the levels. Patterns are regular expressions (multi-line) that every solution must or must not contain.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(pattern=r"^\w[\w.-]*$")
    description: str = Field(min_length=1)
    categories: Named
    complexity_levels: Named
    examples_per_category: int = Field(20, ge=1)
    system_prompt: str = "You are an expert programmer."
    language: str = "python"
    tests: TestKind = "stdio"
    test_guide: str = ""
    """How good tests look here; goes into the request."""
    style_guide: str = ""
    """What good problems and solutions look like; goes into the request."""
    required_patterns: Patterns = {}
    forbidden_patterns: Patterns = {}
    scenes: list[str] = Field(_SCENES, min_length=1)
    """Where problems may play: every request draws one, so that no two ask for the same."""

    @model_validator(mode="after")
    def _judgeable(self) -> TopicSpec:
        if self.language not in KINDS:
            raise ValueError(f"language: {self.language!r} has no judge here (known: {', '.join(KINDS)})")
        if self.tests not in KINDS[self.language]:
            raise ValueError(
                f"tests: {self.tests!r} cannot be judged in {self.language} (known: {', '.join(KINDS[self.language])})"
            )
        for pattern in [*self.required_patterns, *self.forbidden_patterns]:
            try:
                re.compile(pattern, re.M)
            except re.error as error:
                raise ValueError(f"patterns: {pattern!r} is no regular expression: {error}") from error
        return self

    @property
    def total(self) -> int:
        """Problems asked for, all categories together."""
        return self.examples_per_category * len(self.categories)

    def slots(self, count: int | None = None) -> Iterator[Slot]:
        """The problems to ask for, `total` by default, in an order whose every beginning is spread evenly."""
        categories, levels = list(self.categories), list(self.complexity_levels)
        for number in range(count or self.total):
            turn, column = divmod(number, len(categories))
            yield Slot(number, categories[column], levels[turn % len(levels)])


@dataclass(frozen=True)
class Slot:
    """One problem to ask for; `number` counts from 0 over the topic."""

    number: int
    category: str
    level: str

    def scene(self, spec: TopicSpec, attempt: int) -> str:
        draw = hashlib.sha256(f"{spec.name}|{self.number}|{attempt}".encode()).digest()
        return spec.scenes[int.from_bytes(draw[:8], "big") % len(spec.scenes)]


def load_topic(name: str | Path) -> TopicSpec:
    """A topic by name, or by the path of a YAML file. Raises InputError naming the file, the key and the cure."""
    if is_topic_file(name):
        path = Path(name)
    else:
        found = topic_files()
        if str(name) not in found:
            known = ", ".join(found) or "none"
            raise InputError(f"topic {str(name)!r}: no such topic (known: {known}); a file of yours must end in .yaml")
        path = found[str(name)]
    value = read_yaml(path)
    value.setdefault("name", path.stem)
    return check(TopicSpec, value, str(path))


def is_topic_file(name: str | Path) -> bool:
    """Whether `name` is the path of a file rather than the name of a topic."""
    return str(name).endswith(_SUFFIXES)


def topic_files() -> dict[str, Path]:
    """Name -> file of every topic in data/topics here, or where the program lies."""
    found: dict[str, Path] = {}
    for folder in (Path("data/topics"), _REPOSITORY / "data" / "topics"):
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found
