"""Models and files on the model hub, by the hub's own client: its cache, its resumed downloads, its bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from halo_forge.errors import InfrastructureError, InputError

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
        return Path(snapshot_download(repository, revision=commit, allow_patterns=list(patterns)))
    except (HfHubHTTPError, HTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InfrastructureError(_unreachable(repository, error)) from error


def file_of(repository: str, revision: str, file: str) -> Path:
    """One file of a repository, from the hub's cache or fetched into it.

    Raises InputError if the hub has no such file, InfrastructureError within seconds if it does not answer.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    cached = try_to_load_from_cache(repository, file, revision=revision)
    if isinstance(cached, str):
        return Path(cached)
    try:
        # Asked once, and briefly: the download itself asks again and again for a minute.
        get_hf_file_metadata(hf_hub_url(repository, file, revision=revision), timeout=ANSWER_S)
        return Path(hf_hub_download(repository, file, revision=revision))
    except LocalEntryNotFoundError as error:  # an EntryNotFoundError too, but it says that the hub fell silent
        raise InfrastructureError(f"not fetched: {_reason(error)}") from error
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise InputError(f"there is no {file} at {revision} in it") from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        raise InfrastructureError(f"not reached: {_reason(error)}") from error


def _unreachable(repository: str, error: Exception) -> str:
    return (
        f"base_model: the model hub cannot be reached for {repository} ({_reason(error)}); check the network, or take "
        "a preset whose model the package index has too (embedded, laptop), or provider `local`"
    )


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
