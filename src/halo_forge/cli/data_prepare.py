"""`halo-forge data prepare`: a public set, a repository on the hub or a file, written as rows to train on."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from halo_forge.cli.bridge import verify_settings
from halo_forge.cli.data_control import names_in
from halo_forge.cli.data_references import with_right_references
from halo_forge.cli.options import Strict, say, say_left_out
from halo_forge.data import line_ends
from halo_forge.data.any_answer import warning
from halo_forge.data.builtin import BUILTIN
from halo_forge.data.public.load import Loaded, load
from halo_forge.data.public.registry import registry
from halo_forge.data.rows import Row
from halo_forge.data.templates import TEMPLATES, render
from halo_forge.errors import InputError
from halo_forge.jsonl import write_records
from halo_forge.model.chat import Chat
from halo_forge.progress import Progress, print_table
from halo_forge.settings.checking import check
from halo_forge.settings.data import DataSource

Format = Literal["text", "messages", "task"]


def prepare(
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="A name of --list, owner/name on the hub, or a file.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the rows go [default: data/<name>.jsonl].")
    ] = None,
    template: Annotated[
        str, typer.Option(help=f"How `text` is rendered: {', '.join(TEMPLATES)} (the tokenizer's own).")
    ] = "qwen",
    show: Annotated[bool, typer.Option("--list", help="Show the known data sets and end.")] = False,
    split: Annotated[str | None, typer.Option(help="The part of the set to take [default: as listed].")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take at most this many rows.")] = None,
    language: Annotated[str | None, typer.Option(help="Of rows that do not say theirs: cpp, c, python, …")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option(help="field=column, once a field: prompt, solution, tests, …")
    ] = None,
    local: Annotated[
        list[str] | None, typer.Option("--from", help="A copy of a listed set's file, read instead of the hub.")
    ] = None,
    system_prompt: Annotated[str | None, typer.Option(help="Another system turn; empty for none.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="For --template model: the model's folder [default: models/base.json's].")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="text (with messages and tests beside it), messages, or bare tasks.")
    ] = "text",
    newlines: Annotated[
        Literal["keep", "lf"], typer.Option(help="lf: make CRLF and CR in tests' inputs and outputs LF.")
    ] = "keep",
    allow_evaluation_only: Annotated[
        bool, typer.Option("--allow-evaluation-only", help="Take a set that is published to measure with.")
    ] = False,
    strict: Strict = False,
    check_references: Annotated[
        bool, typer.Option(help="Leave out rows whose reference solution fails their own tests.")
    ] = True,
) -> None:
    """Fetch a data set and write it as JSON Lines. Rows that cannot be used are counted by reason."""
    if show:
        _print_sets()
        return
    if dataset is None:
        raise InputError("--dataset is missing: name a data set of --list, owner/name on the hub, or a file")
    if template not in TEMPLATES:
        raise InputError(f"--template {template!r} is not known (known: {', '.join(TEMPLATES)})")
    wanted = check(
        DataSource,
        {
            "dataset": dataset,
            "split": split,
            "limit": limit,
            "language": language,
            "mapping": column_mapping(mapping or []),
            "local": local or [],
            "newlines": newlines,
            "allow_evaluation_only": allow_evaluation_only,
        },
        "data prepare",
    )
    output = output or Path("data") / f"{Path(dataset).stem}.jsonl"
    chat = _chat(model) if template == "model" and form == "text" else None
    loaded = load(wanted, training=form != "task", strict=strict)
    returns: list[str] = []
    loaded.rows = _noting_returns(loaded.rows, returns)
    rows = with_right_references(loaded, verify_settings()) if check_references else iter(loaded)
    written = write_rows(loaded, output, _objects(rows, loaded, form, template, chat, system_prompt), limit)
    say_left_out(loaded.unreadable)
    _print_counts(loaded, written, output)
    if loaded.doubtful:
        say(f"warning: {warning(loaded.doubtful)}")
    if returns:
        typer.echo(line_ends.warning(len(returns), returns[0]), err=True)


def _noting_returns(rows: Iterator[Row], returns: list[str]) -> Iterator[Row]:
    for row in rows:
        if line_ends.has_returns(row.task):
            returns.append(row.place)
        yield row


def write_rows(loaded: Loaded, output: Path, objects: Iterator[dict[str, Any]], limit: int | None = None) -> int:
    """Write objects as JSON Lines, whole or not at all, and count them. Raises InputError if there are none."""
    first = next(objects, None)  # before the bar is drawn: a set of two tables draws one of its own until then
    if first is None:
        reasons = ", ".join(f"{number} {reason}" for reason, number in loaded.reasons.items()) or "it is empty"
        raise InputError(f"{output}: no rows to write: {reasons}")
    with Progress(limit, f"preparing {output.name}") as progress:

        def shown() -> Iterator[dict[str, Any]]:
            for value in itertools.chain([first], objects):
                yield value
                progress.advance(1, rejected=sum(loaded.reasons.values()))

        return write_records(output, shown())


def _as_object(row: Row, form: Format, text: str, source: dict[str, Any]) -> dict[str, Any]:
    """A row as it is written: `text` and `messages` for those who train, the task's fields for those who test."""
    task = row.task.model_dump(mode="json", exclude_none=True) if row.task else {}
    if form == "task":
        return task
    task_id = task.pop("task_id", f"{row.path}/{row.line}")
    value: dict[str, Any] = {"text": text} if form == "text" else {}
    value |= {"task_id": task_id, "messages": list(row.messages)}
    return value | (task or {"source": source})


