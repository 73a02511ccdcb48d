"""Judging many samples: order, duplicates, resuming, and failures that are not the model's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from verify_tasks import stdio_tests, task_of

import halo_forge
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.jsonl import read_records, write_records
from halo_forge.records import Sample
from halo_forge.settings.verify import Verify
from halo_forge.verify.judge import judge_samples
from halo_forge.verify.registry import get_verifier

pytestmark = pytest.mark.needs("python")
SETTINGS = Verify(run_timeout_s=2.0, workers=2, max_infra_errors=2, cache=False)
TASK = task_of(stdio_tests(("4\n", "8\n"), ("5\n", "10\n")), task_id="double")
TASKS = {"double": TASK}


def sample(number, code, task_id="double"):
    completion = f"```python\n{code}\n```" if code is not None else "no"
    return Sample(
        sample_id=f"s{number}",
        task_id=task_id,
        prompt="",
        completion=completion,
        model="m",
        index=number,
        seed=number,
        n_tokens=1,
        finish_reason="stop",
    )


def mixed(count):
    """Right, wrong, crashing, unparsable and empty answers, none equal."""
    bodies = ["print(2 * int(input())) #{}", "print({})", "raise ValueError({})", "def f{}(:", "print(8) #{}"]
    return [sample(n, bodies[n % 5].format(n)) for n in range(count)] + [sample(count, None)]


def written(folder):
    """The files of unfinished work below `wip`."""
    return list(folder.glob("wip*"))


def content(verdicts):
    return [verdict.model_dump(exclude={"duration_s"}) for verdict in verdicts]


@pytest.fixture
def flaky_bwrap(tmp_path, monkeypatch):
    """A bwrap that fails as on a full disk while the file it returns exists; it logs each start."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "bwrap"
    full, log = tmp_path / "full", tmp_path / "log"
    script.write_text(
        f"#!/bin/sh\necho x >> {log}\n"
        f'if [ -e {full} ]; then echo "bwrap: No space left on device" >&2; exit 1; fi\nexec {shutil.which("bwrap")} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr("halo_forge.verify.judge.PAUSE_S", 0.01)
    return full, log


def test_verdicts_come_in_the_order_of_the_samples_and_each_fits_its_sample(tmp_path):
    samples = mixed(10)
    verdicts = judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "wip")
    assert [v.sample_id for v in verdicts] == [s.sample_id for s in samples]
    expected = ["pass", "wrong_answer", "runtime_error", "compile_error", "wrong_answer"] * 2 + ["no_code"]
    assert [v.status for v in verdicts] == expected
    assert {v.isolation for v in verdicts} == {get_verifier("python", SETTINGS).isolation}
    assert {v.verifier for v in verdicts} == {"python"}


def test_identical_programs_are_judged_once(tmp_path, flaky_bwrap):
    _, log = flaky_bwrap
    samples = [sample(n, "print(2 * int(input()))") for n in range(9)]
    samples[3] = samples[3].model_copy(update={"completion": "Other words.\n" + samples[3].completion + "\nBye."})
    verdicts = judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "wip")
    assert [v.status for v in verdicts] == ["pass"] * 9
    assert len(log.read_text().split()) == 2  # the probe and one program


def test_the_same_program_under_other_tests_is_judged_again(tmp_path):
    triple = task_of(stdio_tests(("1", "3")), task_id="triple")
    samples = [sample(0, "print(2 * int(input()))"), sample(1, "print(2 * int(input()))", "triple")]
    verdicts = judge_samples({"double": TASK, "triple": triple}, samples, SETTINGS, wip=tmp_path / "wip")
    assert [v.status for v in verdicts] == ["pass", "wrong_answer"]


def test_what_wip_holds_is_not_judged_again(tmp_path, flaky_bwrap):
    _, log = flaky_bwrap
    samples = mixed(5)
    first = judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "wip")
    starts = len(log.read_text().split())
    seen = []
    again = judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "wip", progress=seen.append)
    assert again == first
    assert len(log.read_text().split()) == starts
    assert seen == []


def test_a_duplicate_of_what_wip_holds_is_not_judged_either(tmp_path, flaky_bwrap):
    _, log = flaky_bwrap
    samples = [sample(n, "print(2 * int(input()))") for n in range(4)]
    judge_samples(TASKS, samples[:1], SETTINGS, wip=tmp_path / "wip")
    starts = len(log.read_text().split())
    assert [v.status for v in judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "wip")] == ["pass"] * 4
    assert len(log.read_text().split()) == starts


def test_a_verdict_of_another_program_in_wip_is_not_taken(tmp_path):
    judge_samples(TASKS, [sample(0, "print(2 * int(input()))")], SETTINGS, wip=tmp_path / "wip")
    verdicts = judge_samples(TASKS, [sample(0, "print(1)")], SETTINGS, wip=tmp_path / "wip")
    assert verdicts[0].status == "wrong_answer"


