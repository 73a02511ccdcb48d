"""`halo-forge data validate` and `halo-forge data split`: what a file holds, and how to part it without a leak."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from halo_forge.cli.data_control import print_control_tokens
from halo_forge.cli.data_prepare import column_mapping
from halo_forge.cli.options import say
from halo_forge.data import line_ends
from halo_forge.data.any_answer import lacks_checker, warning
from halo_forge.data.clean.families import joined_families
from halo_forge.data.clean.fingerprint import Fingerprint, of_file, of_row
from halo_forge.data.clean.near import near_duplicates
from halo_forge.data.clean.reading import Reading, read_all
from halo_forge.data.overlap import CHANNELS, Copy, copies
from halo_forge.data.rows import Row
from halo_forge.data.split import split_problems
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.jsonl import write_records
from halo_forge.model.base import converted_folder
from halo_forge.model.chat import Chat
from halo_forge.progress import print_table
from halo_forge.records import CheckerTests
from halo_forge.verify.checkers.form import wants_testlib

SHOWN = 20
"""Rows of a table of findings; the rest is counted."""

File = Annotated[Path, typer.Argument(help="Rows of any kind: JSONL, JSON, CSV or Parquet.", show_default=False)]
Mapping = Annotated[list[str] | None, typer.Option(help="field=column, once a field: prompt, solution, tests, …")]
Language = Annotated[str | None, typer.Option(help="Of tasks that do not say theirs: cpp, c, python, …")]
MaxCopy = Annotated[
    float, typer.Option(min=0.05, max=1.0, help="Problems that share this much of prompt, solution or tests are one.")
]


def validate(
    file: File,
    benchmark: Annotated[
        list[Path] | None, typer.Option(help="A file to measure with; give it once for each. Shows what overlaps.")
    ] = None,
    fail_on_overlap: Annotated[
        bool, typer.Option("--fail-on-overlap", help="End with 1 if a row overlaps a benchmark.")
    ] = False,
    near: Annotated[
        float, typer.Option(min=0.1, max=1.0, help="Prompts with this much in common are near duplicates.")
    ] = 0.8,
    max_copy: MaxCopy = 0.6,
    mapping: Mapping = None,
    language: Language = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of the model whose tokens are counted [default: the base model's].")
    ] = None,
    max_errors: Annotated[int, typer.Option(min=1, help="Show at most this many errors.")] = SHOWN,
) -> None:
    """Say what a file holds: errors, repetitions, overlaps.

    Ends with 0, or with 2 if the file has errors or the model's tokenizer misreads it.
    """
    reading = read_all(file, mapping=column_mapping(mapping) if mapping else None, language=language)
    rows, overlapping, misread = reading.rows, 0, 0
    print(f"{file}: {len(rows)} good rows, {len(reading.errors)} with errors")
    if rows:
        _print_kinds(rows)
        chat = _chat(model)
        _print_lengths(rows, chat)
        misread = print_control_tokens(rows, chat)
        _print_checkers(rows)
        problems = [of_row(row, row.place) for row in rows]
        _print_repetitions(rows, problems, near, max_copy)
        overlapping = _print_overlaps(problems, benchmark or [], max_copy)
    if returns := [row.place for row in rows if line_ends.has_returns(row.task)]:
        typer.echo(line_ends.warning(len(returns), returns[0]), err=True)
    _print_errors(reading, max_errors)
    if reading.errors or misread:
        raise typer.Exit(InputError.exit_code)
    if overlapping and fail_on_overlap:
        raise typer.Exit(1)


def split(
    file: File,
    output_dir: Annotated[Path, typer.Option(help="Where <side>.jsonl and split.json go.")],
    shares: Annotated[str, typer.Option(help="side=share, separated by commas, adding up to 1.")] = (
        "sft=.8,benchmark=.2"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another split.")] = 0,
    max_copy: MaxCopy = 0.6,
    mapping: Mapping = None,
    language: Language = None,
) -> None:
    """Part a file by problem. The same problem in other words is never on two sides; rows are written as they are."""
    parts = _shares(shares)
    reading = read_all(file, mapping=column_mapping(mapping) if mapping else None, language=language)
    if reading.errors:
        more = f"\n… and {len(reading.errors) - SHOWN} more errors" if len(reading.errors) > SHOWN else ""
        raise InputError("\n".join(reading.errors[:SHOWN]) + more)
    problems = [of_row(row, row.place) for row in reading.rows]
    sides, joined = split_problems(problems, parts, seed, max_copy)
    counts = Counter(sides)
    empty = [side for side in parts if not counts[side]]
    if empty:
        raise InputError(
            f"{file}: no row is drawn for {empty[0]}: {len(set(sides))} of {len(parts)} sides have all "
            f"{len(sides)} rows; give more rows, another --seed or a larger share"
        )
    families = {side: set() for side in parts}
    for problem, side in zip(problems, sides, strict=True):
        families[side].add(joined.get(problem.family, problem.family))
    for side in parts:
        own = (value for value, of in zip(reading.values, sides, strict=True) if of == side)
        write_records(output_dir / f"{side}.jsonl", own)
    report = {
        "file": file.name,
        "seed": seed,
        "shares": parts,
        "max_copy": max_copy,
        "rows": {side: counts[side] for side in parts},
        "families": {side: len(families[side]) for side in parts},
        "joined_families": joined,
    }
    write_json(output_dir / "split.json", report)
    print_table(
        ["side", "rows", "problems", "share", "file"],
        [
            [side, counts[side], len(families[side]), counts[side] / len(sides), str(output_dir / f"{side}.jsonl")]
            for side in parts
        ],
    )


def _shares(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in text.split(","):
        side, equals, share = (piece.strip() for piece in part.partition("="))
        try:
            number = float(share)
        except ValueError:
            number = 0.0
        if not equals or not side.replace("_", "").replace("-", "").isalnum() or not 0 < number <= 1 or side in found:
            raise InputError(f"--shares: {part.strip()!r}: give each side once, as side=share, such as sft=.8")
        found[side] = number
    if abs(sum(found.values()) - 1) > 1e-6:
        raise InputError(f"--shares: {text} adds up to {sum(found.values()):g}, not to 1")
    return found


def _print_kinds(rows: list[Row]) -> None:
    def kind(row: Row) -> str:
        return row.kind if row.task is None else f"task, {row.task.language}, {row.task.tests.kind} tests"

    found = Counter(kind(row) for row in rows)
    answered = Counter(kind(row) for row in rows if row.answer)
    _print_table(
        ["kind of row", "rows", "with an answer"], [[name, n, answered[name]] for name, n in found.most_common()]
    )


def _print_checkers(rows: list[Row]) -> None:
    """What judges where more than one output is right, and which rows should have it and do not."""
    checked = [row.task.tests for row in rows if row.task is not None and isinstance(row.task.tests, CheckerTests)]
    if checked:
        found = Counter((tests.language, tests.protocol, wants_testlib(tests)) for tests in checked)
        _print_table(
            ["checkers: language", "protocol", "needs", "rows"],
            [[of, asked, "testlib.h (verify.testlib)" if lib else "", n] for (of, asked, lib), n in found.items()],
        )
        print("whether they accept the expected outputs is tried when they first judge, and by the stage prepare")
    if doubtful := [row.place for row in rows if row.task is not None and lacks_checker(row.task)]:
        say(f"warning: {warning(doubtful)}")


def _print_lengths(rows: list[Row], chat: Chat | None) -> None:
    lengths = {
        "prompt, characters": [len(row.prompt) for row in rows],
        "answer, characters": [len(row.answer) for row in rows if row.answer],
    }
    if chat:
        lengths["prompt and answer, tokens"] = [
            len(chat.prompt_ids(row.prompt)) + (len(chat.answer_ids(row.answer)) if row.answer else 0) for row in rows
        ]
    _print_table(
        ["length", "shortest", "median", "95 %", "longest"],
        [
            [name, min(found), round(statistics.median(found)), sorted(found)[int(0.95 * (len(found) - 1))], max(found)]
            for name, found in lengths.items()
            if found
        ],
    )
    if not chat:
        print("tokens: no tokenizer at hand; give --model FOLDER")


def _chat(model: Path | None) -> Chat | None:
    """The tokenizer of a folder, or of the base model if it has been fetched; nothing is fetched for this."""
    if model is not None:
        return Chat.of(str(model))
    lock = Path("models/base.json")
    if not lock.exists():
        return None
    pinned = read_json(lock)
    folder = Path(pinned["id"])
    if not folder.is_dir():
        folder = converted_folder(str(pinned.get("revision")))
    return Chat.of(str(folder), pinned["system_prompt"]) if (folder / "tokenizer.json").exists() else None


def _print_repetitions(rows: list[Row], problems: list[Fingerprint], near: float, max_copy: float) -> None:
    exact = near_duplicates([f"{row.prompt}\n{row.answer or ''}" for row in rows], 1.0)
    prompts = near_duplicates([row.prompt for row in rows], near)
    joined = joined_families(problems, max_copy)
    own = {problem.family for problem in problems}
    _print_table(
        ["repetitions", "rows"],
        [
            ["prompt and answer of an earlier row", len(exact)],
            [f"prompt near that of an earlier row ({near:g})", len(prompts)],
            [f"problems, the same in other words counted once ({max_copy:g})", len(own) - len(joined)],
        ],
    )
    _print_some(["row", "repeats"], [[rows[number].place, rows[first].place] for number, first in prompts])


def _print_overlaps(problems: list[Fingerprint], benchmarks: list[Path], max_copy: float) -> int:
    """The number of rows that overlap one of the files."""
    overlapping: set[str] = set()
    for path in benchmarks:
        found = copies(problems, of_file(path), max_copy)
        best: dict[str, Copy] = {}
        for copy in found:
            if copy.name not in best or copy.share > best[copy.name].share:
                best[copy.name] = copy
        print(f"\noverlap with {path}: {len(best)} of {len(problems)} rows")
        _print_some(
            ["row", "copies", *CHANNELS],
            [[copy.name, copy.of, *(getattr(copy, channel) for channel in CHANNELS)] for copy in best.values()],
        )
        overlapping |= set(best)
    return len(overlapping)


def _print_errors(reading: Reading, most: int) -> None:
    for error in reading.errors[:most]:
        typer.echo(f"error: {error}", err=True)
    if len(reading.errors) > most:
        typer.echo(f"error: … and {len(reading.errors) - most} more", err=True)


def _print_table(headers: list[str], rows: list[list[Any]]) -> None:
    print()
    print_table(headers, rows)


def _print_some(headers: list[str], rows: list[list[Any]]) -> None:
    if rows:
        _print_table(headers, rows[:SHOWN])
    if len(rows) > SHOWN:
        print(f"… and {len(rows) - SHOWN} more")
