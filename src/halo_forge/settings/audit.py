"""Settings of the audit: how many mutants tell whether a task's tests are strong enough, and what follows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from halo_forge.settings.base import Positive, Section


class Audit(Section):
    mutants: Positive = 6
    """Faulty copies of a reference solution, at most, that its task's tests are tried on."""
    per_family: Annotated[int, Field(ge=0)] = 1
    """Tasks of a family, in each language, that are audited: what is found of them holds for the others, whose tests
    differ in a number. 0 for all."""
    inputs: Positive = 80
    """Further inputs, at most, that a mutant which passed is compared with its reference on."""
    run_timeout_s: Annotated[float, Field(gt=0)] = 0.5
    """CPU seconds a test: mutants run for ever more often than answers do. Tasks whose reference takes longer get the
    limit of `verify`."""
    min_kill_rate: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Tests that fail a smaller share of the mutants which they should are weak."""
    weak: Literal["warn", "leave_out"] = "warn"
    """Say which tasks have weak tests, or set them aside when the tasks are prepared, before anything is trained."""
