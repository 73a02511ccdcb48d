"""Which results this execution of the pipeline made itself, and which DVC had."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from halo_forge.live.execution import Identity, identity
from halo_forge.live.places import home
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.params import Params


@dataclass(frozen=True)
class Execution:
    """`root` is where its results lie."""

    identity: Identity
    root: Path
    cached: dict[str, str] = field(default_factory=dict)
    """DVC output -> md5, from dvc.lock."""

    def source(self, path: Path) -> str:
        """`run` if this execution wrote `path`, `cache` if it found it there or DVC restored it, else `unknown`.

        A restored copy is as new as its restoration; its object in DVC's cache keeps the time of the first writing.
        """
        if self.identity.start is None:
            return "unknown"
        times = [path.stat().st_mtime]
        relative = path.relative_to(self.root)
        for place in (relative, *relative.parents):
            md5 = self.cached.get(place.as_posix())
            if md5:
                stored = home() / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
                times += [stored.stat().st_mtime] if stored.exists() else []
        return "run" if min(times) >= self.identity.start else "cache"


def current_execution(params: Params, root: Path) -> Execution:
    """The execution that runs this process, for results under `root`."""
    return Execution(identity(params), root, _locked_outputs(root))


def _locked_outputs(root: Path) -> dict[str, str]:
    lock = root / "dvc.lock"
    if not lock.exists():
        return {}
    stages = read_yaml(lock).get("stages") or {}
    return {out["path"]: out.get("md5", "") for stage in stages.values() for out in stage.get("outs") or []}
