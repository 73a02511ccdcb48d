"""`dvc`, for commands that only read: with locks of its own. python -m halo_forge.live.dvc_reader status --json

DVC locks its repository for these too, and a `dvc repro` that cannot have the lock within three seconds of the end of a
stage stops, with that stage's outputs not stored.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from dvc.cli import main
from dvc.repo import Repo


def read(words: list[str]) -> int:
    """DVC's exit code. Raises NotDvcRepoError outside of a repository of DVC."""
    # Inside of the checkout: DVC has Git ignore the folder of its locks, and Git refuses one that lies elsewhere.
    own = Path(Repo.find_dvc_dir()) / "tmp"
    own.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reader-", dir=own) as folder:
        Repo.tmp_dir = folder  # where both of DVC's locks lie
        return main(words)


if __name__ == "__main__":
    sys.exit(read(sys.argv[1:]))
