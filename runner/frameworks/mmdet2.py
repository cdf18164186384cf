"""MMDetection 2.x (2.0 to 2.28), declared on a host."""

from __future__ import annotations

from runner.entities import Environment
from runner.frameworks import mmdet_legacy
from runner.frameworks.base import LaunchPlan, LogParser, Prepared, Ranks
from runner.frameworks.mmdet_legacy_test_log import legacy_log_parser
from runner.specs import Kind, ModelSpec, TrainSpec


class MMDetection2:
    """``environment.code`` is the checkout."""

    name = "mmdet2"
    formats = ("coco", "voc")
    kinds = frozenset({Kind.TRAIN, Kind.EVAL, Kind.PREDICT, Kind.EXPORT})
    spans_hosts = True
    checkpoint_folder = mmdet_legacy.WORK_DIR
    log_folder = f"{mmdet_legacy.WORK_DIR}/tf_logs"
    usually_kept = 3
    prepare_program = mmdet_legacy.PREPARE_PROGRAM

    def train(self, spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """``tools/train.py``."""
        return mmdet_legacy.training(spec, prepared, environment, ranks)

    def evaluate(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """``tools/test.py --eval``."""
        return mmdet_legacy.evaluation(spec, prepared, environment, ranks)

    def predict(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """``tools/test.py`` on pictures, a dataset and the frames of videos."""
        return mmdet_legacy.prediction(spec, prepared, environment, ranks)

    def export(self, spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
        """``publish_model.py``."""
        return mmdet_legacy.export(spec, prepared, environment)

    def log_parser(self, prepared: Prepared | None) -> LogParser:
        """An incremental reader of what its programs print."""
        return legacy_log_parser(prepared)


framework = MMDetection2()
