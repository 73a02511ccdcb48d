"""What all sections of the settings share."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


def _is_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ValueError(
            f"the name {name!r} stands in paths and in stages of DVC, which reads a dot as a level; take letters, "
            "digits, _ and -"
        )
    return name


Name = Annotated[str, AfterValidator(_is_name)]
"""Of a cycle, a control arm, a public set: what makes the name of a stage and of a folder."""


class Section(BaseModel):
    # strict: a quoted number or a float for a count is an error, not a guess.
    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True)
