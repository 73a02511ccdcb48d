"""The commands of the two guides, from top to bottom, with the embedded model: tests/seed_commands.txt has them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from reader import Reader, serving_sets, windows_host

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.needs("python"),
]


def scripts() -> dict[str, str]:
    text = (Path(__file__).parent / "seed_commands.txt").read_text(encoding="utf-8")
    parts = re.split(r"^=== (.+)\n", text, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with serving_sets(tmp_path_factory.mktemp("hub")) as endpoint:
        yield endpoint


@pytest.fixture
def reader(tmp_path, tmp_path_factory, hub):
    """With the files that the guides take as given."""
    with windows_host(tmp_path_factory.mktemp("sshd")) as windows:
        tests = {"kind": "stdio", "cases": [{"stdin": "", "stdout": "1\n"}]}
        task = {"task_id": "one", "language": "cpp", "prompt": "Print 1.", "tests": tests, "family": "one"}
        made = Reader(tmp_path, hub, windows)
        (tmp_path / "data" / "test.jsonl").write_text(json.dumps(task | {"source": {"dataset": "x"}}) + "\n")
        for name in ("prompts", "test_prompts"):
            (tmp_path / "data" / f"{name}.jsonl").write_text('{"prompt": "Write a program in C++ that prints 1."}\n')
        yield made


@pytest.mark.parametrize("name", scripts())
def test_the_commands_of_the_guides_work_as_written(name, reader) -> None:
    script = scripts()[name]
    if reader.windows is None and "msvc" in script:
        pytest.skip("needs sshd: apt install openssh-server")
    here, shown = reader.folder, reader.types(script)
    for path in ("models/sft/final_model", "models/raft/cycle_1_final", "models/raft/cycle_2_final"):
        assert (here / path / "adapter_model.safetensors").exists(), path
    assert list((here / "models/sft/logs").glob("events*"))
    rows = json.loads((here / "models/raft/raft_statistics.json").read_text())
    assert [row["cycle"] for row in rows] == [1, 2]
    assert {"total_samples", "kept", "avg_reward", "success_rate", "reward_distribution"} <= rows[0].keys()
    cards = [json.loads(path.read_text()) for path in (here / "results").glob("*.json")]
    assert cards and all({"pass_rate", "pass_at_k", "total", "passed", "intervals"} <= card.keys() for card in cards)
    if name == "guide: step by step":
        verdicts = (here / "models/raft/cycle_2/verdicts.jsonl").read_text()
        assert '"verifier":"msvc"' in verdicts and list((here / "models/raft/previous").glob("*/cycle_2"))
        assert "raft5: pass@1=" in shown
    if name == "guide: complete example":
        assert "Training complete!" in shown and "Pass rate: " in shown and "pass@1: " in shown
