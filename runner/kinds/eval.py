"""A trained model is measured on a dataset: mAP, per class."""

from __future__ import annotations

from sqlite_utils import Database

from runner.entities import Environment, Run
from runner.frameworks.base import Framework, LaunchPlan, Prepared, Ranks
from runner.model_work import ModelWork
from runner.service.house import House
from runner.specs import Kind, ModelSpec
from runner.store import progress


def _launch(framework: Framework, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
    return framework.evaluate(spec, prepared, environment, ranks)


def _keep(house: House, db: Database, run: Run) -> str:
    known = [item for item in progress.evaluations(db, run.id) if item.ap is not None]
    return " · ".join(f"{item.task} mAP {item.ap:.3f}" for item in known)


kind = ModelWork(Kind.EVAL, _launch, _keep)
