"""Models and files on the model hub, by the hub's own client: its cache, its resumed downloads, its bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.model.licences import say_licence

ANSWER_S = 5.0
"""How long the hub may take to say whether it has a file; then another source is tried."""


def commit_of(repository: str, revision: str) -> str:
    """The commit that a branch or tag of a model names now. Raises InputError if the hub knows no such thing,
    InfrastructureError if it cannot be asked."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return HfApi().model_info(repository, revision=revision).sha
    except RepositoryNotFoundError as error:
        raise InputError(f"base_model.id: the hub has no model {repository!r} (or it is private: log in)") from error
    except RevisionNotFoundError as error:
        raise InputError(f"base_model.revision: {repository} has no revision {revision!r}") from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        raise InfrastructureError(_unreachable(repository, error)) from error


def folder_of(repository: str, commit: str, patterns: Sequence[str]) -> Path:
    """The files of a model at a commit, from the hub's cache or fetched into it."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError

    try:
        if cached(repository, commit, "config.json") is None:
            say_licence(repository, "the hub")
        return Path(snapshot_download(repository, revision=commit, allow_patterns=list(patterns)))
    except (HfHubHTTPError, HTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InfrastructureError(_unreachable(repository, error)) from error


def cached(repository: str, revision: str, file: str) -> Path | None:
    """A file of a repository in the hub's own cache, where another program may have put it."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file, revision=revision)
    return Path(found) if isinstance(found, str) else None


def download(repository: str, revision: str, file: str, target: Path) -> None:
    """Fetch a file of a repository to `target`, with a bar; what an interrupted call has fetched is gone on from.

    Raises InputError if the hub has no such file, InfrastructureError within seconds if it does not answer.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.file_download import http_get  # hf_hub_download begins anew in every process
    from huggingface_hub.utils import build_hf_headers

    url, part = hf_hub_url(repository, file, revision=revision), target.with_name(f"{target.name}.part")
    try:
        # Asked once, and briefly: the client by itself asks six times, which takes a minute.
        size = get_hf_file_metadata(url, timeout=ANSWER_S).size
        with part.open("ab") as there:
            done = there.tell()
            http_get(
                url, there, resume_size=done, headers=build_hf_headers(), expected_size=size, displayed_filename=file
            )
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise InputError(f"there is no {file} at {revision} in it") from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        raise InfrastructureError(f"not reached: {_reason(error)}") from error
    part.replace(target)


def _unreachable(repository: str, error: Exception) -> str:
    return (
        f"base_model: the model hub cannot be reached for {repository} ({_reason(error)}); check the network, or take "
        "a preset whose model the package index has too (tiny, laptop), or provider `local`"
    )


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
