"""A folder appears whole: what fails or is killed on the way leaves the place as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from halo_forge.folders import whole_folder


def make(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "weights").write_text(text)


def contents(parent: Path) -> dict[str, str]:
    return {str(path.relative_to(parent)): path.read_text() for path in parent.rglob("*") if path.is_file()}


def test_a_folder_is_not_there_until_it_is_whole_and_then_replaces_the_older_one(tmp_path) -> None:
    with whole_folder(tmp_path / "models" / "sft") as folder:
        make(folder, "first")
        assert not (tmp_path / "models" / "sft").exists()
    with whole_folder(tmp_path / "models" / "sft") as folder:
        make(folder, "second")
        assert contents(tmp_path / "models" / "sft") == {"weights": "first"}
    assert contents(tmp_path) == {"models/sft/weights": "second"}


@pytest.mark.parametrize("made", [True, False])
def test_a_failure_leaves_the_older_folder_and_nothing_beside_it(tmp_path, made) -> None:
    make(tmp_path / "sft", "first")
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "sft") as folder:
        if made:
            make(folder, "second")
        raise RuntimeError
    assert contents(tmp_path) == {"sft/weights": "first"}


def test_a_block_that_makes_nothing_does_not_take_the_older_folder_away(tmp_path) -> None:
    make(tmp_path / "sft", "first")
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "sft"):
        pass
    assert contents(tmp_path) == {"sft/weights": "first"}


def test_what_a_kill_left_is_no_folder_of_that_name_and_the_next_one_clears_it_away(tmp_path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from halo_forge.folders import whole_folder\n"
        "with whole_folder(Path(sys.argv[1])) as folder:\n"
        "    folder.mkdir(); (folder / 'weights').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "sft")], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "sft").exists() and contents(tmp_path) == {".sft.new/weights": "half"}
    with whole_folder(tmp_path / "sft") as folder:
        make(folder, "whole")
    assert contents(tmp_path) == {"sft/weights": "whole"}
