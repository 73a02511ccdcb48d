"""All engines on a real model: `make drill-vllm` at a small size."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import REPOSITORY

CANNOT = 77


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_vllm_in_process_and_over_http_gives_what_the_other_engines_give_on_the_real_model(capsys) -> None:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "drills" / "vllm_engines.py"), "--prompts", "12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode == CANNOT:
        pytest.skip(last)
    with capsys.disabled():
        print(f"\n{last}")
    assert done.returncode == 0, done.stdout + done.stderr
