"""How a stage starts, fails, is interrupted and resumes. Each test runs a real process and breaks one thing."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, wait_until

from halo_forge.errors import InputError
from halo_forge.hashing import digest
from halo_forge.process import exit_code
from halo_forge.state import state_dir

PROLOGUE = f"""
import os, signal, sys, time
sys.path.insert(0, {str(REPOSITORY / "src")!r})
from pathlib import Path
from halo_forge.errors import InfrastructureError, InputError
from halo_forge import interrupts
from halo_forge.stage import stage
from halo_forge.state import state_dir
"""


@pytest.fixture
def script(tmp_path):
    """Write a stage whose `main` has the given body; return the command that runs it."""

    def write(body: str, name: str = "stage.py") -> list[str]:
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        path = tmp_path / name
        path.write_text(f"{PROLOGUE}\ndef main(params):\n{lines}\n\nif __name__ == '__main__':\n    stage(main)\n")
        return [sys.executable, str(path), "--params", str(REPOSITORY / "params.yaml")]

    return write


@pytest.fixture
def environment(tmp_path):
    plain = {key: value for key, value in os.environ.items() if not key.startswith("DVC")}
    return {**plain, "DVC_ROOT": str(tmp_path)}


def run(command, environment, **options):
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, **options)


def start(command, environment, **options):
    """Start a process and wait for its first line, which says that it is where the test wants it."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that a shell started in the background have Ctrl-C ignored, and their children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )
    first = process.stdout.readline().strip()
    return process, first


def test_a_users_error_is_shown_line_by_line_without_traceback(script, environment):
    result = run(script("raise InputError('params.yaml: a: bad\\nparams.yaml: b: worse')"), environment)
    assert result.stderr == "error: params.yaml: a: bad\nerror: params.yaml: b: worse\n"
    assert result.returncode == 2


def test_a_failure_of_the_surroundings_ends_with_its_own_code(script, environment):
    result = run(script("raise InfrastructureError('g++ not found')"), environment)
    assert (result.stderr, result.returncode) == ("error: g++ not found\n", 3)


def test_a_bug_keeps_its_traceback(script, environment):
    result = run(script("{}['missing']"), environment)
    assert "Traceback" in result.stderr and "KeyError: 'missing'" in result.stderr
    assert result.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_one_line_with_a_cure(script, environment):
    result = run(script("with open('/dev/full', 'w') as file:\n    file.write('x')"), environment)
    assert len(result.stderr.splitlines()) == 1
    assert "the disk is full" in result.stderr and "resume" in result.stderr
    assert result.returncode == 3


def test_a_full_disk_is_known_by_the_words_of_a_library_that_drops_the_number(script, environment):
    body = "try:\n    raise RuntimeError('I/O error: No space left on device (os error 28)')\n"
    body += "except RuntimeError as error:\n    raise ValueError('cannot save the adapter') from error"
    result = run(script(body), environment)
    assert result.stderr.count("\n") == 1 and result.returncode == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_stage_leaves_no_half_file_but_its_state(script, environment, tmp_path, number):
    body = """
from halo_forge.files import whole_file
state = state_dir("train", {"lr": 1})
(state / "checkpoint").write_text("step 3")
with whole_file("out.json") as file:
    file.write("half")
    print("ready", flush=True)
    time.sleep(60)
"""
    process, _ = start(script(body), environment, cwd=tmp_path)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert errors == "interrupted; run the same command again to resume\n"
    assert process.returncode == 130
    assert [path.read_text() for path in tmp_path.glob(".state/train-*/checkpoint")] == ["step 3"]
    assert not list(tmp_path.glob("*out.json*"))


def test_a_stage_stuck_in_native_code_is_ended_after_the_grace_time(script, environment):
    body = """
interrupts.GRACE_S = 0.2
import ctypes
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
libc.pthread_mutex_lock(mutex)
print("ready", flush=True)
libc.pthread_mutex_lock(mutex)  # never returns, not even for a signal
"""
    process, _ = start(script(body), environment)
    process.terminate()
    assert process.wait(timeout=120) == 130


def test_the_grace_time_does_not_end_a_stage_that_ended_by_itself(script, environment):
    body = "interrupts.GRACE_S = 0.1\ntry:\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(9)\n"
    body += "except KeyboardInterrupt:\n    raise InputError('its own end')"
    assert run(script(body), environment).returncode == 2


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_stage_dies_with_the_process_that_started_it(script, environment, shell):
    command = shlex.join(script("print(os.getpid(), flush=True)\ntime.sleep(60)"))
    parent = [sys.executable, "-c", f"import subprocess; subprocess.run([{shell!r}, '-c', {command!r}])"]
    process, stage_id = start(parent, {**environment, "DVC_STAGE": "sft"})
    process.kill()
    process.wait()
    assert wait_until(lambda: not Path(f"/proc/{stage_id}").exists())
    assert process.stderr.read() == "interrupted; run the same command again to resume\n"


