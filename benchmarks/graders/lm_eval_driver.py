"""Runs in the box: the metric of lm-eval's tasks humaneval and mbpp, which is the metric code_eval of evaluate."""

import os
import runpy
import sys

from question import answer, read

question = read()
os.environ["HF_ALLOW_CODE_EVAL"] = "1"
os.chdir(question["code_eval"])  # a folder here is found before the hub is asked
# The task's own file, without the package around it, which would load every task's library.
folder = next(path for path in sys.path if os.path.isdir(f"{path}/lm_eval"))
metric = runpy.run_path(f"{folder}/lm_eval/tasks/humaneval/utils.py")["pass_at_k"]
test = question["test"] + (f"\ncheck({question['entry_point']})" if question["has_check"] else "")
scores = metric(references=[test], predictions=[[question["prompt"] + question["program"]]], k=1)
answer(question, scores["pass@1"] == 1)
