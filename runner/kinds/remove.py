"""Versions are removed, and what no other uses is freed: ``python -m recipes remove`` on this machine."""

from __future__ import annotations

from runner.entities import Run
from runner.frameworks.base import LaunchPlan
from runner.recipes_program import DatasetWork, keep_report, program
from runner.service.datasets import require_unused
from runner.service.house import House
from runner.specs import Kind, VersionsSpec


def _plan(house: House, run: Run) -> LaunchPlan:
    """Asked once more what depends on them: between the question and now a schedule may have begun something."""
    assert isinstance(run.spec, VersionsSpec)
    require_unused(house, [str(version) for version in run.spec.versions])
    return LaunchPlan(program(house, "remove", *map(str, run.spec.versions)))


kind = DatasetWork(Kind.REMOVE, _plan, keep_report)
