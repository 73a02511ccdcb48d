"""From the words of the command line to the settings of the library.

The guides' YAML files (`files`) and the flags have a vocabulary of their own; below cli/ nobody knows it. Here it is
translated, and here alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from halo_forge.cli.files import RaftFile, SftFile, Verifier
from halo_forge.cli.options import say
from halo_forge.data.rows import Row
from halo_forge.errors import InputError
from halo_forge.generate.engine import has_gpu
from halo_forge.model.base import pinned
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.model.dtype import computes_bfloat16, training_dtype
from halo_forge.runs.finetune import Finetuning, Sides, split_rows, with_system_turn
from halo_forge.settings.benchmark import USUAL_K, Benchmark
from halo_forge.settings.checking import check, merge
from halo_forge.settings.generate import Generate
from halo_forge.settings.params import Params, load_section
from halo_forge.settings.raft import Cycle, Raft
from halo_forge.settings.training import Training
from halo_forge.settings.verify import Verify
from halo_forge.train.lora import HeldOut, steps_of

EVAL_STEPS, SAVE_STEPS = 250, 500


def verify_settings(
    own: Verifier | None = None,
    *,
    params: Path | None = None,
    workers: int | None = None,
    host: str | None = None,
    user: str | None = None,
    ssh_key: str | None = None,
) -> Verify:
    """What every command that judges judges by: the section verify of `params`, or of params.yaml if one is here, the
    section `own` of a config file over it, flags over all.

    Raises InputError, naming file and key, for a section that is wrong, and when msvc is given in part.
    """
    above = own.model_dump(exclude_unset=True) if own else {}
    above.pop("type", None)
    remote = {name: above.pop(name, None) for name in ("host", "user", "ssh_key")}
    flags = {"host": host, "user": user, "ssh_key": ssh_key}
    remote = {name: flags[name] or value for name, value in remote.items() if flags[name] or value}
    values = merge(load_section("verify", params).model_dump(exclude_unset=True), above)
    if workers is not None:
        values["workers"] = workers
    if remote:
        values["msvc"] = merge(values.get("msvc") or {}, remote)
        for name in ("host", "user"):
            if not values["msvc"].get(name):
                raise InputError(f"--{name} is missing: the verifier msvc wants a host and a user there")
    return check(Verify, values, "verifier")


def finetuning(settings: SftFile, model: Checkpoint, rows: Sequence[Row], data: Path) -> Finetuning:
    """What an SFT file amounts to for `rows`, those of the file `data`. Raises InputError if none has an answer."""
    own = settings.training
    sides = split_rows(rows, settings.data.validation_split, own.seed)
    if not sides.training:
        raise InputError(f"{data}: none of {len(rows)} rows has an answer to train on")
    training, held_out = _training(settings, sides)
    # What decides the result, by the names it was given: folders made before are recognised by it.
    deciding = settings.model_dump(
        mode="json", exclude={"model": True, "data": {"train_file"}, "training": {"output_dir", "save_total_limit"}}
    )
    return Finetuning(
        model=with_system_turn(model, rows),
        sides=sides,
        data=data,
        out=Path(own.output_dir),
        lora=settings.lora,
        training=training,
        learning_rate=own.learning_rate,
        seed=own.seed,
        held_out=held_out,
        keep_checkpoints=own.save_total_limit,
        compute=load_section("compute"),
        settings=deciding,
    )


def _training(settings: SftFile, sides: Sides) -> tuple[Training, HeldOut | None]:
    own = settings.training
    training = Training(
        epochs=own.num_train_epochs,
        batch_size=own.per_device_train_batch_size * own.gradient_accumulation_steps,
        micro_batch_size=own.per_device_train_batch_size,
        max_tokens=settings.data.max_seq_length,
        weight_decay=own.weight_decay,
        max_grad_norm=own.max_grad_norm,
        warmup_ratio=own.warmup_ratio,
        gradient_checkpointing=own.gradient_checkpointing,
        dtype=_dtype(own.bf16),
        attention=settings.model.attn_implementation or "sdpa",
    )
    epoch = steps_of(len(sides.training), training) // training.epochs
    every, save = intervals(own.eval_steps, own.save_steps, epoch, bool(sides.held_out))
    held_out = HeldOut(sides.held_out, every, own.early_stopping_patience) if sides.held_out else None
    return training.model_copy(update={"save_steps": save}), held_out


def intervals(evaluate: int | None, save: int | None, epoch: int, evaluated: bool) -> tuple[int, int]:
    """Steps from one evaluation, and from one checkpoint, to the next; `epoch` is the steps of an epoch.

    The best checkpoint can only be taken if there is one at an evaluation: the second is a multiple of the first.
    Raises InputError if both are given and it is not.
    """
    if evaluate and save:
        if evaluated and save % evaluate:
            raise InputError(
                f"--save-steps {save} is no multiple of --eval-steps {evaluate}: the checkpoint with the least loss "
                "could not be taken; change one of them"
            )
        return evaluate, save
    longest = min(EVAL_STEPS, max(epoch, 1))
    if save:
        return max(steps for steps in range(1, min(longest, save) + 1) if save % steps == 0), save
    evaluate = evaluate or longest
    return evaluate, SAVE_STEPS if longest == EVAL_STEPS and SAVE_STEPS % evaluate == 0 else evaluate


def raft_params(settings: RaftFile, start: Checkpoint, verify: Verify) -> Params:
    """What a RAFT file amounts to: a chain of cycles alike, the first from `start`.

    Raises InputError for settings that do not go together.
    """
    loop, own, sampling = settings.raft, settings.training, settings.generation
    names = [f"cycle_{number}" for number in range(1, loop.num_cycles + 1)]
    cycles = {
        name: Cycle(start=before, temperature=sampling.temperature, learning_rate=own.learning_rate)
        for name, before in zip(names, ["sft", *names], strict=False)
    }
    training = Training(
        epochs=own.epochs,
        batch_size=own.batch_size * own.gradient_accumulation_steps,
        micro_batch_size=own.batch_size,
        max_tokens=own.max_seq_length,
        gradient_checkpointing=own.gradient_checkpointing,
        dtype=_dtype(own.bf16),
    )
    same = ("reward_threshold", "keep_top_percent", "selection", "drop_solved", "max_pass_rate")
    values = {
        "samples_per_task": loop.samples_per_prompt,
        "max_new_tokens": sampling.max_new_tokens,
        "max_keep_per_task": loop.max_keep_per_prompt or loop.samples_per_prompt,
        **{name: getattr(loop, name) for name in same},
    }
    raft = check(Raft, values, "raft").model_copy(update={"cycles": cycles, "train": training})
    generate = generation(sampling.batch_size and sampling.batch_size * loop.samples_per_prompt)
    return _params(start, settings.seed, verify, generate=generate, raft=raft)


def benchmark_params(
    model: Checkpoint, settings: Benchmark, verify: Verify, *, generate: Generate, seed: int
) -> Params:
    """The settings of a benchmark of `model` without a params.yaml."""
    return _params(model, seed, verify, generate=generate, benchmark=settings)


def _params(model: Checkpoint, seed: int, verify: Verify, **sections: Any) -> Params:
    sections |= {"base_model": pinned(model.lock), "verify": verify, "compute": load_section("compute")}
    return Params(seed=seed, preset="command line", **sections)


def generation(sequences: int | None) -> Generate:
    """`sequences` decoded at once (None: what suits the engine), in the type that the engine of this machine takes."""
    dtype = "bfloat16" if has_gpu() and computes_bfloat16() else "float32"
    return Generate(batch_size=sequences, chunk_size=sequences and max(256, sequences), dtype=dtype)


def _dtype(bf16: bool) -> str:
    """bfloat16 if it is wanted and this machine computes in it; else float32, with a word if it was wanted."""
    dtype = training_dtype("auto" if bf16 else "float32")
    if bf16 and dtype == "float32":
        say("bf16: this machine does not compute in bfloat16; float32 is used")
    return dtype


def wanted_k(given: str | None, samples: int) -> list[int]:
    """The k of pass@k: those given as `1,5,10`, else the usual ones that `samples` answers allow.

    Raises InputError for what is no list of numbers, and for a k above `samples`.
    """
    if given is None:
        return [k for k in USUAL_K if k <= samples]
    ks = given_k(given)
    if ks[-1] > samples:
        raise InputError(
            f"--k: pass@{ks[-1]} needs at least {ks[-1]} samples a prompt, --samples is {samples}; raise "
            f"--samples or drop {ks[-1]}"
        )
    return ks


def given_k(given: str) -> list[int]:
    """`1,5,10` as numbers, sorted. Raises InputError for what is no list of numbers."""
    words = [word.strip() for word in given.split(",")]
    if wrong := [word for word in words if not word.isdecimal() or int(word) < 1]:
        raise InputError(f"--k: {wrong[0]!r} is no number of samples; write --k 1,5,10")
    return sorted({int(word) for word in words})


def short_name(model: str) -> str:
    """models/raft/cycle_5_final -> raft_cycle_5_final; owner/name -> owner_name."""
    parts = [part for part in Path(model).parts if part not in ("models", ".", "..", "/")]
    return "_".join(parts[-2:]).replace("==", "-") or "model"
