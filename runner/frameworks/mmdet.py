"""MMDetection 3.x: its own ``tools/train.py``, unmodified, on a config that ``host/prepare_mmdet`` resolved."""

from __future__ import annotations

from pathlib import Path

from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks.base import LaunchPlan, LogParser, Prepared, Ranks
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.specs import Kind, ModelSpec, StartMode, TrainSpec

CONFIG = "config.py"
WORK_DIR = "work_dir"
# mmengine's checkpoints hold objects (HistoryBuffer, numpy scalars) that torch 2.6 and later refuse to unpickle. Lifting
# that is right for files that our own runs wrote and nobody else: so it is set only where a verified one is loaded.
OWN_CHECKPOINT = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}


class MMDetection:
    """``environment.code`` is the folder with ``tools`` and ``configs``: the installed ``mmdet/.mim``, or a checkout."""

    name = "mmdet"
    formats = ("coco",)
    kinds = frozenset({Kind.TRAIN})
    checkpoint_folder = WORK_DIR
    log_folder = WORK_DIR
    prepare_program = Path(__file__).parent.parent / "host" / "prepare_mmdet"

    def train(self, spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """One process; the config's paths are relative to the attempt's directory. BadSpecError without a checkpoint to resume."""
        argv = [environment.python, f"{environment.code.rstrip('/')}/tools/train.py", CONFIG, "--work-dir", WORK_DIR]
        if spec.start.mode is StartMode.RESUME:
            if prepared.checkpoint is None:
                raise BadSpecError("There is no checkpoint to resume from; start a new run instead.")
            argv += ["--resume", prepared.checkpoint]
        return LaunchPlan(
            argv=tuple(argv),
            variables={**environment.variables, **(OWN_CHECKPOINT if prepared.checkpoint else {})},
            files={CONFIG: prepared.config.encode()},
            setup=environment.setup,
        )

    def evaluate(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        raise NotImplementedError

    def predict(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        raise NotImplementedError

    def export(self, spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
        raise NotImplementedError

    def log_parser(self, prepared: Prepared | None) -> LogParser:
        """An incremental reader of what ``tools/train.py`` prints."""
        return MmdetLogParser()


framework = MMDetection()
