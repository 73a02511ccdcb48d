"""Which execution of the pipeline this process belongs to, and which results it made itself."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from halo_forge.provenance import provenance
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.params import Params


@dataclass(frozen=True)
class Execution:
    """`name` is DVC's experiment, else commit and settings; `start` is in seconds since 1970, None outside DVC."""

    name: str
    params_sha256: str
    start: float | None
    root: Path
    cached: dict[str, str] = field(default_factory=dict)
    """DVC output -> md5, from dvc.lock."""

    def source(self, path: Path) -> str:
        """`run` if this execution wrote `path`, `cache` if it found it there or DVC restored it, else `unknown`.

        A restored copy is as new as its restoration; its object in DVC's cache keeps the time of the first writing.
        """
        if self.start is None:
            return "unknown"
        times = [path.stat().st_mtime]
        relative = path.relative_to(self.root)
        for place in (relative, *relative.parents):
            md5 = self.cached.get(place.as_posix())
            if md5:
                stored = _dvc_root() / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
                times += [stored.stat().st_mtime] if stored.exists() else []
        return "run" if min(times) >= self.start else "cache"


def current_execution(params: Params, root: Path) -> Execution:
    """The execution that runs this process, for results under `root`."""
    made = provenance(params, [])
    name = (
        os.environ.get("DVC_EXP_NAME") or f"{(made['git_revision'] or 'uncommitted')[:12]}-{made['params_sha256'][:8]}"
    )
    return Execution(name, made["params_sha256"], _dvc_start(), root, _locked_outputs(root))


def _dvc_start() -> float | None:
    """When the `dvc` that started this process was started."""
    for process in psutil.Process().parents():
        try:
            words = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # ended meanwhile, or not ours to look at: then it is not our `dvc`
        if any(Path(word).name == "dvc" or word.endswith("dvc/__main__.py") for word in words[:3]):
            return process.create_time()
    return None


def _locked_outputs(root: Path) -> dict[str, str]:
    lock = root / "dvc.lock"
    if not lock.exists():
        return {}
    stages = read_yaml(lock).get("stages") or {}
    return {out["path"]: out.get("md5", "") for stage in stages.values() for out in stage.get("outs") or []}


def _dvc_root() -> Path:
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())
