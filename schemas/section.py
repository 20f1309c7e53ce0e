"""What every section of the recipe has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Share = float
"""From 0 to 1."""


class Section(BaseModel):
    """A part of the recipe: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
