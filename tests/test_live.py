"""What is seen of a stage while it runs: its journal, the curves in MLflow, `halo-forge status`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from conftest import REPOSITORY, wait_until

from halo_forge.cli import status
from halo_forge.errors import InfrastructureError
from halo_forge.live import journal, plan
from halo_forge.live.durations import Durations, note_duration
from halo_forge.live.journal import read, seconds_of
from halo_forge.live.plan import Graph
from halo_forge.live.watch import Stage, stages
from halo_forge.settings.params import load_params
from halo_forge.tracking.curves import points
from halo_forge.tracking.machine import Machine

SCRIPT = f"""
import sys, time
sys.path.insert(0, {str(REPOSITORY / "src")!r})
from halo_forge.live import journal
journal._follow = lambda path: None
from halo_forge.progress import Progress
from halo_forge.stage import stage
def main(params):
    with Progress(100, "c1: training") as progress:
        for step in range(STEPS):
            progress.advance(1, loss=1.0 / (step + 1))
        print("here", flush=True)
        BODY
stage(main)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DVC_EXP_NAME", "exp")
    return tmp_path


def run_stage(place: Path, body: str = "pass", steps: int = 50, name: str = "train@c1") -> subprocess.Popen:
    script = SCRIPT.replace("BODY", body).replace("STEPS", str(steps))
    path = place / "stage.py"
    path.write_text(script)
    return subprocess.Popen(
        [sys.executable, str(path), "--params", str(REPOSITORY / "params.yaml")],
        cwd=place,
        env={**os.environ, "DVC_STAGE": name},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def journal_of(place: Path, name: str = "train@c1") -> list[dict]:
    (path,) = (place / ".state" / "live").glob(f"*/{name}.jsonl")
    return read(path)[0]


def test_a_stage_leaves_its_progress_its_end_and_its_duration(place: Path) -> None:
    process = run_stage(place)
    assert process.wait(60) == 0
    lines = journal_of(place)
    assert [lines[0]["event"], lines[-1]["event"], lines[-1]["how"]] == ["begin", "end", "done"]
    last = [line for line in lines if line["event"] == "progress"][-1]
    assert (last["done"], last["total"], last["fields"]) == (50, 100, {"loss": 0.02})
    assert Durations(lines[0]["preset"]).of("train@c1") == pytest.approx(seconds_of(lines), abs=0.1)


def test_many_small_advances_are_few_lines(place: Path) -> None:
    assert run_stage(place, steps=20_000).wait(60) == 0
    assert len(journal_of(place)) < 20


def test_a_stage_that_puts_its_own_journal_away_ends_well(place: Path) -> None:
    """As `track` does, once all is sent."""
    process = run_stage(place, "import os, shutil; shutil.rmtree(os.path.join('.state', 'live'))", name="track")
    assert process.wait(60) == 0
    assert Durations(load_params(REPOSITORY / "params.yaml").preset).of("track") is not None


def test_a_failure_is_noted_and_no_duration_learnt_of_it(place: Path) -> None:
    assert run_stage(place, "raise RuntimeError('no')").wait(60) != 0
    lines = journal_of(place)
    assert lines[-1]["how"] == "failed"
    assert Durations(lines[0]["preset"]).of("train@c1") is None


def test_status_tells_a_running_stage_from_a_killed_one(place: Path) -> None:
    process = run_stage(place, "time.sleep(600)")
    try:
        assert process.stdout.readline() == "here\n"
        (running,) = stages(place / ".state" / "live")
        assert (running.how, running.name) == ("running", "train@c1")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (killed,) = stages(place / ".state" / "live")
    assert killed.how == "killed"


def test_a_journal_torn_in_a_line_is_gone_on_with(place: Path) -> None:
    assert run_stage(place, "raise RuntimeError('no')").wait(60) != 0
    (path,) = (place / ".state" / "live").glob("*/*.jsonl")
    with path.open("a") as file:
        file.write('{"at": 17, "ev')
    assert run_stage(place).wait(60) == 0
    assert [line["how"] for line in read(path)[0] if line["event"] == "end"] == ["failed", "done"]


def test_the_time_of_a_stage_is_that_of_its_attempts_without_the_pause_between() -> None:
    lines = [{"at": at, "event": event} for at, event in ((0, "begin"), (10, "progress"), (100, "begin"), (105, "end"))]
    assert seconds_of(lines) == 15


def test_an_unknown_cycle_is_taken_to_last_as_long_as_its_group(place: Path) -> None:
    for stage, seconds in (("train@c1", 10.0), ("train@c2", 30.0), ("train@c2", 50.0), ("sft", 7.0)):
        note_duration(stage, "tiny", seconds)
    known = Durations("tiny")
    assert (known.of("train@c2"), known.of("train@c9"), known.of("judge@c1")) == (40.0, 30.0, None)
    assert Durations("laptop").of("sft") is None


def test_what_comes_after_a_stage_is_all_that_leads_from_it() -> None:
    graph = Graph('strict digraph {\n"a";\n"b@x";\n"c";\n"a" -> "b@x";\n"b@x" -> "c";\n}')
    assert graph.stages == ["a", "b@x", "c"]
    assert graph.after(["b@x"]) == {"b@x", "c"}


def test_the_end_counts_what_earlier_runs_took_and_names_what_is_unknown(place: Path) -> None:
    note_duration("train@c1", "tiny", 600.0)
    words = status._to_go(["train@c2", "report"], [], Durations("tiny"), time.time())
    assert "2 stages (train@c2, report)" in words
    assert "in 10 min 00 s" in words and "1 of them are not counted, for they never ran: report" in words


def test_each_experiment_of_a_queue_has_its_own_end(place: Path, monkeypatch, capsys) -> None:
    stage = {"preset": "tiny", "how": "running", "began": time.time(), "seconds": 1.0, "progress": None, "first": None}
    copies = [Stage("train@c1", name, cwd=place / name, **stage) for name in ("one", "two")]
    done = Stage("sft", "one", cwd=place / "one", **stage | {"how": "done"})
    monkeypatch.setattr(status, "stages", lambda _: [done, *copies])
    monkeypatch.setattr(status, "read_graph", lambda folder: folder)
    asked = []
    monkeypatch.setattr(
        status, "to_run", lambda folder, graph, *names: asked.append((folder.name, *names)) or ["report"]
    )
    note_duration("train@c1", "tiny", 60.0)
    status.main()
    said = capsys.readouterr().out
    assert asked == [("one", ["train@c1"], ["sft"]), ("two", ["train@c1"], [])]
    assert said.count("ends at about") == 2 and "done: 1 stages in 1 s of one" in said


def test_a_training_curve_is_the_models_and_what_the_machine_does_the_executions() -> None:
    begin = {"stage": "train@c2", "start": 100.0, "at": 160.0}
    lines = [
        {"at": 170.0, "event": "progress", "done": 3, "total": 9, "label": "", "fields": {"loss": 0.5}},
        {"at": 175.0, "event": "machine", "system": {"gpu_0_power_usage_watts": 7}, "stage": {"memory_megabytes": 5}},
    ]
    found = [(point.model, point.key, point.value, point.step) for point in points(begin, lines)]
    assert found == [
        ("c2", "loss", 0.5, 3),
        (None, "system/gpu_0_power_usage_watts", 7, 75),
        (None, "live/train.c2.memory_megabytes", 5, 75),
    ]
    begin["stage"] = "sample@c2"
    lines[0]["fields"] = {"tokens_per_s": 80}
    assert next(points(begin, lines))[:2] == (None, "live/sample.c2.tokens_per_s")


class FakeNvml:
    """A driver of two GPUs, of which the second does not tell its power and energy."""

    class NVMLError(Exception):
        pass

    joules = 1_000.0

    def nvmlDeviceGetCount(self):  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, number):  # noqa: N802
        return number

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"GPU-{handle}abc"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(used=2_000_000_000, total=8_000_000_000)

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return SimpleNamespace(gpu=40)

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        return self._told(handle, 150_000)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        return self._told(handle, self.joules * 1e3)

    def _told(self, handle, value):
        if handle == 1:
            raise self.NVMLError("Not Supported")
        return value


