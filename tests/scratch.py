"""A scratch copy of the set-up files, and a machine that has next to nothing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from conftest import REPOSITORY as ROOT
from packaging.utils import canonicalize_name

LOCKS = ("requirements.lock", "requirements-gpu.lock")


def copy_of_setup(folder: Path) -> Path:
    """A copy of the project's set-up files, without a venv."""
    copy = folder / "a checkout"  # the blank is there on purpose
    shutil.copytree(ROOT / ".make", copy / ".make")
    for name in ("Makefile", "pyproject.toml", *LOCKS, "params.yaml", "presets.yaml", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    return copy


def path_without_tools(folder: Path) -> Path:
    """A PATH with the tools every system has, and no compiler, sandbox, apt or sudo."""
    folder = folder / "bin"
    folder.mkdir()
    for tool in ("bash", "cat", "dirname", "grep", "id", "mktemp", "rm", "tail"):
        (folder / tool).symlink_to(shutil.which(tool))
    (folder / "python3").symlink_to(sys.executable)
    return folder


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def plain_environment() -> dict[str, str]:
    """That of a shell which neither make nor DVC has called: a `make test ARGS=…` hands on its flags and its ARGS."""
    called = ("GIT_", "MAKE", "DVC", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(called) and name != "ARGS"}


def sh(*command, cwd, **environment):
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=plain_environment() | environment,
        capture_output=True,
        text=True,
        timeout=180,
    )


def pins(lock: str) -> dict[str, str]:
    """Package -> version."""
    lines = [line for line in (ROOT / lock).read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def ready(checkout, place):
    """Whether `make` takes a venv in `checkout` that was set up at `place` for finished."""
    (checkout / ".venv").mkdir()
    (checkout / ".venv/.ready").write_text(f"{place}\n")
    return sh("make", "--question", "setup", cwd=checkout).returncode == 0
