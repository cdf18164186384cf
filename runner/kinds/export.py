"""A checkpoint becomes what others can use: published weights, a saved model."""

from __future__ import annotations

from sqlite_utils import Database

from runner.entities import Environment, Run
from runner.frameworks.base import Framework, LaunchPlan, Prepared, Ranks
from runner.model_work import ModelWork
from runner.specs import Kind, ModelSpec


def _launch(framework: Framework, spec: ModelSpec, prepared: Prepared, environment: Environment, _ranks: Ranks) -> LaunchPlan:
    return framework.export(spec, prepared, environment)


def _keep(db: Database, run: Run) -> str:
    return ""


kind = ModelWork(Kind.EXPORT, _launch, _keep)
