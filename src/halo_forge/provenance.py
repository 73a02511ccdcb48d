"""Where an output came from: code, settings, inputs, versions, machine, seed.

No times, host names or absolute paths: on the same machine and commit the same run writes the same bytes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from halo_forge.devices import named_gpus
from halo_forge.hashing import digest

PACKAGES = ("halo-forge", "torch", "transformers", "peft", "openvino", "openvino-genai", "vllm")
CODE = ("src", "stages", "dvc.yaml", "presets.yaml")


class Gpu(NamedTuple):
    name: str
    memory_gb: float


def provenance(params: Any, inputs: Iterable[str | Path]) -> dict[str, Any]:
    """Provenance of an output made with `params` (a pydantic model or a mapping) from the files or folders `inputs`.

    `git_dirty` says whether the code differs from `git_revision`; both are None outside Git. A change of params.yaml
    shows in `params_sha256` and in nothing else. Raises InputError when an input is missing.
    """
    settings = _settings(params)
    revision = git_revision()
    return {
        "git_revision": revision,
        "git_dirty": None if revision is None else code_is_changed(),
        "params_sha256": params_digest(params),
        "inputs": {_relative(path): digest(path) for path in inputs},
        "versions": versions(),
        "device": ", ".join(gpu.name for gpu in gpus()) or "cpu",
        "cpu": cpu_model(),
        "cores": cores(),
        "seed": settings.get("seed"),
    }


def params_digest(params: Any) -> str:
    """SHA-256 of settings, a pydantic model or a mapping."""
    return hashlib.sha256(json.dumps(_settings(params), sort_keys=True).encode()).hexdigest()


def git_revision() -> str | None:
    """The commit checked out here; None without Git, outside a repository, or before the first commit."""
    return _git("rev-parse", "--verify", "--quiet", "HEAD")


def code_is_changed() -> bool:
    """Whether code, tracked or new, differs from the commit. Results change in every run: not looked at."""
    return bool(_git("status", "--porcelain", "--", *CODE))


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Python's version and that of every installed package of `packages`, without importing any."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # not installed is what the missing key says
    return found


def gpus() -> list[Gpu]:
    """The NVIDIA GPUs the driver reports; none where CUDA_VISIBLE_DEVICES hides them all."""
    if named_gpus() == [] or not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        return []
    rows = [line.rsplit(",", 1) for line in result.stdout.splitlines() if "," in line]
    return [Gpu(name.strip(), int(memory_mb) / 1024) for name, memory_mb in rows]


def cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _settings(params: Any) -> dict[str, Any]:
    return params.model_dump(mode="json", by_alias=True) if hasattr(params, "model_dump") else dict(params)


def _git(*arguments: str) -> str | None:
    if not shutil.which("git"):
        return None
    # --no-optional-locks: a status in the background must not make a commit of the user's fail.
    result = subprocess.run(["git", "--no-optional-locks", *arguments], capture_output=True, text=True)
    return result.stdout.strip() if result.returncode == 0 else None


def _relative(path: str | Path) -> str:
    path = Path(path)
    if not path.is_absolute():
        return path.as_posix()
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.name
