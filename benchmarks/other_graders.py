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
installed, by pip and from wheels alone, below ~/.cache/halo-forge/graders.
"""

from __future__ import annotations

import argparse
import ast
import marshal
import re
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.cache import cache_folder, made_once
from halo_forge.files import write_json
from halo_forge.hashing import fingerprint
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


def grade(sandbox: Sandbox, grader: Grader, packages: Path, question: dict[str, Any], more: dict[str, Any]) -> str:
    nonce = secrets.token_hex(16)
    stdin = marshal.dumps({**question, **more, "packages": str(packages), "nonce": nonce})
    files = {name: (DRIVERS / name).read_bytes() for name in (grader.driver, "question.py")}
    job = Job(
        files=files,
        run=[str(interpreter.executable()), "-B", grader.driver],
        run_limits=LIMITS,
        cases=[{"stdin": stdin}],
    )
    run = sandbox.run(job).tests[0]
    found = re.search(rf"^{nonce} (\w+)$".encode(), run.stdout, re.MULTILINE)
    if found:
        return found[1].decode()
    return f"{NO_VERDICT}: {_last_words(run.stderr) or run.limit}"


def _last_words(stderr: bytes) -> str:
    return stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]


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
    ours = get_verifier("python", limited(Verify()))
    ours.probe()
    own: dict[str, str] = {}
    rows, verdicts = [], {}
    for grader in GRADERS:
        if not grader.name.startswith(arguments.only):
            continue
        if grader.driver == "lm_eval_driver.py" and arguments.code_eval is None:
            print(f"{grader.name}: left out; give --code-eval", file=sys.stderr)
            continue
        packages = installed(grader)
        more = {"code_eval": str(arguments.code_eval.resolve())} if arguments.code_eval else {}
        sandbox = Sandbox(Verify(), binds=[packages, *map(Path, more.values())])
        asked = [(case, question) for case, program in cases if (question := grader.question(case, program))]
        with Progress(len(asked), grader.name) as progress, ThreadPoolExecutor(arguments.workers) as threads:

            def judge(each: tuple[Case, dict[str, Any]]) -> str:
                case, question = each
                if case.name not in own:
                    status = ours.judge(case.task, case.completion).status
                    own[case.name] = ACCEPTED if status == "pass" else f"{REFUSED}: {status}"
                verdict = grade(sandbox, grader, packages, question, more)  # noqa: B023 - the loop waits for it
                progress.advance(1)  # noqa: B023
                return verdict

            theirs = list(threads.map(judge, asked))
        said = {case.name: verdict for (case, _), verdict in zip(asked, theirs, strict=True)}
        verdicts[grader.name] = {name: {"theirs": verdict, "ours": own[name]} for name, verdict in sorted(said.items())}
        hostile = [case.name for case, _ in asked if case.expect != ("pass",)]
        honest = [case.name for case, _ in asked if case.expect == ("pass",)]
        for name, answers in ((grader.name, said), ("ours, the same cases", own)):
            of_hostile, of_honest = ([answers[case].partition(":")[0] for case in names] for names in (hostile, honest))
            counts = Counter(of_hostile)
            rows.append(
                [name, len(hostile), counts[ACCEPTED], counts[NO_VERDICT], len(honest)]
                + [len(honest) - Counter(of_honest)[ACCEPTED]]
            )
    print_table(["grader", "hostile", "accepted", "stopped it", "right", "not accepted"], rows)
    if arguments.output:
        write_json(arguments.output, verdicts)


if __name__ == "__main__":
    main()
