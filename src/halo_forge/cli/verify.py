"""`halo-forge verify …`: judge a file of samples, check a verifier against hostile answers, list the verifiers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from halo_forge.cli.audit import audit_tasks
from halo_forge.cli.bridge import verify_settings
from halo_forge.cli.options import Host, Key, Strict, User
from halo_forge.cli.samples import Mapping, SamplesFile, TasksFile, VerifyParams, Workers, read_answers
from halo_forge.errors import HaloForgeError, InfrastructureError, InputError
from halo_forge.hashing import digest
from halo_forge.jsonl import write_records
from halo_forge.progress import Progress, print_table
from halo_forge.settings.verify import SSH_PORT
from halo_forge.settings.verify import Host as SshHost
from halo_forge.state import state_dir
from halo_forge.verify.judge import Tally
from halo_forge.verify.programs import refusal, refused
from halo_forge.verify.registry import VERIFIERS, get_verifier
from halo_forge.verify.run import judge_with_progress
from halo_forge.verify.selfcheck.cases import load_cases
from halo_forge.verify.selfcheck.check import SKIPPED, failures, limited, run_selfcheck, run_stress, skipped

app = typer.Typer(no_args_is_help=True)


@app.command("run")
def run(
    tasks: TasksFile,
    samples: SamplesFile,
    output: Annotated[Path, typer.Option(help="Where the verdicts go, JSON Lines, in the order of the samples.")],
    verifier: Annotated[str, typer.Option(help="Its name, or auto: by language.")] = "auto",
    workers: Workers = None,
    mapping: Mapping = None,
    strict: Strict = False,
    params: VerifyParams = None,
    host: Host = None,
    user: User = None,
    ssh_key: Key = None,
) -> None:
    """Judge a file of samples. Ends with 0 when judging worked, whatever the verdicts; run again, it resumes.

    Tasks whose tests no verifier can run are named, their samples get the status infra_error, and it ends with 2.
    """
    settings = verify_settings(params=params, workers=workers, host=host, user=user, ssh_key=ssh_key)
    given = read_answers(tasks, samples, verifier, mapping, strict)
    inputs = {"settings": settings, "verifier": verifier, "tasks": digest(tasks), "samples": digest(samples)}
    inputs |= {"mapping": given.mapping} if given.mapping else {}
    wip, tally = state_dir("verify", inputs) / "verdicts.jsonl", Tally()
    known, rows = given.tasks, given.samples
    asked = {row.task_id for row in rows}
    broken = refused((task for task in known.values() if task.task_id in asked), settings, verifier)
    usable = [row for row in rows if row.task_id not in broken]
    if broken and (strict or not usable):
        raise InputError(next(iter(broken.values())))
    judged = judge_with_progress(known, usable, settings, verifier, wip, "verifying", tally)
    unjudged = [refusal(row, broken[row.task_id], verifier) for row in rows if row.task_id in broken]
    verdict_of = {verdict.sample_id: verdict for verdict in [*judged, *unjudged]}
    verdicts = [verdict_of[row.sample_id] for row in rows]
    write_records(output, verdicts)
    statuses = Counter(verdict.status for verdict in verdicts)
    print_table(
        ["status", "samples", "share"],
        [[status, number, f"{100 * number / len(verdicts):.1f} %"] for status, number in statuses.most_common()],
    )
    isolation = ", ".join(sorted({verdict.isolation for verdict in judged}))
    print(
        f"{tally.judged} programs judged, {tally.cached} taken from the cache, {tally.duplicates} samples were "
        f"duplicates, {tally.resumed} judged before; isolation: {isolation}"
    )
    if broken:
        raise InputError(
            f"{len(broken)} tasks cannot be judged (their {len(unjudged)} samples: status infra_error in {output}): "
            + "; ".join(list(broken.values())[:3])
        )
    if statuses["infra_error"]:
        raise InfrastructureError(
            f"{statuses['infra_error']} samples could not be judged (status infra_error in {output}): "
            f"{next(v.detail for v in verdicts if v.status == 'infra_error')}"
        )


app.command("audit")(audit_tasks)


@app.command("list")
def list_verifiers(params: VerifyParams = None) -> None:
    """Show every verifier and whether it works here."""
    settings = verify_settings(params=params)
    rows = []
    for name in sorted(VERIFIERS):
        try:
            verifier = get_verifier(name, settings)
            verifier.probe()
            rows.append([name, "works here", verifier.isolation])
        except HaloForgeError as error:
            rows.append([name, "no", str(error)])
    print_table(["verifier", "", "isolation, or what is missing"], rows)


@app.command("selfcheck")
def selfcheck(
    name: Annotated[str, typer.Argument(help="The verifier; custom is the one of verify.custom in the params file.")],
    stress: Annotated[int, typer.Option(min=0, help="Run each bomb this many times at once, beside honest ones.")] = 8,
    only: Annotated[str, typer.Option(help="Only cases whose name begins so, such as python_stdio/.")] = "",
    params: VerifyParams = None,
    host: Host = None,
    user: User = None,
    ssh_key: Key = None,
) -> None:
    """Run hostile and honest answers through a verifier. Ends with 1 if it was fooled, or refused a right answer.

    The programs attack the machine they run on; they are contained only as well as the verifier contains them.
    """
    settings = verify_settings(params=params, host=host, user=user, ssh_key=ssh_key)
    verifier = get_verifier(name, limited(settings))
    cases = [case for case in load_cases() if case.name.startswith(only)]
    if not cases:
        raise InputError(f"--only: no case begins with {only!r}")
    verifier.probe()
    try:
        with Progress(len(cases), f"{name}: cases") as progress:
            outcomes = run_selfcheck(verifier, cases, lambda outcome: progress.advance(1))
        bombs = [case for case in cases if case.bomb] if stress else []
        outcomes += run_stress(verifier, bombs, at_once=stress) if bombs else []
    finally:
        getattr(verifier, "close", lambda: None)()
    judged = [outcome for outcome in outcomes if outcome.status != SKIPPED]
    if not judged:
        raise InputError(f"{name}: takes none of the {len(cases)} cases: languages and tests of another kind")
    failed = failures(judged)
    if failed:
        print_table(["case", "what is wrong", "why it matters"], failed)
    right = sum(outcome.case.expect == ("pass",) for outcome in judged)
    print(
        f"{name} ({verifier.isolation}): {len(judged)} judgements, {right} of right answers, {len(judged) - right} of "
        f"hostile or wrong ones; {len(failed)} failed; {len(outcomes) - len(judged)} cases are not for this verifier"
    )
    for reason, number in skipped(outcomes).most_common():
        print(f"{number:6} not judged: {reason.partition(';')[0]}")
    if failed:
        raise typer.Exit(1)


@app.command("trust")
def trust_host(
    host: Annotated[str, typer.Option(help="The ssh host.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = SSH_PORT,
    fingerprint: Annotated[str | None, typer.Option(help="SHA256:… of its key; asked for if left out.")] = None,
    known_hosts: Annotated[str, typer.Option(help="The file to write it into.")] = "~/.ssh/known_hosts",
) -> None:
    """Pin the key of an ssh host. Do so once you have compared it with what the host itself says."""
    from halo_forge.verify.remote.hostkeys import HostKey, trust  # the ssh library takes a while to import

    def confirm(key: HostKey) -> bool:
        if fingerprint:
            return key.fingerprint == fingerprint.rstrip("=")
        return typer.confirm(f"{host} shows the key {key}. Is that what the host itself says?", default=False)

    key = trust(SshHost(host=host, user="-", port=port, known_hosts=known_hosts), confirm)
    print(f"{host}: {key} is trusted ({known_hosts})")
