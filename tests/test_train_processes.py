"""Processes that train together: the batches, losses and weights of one; a lost one is named."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from conftest import REPOSITORY
from test_train import PAIRS, rows_of, run_of

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.settings.compute import Compute
from halo_forge.settings.training import Training
from halo_forge.train.launch import train_in_processes
from halo_forge.train.lora import train
from halo_forge.train.order import TogetherByPrompt
from halo_forge.train.packing import collate
from halo_forge.train.processes import processes_of
from halo_forge.train.shares import Shares, micro_batch_of


def batches(rows: int, batch: int, micro_batch: int, ranks: int) -> list[list[list[int]]]:
    """Of each rank its micro-batches, in one order of the rows."""
    shares = []
    for rank in range(ranks):
        torch.manual_seed(5)
        own = Shares(TogetherByPrompt([row // 2 for row in range(rows)]), batch, micro_batch, rank, ranks)
        shares.append(list(own))
        assert len(own) == len(shares[-1])
    return shares


@pytest.mark.parametrize("rows", [1, 3, 8, 9, 12, 13, 24])
@pytest.mark.parametrize(("batch", "micro_batch"), [(4, 2), (8, 8), (12, 3)])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_every_step_has_the_rows_of_one_process_each_once_and_every_rank_as_many_micro_batches(
    rows, batch, micro_batch, ranks
) -> None:
    micro_batch = micro_batch_of(batch, micro_batch, ranks)
    ((order,),) = batches(rows, rows, rows, 1)
    shares = batches(rows, batch, micro_batch, ranks)
    assert len({len(share) for share in shares}) == 1
    a_step = batch // ranks // micro_batch
    for step, start in enumerate(range(0, rows, batch)):
        of_step = [share[step * a_step : (step + 1) * a_step] for share in shares]
        assert [row for share in of_step for part in share for row in part] == order[start : start + batch]
    assert max(len(part) for share in shares for part in share) <= micro_batch


@pytest.mark.parametrize(
    ("batch", "given", "ranks", "taken"), [(8, 8, 2, 4), (12, 4, 2, 3), (8, 3, 1, 2), (8, 1, 8, 1)]
)
def test_a_process_takes_no_more_rows_at_a_time_than_memory_holds(batch, given, ranks, taken) -> None:
    assert micro_batch_of(batch, given, ranks) == taken


def test_a_process_without_rows_of_a_batch_adds_nothing_to_the_gradient(tiny_model) -> None:
    from halo_forge.train.lora import _model
    from halo_forge.train.loss import answer_loss

    model = _model(run_of(tiny_model, tiny_model))
    loss = answer_loss(model, collate([]))
    loss.backward()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    assert loss.item() == 0 and trained and all(weight.grad is not None for weight in trained)
    assert all(weight.grad.abs().max() == 0 for weight in trained)


@pytest.mark.parametrize(("gpus", "batch", "processes"), [(0, 8, 1), (1, 8, 1), (2, 8, 2), (6, 8, 4), (4, 6, 3)])
def test_by_default_as_many_processes_as_gpus_that_a_batch_can_be_dealt_to(gpus, batch, processes, capsys) -> None:
    assert processes_of(Compute(), batch, gpus) == processes
    assert (f"training on {processes} of {gpus} visible GPUs" in capsys.readouterr().err) == (processes < max(gpus, 1))


@pytest.mark.parametrize(
    ("asked", "gpus", "words"),
    [
        (3, 0, "compute.processes: 3: batch_size 8 is no multiple of it; set it to 2, or batch_size to 9"),
        (4, 2, "compute.processes: 4: only 2 GPUs are visible here, .* set it to 2, or leave it out"),
    ],
)
def test_a_number_of_processes_that_cannot_be_is_refused_with_the_cure(asked, gpus, words) -> None:
    with pytest.raises(InputError, match=words):
        processes_of(Compute(processes=asked), 8, gpus)


@pytest.mark.slow
def test_two_ranks_train_as_one_process_and_a_run_with_a_killed_rank_ends_as_a_whole_one() -> None:
    drill = [sys.executable, str(REPOSITORY / "benchmarks/drills/ddp.py")]
    done = subprocess.run(drill, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=290)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("drill-ddp: equal: 40 losses"), done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{"gradient_checkpointing": True}, {"micro_batch_size": 4}], ids=str)
def test_what_changes_the_loss_or_how_it_is_computed_does_so_alike_in_two_ranks(
    tiny_model, tiny_chat, tmp_path, fields
) -> None:
    settings = Training(**{"epochs": 1, "batch_size": 4, "micro_batch_size": 2} | fields)
    losses = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        run = run_of(tiny_model, folder, settings=settings)
        given = (run, rows_of(tiny_chat), tiny_chat, folder / "out")
        summary = train(*given) if processes == 1 else train_in_processes(2, *given)
        losses.append([entry["loss"] for entry in summary["loss"]])
    assert len(PAIRS) == 12 and losses[1] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.slow
def test_what_stops_training_in_a_rank_is_the_error_of_the_run(tiny_model, tiny_chat, tmp_path) -> None:
    run = run_of(tiny_model, tmp_path, learning_rate=1e30)
    with pytest.raises(InfrastructureError, match="the loss is nan at step 2"):
        train_in_processes(2, run, rows_of(tiny_chat), tiny_chat, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_files_for_accelerate_are_ones_that_it_reads() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    files = list((REPOSITORY / "configs/accelerate").glob("*.yaml"))
    assert files
    for file in files:
        assert load_config_from_file(str(file)).distributed_type == "FSDP"
