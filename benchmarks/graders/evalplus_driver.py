"""Runs in the box: EvalPlus's check of one program on inputs and expected outputs."""

import os

from question import answer, read

question = read()
os.environ["EVALPLUS_MAX_MEMORY_BYTES"] = str(1 << 30)  # its default of 4 GB is more than the box has

from evalplus.eval import PASS, untrusted_check  # noqa: E402
from evalplus.gen.util import trusted_exec  # noqa: E402

inputs, expected = question["inputs"], question["expected"]
if question["reference"] is not None:  # EvalPlus expects what the reference returns
    expected = trusted_exec(question["prompt"] + question["reference"], inputs, question["entry_point"])
status, _ = untrusted_check(
    "humaneval",
    question["prompt"] + question["program"],
    inputs,
    question["entry_point"],
    expected=expected,
    atol=0,  # what HumanEval+ has; for floats EvalPlus takes 1e-6 itself
    ref_time=[0.0] * len(inputs),
    fast_check=True,
)
answer(question, status == PASS)
