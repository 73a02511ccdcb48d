"""`make drill-ray-smoke`: the pipeline of `make smoke` on a Ray cluster of two nodes of this machine gives its bytes.

Both runs are `dvc repro` of every benchmark and of the choice on validation, with all that comes before, each in a tree
of its own, every program judged anew. Chunks are small, so that both nodes draw. The last line says what was equal.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ray_nodes import ROOT, Cluster, equal  # noqa: E402 - one thread here too, as it sets

from halo_forge.jsonl import read_records  # noqa: E402
from halo_forge.records import Verdict  # noqa: E402

TARGETS = ["baseline_score", "benchmark_score", "best"]
CHUNK = 4
NOT_PASSED_ON = ("PYTHONPATH", "DVC_ROOT", "DVC_STAGE", "MLFLOW_TRACKING_URI")


def tree(folder: Path) -> Path:
    """A copy of the checkout with the smallest sizes, in which nothing of other runs is taken for its own."""
    subprocess.run([str(ROOT / ".make/smoke_tree.sh"), str(folder)], check=True, env=environment())
    made = folder / "tree"
    change(made / "presets.yaml", r"\bchunk_size: \d+", f"chunk_size: {CHUNK}")
    change(made / "params.yaml", r"(?m)^verify:$", "verify:\n  cache: false")
    return made


def change(path: Path, pattern: str, line: str) -> None:
    text, number = re.subn(pattern, line, path.read_text())
    if not number:
        sys.exit(f"{path.name}: nothing in it is like {pattern}: this drill is older than the file")
    path.write_text(text)


def environment() -> dict[str, str]:
    """The programs are those of this Python, the library is the tree's own."""
    plain = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    return plain | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def run(made: Path) -> float:
    """Seconds."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "dvc", "repro", *TARGETS], cwd=made, check=True, env=environment())
    return time.monotonic() - began


def verdicts(path: Path) -> list[dict]:
    return [verdict.model_dump(exclude={"duration_s"}) for verdict in read_records(path, Verdict)]


def compared(one: Path, other: Path) -> str:
    """What was equal, in words. Ends the drill at the first file that differs."""
    said = []
    for name, read in (
        ("samples.jsonl", Path.read_bytes),
        ("verdicts.jsonl", verdicts),
        ("kept.jsonl", Path.read_bytes),
        ("adapter_model.safetensors", Path.read_bytes),
        ("best.json", Path.read_bytes),
    ):
        paths = sorted(path.relative_to(one) for path in one.glob(f"[dm]*/**/{name}"))
        for path in paths:
            equal(str(path), read(one / path), read(other / path))
        rows = sum((one / path).read_bytes().count(b"\n") for path in paths)
        if not paths or (name.endswith(".jsonl") and not rows):
            sys.exit(f"{name}: nothing was written, so nothing was compared")
        said.append(f"{len(paths)} {name}" + (f" with {rows} rows" if name.endswith(".jsonl") else ""))
    return ", ".join(said)


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.environ["RAY_TMPDIR"] = name
        one, both = (tree(Path(name) / kind) for kind in ("one", "ray"))
        alone = run(one)
        cluster = Cluster()
        try:
            cluster.complete()
            change(both / "params.yaml", r"(?m)^compute: \{\}", f"compute: {{ray: {cluster.address!r}}}")
            together = run(both)
        finally:
            cluster.end()
        said = compared(one, both)
    print(
        f"drill-ray-smoke: equal on two nodes (verdicts but for their measured seconds): {said}; "
        f"{alone:.0f} s alone, {together:.0f} s over Ray"
    )


if __name__ == "__main__":
    main()
