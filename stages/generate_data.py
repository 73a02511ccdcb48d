"""Have a language model write tasks on the topics of the params; off by default.

Reads  data/topics/*.yaml, and the key from the environment
Writes data/generated/<topic>.jsonl, data/generated/report.json
Params generate_data, verify

Switched off it writes a report that says so and needs no key, no network and no time. To use what it wrote, name the
files in prepare.sources, such as {dataset: data/generated/rust_async.jsonl}.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import Params, load_params
from halo_forge.records import write_json
from halo_forge.stage import stage

FOLDER = Path("data/generated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()
    params = load_params(options.params)

    reports = generate(params) if params.generate_data.enabled else []
    write_json(FOLDER / "report.json", {"enabled": params.generate_data.enabled, "topics": reports})
    if not params.generate_data.enabled:
        print("generate_data.enabled is false: nothing to do")


def generate(params: Params) -> list[dict]:
    """One file a topic. Raises InputError, or InfrastructureError for a missing key or an unreachable server."""
    from halo_forge.data.llm_generate import generate_file, load_topic

    reports = []
    specs = [load_topic(name) for name in params.generate_data.topics]  # all read before the first is paid for
    for spec in specs:
        path = FOLDER / f"{spec.name}.jsonl"
        report = generate_file(spec, params.generate_data, params.verify, path)
        reports.append(report.as_json())
        print(report)
        if all(source.dataset != path.as_posix() for source in params.prepare.sources):
            print(f"{path} is not in prepare.sources, so no model is trained on it")
    return reports


if __name__ == "__main__":
    sys.exit(stage(main))
