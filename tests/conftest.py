"""The tiny model, small records, waiting."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from tiny import make_tiny_model

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# For so small a model threads cost more than they save, the more so where tests run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

REPOSITORY = Path(__file__).resolve().parents[1]
PROMPTS = [
    f"Write program number {i} about {word}." for i, word in enumerate(["sums", "cats", "time", "a", "words"] * 3)
]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*names): skipped where one of these does not work here (needs.py)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        from needs import skip_without  # most tests need nothing of the kind

        skip_without(*mark.args)


@pytest.fixture(autouse=True)
def no_unfinished_work_is_held():
    """A command in this process keeps its locks to the end of the process; another worker would wait for ever."""
    yield
    if state := sys.modules.get("halo_forge.state"):
        state.drop_state()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tiny_chat(tiny_model: Path):
    from halo_forge.model.chat import Chat

    return Chat.of(str(tiny_model))


@pytest.fixture(scope="session")
def ok_adapter(tiny_model: Path, tiny_chat, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained adapter on the tiny model: it says ok to each of PROMPTS, and no more."""
    from halo_forge.settings.training import Lora, Training
    from halo_forge.train.lora import Run, train
    from halo_forge.train.rows import tokenised

    folder = tmp_path_factory.mktemp("adapter")
    rows = tokenised(tiny_chat, [(prompt, "ok") for prompt in PROMPTS], 512, "pairs")
    run = Run(tiny_model, None, Lora(r=16, alpha=32), Training(epochs=40), 1e-2, 0, folder / "checkpoints")
    train(run, rows, tiny_chat, folder / "out")
    return folder / "out"


def adapter_weights(folder: Path) -> dict:
    """The tensors of the adapter in `folder`, by name."""
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def wait_until(condition, seconds: float = 60.0) -> bool:
    """Whether `condition` came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


@pytest.fixture
def make_task():
    from halo_forge.records import Source, StdioCase, StdioTests, Task

    def make(name: str, prompt: str = "", **fields) -> Task:
        return Task(
            task_id=fields.pop("task_id", name),
            language=fields.pop("language", "cpp"),
            prompt=prompt or f"Solve {name}.",
            tests=StdioTests(cases=[StdioCase(stdin="1", stdout="2")]),
            source=Source(dataset="test"),
            family=fields.pop("family", name),
            **fields,
        )

    return make


@pytest.fixture
def make_judged():
    """make_judged(task_id, index, reward, code) -> (Sample, Verdict)."""
    from halo_forge.records import Sample, Verdict

    def make(task_id: str, index: int, reward: float | None, code: str = "", **fields):
        sample = Sample(
            sample_id=f"{task_id}/{index}",
            task_id=task_id,
            prompt="p",
            completion=code or f"program {index}",
            model="sft",
            cycle="c1",
            index=index,
            seed=index,
            n_tokens=3,
            finish_reason="stop",
        )
        status = fields.pop("status", None) or {None: "infra_error", 1.0: "pass"}.get(reward, "wrong_answer")
        verdict = Verdict(
            sample_id=sample.sample_id,
            task_id=task_id,
            status=status,
            reward=reward,
            tests_passed=int(reward == 1.0),
            tests_total=1,
            detail="",
            code=code or f"int program_{index};",
            duration_s=0.1,
            verifier="gcc",
            isolation="bubblewrap",
        )
        return sample, verdict

    return make
