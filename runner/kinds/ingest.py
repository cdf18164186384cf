"""An uploaded archive becomes a raw dataset version: ``python -m recipes ingest`` on this machine."""

from __future__ import annotations

from pathlib import Path

from runner.entities import IngestSpec, Kind, Run
from runner.frameworks.base import LaunchPlan
from runner.recipes_program import DatasetWork, program
from runner.service.house import House


def _plan(house: House, run: Run) -> LaunchPlan:
    spec = _spec(run)
    return LaunchPlan(program(house, "ingest", spec.archive, "--name", spec.dataset, "--title", spec.file_name, "--by", run.owner))


def _remove_archive(_house: House, run: Run) -> None:
    """What was uploaded is in the catalog, or refused."""
    Path(_spec(run).archive).unlink(missing_ok=True)


def _spec(run: Run) -> IngestSpec:
    assert isinstance(run.spec, IngestSpec)
    return run.spec


kind = DatasetWork(Kind.INGEST, _plan, tidy=_remove_archive)
