"""params.yaml, typed: every knob with its bounds, checked at the door of every stage.

presets.yaml holds what depends on the model and the machine (model id, batch sizes, engine); params.yaml holds the
rest and names the preset. A knob lives in one of the two, never in both, so that DVC sees every change of it. YAML is
read as version 1.2, so that `1e-06` is a number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, create_model, model_validator

from halo_forge.errors import InputError
from halo_forge.settings.audit import Audit
from halo_forge.settings.base import Name, Section
from halo_forge.settings.benchmark import Benchmark, Validation
from halo_forge.settings.checking import check, merge, one_of, read_yaml
from halo_forge.settings.clean import Clean
from halo_forge.settings.compute import Compute
from halo_forge.settings.control import Control
from halo_forge.settings.data import Prepare, Split
from halo_forge.settings.generate import Generate
from halo_forge.settings.generate_data import GenerateData
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.raft import Cycle, Raft
from halo_forge.settings.training import Sft
from halo_forge.settings.verify import Verify

RESERVED = {"base", "sft", "best"}
"""Names of models that no cycle and no control arm may have."""


class Params(Section):
    seed: Annotated[int, Field(ge=0)]
    preset: str
    generate_data: GenerateData = GenerateData()
    prepare: Prepare = Prepare()
    clean: Clean = Clean()
    audit: Audit = Audit()
    split: Split = Split()
    base_model: BaseModelChoice
    sft: Sft = Sft()
    generate: Generate = Generate()
    verify: Verify = Verify()
    raft: Raft = Raft()
    validation: Validation = Validation()
    benchmark: Benchmark = Benchmark()
    compute: Compute = Compute()
    controls: dict[Name, Control] = {}
    """Control arms by name: models that show what verification was worth."""

    @model_validator(mode="after")
    def _cycles_form_chains(self) -> Params:
        for name, cycle in self.raft.cycles.items():
            if name in RESERVED:
                raise ValueError(
                    f"raft.cycles.{name}: this name is taken by the {name} model; call the cycle c1, c2, …"
                )
            if name in self.controls:
                raise ValueError(f"controls.{name}: this name is taken by a cycle; call the arm otherwise")
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
        if taken := RESERVED & self.controls.keys():
            raise ValueError(f"controls.{min(taken)}: this name is taken by a model; call the arm otherwise")
        return self

    @model_validator(mode="after")
    def _cycles_train_the_same_weights_as_sft(self) -> Params:
        if self.sft.lora is None and self.raft.train.base_weights:
            raise ValueError(
                f"raft.train.base_weights: {self.raft.train.base_weights} holds weights that are frozen, and with "
                "sft.lora: null every cycle trains all of them; leave one of the two out"
            )
        return self

    def control(self, name: str) -> Control:
        """Raises InputError for a name that controls does not list."""
        if name not in self.controls:
            raise InputError(f"params.yaml: controls has no {name!r} {one_of(name, self.controls)}")
        return self.controls[name]

    def chain(self, model: str) -> list[str]:
        """The cycles from SFT to `model`, which is the last of them."""
        return [] if model == "sft" else [*self.chain(self.cycle(model).start), model]

    def cycle(self, name: str) -> Cycle:
        """With its learning rate. Raises InputError for a name that raft.cycles does not list."""
        if name not in self.raft.cycles:
            raise InputError(f"params.yaml: raft.cycles has no {name!r} {one_of(name, self.raft.cycles)}")
        cycle = self.raft.cycles[name]
        return cycle.model_copy(update={"learning_rate": cycle.learning_rate or self.raft.train.learning_rate})

    def depth(self, model: str) -> int:
        """RAFT updates between SFT and `model`: 0 for sft, -1 for base."""
        if model == "base":
            return -1
        return 0 if model == "sft" else 1 + self.depth(self.raft.cycles[model].start)

    def candidates(self) -> list[str]:
        """The models among which the best is chosen: sft, then every cycle, parents first."""
        return self.models()[1:]

    def models(self) -> list[str]:
        """base, sft, then every cycle, parents first."""
        return ["base", "sft", *sorted(self.raft.cycles, key=lambda name: (self.depth(name), name))]


OF_PRESETS = ("base_model.", "raft.train.")
"""Sections that stages depend on in presets.yaml and not in params.yaml: a knob there would be followed by the next run
and missed by DVC."""


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml with its preset. Raises InputError naming file, key, value and cure."""
    path = Path(path)
    own = read_yaml(path)
    presets_path = path.with_name("presets.yaml")
    presets = read_yaml(presets_path)
    name = _preset_of(own, path, presets)
    if "." in name:
        raise InputError(
            f"{presets_path}: {name}: DVC reads the dot in the name of a preset as a level of the file; call it "
            f"{name.replace('.', '_')}, here and in {path.name}"
        )
    of_preset = _leaves(presets[name])
    for key in sorted(_leaves(own)):
        where = f"{presets_path.name}, or for one experiment with -S {presets_path.name}:++{name}.{key}=…"
        if key in of_preset:
            raise InputError(f"{path}: {key}: preset {name!r} sets this knob already; change it in {where}")
        if key.startswith(OF_PRESETS):
            raise InputError(f"{path}: {key}: DVC watches this knob in the presets alone; set it in {where}")
    return check(Params, merge(presets[name], own), str(path))


def load_section(name: str, path: str | Path | None = None) -> Any:
    """One section of params.yaml with what its preset says of it; its defaults if `path` is None and no file is here.

    Nothing else of the files is looked at: a command that judges needs no presets.yaml, and no cycles that are right.
    Raises InputError naming file, key, value and cure.
    """
    kind = Params.model_fields[name].annotation
    if path is None and not Path("params.yaml").exists():
        return kind()
    path = Path(path or "params.yaml")
    own, presets_path = read_yaml(path), path.with_name("presets.yaml")
    preset = {}
    if "preset" in own and presets_path.exists():
        presets = read_yaml(presets_path)
        preset = presets[_preset_of(own, path, presets)] or {}
    value = merge({name: preset.get(name) or {}}, {name: own.get(name) or {}})
    one = create_model(name, __base__=Section, **{name: (kind, ...)})
    return getattr(check(one, value, str(path)), name)


def _preset_of(own: dict[str, Any], path: Path, presets: dict[str, Any]) -> str:
    name = own.get("preset")
    if name not in presets:
        raise InputError(f"{path}: preset: {name!r} is not in presets.yaml {one_of(str(name), presets)}")
    return name


def _leaves(value: dict[str, Any], above: str = "") -> set[str]:
    """The dotted keys that hold something other than a mapping."""
    found: set[str] = set()
    for key, inner in value.items():
        found |= _leaves(inner, f"{above}{key}.") if isinstance(inner, dict) else {f"{above}{key}"}
    return found
