"""Who reads a guide and types its commands: the folder, the sets of the hub, the paid model and the Windows host that they
take as given, and the small sizes that they are run at."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hub_server
import llm_server
from conftest import REPOSITORY
from needs import trouble
from remote_host import Server
from ruamel.yaml import YAML

from halo_forge.model.reference import EMBEDDED

DATA = Path(__file__).parent / "data"

SUBSTITUTIONS = [  # what the guides say -> what it is here, in this order
    (r"^(toolbox enter halo-forge|cd ~/training)$", ""),  # a container and a folder of the reader's
    (r"head -4000\b", "head -4"),
    (r"tail -500\b", "tail -2"),
    (r"head -200\b", "head -2"),
    (r"--epochs 3\b", "--epochs 1"),
    (r"--cycles 5\b", "--cycles 2"),
    (r"--cycles 3\b", "--cycles 1"),
    (r"cycle_5_final", "cycle_2_final"),
    (r"cycle_3_final", "cycle_1_final"),
    (r"--samples-per-prompt 8\b", ""),  # EXTRA has it
    (r"--samples (10|20)\b", ""),
    (r"--k 1,5,10(,20)?(?= |$)", "--k 1,2"),
    (r"checkpoint-500\b", "checkpoint-2"),
    (
        r"trust --host build\.example",
        "trust --host 127.0.0.1 --port $PORT --fingerprint $FINGERPRINT --known-hosts known",
    ),
    (r"--host build\.example --user me --ssh-key ~/\.ssh/win", "--host 127.0.0.1 --user $ME --ssh-key $KEY"),
    (r"--shares sft=0\.8,benchmark=0\.2", "--shares sft=0.5,benchmark=0.5 --seed 1"),  # parts six rows
    (r"models/pipeline/best", "models/sft/final_model"),
    (r"^(halo-forge generate .*)$", r"\1 --model models/sft/final_model || [ $? = 1 ]"),  # 1: its answer is wrong
    (r"--host 192\.168\.1\.100 --user developer --ssh-key ~/\.ssh/win", "--host 127.0.0.1 --user $ME --ssh-key $KEY"),
]
EXTRA = {  # command -> what is added to it: small sizes, and the local server of a language model
    "data prepare --dataset": "--limit 6",
    "data generate --topic": "--count 1 --base-url $LLM",
    "sft train": "--batch-size 2 --gradient-accumulation 1 --no-gradient-checkpointing --save-steps 1 --epochs 1",
    "raft train": "--samples-per-prompt 2 --max-new-tokens 32 --no-gradient-checkpointing --reward-threshold 0",
    "benchmark run": "--samples 2 --max-new-tokens 32",
    "verify selfcheck gcc": "--only cpp/right_then --stress 0",
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


@contextlib.contextmanager
def serving_sets(folder: Path) -> Iterator[str]:
    """A hub with six rows of each set that the guides prepare; gives its address. Models can be uploaded to it."""
    problems, solutions = codeforces_rows(6)
    hub_server.publish(folder / "served", "open-r1/codeforces", problems)
    hub_server.publish(folder / "served", "open-r1/codeforces-cots", solutions, "solutions_decontaminated")
    mbpp = [json.loads(line) for line in (DATA / "mbpp.jsonl").read_text().splitlines()]
    hub_server.publish(folder / "served", "google-research-datasets/mbpp", mbpp, "full")
    with hub_server.serving(folder / "served", folder / "log") as endpoint:
        yield endpoint


@contextlib.contextmanager
def windows_host(folder: Path) -> Iterator[Server | None]:
    """A real OpenSSH server, with a stand-in for Windows behind it; None where there is no ssh server."""
    if trouble("sshd"):
        yield None
        return
    server = Server(folder)
    try:
        yield server
    finally:
        server.kill()


class Reader:
    """A folder with the settings of the project and its configs, and a `halo-forge` that finds the stand-in for Windows."""

    def __init__(self, folder: Path, hub: str, windows: Server | None):
        self.folder, self.hub, self.windows = folder, hub, windows
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
        with (folder / "params.yaml").open("w") as file:
            yaml.dump(params, file)
        shutil.copy(REPOSITORY / "presets.yaml", folder)
        shutil.copytree(REPOSITORY / "data" / "topics", folder / "data" / "topics")
        shutil.copytree(REPOSITORY / "configs", folder / "configs")
        config = folder / "configs" / "sft.yaml"
        config.write_text(config.read_text().replace("Qwen/Qwen2.5-Coder-7B", EMBEDDED.id))
        shim = folder / "bin" / "halo-forge"
        shim.parent.mkdir()
        shim.write_text(SHIM.format(python=sys.executable, path=[str(REPOSITORY / "src"), str(REPOSITORY / "tests")]))
        shim.chmod(0o755)

    def types(self, script: str) -> str:
        """Run a script, made small, and give all that was shown. Its first command that fails fails the test."""
        with llm_server.serving(write_exercise) as llm:
            environment = os.environ | {
                "PATH": os.pathsep.join(
                    [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
                ),
                "HF_ENDPOINT": self.hub,
                "HF_HOME": str(self.folder / "hf"),
                "HF_TOKEN": hub_server.TOKEN,
                "HF_HUB_DISABLE_XET": "1",  # its large files go the older way, which the hub of the tests knows
                "DEEPSEEK_API_KEY": "of the tests",
                "ME": self.windows.user if self.windows else "",
                "KEY": str(self.windows.key) if self.windows else "",
                "PORT": str(self.windows.port) if self.windows else "",
                "FINGERPRINT": self.windows.fingerprint if self.windows else "",
                "LLM": f"{llm.url}/v1",
            }
            environment.pop("HALO_FORGE_CACHE", None)  # the embedded model is converted once, in the user's cache
            whole = f"set -euo pipefail; set -x\n{small(script)}"
            with (self.folder / "log").open("w") as log:
                done = subprocess.run(["bash", "-c", whole], cwd=self.folder, env=environment, stdout=log, stderr=log)
        shown = (self.folder / "log").read_text()
        assert done.returncode == 0, shown[-6000:]
        return shown
