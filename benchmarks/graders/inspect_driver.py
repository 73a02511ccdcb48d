"""Runs in the box: an evaluation of inspect_ai with the scorer of inspect_evals' humaneval or mbpp, sandbox `local`."""

import os
import sys

from question import answer, read

question = read()
os.mkdir("/tmp/bin")
os.symlink(sys.executable, "/tmp/bin/python")  # what the scorer starts
os.environ["PATH"] = f"/tmp/bin:{os.environ['PATH']}"

import inspect_evals.humaneval.humaneval as humaneval  # noqa: E402
import inspect_evals.mbpp.mbpp as mbpp  # noqa: E402
from inspect_ai import Task, eval  # noqa: E402
from inspect_ai.dataset import Sample  # noqa: E402
from inspect_ai.model import ModelOutput, get_model  # noqa: E402

humaneval.VERIFY_TIMEOUT = mbpp.VERIFY_TIMEOUT = 5  # 30 by default: endless programs would take all day
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
said = ModelOutput.from_content("mockllm/model", question["program"])
(log,) = eval(
    Task(dataset=[sample], scorer=scorer, sandbox="local"),
    model=get_model("mockllm/model", custom_outputs=[said]),
    display="none",
    log_dir="/tmp/logs",
)
(scores,) = (sample.scores for sample in log.samples)
answer(question, scores["verify"].value == "C")
