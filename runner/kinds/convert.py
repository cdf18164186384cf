"""A recipe makes a new version of a dataset: ``python -m recipes convert`` on this machine."""

from __future__ import annotations

from sqlite_utils import Database

from runner.entities import Run
from runner.frameworks.base import LaunchPlan
from runner.recipes_program import DatasetWork, keep_report, keep_version, program
from runner.service.datasets import frozen
from runner.service.house import House
from runner.specs import ConvertSpec, Kind

RECIPE = "recipe.yaml"


def _plan(house: House, run: Run) -> LaunchPlan:
    """The frozen recipe over the frozen version."""
    spec = _spec(run)
    frozen(house, spec.source)
    parameters = [f"{key}={value}" for key, value in spec.parameters.items()]
    dry_run = ["--dry-run"] if spec.dry_run else []
    argv = program(house, "convert", str(spec.source), RECIPE, *parameters, "--name", spec.dataset, "--by", run.owner, *dry_run)
    return LaunchPlan(argv, files={RECIPE: spec.text.encode()})


def _keep(db: Database, run: Run) -> str:
    return keep_report(db, run) if _spec(run).dry_run else keep_version(db, run)


def _spec(run: Run) -> ConvertSpec:
    assert isinstance(run.spec, ConvertSpec)
    return run.spec


kind = DatasetWork(Kind.CONVERT, _plan, _keep)
