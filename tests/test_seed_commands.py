"""The commands of the two guides, from top to bottom, with the embedded model: tests/seed_commands.txt has them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hub_server
import llm_server
import pytest
from conftest import REPOSITORY
from needs import trouble
from remote_host import Server
from ruamel.yaml import YAML

from halo_forge.model.reference import EMBEDDED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.needs("python"),
]
DATA = Path(__file__).parent / "data"

SUBSTITUTIONS = [  # what the guides say -> what it is here, in this order
    (r"^(toolbox enter halo-forge|cd ~/training)$", ""),  # a container and a folder of the reader's
    (r"head -4000\b", "head -4"),
    (r"tail -500\b", "tail -2"),
    (r"head -200\b", "head -2"),
    (r"--epochs 3\b", "--epochs 1"),
    (r"--cycles 5\b", "--cycles 2"),
    (r"cycle_5_final", "cycle_2_final"),
    (r"cycle_3_final", "cycle_1_final"),
    (r"--samples-per-prompt 8\b", ""),  # EXTRA has it
    (r"--samples (10|20)\b", ""),
    (r"--k 1,5,10(,20)?(?= |$)", "--k 1,2"),
    (r"checkpoint-500\b", "checkpoint-2"),
    (r"--host 192\.168\.1\.100 --user developer --ssh-key ~/\.ssh/win", "--host 127.0.0.1 --user $ME --ssh-key $KEY"),
]
EXTRA = {  # command -> what is added to it: small sizes, and the local server of a language model
    "data prepare --dataset": "--limit 6",
    "data generate --topic": "--count 1 --base-url $LLM",
    "sft train": "--batch-size 2 --gradient-accumulation 1 --no-gradient-checkpointing --save-steps 1 --epochs 1",
    "raft train": "--samples-per-prompt 2 --max-new-tokens 32 --no-gradient-checkpointing --reward-threshold 0",
    "benchmark run": "--samples 2 --max-new-tokens 32",
}
SHIM = """#!{python}
import sys

sys.path[:0] = {path!r}
from remote_host import Standin
from halo_forge.verify.windows import msvc

msvc.WindowsPlatform = lambda version: Standin()  # in the place of Windows, behind a real OpenSSH server
from halo_forge.cli.main import main

main()
"""


def scripts() -> dict[str, str]:
    text = (Path(__file__).parent / "seed_commands.txt").read_text(encoding="utf-8")
    parts = re.split(r"^=== (.+)\n", text, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def small(script: str) -> str:
    """The script after SUBSTITUTIONS and EXTRA; commands over several lines become one."""
    script = re.sub(r" *\\\n *", " ", script)
    for pattern, replacement in SUBSTITUTIONS:
        script = re.sub(pattern, replacement, script, flags=re.M)
    for command, extra in EXTRA.items():
        script = re.sub(
            rf"^(halo-forge {command}\b.*)$", lambda match, extra=extra: f"{match[1]} {extra}", script, flags=re.M
        )
    return script


def codeforces_rows(number: int) -> tuple[list[dict], list[dict]]:
    """Problems and solutions in the columns of the hub's two sets."""
    problem = json.loads((DATA / "codeforces.jsonl").read_text().splitlines()[0])
    solution = json.loads((DATA / "codeforces_cots.jsonl").read_text().splitlines()[1])
    problems, solutions = [], []
    for n in range(number):
        cases = [{"input": f"{i}\n", "output": f"{i + n}\n"} for i in (1, 5, 9)]
        own = {"id": f"9001/{n}", "title": f"Problem {n}", "description": f"Read a number and add {n} to it."}
        problems.append(problem | own | {"official_tests": cases, "examples": cases[:1]})
        code = f"#include <iostream>\nint main() {{ long long a; std::cin >> a; std::cout << a + {n}; }}"
        solutions.append(solution | {"id": own["id"], "generation": f"```cpp\n{code}\n```"})
    return problems, solutions


RUST = """use std::io::Read;

async fn answer(n: i64) -> i64 {
    n * 3 + 1
}

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("text");
    let n: i64 = text.trim().parse().expect("a number");
    drop(answer(n));
    println!("{}", n * 3 + 1);
}
"""
CHECKS = """def check_next(f):
    assert f(1) == 2, "f(1)"
    assert f(-1) == 0, "f(-1)"
"""
CHECKED = """import pytest
from solution import check_next


def test_right():
    check_next(lambda x: x + 1)


@pytest.mark.parametrize("wrong", [lambda x: x, lambda x: 2, lambda x: abs(x) + 1, lambda x: None])
def test_wrong(wrong):
    with pytest.raises(AssertionError):
        check_next(wrong)
"""


