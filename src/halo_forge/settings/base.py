"""What all sections of the settings share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    # strict: a quoted number or a float for a count is an error, not a guess.
    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True)
