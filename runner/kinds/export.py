"""A checkpoint becomes what others can use: published weights, a saved model."""

from __future__ import annotations

from sqlite_utils import Database

from runner.entities import Environment, Run
from runner.frameworks.base import Framework, LaunchPlan, Prepared, Ranks
from runner.model_work import ModelWork
from runner.publishing import preset_from
from runner.service.house import House
from runner.service.presets import keep_preset
from runner.specs import Kind, ModelSpec
from runner.store import runs


def _launch(framework: Framework, spec: ModelSpec, prepared: Prepared, environment: Environment, _ranks: Ranks) -> LaunchPlan:
    return framework.export(spec, prepared, environment)


def _keep(house: House, db: Database, run: Run) -> str:
    """Its weights are in the catalog by now; where that was asked for, a preset starts from them."""
    made = runs.result(db, run.id)
    words = [f"{made['model']}, {made['size_bytes']:,} bytes."] if "model" in made else []
    if trouble := made.get("trouble"):
        words.append(f"But {trouble}.")
    preset = preset_from(run, str(made["start"])) if "start" in made else None
    if preset is not None:
        keep_preset(db, preset, run.owner, now=house.now())
        words.append(f"The preset {preset.name} starts from it.")
    return " ".join(words)


kind = ModelWork(Kind.EXPORT, _launch, _keep)
