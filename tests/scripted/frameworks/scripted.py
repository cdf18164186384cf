"""A framework whose programs do what a scenario says."""

from __future__ import annotations

import json
from pathlib import Path

from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks.base import LaunchPlan, LogParser, Prepared, Ranks
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.specs import Kind, ModelSpec, StartMode, TrainSpec


class Scripted:
    name = "scripted"
    formats = ("coco",)
    kinds = frozenset({Kind.TRAIN, Kind.EVAL, Kind.PREDICT, Kind.EXPORT})
    spans_hosts = True
    checkpoint_folder = "work_dir"
    log_folder = "work_dir"
    usually_kept = None
    prepare_program = Path(__file__).parent.parent / "prepare_scripted.py"

    def train(self, spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        resume = ("--resume", prepared.checkpoint) if spec.start.mode is StartMode.RESUME and prepared.checkpoint else ()
        if unfit := json.loads(prepared.config).get("unfit"):
            raise BadSpecError(unfit)
        several = ("--meet", f"{ranks.address}:{ranks.port}", "--rank", f"{ranks.node}/{ranks.nodes}") if ranks.nodes > 1 else ()
        return LaunchPlan(
            argv=(environment.python, f"{environment.code}/program.py", "config.py", "--work-dir", "work_dir", *resume, *several),
            files={"config.py": prepared.config.encode()}, variables=environment.variables, setup=environment.setup,
        )

    def evaluate(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        return _use(spec, prepared, environment)

    def predict(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        return _use(spec, prepared, environment)

    def export(self, spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
        return _use(spec, prepared, environment)

    def log_parser(self, prepared: Prepared | None) -> LogParser:
        return MmdetLogParser()


def _use(spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
    request = {
        "scenario": json.loads(prepared.config), "checkpoint": prepared.checkpoint, "name": spec.preset.name,
        "pictures": prepared.values.get("pictures", []),
    }
    argv = (environment.python, f"{environment.code}/using.py", spec.kind.value, "request.json")
    return LaunchPlan(argv, files={"request.json": json.dumps(request).encode()})


framework = Scripted()
