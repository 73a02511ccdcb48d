"""What the graders of other projects accept and refuse of the conformance cases that they can run.

    PYTHONPATH=src python benchmarks/other_graders.py [--code-eval FOLDER] [--only NAME] [--output FILE.json]

The cases are those of `halo-forge verify selfcheck`: hostile ones, which a grader must not accept, and right answers,
which it must. Each grader judges by its own code, with its own defaults, in the versions below:

- EvalPlus: `untrusted_check`, inputs and expected outputs. It gets the tasks that call a function, and those whose
  asserts are all `f(literals) == literal`.
- lm-eval: the metric of its tasks humaneval and mbpp, `code_eval`, which no package holds: give the folder that does,
  `metrics` in the repository of the package evaluate (huggingface/evaluate, tag v0.4.6). It gets the tasks whose tests
  are asserts.
- inspect_ai: an evaluation with a model that says the program, the sandbox `local`, and the scorer of inspect_evals'
  humaneval (tests that define `check`) or mbpp (lists of asserts); its time limit is 10 s instead of 30.

Each is handed the plain program: extraction from an answer is not compared. A case whose answer has words around the
program, or that judges two programs one after the other, is left out.

These graders run programs in their own process or beside it. So each case has a box of its own (`verify/sandbox`): no
network, no home, a private /tmp, a uid without rights, limits on time, memory and processes, nothing left alive. A
grader that gives no verdict in it, because the program stopped it, has neither accepted nor refused. Packages are
installed, by pip and from wheels alone, below ~/.cache/halo-forge/graders. Verdicts are kept there too: another run
asks what is new.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import marshal
import re
import secrets
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.cache import cache_folder, made_once
from halo_forge.files import write_json
from halo_forge.hashing import fingerprint
from halo_forge.jsonl import Appender, read_rows
from halo_forge.progress import Progress, print_table
from halo_forge.records import CallTests, PythonTests
from halo_forge.settings.verify import Verify
from halo_forge.verify.registry import get_verifier
from halo_forge.verify.sandbox import interpreter
from halo_forge.verify.sandbox.box import Sandbox
from halo_forge.verify.sandbox.job import Job, Limits
from halo_forge.verify.selfcheck.cases import Case, load_cases
from halo_forge.verify.selfcheck.check import limited

DRIVERS = Path(__file__).with_name("graders")
LIMITS = Limits(cpu_s=20, memory_mb=3072, processes=64, output_kb=256, open_files=256)
ACCEPTED, REFUSED, NO_VERDICT = "accepted", "refused", "no verdict"
_FENCED = re.compile(r"```python\n(.*)\n```\n", re.DOTALL)


@dataclass(frozen=True)
class Grader:
    name: str
    driver: str
    installs: Sequence[Sequence[str]]
    """Arguments of pip, one call after the other."""
    question: Callable[[Case, str], dict[str, Any] | None]
    """What the driver is asked about a case and its program; None where the grader cannot run such tests."""


def asserts(case: Case, program: str) -> dict[str, Any] | None:
    """Tests that are code."""
    tests = case.task.tests
    if not isinstance(tests, PythonTests):
        return None
    has_check = bool(re.search(r"^def check\(", tests.code, re.MULTILINE))
    return {
        "prompt": tests.prefix,
        "program": program,
        "test": tests.code,
        "has_check": has_check,
        "entry_point": tests.entry_point,
    }


def listed_asserts(case: Case, program: str) -> dict[str, Any] | None:
    """The same, where there is a function `check`, or else a list of asserts and nothing more."""
    question = asserts(case, program)
    if question is None or question["has_check"]:
        return question
    body = ast.parse(question["test"]).body
    if question["prompt"] or not all(isinstance(node, ast.Assert) and node.msg is None for node in body):
        return None
    return question | {"asserts": [str(ast.get_source_segment(question["test"], node)) for node in body]}


def inputs_and_outputs(case: Case, program: str) -> dict[str, Any] | None:
    """Calls, and asserts that are no more than calls."""
    tests = case.task.tests
    if isinstance(tests, CallTests):
        calls = [(each.args, each.expected) for each in tests.cases]
        return _calls(case, "", program, tests.entry_point, calls)
    if not isinstance(tests, PythonTests):
        return None
    body = ast.parse(tests.code).body
    names = {tests.entry_point}
    if len(body) == 1 and isinstance(body[0], ast.FunctionDef) and body[0].name == "check":
        names, body = {body[0].args.args[0].arg}, body[0].body
    read = [_call(node) for node in body]
    if tests.entry_point is None:
        names = {name for name, *_ in filter(None, read)}
    if None in read or {name for name, *_ in read} != names or len(names) != 1:
        return None
    calls = [(arguments, expected) for _, arguments, expected in read]
    return _calls(case, tests.prefix, program, tests.entry_point or names.pop(), calls)


def _calls(case: Case, prompt: str, program: str, name: str, calls: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    inputs, expected = zip(*calls, strict=True)
    question = {"prompt": prompt, "program": program, "entry_point": name, "inputs": inputs, "expected": expected}
    return question | {"reference": case.task.solution}


def _call(node: ast.stmt) -> tuple[str, list[Any], Any] | None:
    """`assert f(1, 2) == 3` -> ("f", [1, 2], 3); None for anything else."""
    match node:
        case ast.Assert(ast.Compare(ast.Call(ast.Name(name), arguments, []), [ast.Eq()], [expected])):
            try:
                return name, [ast.literal_eval(each) for each in arguments], ast.literal_eval(expected)
            except ValueError:
                return None
    return None


GRADERS = (
    Grader(
        "EvalPlus 0.3.1",
        "evalplus_driver.py",
        (("--no-deps", "evalplus==0.3.1"), ("numpy==2.4.*", "psutil==7.*")),
        inputs_and_outputs,
    ),
    Grader(
        "lm-eval 0.4.13, evaluate 0.4.6",
        "lm_eval_driver.py",
        (("--no-deps", "lm-eval==0.4.13"), ("evaluate==0.4.6",)),
        asserts,
    ),
    Grader(
        "inspect_ai 0.3.285, inspect_evals 0.26.0",
        "inspect_driver.py",
        (("inspect-ai==0.3.285", "inspect-evals==0.26.0"),),
        listed_asserts,
    ),
)


def installed(grader: Grader) -> Path:
    """The folder with the grader's packages."""
    folder = cache_folder("graders") / f"{Path(grader.driver).stem}-{fingerprint([grader.installs, sys.version])[:12]}"

    def install(target: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-warn-conflicts", "--only-binary", ":all:"]
        for arguments in grader.installs:
            subprocess.run([*pip, "--target", str(target), *arguments], check=True)

    return made_once(folder, install)


def program_of(case: Case) -> str | None:
    """The program of an answer that is a program in a fence and nothing more."""
    found = _FENCED.fullmatch(case.completion)
    return found[1] + "\n" if found and case.first is None and "```" not in found[1] else None


class Kept:
    """Verdicts of earlier runs, by all that decides them. Delete the file, graders/verdicts.jsonl, to ask again."""

    def __init__(self) -> None:
        self._path = cache_folder("graders") / "verdicts.jsonl"
        self._verdicts = {row["key"]: row["verdict"] for _, row in read_rows(self._path)} if self._path.exists() else {}
        self._lock = threading.Lock()

    @staticmethod
    def key(grader: Grader, question: dict[str, Any]) -> str:
        limits = (LIMITS.cpu_s, LIMITS.memory_mb, LIMITS.processes)
        decides = [grader.installs, sys.version, limits, *_files(grader).items(), *sorted(question.items())]
        return hashlib.sha256(repr(decides).encode("utf-8", "surrogatepass")).hexdigest()

    def get(self, key: str) -> str | None:
        return self._verdicts.get(key)

    def put(self, key: str, verdict: str) -> None:
        with self._lock, Appender(self._path) as file:
            file.write([{"key": key, "verdict": verdict}])


def grade(sandbox: Sandbox, grader: Grader, question: dict[str, Any], places: dict[str, str]) -> str:
    """What a grader says of one program, asked in a box of its own."""
    nonce = secrets.token_hex(16)
    job = Job(
        files=_files(grader),
        run=[str(interpreter.executable()), "-B", grader.driver],
        run_limits=LIMITS,
        cases=[{"stdin": marshal.dumps({**question, **places, "nonce": nonce})}],
    )
    run = sandbox.run(job).tests[0]
    found = re.search(rf"^{nonce} (\w+)$".encode(), run.stdout, re.MULTILINE)
    if found:
        return found[1].decode()
    last_words = run.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
    return f"{NO_VERDICT}: {last_words or run.limit}"


def _files(grader: Grader) -> dict[str, bytes]:
    return {name: (DRIVERS / name).read_bytes() for name in (grader.driver, "question.py")}


def verdicts_of(
    grader: Grader, asked: Sequence[tuple[Case, dict[str, Any]]], code_eval: Path | None, workers: int
) -> dict[str, str]:
    """Case -> verdict, for all that the grader is asked."""
    kept, places = Kept(), {"packages": str(installed(grader))}
    if code_eval:
        places["code_eval"] = str(code_eval.resolve())
    sandbox = Sandbox(Verify(), binds=[Path(place) for place in places.values()])
    with Progress(len(asked), grader.name) as progress, ThreadPoolExecutor(workers) as threads:

        def judge(question: dict[str, Any]) -> str:
            key = kept.key(grader, question)
            verdict = kept.get(key)
            if verdict is None:
                verdict = grade(sandbox, grader, question, places)
                if not verdict.startswith(NO_VERDICT):  # for that the machine may be to blame
                    kept.put(key, verdict)
            progress.advance(1)
            return verdict

        said = threads.map(judge, (question for _, question in asked))
        return {case.name: verdict for (case, _), verdict in zip(asked, said, strict=True)}


def own_verdicts(cases: Sequence[Case]) -> dict[str, str]:
    """Case -> what this project's verifier says."""
    verifier = get_verifier("python", limited(Verify()))
    verifier.probe()
    with Progress(len(cases), "ours") as progress:
        said = {}
        for case in cases:
            status = verifier.judge(case.task, case.completion).status
            said[case.name] = ACCEPTED if status == "pass" else f"{REFUSED}: {status}"
            progress.advance(1)
        return said


def row(name: str, said: dict[str, str], cases: Sequence[Case]) -> list[Any]:
    hostile, right = (
        Counter(said[case.name].partition(":")[0] for case in cases if (case.expect == ("pass",)) == honest)
        for honest in (False, True)
    )
    refused = right.total() - right[ACCEPTED]
    return [name, hostile.total(), hostile[ACCEPTED], hostile[NO_VERDICT], right.total(), refused]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code-eval", type=Path, help="the folder that holds evaluate's folder code_eval")
    parser.add_argument("--only", default="", help="graders whose name begins so")
    parser.add_argument("--cases", default="", help="cases whose name begins so")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, help="every verdict, as JSON")
    arguments = parser.parse_args()

    cases = [(case, program_of(case)) for case in load_cases() if case.name.startswith(arguments.cases)]
    cases = [(case, program) for case, program in cases if case.task.language == "python" and program is not None]
    graders = [grader for grader in GRADERS if grader.name.startswith(arguments.only)]
    if arguments.code_eval is None:
        print("lm-eval is left out; give --code-eval", file=sys.stderr)
        graders = [grader for grader in graders if grader.driver != "lm_eval_driver.py"]
    asked = {
        grader: [(case, question) for case, program in cases if (question := grader.question(case, program))]
        for grader in graders
    }
    wanted = {case.name: case for questions in asked.values() for case, _ in questions}
    own = own_verdicts(list(wanted.values()))
    rows, verdicts = [], {}
    for grader, questions in asked.items():
        said = verdicts_of(grader, questions, arguments.code_eval, arguments.workers)
        verdicts[grader.name] = {name: {"theirs": verdict, "ours": own[name]} for name, verdict in sorted(said.items())}
        for name, answers in ((grader.name, said), ("ours, the same cases", own)):
            rows.append(row(name, answers, [case for case, _ in questions]))
    print_table(["grader", "hostile", "accepted", "stopped it", "right", "not accepted"], rows)
    if arguments.output:
        write_json(arguments.output, verdicts)


if __name__ == "__main__":
    main()
