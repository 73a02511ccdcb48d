"""The set-up in scratch copies: what a fresh machine and a hurried user meet."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from scratch import LOCKS, copy_of_setup, path_without_tools, pins, program, ready, sh

TORCH, GPU_TORCH = (pins(lock)["torch"] for lock in LOCKS)
CPU = f"{TORCH}+cpu"


@pytest.fixture
def checkout(tmp_path):
    return copy_of_setup(tmp_path)


@pytest.fixture
def bare_path(tmp_path):
    return path_without_tools(tmp_path)


def test_setup_without_a_new_enough_python_says_what_to_install(checkout, bare_path):
    (bare_path / "python3").unlink()
    program(bare_path / "python3", "exit 1")
    result = sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path))
    assert result.returncode == 1
    assert "no Python 3.11 or newer found" in result.stderr and "make setup PYTHON=" in result.stderr


def test_setup_without_rights_prints_the_command_to_run(checkout, bare_path):
    (bare_path / "id").unlink()
    program(bare_path / "id", "echo 1000")
    program(bare_path / "apt-get", "echo called >&2; exit 1")
    program(bare_path / "sudo", "exit 1")
    result = sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path))
    assert result.returncode == 1
    assert "run:  sudo apt-get update && sudo apt-get install -y g++ bubblewrap\n" in result.stderr
    assert "called" not in result.stderr
    assert not (checkout / ".venv").exists()


def test_setup_on_another_system_names_what_is_missing(checkout, bare_path):
    result = sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path))
    assert result.returncode == 1
    assert result.stderr.startswith("error: missing here: g++ bubblewrap\n")


def test_setup_reads_the_package_lists_before_it_installs(checkout, bare_path):
    (bare_path / "env").symlink_to(shutil.which("env"))
    (bare_path / "id").unlink()
    program(bare_path / "id", "echo 0")
    program(bare_path / "apt-get", 'echo "$@" >>calls; [ "$3" = update ] || exit 100')
    result = sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path))
    calls = (checkout / "calls").read_text().splitlines()
    assert calls == ["-q -y update", "-q -y install --no-install-recommends g++ bubblewrap"]
    assert "run `make setup` again" in result.stderr and result.returncode == 1


# Stands in for the Python of .venv: `pip install` writes down its words, and gives torch where `offered` has the build.
PIP = """
here="$PWD/.venv/torch"
case "$*" in
    *'version("torch")'*) [ -f "$here" ] && cat "$here" ;;
    *uninstall*) echo "$*" >>calls; rm "$here" ;;
    *--no-deps*torch==*)
        echo "$*" >>calls
        build="${{@: -1}}"; [ -f "$here" ] && [ "$(cat "$here")" = "${{build#torch==}}" ] && exit 0
        case " {offered} " in *" ${{build#torch==}} "*) ;; *) echo "ERROR: no such build" >&2; exit 1 ;; esac
        echo "${{build#torch==}}" >"$here" ;;
    *requirements*.lock*) echo "$*" >>calls; [ -f "$here" ] || echo {plain} >"$here" ;;
esac
exit 0
"""


@pytest.fixture
def set_up(checkout, bare_path):
    """set_up(offered=…, plain=…, here=…, **environment): the result of a set-up where the index offers these builds of
    torch by name and `plain` as the plain version, and `here` is installed before. calls() are pip's own."""
    (bare_path / "python3").unlink()
    for tool in ("cp", "mkdir"):
        (bare_path / tool).symlink_to(shutil.which(tool))

    def set_up(offered="", plain=TORCH, here=None, **environment):
        real = f'case "$*" in *"-m venv"*) mkdir -p .venv/bin; cp inner .venv/bin/python;; *) exec {sys.executable} "$@";; esac'
        program(bare_path / "python3", real)
        program(checkout / "inner", PIP.format(offered=offered, plain=plain))
        (checkout / ".venv/bin").mkdir(parents=True, exist_ok=True)
        program(checkout / ".venv/bin/dvc", "true")
        (checkout / ".venv/torch").unlink(missing_ok=True)
        if here:
            (checkout / ".venv/torch").write_text(f"{here}\n")
        (checkout / "calls").unlink(missing_ok=True)
        return sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path), SKIP_SYSTEM="1", **environment)

    return set_up


def calls(checkout) -> list[str]:
    """The last words of each call of pip that installs torch or removes it, or the lock."""
    lines = (checkout / "calls").read_text().splitlines()
    return [re.sub(r"^.*?(install|uninstall) (--progress-bar off )?", "", line) for line in lines]


LOCK, GPU_LOCK = (f"-r {lock}" for lock in LOCKS)


