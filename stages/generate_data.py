"""Have a language model write tasks on the topics of the params; off by default.

Reads  data/topics/*.yaml, and the key from the environment
Writes data/generated/<topic>.jsonl, data/generated/report.json
Params generate_data, verify

Switched off it writes a report that says so and needs no key, no network and no time. To use what it wrote, name the
files in prepare.sources, such as {dataset: data/generated/rust_async.jsonl}.
"""

from __future__ import annotations

from pathlib import Path

from begin import stage

from halo_forge.files import write_json
from halo_forge.settings.params import Params
from halo_forge.settings.watched import watched

FOLDER = Path("data/generated")


def main(params: Params) -> None:
    reports = generate(params) if params.generate_data.enabled else []
    write_json(FOLDER / "report.json", {"enabled": params.generate_data.enabled, "topics": reports})
    if not params.generate_data.enabled:
        print("generate_data.enabled is false: nothing to do")


def generate(params: Params) -> list[dict]:
    """One file a topic. Raises InputError, or InfrastructureError for a missing key or an unreachable server."""
    from halo_forge.data.llm.topics import is_topic_file
    from halo_forge.data.llm_generate import generate_file, load_topic

    reports = []
    names = params.generate_data.topics
    for name in names:
        if is_topic_file(name):
            watched("generate_data.topics", name, Path("data/topics"))
    specs = [load_topic(name) for name in names]  # all read before the first is paid for
    for spec in specs:
        path = FOLDER / f"{spec.name}.jsonl"
        report = generate_file(spec, params.generate_data, params.verify, path)
        reports.append(report.as_json())
        print(report)
        if all(source.dataset != path.as_posix() for source in params.prepare.sources):
            print(f"{path} is not in prepare.sources, so no model is trained on it")
    return reports


if __name__ == "__main__":
    stage(main)
