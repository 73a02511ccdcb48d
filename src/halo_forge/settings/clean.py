"""Settings of the cleaning of prepared tasks. As they stand here only tasks that nobody can solve are set aside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from halo_forge.settings.base import Fraction, Positive, Section


class Clean(Section):
    min_prompt_chars: Positive = 1
    max_prompt_chars: Positive | None = None
    max_solution_chars: Positive | None = None
    duplicates: Fraction | None = None
    """Set a task aside whose prompt shares this much (Jaccard index of word 3-grams) with an earlier one in the same
    language; 1.0 for equal prompts only. Variants of one family are kept unless they are equal."""
    gold_runs: Annotated[int, Field(ge=0, le=10)] = 1
    """How often the reference solution of a task from a file or a public set must pass its own tests in the sandbox: 1
    shows that it is right, 2 that the verdict is no accident. 0 asks for nothing."""
    require_solution: bool = False
    """Set tasks without a reference solution aside: nobody knows whether their tests can be passed."""

    @model_validator(mode="after")
    def _a_range(self) -> Clean:
        if self.max_prompt_chars is not None and self.max_prompt_chars < self.min_prompt_chars:
            raise ValueError("max_prompt_chars: must be at least min_prompt_chars")
        return self
