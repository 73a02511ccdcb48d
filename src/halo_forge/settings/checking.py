"""Reading YAML and checking it against a section: errors name the file, the key, the value and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML, YAMLError

from halo_forge.errors import InputError


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML 1.2 mapping as plain dicts. Raises InputError with the line."""
    path = Path(path)
    try:
        value = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{path}{place}: not YAML: {getattr(error, 'problem', None) or error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a mapping of sections, got {type(value).__name__}")
    return value


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Deep merge of two mappings; `above` wins; lists are replaced, not joined."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def check(kind: type[BaseModel], value: dict[str, Any], where: str) -> Any:
    """Validate into `kind`; all problems in one InputError, misspelt keys with a suggestion."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            key = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                known = _keys_at(kind, problem["loc"][:-1])
                lines.append(f"{where}: {key}: unknown key {one_of(str(problem['loc'][-1]), known)}")
            elif problem["type"] == "missing":
                lines.append(f"{where}: {key}: missing; add it")
            else:
                text = problem["msg"].removeprefix("Value error, ")
                shown = "" if isinstance(problem["input"], dict) else f", got {problem['input']!r}"
                lines.append(f"{where}: {key}: {text}{shown}".replace(": : ", ": "))
        raise InputError("\n".join(lines)) from error


def _keys_at(kind: type[BaseModel], path: tuple) -> list[str]:
    """The keys a section knows, found by walking the model's fields along `path`."""
    for part in path:
        field = kind.model_fields.get(str(part)) if kind else None
        if field is None:
            continue  # the free key of a table, such as a cycle's name
        kind = _model_in(field.annotation)
    return [field.alias or name for name, field in kind.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found:
            return found
    return None


def one_of(value: str, known: Iterable[Any]) -> str:
    """What an error says after a name that is none of the known ones: the nearest of them, else all of them."""
    names = list(map(str, known))
    close = difflib.get_close_matches(value, names, n=1)
    return f"(did you mean {close[0]!r}?)" if close else f"(known: {', '.join(names) or 'none'})"
