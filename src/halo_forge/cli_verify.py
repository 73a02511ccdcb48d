"""`halo-forge verify …`: judge a file of samples, check a verifier against hostile answers, list the verifiers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from halo_forge.config import load_params
from halo_forge.config_verify import Msvc, Verify
from halo_forge.errors import HaloForgeError, InfrastructureError, InputError
from halo_forge.progress import Progress, print_table
from halo_forge.records import Sample, Task, Verdict, read_records, read_rows, write_records
from halo_forge.stage import digest, state_dir
from halo_forge.verify.judge import Tally, judge_samples
from halo_forge.verify.registry import VERIFIERS, get_verifier

app = typer.Typer(no_args_is_help=True, help="Judge answers: compile them, run their tests, contain what they do.")

Host = Annotated[str | None, typer.Option(help="msvc: the Windows host.")]
User = Annotated[str | None, typer.Option(help="msvc: the user there.")]
Key = Annotated[str | None, typer.Option("--ssh-key", help="msvc: the private key file.")]
Params = Annotated[Path | None, typer.Option("--params", help="Settings from the section verify of this file.")]


@app.command("run")
def run(
    tasks: Annotated[Path, typer.Option(help="Task records, JSON Lines.")],
    samples: Annotated[Path, typer.Option(help="Rows with task_id and completion, JSON Lines.")],
    output: Annotated[Path, typer.Option(help="Where the verdicts go, JSON Lines, in the order of the samples.")],
    verifier: Annotated[str, typer.Option(help="Its name, or auto: by language.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Programs judged at once.")] = None,
    params: Params = None,
    host: Host = None,
    user: User = None,
    ssh_key: Key = None,
) -> None:
    """Judge a file of samples. Ends with 0 when judging worked, whatever the verdicts; run again, it resumes."""
    settings = _settings(params, workers, host, user, ssh_key)
    known = {task.task_id: task for task in read_records(tasks, Task)}
    rows = _samples(samples, known)
    inputs = {"settings": settings, "verifier": verifier, "tasks": digest(tasks), "samples": digest(samples)}
    state, tally = state_dir("verify", inputs), Tally()
    passed = judged = 0
    with Progress(len(rows), "verifying") as progress:

        def count(verdict: Verdict) -> None:
            nonlocal passed, judged
            judged += 1
            passed += verdict.passed
            progress.advance(1, passing=f"{100 * passed / judged:.1f} %")

        wip = state / "verdicts.jsonl"
        verdicts = judge_samples(known, rows, settings, verifier=verifier, wip=wip, progress=count, tally=tally)
    write_records(output, verdicts)
    statuses = Counter(verdict.status for verdict in verdicts)
    print_table(
        ["status", "samples", "share"],
        [[status, number, f"{100 * number / len(verdicts):.1f} %"] for status, number in statuses.most_common()],
    )
    print(
        f"{tally.judged} programs judged, {tally.cached} taken from the cache, {tally.duplicates} samples were "
        f"duplicates, {tally.resumed} judged before; isolation: {', '.join(sorted({v.isolation for v in verdicts}))}"
    )
    if statuses["infra_error"]:
        raise InfrastructureError(
            f"{statuses['infra_error']} samples could not be judged (status infra_error in {output}): "
            f"{next(v.detail for v in verdicts if v.status == 'infra_error')}"
        )


@app.command("list")
def list_verifiers(params: Params = None) -> None:
    """Show every verifier and whether it works here."""
    settings = _settings(params)
    rows = []
    for name in sorted(VERIFIERS):
        try:
            verifier = get_verifier(name, settings)
            verifier.probe()
            rows.append([name, "works here", verifier.isolation])
        except HaloForgeError as error:
            rows.append([name, "no", str(error)])
    print_table(["verifier", "", "isolation, or what is missing"], rows)


def _settings(
    params: Path | None,
    workers: int | None = None,
    host: str | None = None,
    user: str | None = None,
    ssh_key: str | None = None,
) -> Verify:
    """The section verify of the params file (params.yaml if it is here), with what was given on the command line."""
    path = params or Path("params.yaml")
    settings = load_params(path).verify if params or path.exists() else Verify()
    changes: dict = {"workers": workers} if workers else {}
    given = {name: value for name, value in (("host", host), ("user", user), ("ssh_key", ssh_key)) if value}
    if given:
        before = settings.msvc.model_dump() if settings.msvc else {}
        missing = {"host", "user"} - {*before, *given}
        if missing:
            raise InputError(f"--{sorted(missing)[0]} is missing: msvc wants a host and a user")
        changes["msvc"] = Msvc(**{**before, **given})
    return settings.model_copy(update=changes)


def _samples(path: Path, tasks: dict[str, Task]) -> list[Sample]:
    """Rows as Sample records; what a row does not say is filled in. Raises InputError with file and line."""
    rows, fields = [], set(Sample.model_fields)
    for line, row in read_rows(path):
        task = tasks.get(row.get("task_id"))
        if task is None:
            raise InputError(f"{path}:{line}: task_id {row.get('task_id')!r} is not among the tasks")
        if not isinstance(row.get("completion"), str):
            raise InputError(f"{path}:{line}: no completion; give the model's answer as text")
        filled = {
            "sample_id": f"{task.task_id}/{line}",
            "prompt": task.prompt,
            "model": "unknown",
            "index": line,
            "seed": 0,
            "n_tokens": 0,
            "finish_reason": "stop",
        }
        rows.append(Sample(**{**filled, **{key: value for key, value in row.items() if key in fields}}))
    if not rows:
        raise InputError(f"{path}: no samples")
    return rows