def test_without_a_gpu_set_up_takes_the_small_build_of_torch_where_the_index_has_it(checkout, set_up):
    result = set_up(offered=CPU, GPU="0")
    assert result.returncode == 0, result.stderr
    assert calls(checkout) == [f"--no-deps torch=={CPU}", LOCK]
    assert "small CPU build (0.2 GB)" in result.stdout and f"setup: torch {CPU}\n" in result.stdout
    assert "CUDA" not in result.stdout
    again = set_up(here=CPU, GPU="0")
    assert calls(checkout) == [LOCK] and f"torch {CPU} is here already" in again.stdout


def test_an_index_without_the_small_build_is_said_before_the_large_one_is_fetched(checkout, set_up):
    result = set_up(GPU="0")
    assert result.returncode == 0, result.stderr
    assert calls(checkout) == [f"--no-deps torch=={CPU}", LOCK]
    said = result.stdout.index("gigabytes"), result.stdout.index("packages of requirements.lock")
    assert said == tuple(sorted(said)) and "make setup TORCH_INDEX=URL" in result.stdout


@pytest.mark.parametrize(("gpu", "torch", "lock"), [("0", TORCH, LOCK), ("1", GPU_TORCH, GPU_LOCK)])
def test_the_index_that_the_user_names_is_asked_for_torch_alone(checkout, set_up, gpu, torch, lock):
    result = set_up(offered=torch, GPU=gpu, TORCH_INDEX="file:///builds")
    assert result.returncode == 0, result.stderr
    assert calls(checkout) == [f"--no-deps --index-url file:///builds torch=={torch}", lock]


def test_a_named_index_that_has_no_torch_stops_the_set_up(set_up):
    result = set_up(GPU="0", TORCH_INDEX="file:///builds")
    assert result.returncode == 1 and "ERROR: no such build" in result.stderr


def test_with_a_gpu_the_small_build_makes_room_for_the_one_that_the_index_has(checkout, set_up):
    small = f"{GPU_TORCH}+cpu"
    result = set_up(GPU="1", here=small, plain=GPU_TORCH)
    assert calls(checkout) == ["--yes torch", GPU_LOCK]
    assert f"setup: torch {GPU_TORCH}\n" in result.stdout and "not used" not in result.stdout
    only = set_up(GPU="1", here=small, plain=small)
    assert "so the GPU is not used" in only.stdout and "make setup GPU=1 TORCH_INDEX=URL" in only.stdout


def test_a_gpu_is_what_the_driver_reports(checkout, set_up, bare_path):
    program(bare_path / "nvidia-smi", "exit 0")
    set_up(plain=GPU_TORCH)
    assert calls(checkout) == [GPU_LOCK]
    assert (checkout / ".venv/.lock").read_text() == "requirements-gpu.lock: an NVIDIA driver is here\n"
    if not Path("/dev/nvidiactl").exists():
        program(bare_path / "nvidia-smi", "exit 9")  # installed, and no driver loaded
        set_up()
        assert calls(checkout) == [f"--no-deps torch=={CPU}", LOCK]
        assert (checkout / ".venv/.lock").read_text() == "requirements.lock: no NVIDIA driver is here\n"


@pytest.mark.parametrize(
    ("before", "cleared"), [("requirements-gpu.lock: GPU=1", True), ("requirements.lock: GPU=0", False)]
)
def test_an_environment_of_the_other_lock_is_made_anew(checkout, set_up, before, cleared):
    """Else vLLM would stay beside a torch that it was not built for."""
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/activate").write_text(f"VIRTUAL_ENV={checkout}/.venv\n")
    program(checkout / ".venv/bin/python", PIP.format(offered=CPU, plain=TORCH))
    (checkout / ".venv/.lock").write_text(f"{before}\n")
    result = set_up(offered=CPU, GPU="0")
    assert result.returncode == 0, result.stderr
    assert ("creating .venv" in result.stdout) is cleared
    assert (checkout / ".venv/.lock").read_text() == "requirements.lock: GPU=0\n"


def test_a_gpu_that_is_neither_there_nor_not_is_refused_before_anything_is_installed(checkout, set_up):
    result = set_up(GPU="yes")
    assert result.returncode == 1 and "GPU=yes: give 0 or 1" in result.stderr
    assert not (checkout / "calls").exists()


def test_setup_is_not_repeated_where_it_was_done(checkout):
    assert ready(checkout, checkout)


def test_setup_is_repeated_after_the_checkout_moved(checkout):
    assert not ready(checkout, checkout.parent / "old place")


def test_setup_is_repeated_when_the_lock_changed(checkout):
    assert ready(checkout, checkout)
    later = (checkout / ".venv/.ready").stat().st_mtime + 10
    os.utime(checkout / "requirements.lock", (later, later))
    assert sh("make", "--question", "setup", cwd=checkout).returncode == 1


@pytest.mark.parametrize("setting", ["GPU=0", "GPU=1", "TORCH_INDEX=file:///builds"])
def test_setup_is_repeated_when_another_torch_is_asked_for(checkout, setting):
    assert ready(checkout, checkout)
    assert sh("make", "--question", "setup", setting, cwd=checkout).returncode == 1
