"""params.yaml is checked at the door: every mistake fails at once and names its cure."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY
from dvc.dependency.param import read_param_file
from dvc.fs import LocalFileSystem
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps

from halo_forge.errors import InputError
from halo_forge.settings.benchmark import Benchmark
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.params import load_params
from halo_forge.settings.raft import Raft


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("params.yaml", "presets.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path / "params.yaml"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("preset", sorted(read_yaml(REPOSITORY / "presets.yaml")))
def test_every_preset_is_valid(project: Path, preset: str) -> None:
    edit(project, "preset: laptop", f"preset: {preset}")
    assert load_params(project).preset == preset


def test_a_misspelt_key_is_refused_with_the_right_one(project: Path) -> None:
    edit(project, "keep_top_percent:", "keep_top_precent:")
    with pytest.raises(InputError, match=r"raft\.keep_top_precent: unknown key \(did you mean 'keep_top_percent'\?\)"):
        load_params(project)


@pytest.mark.parametrize("preset", sorted(read_yaml(REPOSITORY / "presets.yaml")))
def test_every_preset_has_the_knobs_that_stages_read_of_it(preset: str) -> None:
    """DVC stops at a parameter that is not there."""
    read = set(re.findall(r"\$\{preset\}\.([\w.]+)", (REPOSITORY / "dvc.yaml").read_text()))
    knobs, missing = read_yaml(REPOSITORY / "presets.yaml")[preset], []
    for path in sorted(read):
        value = knobs
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            missing.append(path)
    assert len(read) > 10 and missing == []


@pytest.mark.parametrize("preset", sorted(read_yaml(REPOSITORY / "presets.yaml")))
def test_dvc_finds_the_knobs_of_every_preset(preset: str) -> None:
    """It takes a name apart at its dots."""
    asked = [f"{preset}.base_model", f"{preset}.raft.samples_per_task"]
    assert sorted(read_param_file(LocalFileSystem(), str(REPOSITORY / "presets.yaml"), asked, flatten=True)) == asked


@pytest.mark.parametrize("preset", ["laptop", "laptop-long", "qwen-7b"])
def test_dvc_sets_a_knob_in_one_preset_and_in_no_other(project: Path, preset: str) -> None:
    presets = project.with_name("presets.yaml")
    wanted = read_yaml(presets)
    wanted[preset]["raft"]["train"]["epochs"] = wanted[preset]["benchmark"]["samples_per_task"] = 77
    knobs = [f"{preset}.raft.train.epochs=77", f"{preset}.benchmark.samples_per_task=77"]
    apply_overrides(presets, get_hydra_sweeps({str(presets): knobs})[0][str(presets)])
    assert read_yaml(presets) == wanted


def test_no_preset_shares_a_mapping_with_another() -> None:
    text = (REPOSITORY / "presets.yaml").read_text()
    assert not [event.anchor for event in yaml.parse(text) if isinstance(event, yaml.AliasEvent)]


def test_a_preset_with_a_dot_in_its_name_is_refused(project: Path) -> None:
    edit(project, "preset: laptop", "preset: my-1.5b")
    edit(project.with_name("presets.yaml"), "laptop-1500m:", "my-1.5b:")
    with pytest.raises(InputError, match="presets.yaml: my-1.5b: DVC reads the dot .* call it my-1_5b"):
        load_params(project)


def test_an_unknown_preset_names_the_known_ones(project: Path) -> None:
    edit(project, "preset: laptop", "preset: qwen-7")
    with pytest.raises(InputError, match="did you mean 'qwen-7b'"):
        load_params(project)


def test_a_number_in_exponent_form_without_a_dot_is_a_number(project: Path) -> None:
    edit(project, "min_kill_rate: 0.8", "min_kill_rate: 8e-01")
    assert load_params(project).audit.min_kill_rate == 0.8


def test_a_quoted_number_is_refused(project: Path) -> None:
    edit(project, "min_kill_rate: 0.8", 'min_kill_rate: "8e-1"')
    with pytest.raises(InputError, match=r"audit\.min_kill_rate: .*number.*got '8e-1'"):
        load_params(project)


def test_a_knob_in_both_files_is_refused_because_dvc_would_miss_its_change(project: Path) -> None:
    edit(project, "raft:\n", "raft:\n  samples_per_task: 4\n")
    with pytest.raises(InputError, match=r"raft\.samples_per_task: preset 'laptop' sets this knob already"):
        load_params(project)


def test_a_knob_that_dvc_watches_in_the_presets_alone_is_refused_in_params(project: Path) -> None:
    edit(project, "raft:\n", "raft:\n  train: {save_steps: 2}\n")
    with pytest.raises(
        InputError, match=r"raft\.train\.save_steps: .*-S presets\.yaml:\+\+laptop\.raft\.train\.save_steps"
    ):
        load_params(project)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    c1: {from: sft", "    c1.5: {from: sft"),
        ("    c1: {from: sft", "    c1/a: {from: sft"),
        ("controls: {}", 'controls: {"no filter": {rows: unfiltered}}'),
        ("    humaneval: {}", "    human.eval: {}"),
    ],
)
def test_a_name_that_dvc_or_a_path_would_take_apart_is_refused(project: Path, old: str, new: str) -> None:
    edit(project, old, new)
    with pytest.raises(InputError, match="stands in paths and in stages of DVC.* take letters"):
        load_params(project)


def test_a_cycle_from_an_unknown_model_is_refused(project: Path) -> None:
    edit(project, "c2: {from: c1", "c2: {from: c9")
    with pytest.raises(InputError, match=r"raft\.cycles\.c2\.from: 'c9' is neither 'sft' nor a cycle"):
        load_params(project)


def test_cycles_that_start_from_each_other_are_refused(project: Path) -> None:
    edit(project, "c1: {from: sft", "c1: {from: c2")
    with pytest.raises(InputError, match="start from each other"):
        load_params(project)


def test_k_above_the_number_of_samples_is_refused(project: Path) -> None:
    edit(project, "k: [1, 5, 10]", "k: [1, 50]")
    with pytest.raises(InputError, match="pass@50 needs at least 50 samples a task"):
        load_params(project)


def test_k_above_the_number_of_samples_of_the_base_model_is_refused(project: Path) -> None:
    edit(project.with_name("presets.yaml"), "base_samples_per_task: 10", "base_samples_per_task: 9")
    edit(project, "preset: laptop", "preset: tiny")
    with pytest.raises(InputError, match="pass@10 needs at least 10 samples a task, base_samples_per_task is 9"):
        load_params(project)


def test_broken_yaml_names_the_line(project: Path) -> None:
    edit(project, "seed: 14", "seed: [14")
    with pytest.raises(InputError, match=r"params\.yaml:\d+: not YAML"):
        load_params(project)


def test_models_come_parents_first(project: Path) -> None:
    edit(project, "c1: {from: sft,", "hot: {from: c1, temperature: 1.2}\n    c1: {from: sft,")
    params = load_params(project)
    assert params.models() == ["base", "sft", "c1", "c2", "hot"]
    assert [params.depth(model) for model in params.models()] == [-1, 0, 1, 2, 2]


def test_a_cycle_learns_at_the_rate_of_the_preset_unless_its_line_says_another(project: Path) -> None:
    edit(project, "c2: {from: c1,", "c2: {from: c1, learning_rate: 5.0e-5,")
    params = load_params(project)
    assert params.raft.train.learning_rate != 5e-5
    assert params.cycle("c1").learning_rate == params.raft.train.learning_rate
    assert params.cycle("c2").learning_rate == 5e-5


def test_every_raft_knob_stands_in_a_file_that_dvc_watches() -> None:
    own = set(read_yaml(REPOSITORY / "params.yaml")["raft"])
    for name, preset in read_yaml(REPOSITORY / "presets.yaml").items():
        assert own | set(preset["raft"]) == set(Raft.model_fields), name


def test_every_knob_of_the_benchmark_stands_in_a_file_that_dvc_watches() -> None:
    """The stages that score name the knobs one by one, so that another public set redoes none of them."""
    own = set(read_yaml(REPOSITORY / "params.yaml")["benchmark"])
    for name, preset in read_yaml(REPOSITORY / "presets.yaml").items():
        assert own | set(preset["benchmark"]) == set(Benchmark.model_fields), name