def write_exercise(_order: int, body: dict) -> llm_server.Say:
    """A good exercise for either topic of the guides."""
    made = llm_server.exercise(1)
    if "Rust" in json.dumps(body):
        made["solution"] = RUST
        made["tests"] = [{"stdin": f"{n}\n", "stdout": f"{3 * n + 1}\n"} for n in (0, 1, 7, -3)]
    else:
        made |= {"solution": CHECKS, "tests": CHECKED}
    return llm_server.Say(content=json.dumps(made))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    problems, solutions = codeforces_rows(6)
    hub_server.publish(folder / "served", "open-r1/codeforces", problems)
    hub_server.publish(folder / "served", "open-r1/codeforces-cots", solutions, "solutions_decontaminated")
    mbpp = [json.loads(line) for line in (DATA / "mbpp.jsonl").read_text().splitlines()]
    hub_server.publish(folder / "served", "google-research-datasets/mbpp", mbpp, "full")
    with hub_server.serving(folder / "served", folder / "log") as endpoint:
        yield endpoint


@pytest.fixture
def windows(tmp_path_factory):
    """The Windows host, or None without an ssh server."""
    if trouble("sshd"):
        yield None
        return
    server = Server(tmp_path_factory.mktemp("sshd"))
    yield server
    server.kill()


@pytest.fixture
def here(tmp_path, windows) -> Path:
    """A folder with the settings of the project, the configs of the guide and the files that the guides take as given."""
    yaml = YAML()
    params = yaml.load((REPOSITORY / "params.yaml").read_text())
    params["preset"] = "tiny"
    if windows:
        params["verify"]["msvc"] = {
            "host": "somewhere",
            "user": "nobody",
            "port": windows.port,
            "host_key": windows.fingerprint,
            "folder": str(windows.work),
        }
    with (tmp_path / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    shutil.copy(REPOSITORY / "presets.yaml", tmp_path)
    shutil.copytree(REPOSITORY / "data" / "topics", tmp_path / "data" / "topics")
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    config = tmp_path / "configs" / "sft.yaml"
    config.write_text(config.read_text().replace("Qwen/Qwen2.5-Coder-7B", EMBEDDED.id))
    tests = {"kind": "stdio", "cases": [{"stdin": "", "stdout": "1\n"}]}
    task = {"task_id": "one", "language": "cpp", "prompt": "Print 1.", "tests": tests, "family": "one"}
    (tmp_path / "data" / "test.jsonl").write_text(json.dumps(task | {"source": {"dataset": "x"}}) + "\n")
    for name in ("prompts", "test_prompts"):
        (tmp_path / "data" / f"{name}.jsonl").write_text('{"prompt": "Write a program in C++ that prints 1."}\n')
    shim = tmp_path / "bin" / "halo-forge"
    shim.parent.mkdir()
    shim.write_text(SHIM.format(python=sys.executable, path=[str(REPOSITORY / "src"), str(REPOSITORY / "tests")]))
    shim.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("name", scripts())
def test_the_commands_of_the_guides_work_as_written(name, here, hub, windows) -> None:
    if windows is None and "msvc" in scripts()[name]:
        pytest.skip("needs sshd: apt install openssh-server")
    with llm_server.serving(write_exercise) as llm:
        environment = os.environ | {
            "PATH": os.pathsep.join([str(here / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HF_ENDPOINT": hub,
            "HF_HOME": str(here / "hf"),
            "ME": windows.user if windows else "",
            "KEY": str(windows.key) if windows else "",
            "LLM": f"{llm.url}/v1",
        }
        environment.pop("HALO_FORGE_CACHE", None)  # the embedded model is converted once, in the user's cache
        script = f"set -euo pipefail; set -x\n{small(scripts()[name])}"
        with (here / "log").open("w") as log:
            done = subprocess.run(["bash", "-c", script], cwd=here, env=environment, stdout=log, stderr=log)
    shown = (here / "log").read_text()
    assert done.returncode == 0, shown[-6000:]
    left_behind(here, name, shown)


def left_behind(here: Path, name: str, shown: str) -> None:
    """What every script must have made, where the guides say."""
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