def test_a_gpu_tells_memory_utilisation_power_and_the_energy_since_the_stage_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvml = FakeNvml()
    machine = Machine(psutil.Process(os.getppid()), nvml)
    nvml.joules += 2_500.0
    sampled = machine.sample()
    assert sampled.system["gpu_0_memory_usage_megabytes"] == 2_000 and sampled.system["gpu_0_power_usage_watts"] == 150
    assert sampled.system["gpu_1_utilization_percentage"] == 40 and "gpu_1_power_usage_watts" not in sampled.system
    assert sampled.stage["gpu_energy_kilojoules"] == 2.5
    assert sampled.stage["memory_megabytes"] > 0


@pytest.mark.parametrize(("visible", "seen"), [("1", {1}), ("GPU-0a", {0}), ("", set())])
def test_gpus_of_others_are_not_measured(monkeypatch: pytest.MonkeyPatch, visible: str, seen: set[int]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    sampled = Machine(psutil.Process(), FakeNvml()).sample()
    assert {int(name.split("_")[1]) for name in sampled.system if name.startswith("gpu_")} == seen


def test_who_watches_a_stage_knows_which_gpus_it_took(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "sft")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    seen = []
    monkeypatch.setattr(journal, "_follow", lambda _: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    with journal.journalled(
        load_params(REPOSITORY / "params.yaml"), lambda: os.environ.update(CUDA_VISIBLE_DEVICES="1")
    ):
        assert seen == ["1"]


@pytest.mark.slow
def test_a_stage_whose_server_is_dead_ends_as_soon_and_writes_the_same(place: Path) -> None:
    """The follower is the real one; nothing listens at the address."""
    script = """
import sys, time
sys.path.insert(0, {source!r})
from halo_forge.stage import stage
def main(params):
    open("out", "w").write("result")
    time.sleep(1)
stage(main)
""".format(source=str(REPOSITORY / "src"))
    (place / "stage.py").write_text(script)
    environment = {**os.environ, "DVC_STAGE": "sft", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    command = [sys.executable, "stage.py", "--params", str(REPOSITORY / "params.yaml")]
    result = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "") and (place / "out").read_text() == "result"
    (path,) = (place / ".state" / "live").glob("*/sft.jsonl")
    assert wait_until(lambda: any(json.loads(line)["event"] == "machine" for line in path.open()))


@pytest.fixture(params=["in a Git repository", "without Git"])
def locked(tmp_path: Path, request) -> Path:
    """A DVC repository of one stage. Another process has its lock, and writes the stage's output."""
    if request.param == "without Git":
        subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=tmp_path, check=True)
    else:
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
        subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text("stages: {one: {cmd: 'true', outs: [made]}}\n")
    hold = "import zc.lockfile; lock = zc.lockfile.LockFile('.dvc/tmp/lock'); print('held', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    writer = {"write": {"pid": holder.pid, "cmd": "dvc repro"}}
    (tmp_path / ".dvc" / "tmp" / "rwlock").write_text(json.dumps({str(tmp_path / "made"): writer}))
    yield tmp_path
    holder.communicate("")


def test_what_is_still_to_run_is_asked_without_the_locks_that_a_repro_needs(locked) -> None:
    """A `dvc repro` that cannot have its lock within three seconds of the end of a stage stops."""
    plain = subprocess.run([sys.executable, "-m", "dvc", "status"], cwd=locked, capture_output=True, text=True)
    assert "Unable to acquire lock" in plain.stderr, "the lock of this test is not DVC's"
    before = {path: path.read_bytes() for path in (locked / ".dvc" / "tmp").iterdir() if path.is_file()}
    assert plan.to_run(locked, Graph('"one";'), [], []) == ["one"]
    assert {path: path.read_bytes() for path in (locked / ".dvc" / "tmp").iterdir() if path.is_file()} == before


def test_what_dvc_cannot_read_is_told_in_its_own_words(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(plan, "PAUSE_S", 0.0)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text("stages: [one]\n")
    with pytest.raises(InfrastructureError, match="`dvc dag`: .*dvc.yaml"):
        plan.read_graph(tmp_path)
