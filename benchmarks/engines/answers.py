"""One engine's answers to the questions of a file, in whatever environment has that engine.

    python benchmarks/engines/answers.py JOB.json

JOB.json: {"settings": those of generate, "base", "adapter" (or null), "end", "questions", "output"}. Imports of this
project no more than an engine does: an environment made for vLLM has neither DVC nor PEFT. Exit code 3 where the engine
raises InfrastructureError.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks")]

from engines.conformance import answered  # noqa: E402
from halo_forge.errors import InfrastructureError  # noqa: E402
from halo_forge.generate.engine import open_engine  # noqa: E402
from halo_forge.generate.protocol import Completion, Request  # noqa: E402
from halo_forge.settings.generate import Generate  # noqa: E402


def main() -> int:
    job = json.loads(Path(sys.argv[1]).read_text())
    questions = {name: [Request(**one) for one in rows] for name, rows in job["questions"].items()}
    adapter = Path(job["adapter"]) if job["adapter"] else None
    try:
        engine = open_engine(Generate.model_validate(job["settings"]), Path(job["base"]), adapter, job["end"])
        print("asking", file=sys.stderr, flush=True)
        found = answered(engine, questions)
    except InfrastructureError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    Path(job["output"]).write_text(
        json.dumps({name: [asdict(one) for one in completions] for name, completions in found.items()})
    )
    return 0


def read_answers(path: Path) -> dict[str, list[Completion]]:
    return {name: [Completion(**one) for one in rows] for name, rows in json.loads(path.read_text()).items()}


if __name__ == "__main__":
    sys.exit(main())
