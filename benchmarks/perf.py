"""All benchmarks of speed and memory, one after the other, and their tables: `make perf`, or `make perf ARGS=--quick`.

    python benchmarks/perf.py [--quick] [--only growth …] [--model FOLDER] [--tokens 300]
                              [--vllm-python PATH] [--trl-python PATH] [--cycle FOLDER]
    python benchmarks/perf.py --table        the Markdown table of the rows in results/perf that have a goal

Each is a script of its own that compares A and B in turns and leaves results/perf/<name>.json. vLLM and TRL are asked
where an environment that has them is named.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from rows import PERF, markdown, show  # noqa: E402

SCRIPTS = {
    "overheads": "overheads.py",
    "growth": "growth.py",
    "verification": "verify_speed.py",
    "generation": "generation_speed.py",
    "training": "training_speed.py",
    "cycle": "cycle.py",
}
MODEL_OPTION = {"generation": "--model", "training": "--base", "cycle": "--model"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer turns and smaller sizes")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=list(SCRIPTS))
    parser.add_argument("--table", action="store_true", help="print the rows that have a goal, for docs/measured.md")
    parser.add_argument("--model", help="a model folder to sample and train; without it the base model of params.yaml")
    parser.add_argument("--tokens", help="of a sampled answer at most; without it few, by the model's size")
    parser.add_argument("--vllm-python", help="the interpreter of an environment that has vLLM")
    parser.add_argument("--trl-python", help="a Python that has trl, transformers and peft")
    parser.add_argument("--cycle", help="data/raft/<cycle> of a pipeline that ran: its kept rows are trained")
    options = parser.parse_args()
    if options.table:
        print(markdown([one for name in SCRIPTS for one in read(name) if one["goal"] is not None]))
        return 0
    failed = []
    for name in options.only:
        started = time.monotonic()
        print(f"== {name}: {SCRIPTS[name]}", flush=True)
        if subprocess.run([sys.executable, str(HERE / SCRIPTS[name]), *arguments(name, options, failed)]).returncode:
            failed.append(name)
        print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    for name in options.only:
        if name not in failed:
            show(read(name), name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def arguments(name: str, options: argparse.Namespace, failed: list[str]) -> list[str]:
    given = ["--quick"] if options.quick else []
    if options.model and name in MODEL_OPTION:
        given += [MODEL_OPTION[name], options.model]
    if name == "generation" and options.tokens:
        given += ["--tokens", options.tokens]
    if name == "generation" and options.vllm_python:
        given += ["--vllm-python", options.vllm_python]
    if name == "training" and options.trl_python:
        given += ["--trl-python", options.trl_python]
    if name == "training" and options.cycle:
        given += ["--kept", str(Path(options.cycle) / "kept.jsonl")]
    if name == "cycle":
        given += ["--cycle", options.cycle] if options.cycle else []
        if {"generation", "training"} <= set(options.only) - set(failed):  # measured minutes ago
            given += ["--rates", str(PERF)]
    return given


def read(name: str) -> list[dict]:
    """The rows of a benchmark, none if it has not run."""
    path = PERF / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
