"""The YAML files of `halo-forge sft train` and `halo-forge raft train`, and how they meet the flags.

A flag wins over the file, the file over the defaults here. Files are read as YAML 1.2 (`5e-5` is a number); a key that
is not known is an error that names the nearest one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from halo_forge.settings.base import Fraction, Positive, Section
from halo_forge.settings.checking import check, merge, read_yaml
from halo_forge.settings.training import Lora
from halo_forge.settings.verify import Verify

Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]
S = TypeVar("S", bound=Section)


class SftModel(Section):
    name: str | None = None
    """Hub id, folder or wheel; None for the base model of params.yaml, or the embedded one."""
    revision: str | None = None
    """Hub: branch, tag or commit; None for main. Either is pinned to the commit."""
    trust_remote_code: bool = False
    """Never honoured: code out of a model repository is not run."""
    attn_implementation: Literal["sdpa", "eager"] | None = None
    """How training computes attention: by torch's kernels (None too), or in plain products. Rows are packed, which
    transformers' other implementations know nothing of."""


class SftData(Section):
    train_file: str | None = None
    validation_split: Share = 0.05
    """Share of the rows that is held out, whole problem families; their loss decides when to stop."""
    max_seq_length: Positive = 2048
    """Rows of more tokens, prompt and answer, are left out and counted."""
    max_samples: Positive | None = None
    """Take only the first rows of the file."""
    strict: bool = False
    """Stop at the first row that cannot be read, instead of leaving it out."""


class SftLora(Lora):
    dropout: Share = 0.05


class SftTraining(Section):
    output_dir: str = "models/sft"
    num_train_epochs: Positive = 3
    per_device_train_batch_size: Positive = 2
    gradient_accumulation_steps: Positive = 16
    learning_rate: Rate = 2e-4
    warmup_ratio: Share = 0.03
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    max_grad_norm: Rate = 0.3
    gradient_checkpointing: bool = True
    bf16: bool = True
    """Where the machine can; elsewhere float32."""
    save_steps: Positive | None = None
    """Optimizer steps between two checkpoints; None for 500, or less if evaluations ask for it."""
    eval_steps: Positive | None = None
    """Optimizer steps between two evaluations of the held-out rows; None for 250, or an epoch if that is shorter."""
    save_total_limit: Positive = 3
    early_stopping_patience: Annotated[int, Field(ge=0)] = 5
    """Evaluations without a gain of .001 before training stops; 0 to go on to the end."""
    seed: Annotated[int, Field(ge=0)] = 42


class SftFile(Section):
    model: SftModel = SftModel()
    data: SftData = SftData()
    lora: SftLora | None = SftLora()
    """None: no adapter, all weights are trained."""
    training: SftTraining = SftTraining()


class RaftLoop(Section):
    """What params.yaml has under `raft` and more words for it; settings/raft.py says what each means."""

    num_cycles: Positive = 5
    samples_per_prompt: Positive = 8
    reward_threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    keep_top_percent: Fraction = 0.5
    max_keep_per_prompt: Positive | None = None
    """None for as many as there are samples of it."""
    selection: Literal["per_task", "global"] = "per_task"
    drop_solved: bool = False
    max_pass_rate: Fraction = 1.0


class RaftGeneration(Section):
    max_new_tokens: Positive = 1024
    temperature: Rate = 0.7
    batch_size: Positive | None = None
    """Prompts sampled at once, each with all its samples; None for what suits the engine. The guides' 4 is for engines
    that pad."""


class RaftTraining(Section):
    epochs: Positive = 1
    batch_size: Positive = 2
    gradient_accumulation_steps: Positive = 16
    learning_rate: Rate = 5e-5
    max_seq_length: Positive = 2048
    gradient_checkpointing: bool = True
    bf16: bool = True


class Verifier(Verify):
    """What params.yaml has under `verify`, and which verifier it is; host, user and ssh_key are those of msvc."""

    type: str | None = None
    host: str | None = None
    user: str | None = None
    ssh_key: str | None = None


class RaftFile(Section):
    sft_checkpoint: str | None = None
    output_dir: str = "models/raft"
    prompts: str | None = None
    strict: bool = False
    """Stop at the first row of prompts that cannot be read, instead of leaving it out."""
    raft: RaftLoop = RaftLoop()
    generation: RaftGeneration = RaftGeneration()
    training: RaftTraining = RaftTraining()
    verifier: Verifier = Verifier()
    seed: Annotated[int, Field(ge=0)] = 42


def read_settings(kind: type[S], path: Path | None, flags: dict[str, Any]) -> S:
    """`flags` (dotted key -> value, None for a flag not given) over the file over the defaults.

    Raises InputError naming the file, or the command line, with key, value and cure.
    """
    from_file = {} if path is None else read_yaml(path)
    if path is not None:
        check(kind, from_file, str(path))
    return check(kind, merge(from_file, nested(flags)), "command line")


def nested(flags: dict[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} -> {"a": {"b": 1}}, without what is None."""
    found: dict[str, Any] = {}
    for key, value in flags.items():
        if value is not None:
            *sections, name = key.split(".")
            place = found
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = value
    return found
