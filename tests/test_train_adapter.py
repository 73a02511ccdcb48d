"""The adapter folder and the curve beside it: there when whole, also in a cycle that kept nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from test_train import PAIRS, run_of

from halo_forge.train.adapter import train_adapter, unchanged
from halo_forge.train.reports import write_curve_of_no_steps


def test_a_cycle_that_kept_nothing_has_a_curve_without_points_and_the_model_it_had(tmp_path) -> None:
    start, out, curve = tmp_path / "sft", tmp_path / "c1", tmp_path / "train" / "c1.tsv"
    start.mkdir()
    (start / "adapter_model.safetensors").write_bytes(b"weights")
    out.mkdir()
    (out / "left_over").touch()
    unchanged(start, out, curve)
    assert [path.name for path in out.iterdir()] == ["adapter_model.safetensors"]
    assert curve.read_text() == "step\tloss\tlearning_rate\tgrad_norm\n"


def test_dvc_shows_a_curve_without_points(tmp_path) -> None:
    """A cycle that kept nothing must not break the plots of the others."""
    write_curve_of_no_steps(tmp_path / "c1.tsv")
    (tmp_path / "dvc.yaml").write_text("plots: [{c1.tsv: {x: step, y: loss, template: simple}}]\n")
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    shown = subprocess.run([*dvc, "plots", "show", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["data"] == {"c1.tsv": []} and "rror" not in shown.stderr


def test_an_adapter_that_could_not_be_finished_is_not_in_its_place(tiny_model, tmp_path) -> None:
    """The weights are written when it fails: on a lock that does not say which base, on a file that is gone."""
    out = tmp_path / "pipeline" / "c1"
    with pytest.raises(KeyError, match="id"):
        train_adapter(run_of(tiny_model, tmp_path), PAIRS, {"system_prompt": ""}, out, "pairs", "SFT")
    assert list(out.parent.iterdir()) == []
    start = tmp_path / "sft"
    start.mkdir()
    (start / "adapter_model.safetensors").touch()
    (start / "adapter_config.json").symlink_to("gone")
    with pytest.raises(OSError, match="gone|No such file"):
        unchanged(start, out)
    assert list(out.parent.iterdir()) == []
