"""Every stored content of a version, or of all, is read again: ``python -m recipes verify`` on this machine. Damage is a failure."""

from __future__ import annotations

from runner.entities import Run
from runner.frameworks.base import LaunchPlan
from runner.recipes_program import DatasetWork, keep_report, program
from runner.service.house import House
from runner.specs import Kind, VersionsSpec


def _plan(house: House, run: Run) -> LaunchPlan:
    assert isinstance(run.spec, VersionsSpec)
    return LaunchPlan(program(house, "verify", *map(str, run.spec.versions)))


kind = DatasetWork(Kind.VERIFY, _plan, keep_report)
