"""Files that are made once: whole or not at all, and nothing of a killed process stays for good."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import REPOSITORY, wait_until

from halo_forge import cache

MAKER = """
import sys, time
from pathlib import Path
from halo_forge.cache import made_once
def make(folder):
    (folder / "half").write_text("x")
    time.sleep(600)
made_once(Path(sys.argv[1]), make)
"""


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


@pytest.fixture
def maker(tmp_path):
    """A process that is in the middle of making tmp_path/thing."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    process = subprocess.Popen([sys.executable, "-c", MAKER, str(tmp_path / "thing")], env=environment)
    assert wait_until(lambda: list(tmp_path.glob("*/half")))
    yield process
    process.kill()
    process.wait()


def write(folder: Path) -> None:
    (folder / "whole").write_text("y")


def test_what_a_killed_process_left_is_removed_by_the_next(maker, tmp_path) -> None:
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    assert len(left_in(tmp_path)) == 1
    assert [path.name for path in cache.made_once(tmp_path / "thing", write).iterdir()] == ["whole"]
    assert left_in(tmp_path) == ["thing"]


def test_what_another_process_is_making_is_waited_for_and_left_alone(maker, tmp_path) -> None:
    made = []
    waiting = threading.Thread(target=lambda: made.append(cache.made_once(tmp_path / "thing", write)))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive() and [path.read_text() for path in tmp_path.glob("*/half")] == ["x"]
    maker.kill()
    waiting.join(60)
    assert made == [tmp_path / "thing"] and left_in(tmp_path) == ["thing"]


def test_a_name_that_begins_like_another_is_not_its_left_over(maker, tmp_path) -> None:
    cache.made_once(tmp_path / "thin", write)
    cache.made_once(tmp_path / "thing.1", write)
    assert len(list(tmp_path.glob("*/half"))) == 1


def test_what_failed_leaves_nothing(tmp_path) -> None:
    def fail(folder: Path) -> None:
        write(folder)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cache.made_once(tmp_path / "thing", fail)
    assert left_in(tmp_path) == []
