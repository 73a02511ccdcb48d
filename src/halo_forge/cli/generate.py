"""`halo-forge generate`: a prompt in, an answer out, compiled and tested there if that is wanted."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halo_forge.cli.options import say
from halo_forge.errors import InputError

if TYPE_CHECKING:
    from halo_forge.verify.core.protocol import Judgement

BEST = Path("models/pipeline/best")


def generate(
    prompt: Annotated[str | None, typer.Argument(help="What the user says. [default: what comes on stdin]")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help=f"A model folder, a GGUF file, a hub id or a wheel. [default: {BEST}, where it is]"
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="0 for the likeliest answer. [default: the benchmark's]")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=0, help="0 for all tokens. [default: generate.top_k]")] = None,
    top_p: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="[default: generate.top_p]")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="[default: the benchmark's]")] = None,
    system: Annotated[str | None, typer.Option(help="A system turn before the prompt.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    verify: Annotated[bool, typer.Option("--verify", help="Compile the answer and run it in the sandbox.")] = False,
    language: Annotated[str, typer.Option(help="Of the answer: cpp, c, python, rust, go.")] = "cpp",
    stdin: Annotated[list[str] | None, typer.Option(help="Input of a test; once for each --expect.")] = None,
    expect: Annotated[list[str] | None, typer.Option(help="The output that it must give.")] = None,
) -> None:
    """Draw one answer and show it as it comes. With --verify it ends with 1 if the answer does not pass."""
    from halo_forge.export.sampling import sampling_of
    from halo_forge.model.reference import find_checkpoint
    from halo_forge.runs.answer import stream_answer

    said, cases = _prompt(prompt), _cases(stdin or [], expect or [])
    asked = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "max_new_tokens": max_new_tokens}
    given = {name: value for name, value in asked.items() if value is not None}
    sampling = dataclasses.replace(sampling_of(None), **given)
    judge = _judge(said, language, cases) if verify or cases else None  # before minutes of drawing
    turns = [{"role": "system", "content": system}] if system else []
    checkpoint = find_checkpoint(model or _best())
    answer = stream_answer(checkpoint, [*turns, {"role": "user", "content": said}], sampling, seed, sys.stdout)
    if not answer.ended:
        say(f"cut at {answer.n_tokens} tokens; --max-new-tokens allows more")
    if judge and not _passes(judge(answer.text), len(cases)):
        raise typer.Exit(1)


def _judge(prompt: str, language: str, cases: list[tuple[str, str]]) -> Callable[[str], Judgement]:
    from halo_forge.cli.bridge import verify_settings
    from halo_forge.runs.answer import judge_of_answers

    return judge_of_answers(prompt, language, cases, verify_settings())


def _passes(judged: Judgement, cases: int) -> bool:
    tests = f", {judged.tests_passed} of {judged.tests_total} tests" if cases else ""
    say(f"{judged.status}{tests}")
    if judged.detail and judged.status != "pass":
        say(judged.detail)
    return judged.status == "pass"


def _best() -> str:
    if not BEST.exists():
        raise InputError(f"--model is missing, and {BEST} is not there: name a model, or run `make repro`")
    return str(BEST)


def _prompt(given: str | None) -> str:
    said = sys.stdin.read() if given is None and not sys.stdin.isatty() else given or ""
    if not said.strip():
        raise InputError('no prompt: write it behind the options, "in quotes", or give it on stdin')
    return said


def _cases(stdin: list[str], expect: list[str]) -> list[tuple[str, str]]:
    if len(stdin) != len(expect):
        raise InputError(
            f"--stdin is given {len(stdin)} times and --expect {len(expect)} times: each input needs its output; "
            'for none write --stdin ""'
        )
    return [
        (given if given.endswith("\n") or not given else given + "\n", wanted)
        for given, wanted in zip(stdin, expect, strict=True)
    ]
