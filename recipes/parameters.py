"""Parameters of formats and transforms: checked when a recipe is loaded, described in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from recipes.dataset import Feature


class Parameters(BaseModel):
    """Base of every parameter model: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    def also_holds(self) -> frozenset[Feature]:
        """The Features that a format holds when it is written so, beyond those it always does."""
        return frozenset()

    def describe(self) -> str:
        """What the parameters mean, as the end of a sentence; empty where there is nothing to say."""
        return ""


class NoParameters(Parameters):
    """For a format that needs to be told nothing."""
