"""A Git clone of this working tree whose pipeline takes minutes: two cycles of the tiny random model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import REPOSITORY
from ruamel.yaml import YAML
from scratch import plain_environment

TINY = {
    "split": {"variants": {"sft": 1, "raft": 1, "benchmark": 1}, "max_tasks": {"sft": 8, "raft": 2, "benchmark": 2}},
    "generate": {"dtype": "float32", "batch_size": 16, "chunk_size": 4},
    "sft": {"epochs": 1, "batch_size": 4, "micro_batch_size": 4, "max_tokens": 2048, "save_steps": 1},
    "raft": {
        "samples_per_task": 2,
        "max_new_tokens": 8,
        "train": {"epochs": 1, "batch_size": 4, "micro_batch_size": 4, "max_tokens": 2048},
    },
    "validation": {"samples_per_task": 1},
    "benchmark": {"samples_per_task": 10, "base_samples_per_task": 10, "max_new_tokens": 8},
}


class Checkout:
    """`preset: tiny`, two cycles; no results of earlier runs."""

    def __init__(self, folder: Path, model: Path):
        self.folder = folder
        names = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for name in names:
            if (
                name
                and (REPOSITORY / name).is_file()
                and not name.startswith(("results/", "models/", "tests/", "dvc.lock"))
            ):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, folder / name)
        self.edit("presets.yaml", lambda presets: presets.update(tiny=TINY | {"base_model": self.base(model)}))
        self.edit("params.yaml", self.settings)
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "checkout")

    @staticmethod
    def settings(params: dict) -> None:
        """Two cycles; a random model solves nothing, so that its cycles train on whatever it says."""
        params["preset"] = "tiny"
        params["raft"]["reward_threshold"] = 0.0
        params["benchmark"]["bootstrap"] = 100
        params["benchmark"]["sets"] = {}

    @classmethod
    def clone(cls, origin: Checkout, folder: Path) -> Checkout:
        made = cls.__new__(cls)
        made.folder = folder
        folder.parent.mkdir()
        subprocess.run(["git", "clone", "-q", str(origin.folder), str(folder)], check=True, capture_output=True)
        return made

    @staticmethod
    def base(model: Path) -> dict:
        return {"provider": "local", "id": str(model)}

    def edit(self, name: str, change) -> None:
        yaml = YAML()
        value = yaml.load((self.folder / name).read_text())
        change(value)
        with (self.folder / name).open("w") as file:
            yaml.dump(value, file)

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "HALO_FORGE_CACHE": str(self.folder.parent / "cache"), "OMP_NUM_THREADS": "1"}
        return plain_environment() | own

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True)

    def dvc(self, *arguments: str) -> list[str]:
        """The stages that ran."""
        return [line.split("'")[1] for line in self.output(*arguments).splitlines() if line.startswith("Running stage")]

    def output(self, *arguments: str) -> str:
        done = subprocess.run(
            ["dvc", *arguments], cwd=self.folder, env=self.environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout
