"""A recipe makes a new version of a dataset: ``python -m recipes convert`` on this machine."""

from __future__ import annotations

from runner.entities import ConvertSpec, Kind, Run
from runner.frameworks.base import LaunchPlan
from runner.recipes_program import DatasetWork, program
from runner.service.datasets import frozen
from runner.service.house import House

RECIPE = "recipe.yaml"


def _plan(house: House, run: Run) -> LaunchPlan:
    """The frozen recipe over the frozen version."""
    spec = run.spec
    assert isinstance(spec, ConvertSpec)
    frozen(house, spec.source)
    parameters = [f"{key}={value}" for key, value in spec.parameters.items()]
    argv = program(house, "convert", str(spec.source), RECIPE, *parameters, "--name", spec.dataset, "--by", run.owner)
    return LaunchPlan(argv, files={RECIPE: spec.text.encode()})


kind = DatasetWork(Kind.CONVERT, _plan)
