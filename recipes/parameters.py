"""Parameters of formats and transforms: checked when a recipe is loaded, described in words."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """Base of every parameter model: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    def describe(self) -> str:
        """What the parameters mean, as the end of a sentence; empty where there is nothing to say."""
        return ""


class NoParameters(Parameters):
    """For a format that needs to be told nothing."""
