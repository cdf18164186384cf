"""A framework whose program does what a scenario says."""

from __future__ import annotations

from pathlib import Path

from runner.entities import Environment
from runner.frameworks.base import LaunchPlan, LogParser, Prepared, Ranks
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.specs import Kind, StartMode, TrainSpec


class Scripted:
    name = "scripted"
    formats = ("coco",)
    kinds = frozenset({Kind.TRAIN})
    checkpoint_folder = "work_dir"
    log_folder = "work_dir"
    prepare_program = Path(__file__).parent.parent / "prepare_scripted.py"

    def train(self, spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        resume = ("--resume", prepared.checkpoint) if spec.start.mode is StartMode.RESUME and prepared.checkpoint else ()
        return LaunchPlan(
            argv=(environment.python, f"{environment.code}/program.py", "config.py", "--work-dir", "work_dir", *resume),
            files={"config.py": prepared.config.encode()},
        )

    def log_parser(self, prepared: Prepared | None) -> LogParser:
        return MmdetLogParser()


framework = Scripted()
