"""`dvc`, for commands that only read: with locks of its own. python -m halo_forge.live.dvc_reader status --json

DVC locks its repository for these too, and a `dvc repro` that cannot have the lock within three seconds of the end of a
stage stops, with that stage's outputs not stored.
"""

from __future__ import annotations

import sys
import tempfile

from dvc.cli import main
from dvc.repo import Repo


def read(words: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="halo-forge-dvc-") as folder:
        Repo.tmp_dir = folder  # where both of DVC's locks lie
        return main(words)


if __name__ == "__main__":
    sys.exit(read(sys.argv[1:]))
