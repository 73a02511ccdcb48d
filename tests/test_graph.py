"""dvc.yaml says what is true: what decides a stage's output is among its dependencies, and nothing else is."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from pathlib import Path

import pytest
from conftest import REPOSITORY
from ruamel.yaml import YAML

from halo_forge import settings
from halo_forge.imports import PACKAGE, beside, closure

_spec = importlib.util.spec_from_file_location("graph", REPOSITORY / ".make/graph.py")
graph = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(graph)

STAGES = {
    name: stage.get("do", stage)
    for name, stage in YAML(typ="safe").load((REPOSITORY / "dvc.yaml").read_text())["stages"].items()
}
SCRIPT = {stage: script for script, stages in graph.scripts().items() for stage in stages}
# Sections of params.yaml and the classes of settings/ that hold their defaults.
DEFAULTS = {
    "audit": {"Audit"},
    "benchmark": {"Benchmark"},
    "benchmark.sets": {"BenchmarkSet"},
    "base_model": {"BaseModelChoice"},
    "clean": {"Clean"},
    "generate": {"Generate"},
    "generate_data": {"GenerateData", "Prices"},
    "prepare": {"Prepare", "DataSource", "TaskFile"},
    "raft": {"Raft"},
    "raft.train": {"Training"},
    "sft": {"Training", "Sft", "Lora"},
    "split": {"Split"},
    "validation": {"Validation"},
    "verify": {"Ladder"},
}


def code_of(stage: str) -> set[Path]:
    """The files that a stage's code dependencies name, folders taken apart."""
    found = set()
    for name in STAGES[stage]["deps"]:
        if name.startswith("src/"):
            path = REPOSITORY / name
            assert path.exists(), f"{stage}: {name} is not there"
            parts = path.rglob("*") if path.is_dir() else [path]
            found |= {part for part in parts if part.is_file() and part.suffix != ".pyc"}
    return {path for path in found if path.name != "__init__.py" or path.parent.name == "inside"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_decides_its_output_and_on_no_other(stage: str) -> None:
    declared, decides = code_of(stage), graph.decides(SCRIPT[stage])
    names = [
        {path.relative_to(PACKAGE).as_posix() for path in paths} for paths in (decides - declared, declared - decides)
    ]
    assert names == [set(), set()], f"{stage}: missing among deps, and there for nothing"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_its_own_script(stage: str) -> None:
    assert [dep for dep in STAGES[stage]["deps"] if dep.startswith("stages/")] == [f"stages/{SCRIPT[stage]}.py"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_reads_a_setting_depends_on_its_default(stage: str) -> None:
    read, defaults = set(), set()
    for entry in STAGES[stage]["params"]:
        if isinstance(entry, str):
            read.add(entry)
        elif "presets.yaml" in entry:
            read |= {key.removeprefix("${preset}.") for key in entry["presets.yaml"]}
        else:
            (file, names), *_ = entry.items()
            assert file == "params.yaml" or (REPOSITORY / file).exists()
            defaults |= set(names or ())
    if "${preset}" in read:
        return  # all of them, as the report and MLflow quote them: what is quoted is no default
    for key in read - {"seed"}:
        if key.startswith(("raft.cycles.", "controls.")):
            continue  # no line of the table has a default
        key = key.removesuffix(".${item.set}")
        section, _, name = key.rpartition(".")
        if key in DEFAULTS:
            missing = DEFAULTS[key] - defaults
        else:
            missing = {f"{owner}.{name}" for owner in DEFAULTS[section]} - defaults
        assert not missing, f"{stage}: {key} is read, its default is not among the params: {missing}"


def test_every_section_of_the_settings_has_defaults_that_dvc_can_read() -> None:
    """DVC reads class attributes that are literals; a default that is none must be a section whose class is listed."""
    listed = {name for names in DEFAULTS.values() for name in names} | {"Verify"}
    for path in Path(inspect.getfile(settings)).parent.glob("*.py") if settings.__file__ else ():
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef) or node.name not in listed:
                continue
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and field.value is not None:
                    called = isinstance(field.value, ast.Call) and getattr(field.value.func, "id", "")
                    if called:
                        assert called in listed or called == "Field", f"{path.name}: {node.name}.{field.target.id}"
                    else:
                        ast.literal_eval(field.value)


def test_each_exception_names_a_file_that_some_stage_imports() -> None:
    imported = {path for script in set(SCRIPT.values()) for path in closure(REPOSITORY / f"stages/{script}.py")}
    for place in graph.NOT_DECIDING:
        assert any(path.is_relative_to(PACKAGE / place) for path in imported), f"{place}: no stage imports it"
    for place, (scripts, _) in graph.NOT_DECIDING_FOR.items():
        for script in scripts:
            assert any(path.is_relative_to(PACKAGE / place) for path in closure(REPOSITORY / f"stages/{script}.py"))


def test_every_file_that_is_no_module_belongs_to_a_module_beside_it() -> None:
    modules = set(PACKAGE.rglob("*.py"))
    owned = {path for module in modules for path in closure(module)}
    strays = [path for folder in {module.parent for module in modules} for path in beside(folder) if path not in owned]
    assert strays == []
