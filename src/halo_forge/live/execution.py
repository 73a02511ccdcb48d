"""The name of the execution of the pipeline that this process belongs to: all its stages say the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import psutil

from halo_forge.live.places import live_folder
from halo_forge.provenance import git_revision, params_digest
from halo_forge.settings.params import Params


class Identity(NamedTuple):
    """`name` is DVC's experiment, else commit and settings; `start` is in seconds since 1970, None outside DVC."""

    name: str
    params_sha256: str
    start: float | None

    @property
    def folder(self) -> Path:
        """Where its stages keep their journals."""
        return live_folder() / f"{self.name}-{self.params_sha256[:8]}"


def identity(params: Params) -> Identity:
    """A commit made while `dvc repro` runs does not part its stages: the first of them names the execution."""
    dvc, settings = _dvc(), params_digest(params)
    name = os.environ.get("DVC_EXP_NAME")
    if name is None:
        name = f"{(git_revision() or 'uncommitted')[:12]}-{settings[:8]}"
        name = name if dvc is None else _first_said(live_folder() / "names" / f"{dvc.pid}-{dvc.create_time()}", name)
    return Identity(name, settings, None if dvc is None else dvc.create_time())


def _dvc() -> psutil.Process | None:
    """The `dvc` that started this process."""
    for process in psutil.Process().parents():
        try:
            words = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # ended meanwhile, or not ours to look at: then it is not our `dvc`
        if any(Path(word).name == "dvc" or word.endswith("dvc/__main__.py") for word in words[:3]):
            return process
    return None


def _first_said(path: Path, name: str) -> str:
    """What `path` says, which is `name` if nobody has written it yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}")
    own.write_text(name, encoding="utf-8")
    try:
        os.link(own, path)  # whole, and only if it is not there
    except FileExistsError:
        pass
    finally:
        own.unlink()
    return path.read_text(encoding="utf-8")
