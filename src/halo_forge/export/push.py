"""An export uploaded to the model hub, by the hub's own client."""

from __future__ import annotations

from pathlib import Path

from halo_forge.errors import InfrastructureError, InputError


def push(folder: Path, repository: str, *, private: bool) -> str:
    """Upload `folder` to `repository`, made if it is not there, as one commit; returns the commit's address.

    The hub looks at the model card before anything is uploaded. Raises InputError for a card or a name that it refuses
    and where the user is not logged in, InfrastructureError where it cannot be reached.
    """
    from huggingface_hub import HfApi, ModelCard
    from huggingface_hub.errors import HfHubHTTPError, HTTPError
    from huggingface_hub.utils import HFValidationError, LocalTokenNotFoundError

    api = HfApi()
    try:
        ModelCard.load(folder / "README.md").validate()
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Exported by halo-forge")
    except (ValueError, HFValidationError, LocalTokenNotFoundError) as error:
        raise InputError(f"--push {repository}: {_first_line(error)}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise InputError(
                f"--push {repository}: the hub does not let this user write there; run `hf auth login`, or set "
                "HF_TOKEN to a token that may write"
            ) from error
        raise InfrastructureError(f"--push {repository}: {_first_line(error)}") from error
    except (HTTPError, OSError) as error:
        raise InfrastructureError(f"--push {repository}: the hub cannot be reached: {_first_line(error)}") from error
    return done.commit_url


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
