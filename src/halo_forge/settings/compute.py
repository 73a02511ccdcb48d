"""Settings of the machines: where the work is done. They change how fast a result is there, not what it is."""

from __future__ import annotations

from pydantic import model_validator

from halo_forge.settings.base import Positive, Section


class Compute(Section):
    processes: Positive | None = None
    """Processes that train together, each with a GPU if there are any; None for as many as GPUs are visible, else 1."""
    replicas: Positive | None = None
    """Engines that sample side by side on the GPUs of this machine, chunk after chunk; None for as many as the visible
    GPUs have room for, each with `generate.tensor_parallel` of them."""
    accelerate: str | None = None
    """A file of `accelerate launch`, such as configs/accelerate/fsdp.yaml, for a model that one GPU does not hold;
    None for a copy of the model in each process (DDP)."""
    ray: str | None = None
    """The Ray cluster that samples, judges and trains: `auto` for the one that this machine is part of, or its address;
    None for this machine alone."""

    @model_validator(mode="after")
    def _a_file_of_accelerate_is_for_one_machine(self) -> Compute:
        if self.ray and self.accelerate:
            raise ValueError(
                f"accelerate: {self.accelerate} is for the processes of one machine, and on Ray each rank has a copy "
                "of the model (DDP); leave accelerate or ray out"
            )
        return self
