"""Runs in the box: an evaluation of inspect_ai by the scorer of inspect_evals' humaneval or mbpp, sandbox `local`."""

import importlib
import os
import sys
from unittest.mock import MagicMock

from question import answer, read

question = read()
os.mkdir("/tmp/bin")
os.symlink(sys.executable, "/tmp/bin/python")  # what the scorer starts
os.environ["PATH"] = f"/tmp/bin:{os.environ['PATH']}"

from inspect_ai import Task, eval  # noqa: E402
from inspect_ai.dataset import Sample  # noqa: E402
from inspect_ai.model import ModelOutput  # noqa: E402
from inspect_ai.solver import solver  # noqa: E402

# The sets are not fetched here, and half of the time would go into loading what fetches them.
sys.modules["datasets"] = sys.modules["datasets.exceptions"] = MagicMock()
# Modules of the name of a function in them.
humaneval, mbpp = (importlib.import_module(f"inspect_evals.{name}.{name}") for name in ("humaneval", "mbpp"))
humaneval.VERIFY_TIMEOUT = mbpp.VERIFY_TIMEOUT = 10  # 30 by default
if question["has_check"]:
    scorer = humaneval.verify()
    sample = Sample(
        input="-",
        target="-",
        metadata={name: question[name] for name in ("prompt", "test", "entry_point")},
    )
else:
    scorer = mbpp.verify()
    sample = Sample(input="-", target=question["asserts"])


@solver
def say():
    """In the place of a model, which would count tokens with a table from the network."""

    async def solve(state, generate):
        state.output = ModelOutput.from_content("mockllm/model", question["program"])
        return state

    return solve


(log,) = eval(
    Task(dataset=[sample], solver=say(), scorer=scorer, sandbox="local"),
    model="mockllm/model",
    display="none",
    log_dir="/tmp/logs",
    log_realtime=False,  # a database for those who watch; it wants locks that the box does not have
)
if log.error:
    sys.exit(f"inspect_ai: {log.error.message}")
(score,) = log.samples[0].scores.values()
answer(question, score.value == "C")
