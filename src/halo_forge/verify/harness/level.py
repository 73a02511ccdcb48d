"""What the cutting of tests is about: scopes of the answer's process, their steps, and the two sides that come out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

Variable = tuple[str, str]
"""(function of the tests, name); "" for a global one."""


class Unsplittable(Exception):
    """The tests cannot be cut: why, in words for the user."""


class Again(Exception):
    """These variables must live with the answer; cut once more."""

    def __init__(self, variables: Iterable[Variable]):
        super().__init__()
        self.variables = set(variables)


@dataclass
class Level:
    """A scope of the answer's process and the steps inside of it."""

    number: int
    parent: Level | None
    around: Level | None = None
    """The scope that goes on when this one is left."""
    cases: list[str] = field(default_factory=list)
    preamble: list[str] = field(default_factory=list)

    def source(self, language: str, run: str = "{}") -> str:
        """The scope's steps, to be run until it is left; `run` is put around the call that does so."""
        cases, above = "".join(self.cases), "".join(self.preamble)
        if language == "c":
            return (
                f"{above}for (int halo_k; (halo_k = halo_next()) > 0;) "
                f"switch (halo_k) {{\n{cases}default: halo_enter(halo_k); }}\n"
            )
        outer = (
            f"halo_s{self.parent.number}(halo_s{self.parent.number}, halo_k)" if self.parent else "halo_enter(halo_k)"
        )
        me = self.number
        run = run.format(f"halo_steps::run(halo_l{me})")
        return (
            f"{above}auto halo_l{me} = [&](auto &halo_s{me}, int halo_k) -> void {{\n(void)halo_s{me};\n"
            f"switch (halo_k) {{\n{cases}default: {outer}; }}\n}};\n{run};\n"
        )


@dataclass(frozen=True)
class Split:
    """What a task's test code becomes."""

    tests: str
    """The tests' side: C++ that calls halo_wire::step<…> where it needs the answer."""
    steps: str
    """The answer's side. ⟦step:at:…⟧ stands where recipe.py puts what the compiler said of a step's arguments."""
    names: list[str]
    """What each step is, for messages; the first is none."""
    captured: dict[tuple[int, int], set[Variable]]
    """(step, which argument) -> the tests' variables in it."""
    becomes: dict[int, Variable]
    """step -> the tests' variable that takes its value."""
    compares: dict[int, int]
    """step -> where in the code the comparison stands that its value is part of."""
    assertions: int
    copied: list[str]
    """What the tests define that the steps have too: an answer's helpers of these names get others."""
    must: list[int]
    """Assertions that must have been reached: those in loops over what the answer gives."""


class Step:
    """One step in the making: its arguments and its text."""

    def __init__(self, number: int, *, discarded: bool, kept: bool, gives_back: bool = True):
        self.number, self.discarded, self.kept, self.gives_back = number, discarded, kept, gives_back
        self.hidden: frozenset[str] = frozenset()
        self.captures: list[tuple[str, str]] = []
        self.named: list[str] = []
        self.declared: list[str] = []
        self.backs: list[str] = []

    def unit(self, text: str, way: str) -> str:
        """What stands in the step's text for an argument."""
        way = way if self.gives_back else "in"
        entry = next((at for at, (_, known) in enumerate(self.captures) if known == text), None)
        if entry is not None:
            if way != "in":
                self.captures[entry] = (way, text)
            return self.named[entry]
        at = len(self.captures)
        plain = re.fullmatch(r"\w+", text) is not None
        name = text if plain else f"halo_u{self.number}_{at}"
        self.captures.append((way, text))
        kind = "kept" if self.kept else "held"
        self.declared.append(f"⟦{self.number}:{at}:{kind}:{name}⟧")
        self.backs.append(f"⟦{self.number}:{at}:back:{name}⟧")
        self.named.append(name if plain else f"⟦{self.number}:{at}:use:{name}⟧")
        return self.named[at]

    @property
    def arguments(self) -> str:
        return ", ".join(f"halo_wire::{way}({text})" for way, text in self.captures)
