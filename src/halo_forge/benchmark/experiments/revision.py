"""What Git holds of an experiment: its settings and results, which are small and not in the DVC cache."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from halo_forge.errors import InputError

_WANTED = ("params.yaml", "presets.yaml", "models/best.json", "results/summary.json", "results/benchmark")
_EXPERIMENTS = "refs/exps"
"""Where `dvc exp` keeps its experiments: refs/exps/<commit they began at>/<name>."""


def commit_of(name: str) -> str:
    """The commit that a revision (branch, tag, hash) or else an experiment of `dvc exp` stands for.

    Raises InputError if it is neither, or the name of several experiments.
    """
    if not shutil.which("git"):
        raise InputError(f"{name}: no such folder, and git, which knows revisions, is not installed")
    if commit := _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip():
        return commit
    refs = _git("for-each-ref", "--format=%(objectname) %(refname)", _EXPERIMENTS).decode().splitlines()
    found = [ref.split(" ", 1) for ref in refs if ref.endswith(f"/{name}")]
    if not found:
        raise InputError(
            f"{name}: no folder, no revision of this Git repository and no experiment; `dvc exp list --all` has the "
            "experiments, `dvc exp pull` fetches those of others"
        )
    if len({commit for commit, _ in found}) > 1:
        raise InputError(f"{name}: {len(found)} experiments have this name, one is {found[0][1]}; give it as that")
    return found[0][0]


def write_files(commit: str, folder: Path) -> None:
    """Write what `commit` has of the settings and results into `folder`, under the names that they have there."""
    names = _git("ls-tree", "-r", "-z", "--name-only", commit, "--", *_WANTED).decode().split("\0")
    if any(names):
        packed = _git("archive", "--format=tar", commit, "--", *filter(None, names))
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            files.extractall(folder, filter="data")


def _git(*arguments: str) -> bytes:
    """What Git says; nothing where it fails, as it does outside a repository."""
    done = subprocess.run(["git", "--no-optional-locks", *arguments], capture_output=True)
    return done.stdout if done.returncode == 0 else b""
