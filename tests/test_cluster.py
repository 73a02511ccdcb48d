"""Several machines: what is said where there is no cluster, and that one with a killed node gives one machine's results."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from conftest import REPOSITORY

from halo_forge.cluster import judging, sampling, training
from halo_forge.cluster.ray import connect
from halo_forge.cluster.shared import shared_out
from halo_forge.errors import InfrastructureError
from halo_forge.settings.compute import Compute
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import Params

has_ray = importlib.util.find_spec("ray") is not None
with_ray = pytest.mark.skipif(not has_ray, reason="ray is not installed: pip install -r requirements-ray.lock")


def test_without_a_cluster_in_the_settings_this_machine_does_the_work(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # several GPUs share the work
    for ray, one_machine in ((None, True), ("auto", False)):
        compute = Compute(ray=ray)
        params = Params(seed=0, preset="", base_model=BaseModelChoice(provider="local", id=""), compute=compute)
        who = [sampling.drawers_of(params), judging.on_ray(compute), training.on_ray(compute)]
        assert [one is None for one in who] == [one_machine] * 3


@pytest.mark.parametrize(
    ("nodes", "ranks", "cpus"),
    [([8], 1, 8), ([8], 2, 4), ([8, 8], 2, 8), ([8, 3], 2, 4), ([8, 3], 3, 3), ([2], 4, 1), ([], 1, 1)],
)
def test_ranks_without_gpus_have_all_processors_between_them(nodes, ranks, cpus) -> None:
    assert training._cpus_of_a_rank(nodes, ranks) == cpus


class Cluster:
    """Ray as `shared_out` knows it, with two nodes on which every third piece raises an error."""

    class exceptions:  # noqa: N801 - Ray's own name
        RayError = RayTaskError = RuntimeError

    def __init__(self):
        self.tried = []

    def nodes(self):
        return [{"NodeID": name, "Alive": True, "Resources": {"CPU": 1.0}} for name in ("a", "b")]

    def wait(self, references, timeout):
        return references, []

    def get(self, piece):
        self.tried.append(piece)
        if piece % 3 == 0:
            raise RuntimeError(f"piece {piece} is bad")
        return piece * piece


def test_a_bad_piece_is_tried_three_times_and_costs_no_other_one(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "ray", cluster := Cluster())
    found = {}
    with pytest.raises(InfrastructureError, match="judging: 2 of 7 pieces failed in 3 tries each, the first 3: .*bad"):
        for number, result in shared_out(range(1, 8), lambda place: int, gpus=0, what="judging"):
            found[number] = result
    assert found == {piece: piece * piece for piece in (1, 2, 4, 5, 7)}
    assert [cluster.tried.count(piece) for piece in range(1, 8)] == [1, 1, 3, 1, 1, 3, 1]


def test_a_cluster_that_is_asked_for_without_ray_names_the_cure(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    with pytest.raises(
        InfrastructureError, match="compute.ray: ray is not installed: pip install -r requirements-ray.lock"
    ):
        connect("auto")


@pytest.mark.slow
@with_ray
def test_an_address_at_which_no_cluster_answers_is_named() -> None:
    with pytest.raises(InfrastructureError, match="compute.ray: 127.0.0.1:1: no Ray cluster answers"):
        connect("127.0.0.1:1")


@pytest.mark.slow
@pytest.mark.timeout(900)
@with_ray
def test_a_cluster_that_loses_a_node_in_sampling_judging_and_training_gives_the_results_of_one_machine() -> None:
    drill = [sys.executable, str(REPOSITORY / "benchmarks/drills/ray_nodes.py")]
    done = subprocess.run(drill, capture_output=True, text=True, timeout=880)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[-1].startswith("drill-ray: equal, with a node killed in each: 48 samples")
