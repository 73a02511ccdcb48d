"""What MLflow is told of results: numbers under names that sort, with the cycle as their step; settings; data sets."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from halo_forge.benchmark.results import Results
from halo_forge.hashing import digest
from halo_forge.settings.params import Params

_DIGEST_CHARACTERS = 36  # MLflow's limit for the digest of a dataset
_K = re.compile(r"(pass_at_(?:k\.)?)(\d+)")


class Measure(NamedTuple):
    key: str
    value: float | None
    step: int
    time_ms: int


class Data(NamedTuple):
    """A file that a model was trained on or judged by: MLflow's digest is the beginning of its SHA-256."""

    path: str
    context: str
    sha256: str
    rows: int

    @property
    def digest(self) -> str:
        return self.sha256[:_DIGEST_CHARACTERS]


def metric_name(key: str) -> str:
    """pass@5 -> pass_at_05: the @ is not MLflow's, and 5 is to stand before 10."""
    return _K.sub(lambda found: f"{found[1]}{found[2].zfill(2)}", key.replace("@", "_at_"))


def _section(key: str) -> str:
    """Under which heading MLflow draws a number of the ladder; the rates stand alone, so that they are seen at once."""
    if key.endswith(("_low", "_high")):
        return "ladder_intervals"
    return "ladder" if key.startswith("pass@") or key == "compile_rate" else "ladder_counts"


def ladder_measures(results: Results, rows: list[dict[str, Any]]) -> list[Measure]:
    """The ladder and the public sets as curves over cycles (-1 is base, 0 is SFT): of the execution's run."""
    found = []
    for row in rows:
        time_ms = written_ms([results.root / "results" / "benchmark" / f"{row['model']}.json"])
        numbers = {key: value for key, value in row.items() if key not in ("cycle", "model")}
        found += [
            Measure(f"{_section(key)}/{metric_name(key)}", value, row["cycle"], time_ms)
            for key, value in numbers.items()
        ]
    for name, cards in results.sets.items():
        for called, card in cards.items():
            model = results.chosen["model"] if called == "best" and results.chosen else called
            if called == "best" and (model == "best" or model in cards):
                continue  # nobody has said which it is, or it has a row already
            time_ms = written_ms([set_file(results, name, called)])
            value, depth = card["pass_at_k"]["1"], results.params.depth(model)
            found.append(Measure(f"sets/{name}.{metric_name('pass@1')}", value, depth, time_ms))
    return found


def model_measures(results: Results, model: str) -> list[Measure]:
    """All that was counted of a model, but its training curve."""
    depth, root = results.depth(model), results.root
    training = {key: value for key, value in results.training.get(model, {}).items() if key != "loss"}
    found = numbers("benchmark", results.card(model), depth, root / f"results/benchmark/{model}.json")
    found += numbers("entropy", results.entropy.get(model), depth, root / f"results/entropy/{model}.json")
    found += numbers("raft", results.raft.get(model), depth, root / f"results/raft/{model}.json")
    found += numbers("train", training, depth, root / f"data/train/{model}.json")
    for (name, called), card in on_sets(results, model).items():
        found += numbers(f"sets/{name}", card, depth, set_file(results, name, called))
    return found


def training_curve(results: Results, model: str) -> list[Measure]:
    training = results.training.get(model)
    time_ms = written_ms([results.root / f"data/train/{model}.json"])
    return [
        Measure(name, row[name], row["step"], time_ms)
        for row in (training or {"loss": ()})["loss"]
        for name in ("loss", "learning_rate", "grad_norm")
        if name in row
    ]


def on_sets(results: Results, model: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(public set, what it calls the model) -> result: `best` is the model that was chosen, which may be sft too."""
    names = {model, "best"} if results.chosen and results.chosen["model"] == model else {model}
    return {
        (name, called): card
        for name, cards in results.sets.items()
        for called, card in cards.items()
        if called in names and (called == model or model not in cards)
    }


def set_file(results: Results, name: str, called: str) -> Path:
    return results.root / "results" / "benchmark" / name / f"{called}.json"


def data_of(results: Results, model: str) -> list[Data]:
    """The files that a model was trained on and judged by, those that are there: `results` names what is missing."""
    used = {"data/split/benchmark.jsonl": "evaluation"}
    used |= {f"data/sets/{name}.jsonl": "evaluation" for name, _ in on_sets(results, model)}
    if model == "sft":
        used["data/split/sft.jsonl"] = "training"
    elif model in results.params.controls:
        again = results.params.controls[model].rows == "references"
        used["data/split/sft.jsonl" if again else "data/split/raft.jsonl"] = "training" if again else "prompts"
    elif model != "base":
        used |= {"data/split/raft.jsonl": "prompts", f"data/raft/{model}/kept.jsonl": "training"}
    found = []
    for path, context in used.items():
        if (results.root / path).exists():
            with (results.root / path).open("rb") as file:
                rows = sum(1 for _ in file)
            found.append(Data(path, context, digest(results.root / path), rows))
    return found


def settings_of(params: Params, model: str) -> dict[str, Any]:
    """The settings that made and judged `model`."""
    every = params.model_dump(mode="json", by_alias=True)
    chosen = {key: every[key] for key in ("seed", "preset", "base_model", "generate", "verify", "benchmark")}
    if model == "sft":
        chosen["sft"] = every["sft"]
    elif model != "base":
        chosen["raft"] = {key: value for key, value in every["raft"].items() if key != "cycles"}
        if model in params.controls:
            chosen["control"] = every["controls"][model]
        else:
            chosen["cycle"] = every["raft"]["cycles"][model]
    return flat(chosen)


def numbers(prefix: str, values: dict[str, Any] | None, step: int, file: Path) -> list[Measure]:
    """The numbers of a result; per-task rows stay in the artifact."""
    found = flat({key: value for key, value in (values or {}).items() if key not in ("per_task", "provenance", "seed")})
    time_ms = written_ms([file])
    return [
        Measure(f"{prefix}/{metric_name(key)}", value, step, time_ms)
        for key, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; lists as JSON, except a pair of numbers, an interval: .low and .high."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found |= flat(value, f"{name}.")
        elif isinstance(value, list) and len(value) == 2 and all(isinstance(end, float) for end in value):
            found |= {f"{name}.low": value[0], f"{name}.high": value[1]}
        else:
            found[name] = json.dumps(value) if isinstance(value, list) else value
    return found


def written_ms(files: Iterable[Path]) -> int:
    """When files were written, in milliseconds: the time of metrics, so that logging twice adds no second point."""
    return int(max((path.stat().st_mtime for path in files if path.exists()), default=time.time()) * 1000)
