"""Print, for every file under src/, the stages that depend on it: `make graph`.

Made from the imports of the stage scripts, not from dvc.yaml: tests/test_graph.py compares the two.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from halo_forge.imports import PACKAGE, closure
from halo_forge.progress import print_table

ROOT = Path(__file__).resolve().parents[1]

# What stages import and do not depend on, with the reason. A folder stands for all that is in it.
NOT_DECIDING = {
    "cache.py": "where files that can be made again are kept",
    "cluster": "which machines do the work; the outputs are those of one",
    "devices.py": "which GPU a stage takes",
    "errors.py": "the names of errors",
    "files.py": "how files are written whole and JSON is read",
    "folders.py": "how a folder appears whole",
    "hashing.py": "digests in provenance and in the names of unfinished work",
    "imports.py": "what the verdict cache's key is made of; a verdict does not change by it",
    "interrupts.py": "how a stage is stopped",
    "jsonl.py": "how lines are read and written; another format is refused by every reader",
    "live": "what is seen of a stage while it runs",
    "model/licences.py": "what is said of a model's licence",
    "model/source.py": "fetches the file that has the digest in the settings, and no other",
    "model/wheels.py": "fetches the file that has the digest in the settings, and no other",
    "parts.py": "which machine does what; the outputs are those of one",
    "process.py": "how a stage begins and ends",
    "progress.py": "what is shown meanwhile",
    "provenance.py": "what is said about an output's origin: new words are for the next run",
    "records.py": "the form of records: rows of another form are refused by every reader, never misread",
    "retry.py": "when a server that fails for the moment is asked again",
    "settings": "values are params of the stages, and so are the defaults; checks change no output",
    "stage.py": "how a stage begins and ends",
    "state.py": "where unfinished work is kept",
    "toolchains.py": "what is said about what judged",
    "verify/custom.py": "no verifier that `auto` chooses",
    "verify/identity.py": "what the names of kept verdicts and of unfinished work are made of",
    "verify/remote": "no verifier that `auto` chooses",
    "verify/windows": "no verifier that `auto` chooses",
    "verify/verdict_cache.py": "keeps verdicts under a key that holds all that decides them",
}
# The same for single stages.
NOT_DECIDING_FOR = {
    "model/base.py": (
        ("sft", "train", "control", "sample", "entropy", "validate", "best", "track"),
        "fetches what models/base.json pins, and names the folder of adapters",
    ),
    "model/hub.py": (
        ("sft", "train", "control", "sample", "entropy", "validate", "best", "track"),
        "fetches what models/base.json pins",
    ),
    "model/checkpoint.py": (("track",), "no model is opened"),
    "model/gguf.py": (("validate", "best", "track"), "they take the digest of the adapter, no weights are read"),
    "benchmark": (("track",), "its numbers come from results/, which it depends on"),
    "statistics": (("track",), "its numbers come from results/, which it depends on"),
}


def scripts() -> dict[str, list[str]]:
    """Stage script -> the groups of stages that run it, in the order of dvc.yaml."""
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    found: dict[str, list[str]] = defaultdict(list)
    for name, stage in stages.items():
        found[Path(shlex.split(stage.get("do", stage)["cmd"])[1]).stem].append(name)
    return found


def decides(script: str) -> set[Path]:
    """The files under src/ that decide the output of a stage script."""
    files = {path for path in closure(ROOT / "stages" / f"{script}.py") if path.is_relative_to(PACKAGE)}
    return {path for path in files if reason(path, script) is None}


def reason(path: Path, script: str | None = None) -> str | None:
    """Why stages (or the stage `script`) that import a file do not depend on it; None if they do."""
    name = path.relative_to(PACKAGE)
    for place, why in NOT_DECIDING.items():
        if name.is_relative_to(place):
            return why
    for place, (of, why) in NOT_DECIDING_FOR.items():
        if script in of and name.is_relative_to(place):
            return why
    return None


def files() -> Iterator[Path]:
    """Every file of the package that holds something."""
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and path.suffix != ".pyc" and path.name != "__init__.py":
            yield path


def main() -> None:
    groups = scripts()
    of_script = {script: decides(script) for script in groups}
    rows = []
    for path in files():
        stages = [stage for script, own in of_script.items() if path in own for stage in groups[script]]
        rows.append([path.relative_to(ROOT).as_posix(), ", ".join(stages) or f"none: {reason(path) or 'not imported'}"])
    print_table(["file", "stages that depend on it"], rows)


if __name__ == "__main__":
    main()