def test_resuming_after_kill_9_equals_an_uninterrupted_run(tmp_path):
    samples = [*mixed(20), sample(99, "import time\ntime.sleep(1)\nprint(2 * int(input()))")]
    write_records(tmp_path / "samples", samples)
    write_records(tmp_path / "tasks", [TASK])
    script = f"""
from pathlib import Path
from halo_forge.settings.verify import Verify
from halo_forge.jsonl import read_records
from halo_forge.records import Sample, Task
from halo_forge.verify.judge import judge_samples
judge_samples({{t.task_id: t for t in read_records("tasks", Task)}}, read_records("samples", Sample),
              Verify(**{SETTINGS.model_dump(exclude={"rewards"})!r}), wip=Path("wip"))
"""
    source = str(Path(halo_forge.__file__).parents[1])
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": source})
    deadline = time.monotonic() + 180
    while not any(file.read_bytes().count(b"\n") >= 6 for file in written(tmp_path)):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    (wip,) = written(tmp_path)
    started = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    judged = wip.read_bytes().count(b"\n")
    assert 6 <= judged < len(samples)
    with wip.open("ab") as file:
        file.write(b'{"sample_id": "s7", "torn')
    while any(alive(pid) for pid in started):
        assert time.monotonic() < deadline, "an orphan survives"
        time.sleep(0.01)
    new = []
    resumed = judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "wip", progress=new.append)
    whole = judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "other")
    assert content(resumed) == content(whole)
    assert len(new) == len(samples) - judged


def descendants(pid):
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_infrastructure_errors_stop_with_the_reason_and_keep_what_was_judged(tmp_path, flaky_bwrap):
    full, _ = flaky_bwrap
    samples, judged = mixed(20), []

    def fill_the_disk(verdict):
        judged.append(verdict)
        full.touch()

    with pytest.raises(InfrastructureError, match=r"max_infra_errors: 2.*No space left on device"):
        judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "wip", progress=fill_the_disk)
    kept = read_records(*written(tmp_path), type(judged[0]))
    failed = [v for v in kept if v.status == "infra_error"]
    assert len(failed) == 3 and {v.reward for v in failed} == {None}
    assert any(v.status != "infra_error" for v in kept)
    full.unlink()
    verdicts = judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "wip")
    assert "infra_error" not in {v.status for v in verdicts}
    assert content(verdicts) == content(judge_samples(TASKS, samples, SETTINGS, wip=tmp_path / "fresh"))


def test_a_passing_trouble_is_retried(tmp_path, flaky_bwrap, monkeypatch):
    full, _ = flaky_bwrap
    seen = []

    def mend(seconds):
        seen.append(seconds)
        full.unlink(missing_ok=True)

    monkeypatch.setattr("halo_forge.verify.judge.time.sleep", mend)
    samples = [sample(0, "print(1)"), sample(1, "print(2 * int(input()))")]
    settings = SETTINGS.model_copy(update={"workers": 1, "max_infra_errors": 0})
    first = judge_samples(TASKS, samples, settings, wip=tmp_path / "wip", progress=lambda verdict: full.touch())
    assert [v.status for v in first] == ["wrong_answer", "pass"]


def test_a_missing_sandbox_stops_before_any_verdict(tmp_path, flaky_bwrap):
    full, _ = flaky_bwrap
    full.touch()
    with pytest.raises(InfrastructureError, match="No space left on device"):
        judge_samples(TASKS, mixed(3), SETTINGS, wip=tmp_path / "wip")
    assert not written(tmp_path)


def test_a_sample_of_an_unknown_task_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="s0.*'other'"):
        judge_samples(TASKS, [sample(0, "x", "other")], SETTINGS, wip=tmp_path / "wip")


def test_a_sample_id_twice_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="twice"):
        judge_samples(TASKS, [sample(0, "x"), sample(0, "y")], SETTINGS, wip=tmp_path / "wip")


def test_a_language_without_a_verifier_is_an_input_error(tmp_path):
    cobol = TASK.model_copy(update={"language": "cobol"})
    with pytest.raises(InputError, match="'cobol'.*cpp"):
        judge_samples({"double": cobol}, [sample(0, "x")], SETTINGS, wip=tmp_path / "wip")
    with pytest.raises(InputError, match="gcc"):
        judge_samples(TASKS, [sample(0, "x")], SETTINGS, verifier="gcc", wip=tmp_path / "wip")


def test_an_unknown_verifier_names_the_known_ones():
    with pytest.raises(InputError, match="'gc'.*auto.*gcc.*python"):
        get_verifier("gc", SETTINGS)


def test_no_samples_need_no_sandbox(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert judge_samples(TASKS, [], SETTINGS, wip=tmp_path / "wip") == []


def test_no_temporary_folder_is_left(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    settings = SETTINGS.model_copy(update={"sandbox": "none"})
    verdicts = judge_samples(TASKS, mixed(5), settings, wip=tmp_path / "wip")
    assert {v.isolation for v in verdicts} == {"none"}
    assert list(scratch.iterdir()) == []


def test_wip_is_json_lines_of_verdicts(tmp_path):
    judge_samples(TASKS, mixed(3), SETTINGS, wip=tmp_path / "wip")
    (wip,) = written(tmp_path)
    rows = [json.loads(line) for line in wip.read_text().splitlines()]
    assert {row["sample_id"] for row in rows} == {"s0", "s1", "s2", "s3"}
