"""Settings of where tasks come from and on which side of the split they stand."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from halo_forge.settings.base import Fraction, Positive, Section

Language = Literal["cpp", "c", "python", "rust", "go"]


class TaskFile(Section):
    path: str
    """A JSON Lines file of Task records."""


class DataSource(Section):
    """Where rows come from, by name; what is left out is as the registry of public sets has it."""

    dataset: str
    """`builtin`, a name of the registry (`data prepare --list`), owner/name on the hub, or the path of a file."""
    split: str | None = None
    config: str | None = None
    revision: str | None = None
    license: str | None = None
    mapping: dict[str, str] = {}
    """Our fields by the names of the file's columns, such as {prompt: instruction, solution: output}."""
    language: Language | None = None
    """Of rows that do not say theirs; with it, rows without tests become tasks of which compiling is asked."""
    limit: Positive | None = None
    """At most this many rows."""
    local: list[str] = []
    """Copies of a named set's files, in the hub's own columns: for a set of two tables, answers and then problems."""
    newlines: Literal["keep", "lf"] = "keep"
    """lf: lines of tests' inputs and outputs end in LF, also where they ended in CRLF or CR."""
    allow_evaluation_only: bool = False
    """Take a set that is published to measure with."""


class Prepare(Section):
    builtin: bool = True
    """Take the built-in tasks of data/builtin."""
    languages: list[Language] = ["cpp"]
    files: list[TaskFile] = []
    sources: list[DataSource] = []
    """Public sets and files of other kinds, in addition."""


Side = Literal["sft", "raft", "validation", "benchmark"]


class Split(Section):
    shares: dict[Side, Fraction] = {"sft": 0.34, "raft": 0.33, "benchmark": 0.33}
    """Share of the families on each side; a family's side depends on its name and the seed alone. On `validation`,
    which may be left out, the best model is chosen, so that the benchmark measures and never chooses. The sides stand
    in the order sft, raft, validation, benchmark: a share taken from a neighbour moves no family of the others."""
    assign: dict[str, Side] = {}
    """Families put on a side by hand, by name."""
    max_difficulty: dict[Side, Annotated[int, Field(ge=1, le=5)]] = {}
    """Harder tasks are left out of a side: what a model cannot reach costs time and teaches nothing."""
    max_tasks: dict[Side, Positive] = {}
    """Cap on the tasks of a side, drawn by family from all that max_difficulty leaves."""
    variants: dict[Side, Positive] = {"sft": 3, "raft": 3, "validation": 1, "benchmark": 1}
    """How many variants of a family a side uses; those of one family are not independent."""
    ngram: Positive = 8
    max_overlap: Fraction = 0.6
    """A training task sharing at least this share of its n-grams with a benchmark task is dropped and counted."""
    max_copy: Fraction = 0.6
    """Problems that share this much of what they say, do or test are copies of each other: one family, and a leak if
    one is trained on and the other measured with. Families of data/builtin were told apart by hand and stay so."""
    against: list[str] = []
    """More files to measure with: training tasks that copy a row of these are leaks too."""
    on_leak: Literal["drop", "fail"] = "drop"
    """Leave leaks out of the training sides, or stop the run at the first."""

    @model_validator(mode="after")
    def _whole(self) -> Split:
        if set(self.shares) | {"validation"} != set(get_args(Side)) or abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError("shares: sft, raft and benchmark, and validation if wanted, must be given and add up to 1")
        if "validation" in self.assign.values() and "validation" not in self.shares:
            raise ValueError("assign: a family is put on the validation side, which has no share; add it to shares")
        return self