def test_a_stage_whose_parent_died_while_it_was_loading_does_not_start(script, environment):
    command = script("print('ran')")
    path = Path(command[1])
    path.write_text(path.read_text().replace("\ndef main", "\ninterrupts._PARENT = -1\ndef main"))
    result = run(command, {**environment, "DVC_STAGE": "sft"})
    assert (result.stdout, result.returncode) == ("", 130)


def test_state_is_found_again_by_the_same_inputs_only(script, environment):
    body = """
first = state_dir("gen", {"a": 1, "b": [Path("x/y")]})
assert state_dir("gen", {"b": [Path("x/y")], "a": 1}) == first
assert state_dir("gen", {"a": 2, "b": [Path("x/y")]}) != first
assert state_dir("gem", {"a": 1, "b": [Path("x/y")]}) != first
from halo_forge import state
state.shapes = lambda: [{"title": "Sample", "properties": {"another": {}}}]
assert state_dir("gen", {"a": 1, "b": [Path("x/y")]}) != first, "rows of other fields are resumed"
print("checked")
"""
    assert run(script(body), environment).stdout == "checked\n"


def test_state_survives_a_failure_and_goes_with_success(script, environment, tmp_path):
    body = """
state = state_dir("gen", {})
known = sorted(path.name for path in state.iterdir())
(state / str(len(known))).touch()
print(known)
if len(known) < 2:
    raise InputError("not yet")
"""
    command = script(body)
    seen = [run(command, environment).stdout for _ in range(4)]
    assert seen == ["[]\n", "['0']\n", "['0', '1']\n", "[]\n"]  # the third run succeeded
    assert len(list(tmp_path.glob(".state/*"))) == 2  # folder and lock of the fourth, which failed


@pytest.mark.parametrize(("code", "left"), [(0, 0), (None, 0), (1, 2)])
def test_state_goes_with_success_by_exit_too(script, environment, tmp_path, code, left):
    result = run(script(f"state_dir('gen', {{}})\nsys.exit({code})"), environment)
    assert (result.returncode, len(list(tmp_path.glob(".state/*")))) == (code or 0, left)


def test_two_runs_of_the_same_work_do_not_mix(script, environment, tmp_path):
    holder = script('(state_dir("gen", {}) / "mine").touch()\nprint("ready", flush=True)\nsys.stdin.read()', "a.py")
    waiter = script('print(os.listdir(state_dir("gen", {})))', "b.py")
    first, _ = start(holder, environment, stdin=subprocess.PIPE)
    second = subprocess.Popen(waiter, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert second.stderr.readline() == f"process {first.pid} is doing the same work; waiting for it to end\n"
    first.communicate("", timeout=120)
    out, _ = second.communicate(timeout=120)
    assert (first.returncode, second.returncode, out) == (0, 0, "[]\n")
    assert not list(tmp_path.glob(".state/*"))


def test_a_run_killed_outright_leaves_its_state_unlocked(script, environment):
    holder, _ = start(
        script('(state_dir("gen", {}) / "mine").touch()\nprint("ready", flush=True)\ntime.sleep(60)', "a.py"),
        environment,
    )
    holder.kill()
    holder.wait()
    assert run(script('print(os.listdir(state_dir("gen", {})))', "b.py"), environment).stdout == "['mine']\n"


def test_exit_code_gives_the_signal_handlers_back():
    before = signal.getsignal(signal.SIGTERM)
    assert exit_code(lambda: None) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_state_of_unhashable_inputs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(TypeError, match="set"):
        state_dir("gen", {"tasks": {1, 2}})


def test_the_digest_of_a_folder_depends_on_names_and_bytes_only(tmp_path):
    for folder, order in (("a", "xyz"), ("b", "zyx")):
        for name in order:
            (tmp_path / folder / "deep").mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / "deep" / name).write_text(name)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    (tmp_path / "b/deep/x").rename(tmp_path / "b/x")
    assert digest(tmp_path / "a") != digest(tmp_path / "b")


def test_the_digest_of_a_folder_sees_bytes_that_moved_between_files(tmp_path):
    for folder, contents in (("a", ("12", "3")), ("b", ("1", "23"))):
        (tmp_path / folder).mkdir()
        for name, text in zip("xy", contents, strict=True):
            (tmp_path / folder / name).write_text(text)
    assert digest(tmp_path / "a") != digest(tmp_path / "b")


def test_the_digest_of_nothing_names_the_path(tmp_path):
    with pytest.raises(InputError, match="gone.jsonl: no such file"):
        digest(tmp_path / "gone.jsonl")
