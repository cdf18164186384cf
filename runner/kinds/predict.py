"""A trained model is used on pictures, a dataset or a video: drawn, or as result files."""

from __future__ import annotations

from sqlite_utils import Database

from runner.entities import Environment, Run
from runner.frameworks.base import Framework, LaunchPlan, Prepared, Ranks
from runner.model_work import ModelWork
from runner.specs import Kind, ModelSpec


def _launch(framework: Framework, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
    return framework.predict(spec, prepared, environment, ranks)


def _keep(db: Database, run: Run) -> str:
    return ""


kind = ModelWork(Kind.PREDICT, _launch, _keep)
