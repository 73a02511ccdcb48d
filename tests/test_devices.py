"""GPUs for stages that run side by side: none is taken twice, and one that its holder leaves is free again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from halo_forge import devices
from halo_forge.errors import InputError

HOLDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from halo_forge.devices import wait_for
taken = wait_for(sys.argv[3].split(","), int(sys.argv[4]), Path(sys.argv[2]))
print(*taken, flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """holder(gpus, count) starts a process that takes so many of them and keeps them."""
    started = []

    def start(gpus: str, count: int) -> subprocess.Popen:
        command = [sys.executable, "-S", "-c", HOLDER, str(REPOSITORY / "src"), str(tmp_path), gpus, str(count)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_processes_that_begin_together_take_different_gpus_and_the_next_waits_for_one_that_is_killed(holder) -> None:
    first = [holder("0,1,2", 1) for _ in range(3)]
    taken = [process.stdout.readline().strip() for process in first]
    assert sorted(taken) == ["0", "1", "2"]
    waiting = holder("0,1,2", 1)
    assert "waiting for 1 of the GPUs 0, 1, 2" in waiting.stderr.readline()
    os.kill(first[1].pid, signal.SIGKILL)
    assert waiting.stdout.readline().strip() == taken[1]


def test_one_that_wants_two_holds_none_while_only_one_is_free(holder) -> None:
    one = holder("0,1", 1)
    assert one.stdout.readline().strip() == "0"
    two = holder("0,1", 2)
    assert "waiting for 2" in two.stderr.readline()
    another = holder("0,1", 1)
    assert another.stdout.readline().strip() == "1"
    assert two.poll() is None


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "_held", held := [])
    monkeypatch.setattr(devices, "_locks", lambda: tmp_path)
    yield
    for descriptor in held:
        os.close(descriptor)


def test_a_stage_sees_the_gpus_that_it_took_alone(fresh, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-8d5f")
    monkeypatch.setenv("HALO_FORGE_GPUS", "1")
    devices.take_gpus()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
    devices.take_gpus()  # a second call of the same process keeps what it has
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"


@pytest.mark.parametrize(
    ("listed", "seen"),
    [("-1", []), ("", []), ("1,-1,0", ["1"]), (" 0 , GPU-8d5f", ["0", "GPU-8d5f"]), ("none", []), (None, None)],
)
def test_the_list_of_gpus_ends_where_cuda_ends_it(monkeypatch, listed, seen) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert devices.named_gpus() == seen


@pytest.mark.parametrize(("visible", "wanted"), [("0,1", None), ("", "1")], ids=["not asked for", "no GPU"])
def test_where_none_is_asked_for_or_here_nothing_is_changed(fresh, monkeypatch, visible, wanted) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.delenv("HALO_FORGE_GPUS", raising=False)
    if wanted:
        monkeypatch.setenv("HALO_FORGE_GPUS", wanted)
    devices.take_gpus()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


@pytest.mark.parametrize("wanted", ["0", "3", "all"])
def test_a_number_of_gpus_that_cannot_be_is_refused(fresh, monkeypatch, wanted) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("HALO_FORGE_GPUS", wanted)
    with pytest.raises(InputError, match=f"HALO_FORGE_GPUS={wanted}: give a number from 1 to 2"):
        devices.take_gpus()


def test_the_gpus_are_counted_from_0_whatever_the_numbers_of_their_device_files(monkeypatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    files = ["nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm", "nvidia0"]
    monkeypatch.setattr(Path, "glob", lambda *_: [Path("/dev") / name for name in files])
    assert devices.visible_gpus() == ["0", "1", "2"]
