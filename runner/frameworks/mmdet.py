"""MMDetection 3.x: its own ``tools/train.py``, unmodified, on a config that ``host/prepare_mmdet`` resolved."""

from __future__ import annotations

import re
from pathlib import Path

from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks import mmdet_using
from runner.frameworks.base import LaunchPlan, LogParser, Prepared, Ranks
from runner.frameworks.mmdet_kept import KeptCheckpoints
from runner.frameworks.mmdet_launch import launch
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.frameworks.mmdet_test_log import MmdetTestLogParser
from runner.specs import Kind, ModelSpec, StartMode, TrainSpec

CONFIG = "config.py"
WORK_DIR = "work_dir"


class MMDetection:
    """``environment.code`` is the folder with ``tools`` and ``configs``: the installed ``mmdet/.mim``, or a checkout."""

    name = "mmdet"
    formats = ("coco",)
    kinds = frozenset({Kind.TRAIN, Kind.EVAL, Kind.PREDICT, Kind.EXPORT})
    spans_hosts = True
    checkpoint_folder = WORK_DIR
    log_folder = WORK_DIR
    usually_kept = 3
    prepare_program = Path(__file__).parent.parent / "host" / "prepare_mmdet"

    def train(self, spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """``tools/train.py`` on the resolved config, whose paths are relative to the attempt's directory. BadSpecError without a
        checkpoint to resume. A checkpoint that no run of ours wrote (a preset's own start) is loaded as weights alone."""
        arguments = [CONFIG, "--work-dir", WORK_DIR]
        resumes = spec.start.mode is StartMode.RESUME
        if resumes:
            if prepared.checkpoint is None:
                raise BadSpecError("There is no checkpoint to resume from; start a new run instead.")
            arguments += ["--resume", prepared.checkpoint]
        elif prepared.values.get("auto_scale_lr"):
            arguments.append("--auto-scale-lr")
        if ranks.nodes > 1 and re.search(r"^val_evaluator = dict\(", prepared.config, re.MULTILINE):
            # mmengine's ranks hand each other their results in a folder, which hosts do not share; "gpu" is its word for by message.
            arguments += ["--cfg-options", "val_evaluator.collect_device=gpu"]
        return launch(
            environment, "tools/train.py", arguments, prepared=prepared, ranks=ranks, files={CONFIG: prepared.config.encode()},
            own_checkpoint=prepared.checkpoint is not None and (resumes or spec.start.run_id is not None),
        )

    def evaluate(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """``tools/test.py``; its evaluations are of the checkpoint's epoch."""
        return mmdet_using.evaluation(spec, prepared, environment, ranks)

    def predict(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """Drawings, a video and result files of pictures, a dataset or a video."""
        return mmdet_using.prediction(spec, prepared, environment, ranks)

    def export(self, spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
        """Published weights, their config and classes."""
        return mmdet_using.export(spec, prepared, environment)

    def log_parser(self, prepared: Prepared | None) -> LogParser:
        """An incremental reader of what ``tools/train.py`` and ``tools/test.py`` print."""
        if prepared is not None and prepared.values.get("kind") == Kind.EVAL:
            return MmdetTestLogParser(prepared.checkpoint_epoch or 0)
        keep = prepared.values.get("keep") if prepared is not None else None
        return KeptCheckpoints(MmdetLogParser(), keep) if isinstance(keep, int) else MmdetLogParser()


framework = MMDetection()
