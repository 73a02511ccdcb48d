"""The stage generate_data: nothing at all while it is off; rows that prepare takes when it is on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import REPOSITORY
from llm_server import serving
from ruamel.yaml import YAML

from halo_forge.data.prepare import prepare
from halo_forge.settings.params import load_params


def run(folder, **settings):
    """The stage in `folder`, with the repository's params and `settings` in their section."""
    yaml = YAML()
    params = yaml.load((REPOSITORY / "params.yaml").read_text())
    params["generate_data"].update(settings)
    params["prepare"].update(builtin=False, languages=["python"], sources=[{"dataset": "data/generated/mine.jsonl"}])
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    shutil.copy(REPOSITORY / "presets.yaml", folder)
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    environment = kept | {"HALO_FORGE_CACHE": str(folder / "cache"), "DVC_ROOT": str(folder)}
    command = [sys.executable, str(REPOSITORY / "stages" / "generate_data.py")]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_switched_off_it_needs_nothing_and_always_writes_the_same(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert [file.name for file in (tmp_path / "data" / "generated").iterdir()] == ["report.json"]
    assert json.loads((tmp_path / "data" / "generated" / "report.json").read_text()) == {"enabled": False, "topics": []}
    assert not (tmp_path / "cache").exists()


def test_in_the_repository_it_is_off():
    assert not load_params(REPOSITORY / "params.yaml").generate_data.enabled


@pytest.mark.needs("python")
def test_switched_on_it_writes_tasks_that_prepare_takes(tmp_path):
    (tmp_path / "data/own").mkdir(parents=True)
    (tmp_path / "data/own/mine.yaml").write_text("description: Programs\ncategories: [a]\ncomplexity_levels: [easy]\n")
    with serving() as server:
        settings = {"backend": "openai-compatible", "base_url": f"{server.url}/v1", "model": "m", "count": 2}
        done = run(tmp_path, enabled=True, topics=["data/own/mine.yaml"], **settings)
    assert done.returncode == 0, done.stderr
    tasks, report = prepare(load_params(tmp_path / "params.yaml").prepare, tmp_path)
    assert len(tasks) == 2 and all(task.solution and task.tests.kind == "stdio" for task in tasks), report
    assert json.loads((tmp_path / "data" / "generated" / "report.json").read_text())["topics"][0]["kept"] == 2


def test_a_missing_key_or_a_missing_topic_ends_it_before_anything_is_paid_for(tmp_path):
    done = run(tmp_path, enabled=True, topics=["rust_async"])
    assert done.returncode == 3 and "DEEPSEEK_API_KEY is not set" in done.stderr
    done = run(tmp_path, enabled=True, topics=["rust_async", "gone"])
    assert done.returncode == 2 and "'gone': no such topic" in done.stderr
    done = run(tmp_path, enabled=True)
    assert done.returncode == 2 and "generate_data: topics: name at least one" in done.stderr
