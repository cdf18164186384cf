"""A trained model is used on pictures, a dataset or a video: drawn, or as result files."""

from __future__ import annotations

from sqlite_utils import Database

from runner.entities import Environment, Run
from runner.frameworks.base import Framework, LaunchPlan, Prepared, Ranks
from runner.model_work import ModelWork
from runner.service.house import House
from runner.specs import Kind, ModelSpec
from runner.store import runs


def _launch(framework: Framework, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
    return framework.predict(spec, prepared, environment, ranks)


def _keep(house: House, db: Database, run: Run) -> str:
    made = runs.result(db, run.id)
    pictures, boxes = made.get("images"), made.get("boxes")
    if not isinstance(pictures, int) or not isinstance(boxes, int):
        return ""
    return f"{boxes:,} {'box' if boxes == 1 else 'boxes'} in {pictures:,} {'picture' if pictures == 1 else 'pictures'}."


kind = ModelWork(Kind.PREDICT, _launch, _keep)