def _objects(
    rows: Iterator[Row], loaded: Loaded, form: Format, template: str, chat: Chat | None, system: str | None
) -> Iterator[dict[str, Any]]:
    named = 0
    for row in rows:
        if form == "task" and row.task is None:
            loaded.rejected["no tests, so no task"] += 1
            continue
        if system is not None:
            turns = [turn for turn in row.messages if turn["role"] != "system"]
            first = [{"role": "system", "content": system}] if system else []
            row = dataclasses.replace(row, messages=(*first, *turns))
        text = render(row.messages, template, chat) if form == "text" else ""
        named += bool(text and names_in(row))
        yield _as_object(row, form, text, loaded.source.model_dump(exclude_none=True))
    if named:
        say(
            f"warning: rows whose text names control tokens, such as <|im_end|>: {named}; a program that tokenises "
            "their `text` reads it as the token; train on their `messages`, as this program does"
        )


def column_mapping(pairs: list[str]) -> dict[str, str]:
    """field -> column, from `field=column` as flags give them. Raises InputError."""
    found = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not equals or not field or not column:
            raise InputError(f"--mapping {pair!r}: give field=column, such as prompt=instruction")
        found[field.strip()] = column.strip()
    return found


def _chat(model: Path | None) -> Chat:
    if model:
        return Chat.of(str(model))
    from halo_forge.model.base import load_lock

    lock, folder = load_lock()
    return Chat.of(str(folder), lock["system_prompt"])


def _print_sets() -> None:
    rows: list[list[Any]] = [[BUILTIN, "cpp, python", None, "input and output", "yes", "", "Apache-2.0", _BUILTIN]]
    for entry in registry().values():
        limits = "only" if entry.evaluation_only else ", ".join(entry.evaluation_splits)
        solutions = "yes" if entry.solutions else "no"
        rows.append(
            [entry.name, entry.language, entry.rows, entry.tests, solutions, limits, entry.license, entry.title]
        )
    print_table(["name", "language", "rows", "tests", "solutions", "evaluation", "license", ""], rows)
    print(
        "\nAlso: --dataset owner/name of the hub, or a JSONL, JSON, CSV or Parquet file, with --mapping field=column."
    )


_BUILTIN = "Small problems that come with this program; needs no network"


def _print_counts(loaded: Loaded, written: int, output: Path) -> None:
    origin = loaded.source
    revision = origin.revision or ""
    if len(revision) == 40:  # a commit
        revision = revision[:12]
    revision = f" at {revision}" if revision else ""
    rejected = sum(loaded.reasons.values())
    print(f"{output}: {written} rows of {origin.dataset}{revision}, {rejected} left out")
    if rejected:
        print_table(["left out", "rows"], [[reason, number] for reason, number in loaded.reasons.most_common()])
