"""Two versions are compared image by image and box by box: ``python -m recipes diff`` on this machine."""

from __future__ import annotations

from runner.entities import Run
from runner.frameworks.base import LaunchPlan
from runner.recipes_program import DatasetWork, keep_report, program
from runner.service.datasets import frozen
from runner.service.house import House
from runner.specs import Kind, VersionsSpec


def _plan(house: House, run: Run) -> LaunchPlan:
    assert isinstance(run.spec, VersionsSpec)
    return LaunchPlan(program(house, "diff", *(frozen(house, version).reference for version in run.spec.versions)))


kind = DatasetWork(Kind.DIFF, _plan, keep_report)
