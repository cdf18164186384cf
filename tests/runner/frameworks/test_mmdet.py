"""The launch plan of MMDetection 3.x."""

from __future__ import annotations

import dataclasses

import pytest

from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks.base import Prepared, Ranks
from runner.frameworks.mmdet import framework
from runner.presets import find_preset
from runner.specs import DatasetRef, Start, StartMode, TrainSpec

ENVIRONMENT = Environment("gpu-1", "up", "mmdet", "/env/bin/python", "/env/mmdet/.mim/", "f", setup=("ulimit -n 4096",))
PREPARED = Prepared(config="a = 1\n", epochs=2, batch=8, lr=0.004, revision="mmdet 3.3.0")
LIFTED = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


def spec(mode: StartMode) -> TrainSpec:
    reference = DatasetRef(name="fish", version=1, fingerprint="f", format="coco")
    return TrainSpec(preset=find_preset("rtmdet-nano"), dataset=reference, start=Start(mode=mode))


def test_a_fresh_training_runs_the_frameworks_own_program_on_the_resolved_config() -> None:
    plan = framework.train(spec(StartMode.FRESH), PREPARED, ENVIRONMENT, Ranks())
    assert plan.argv == ("/env/bin/python", "/env/mmdet/.mim/tools/train.py", "config.py", "--work-dir", "work_dir")
    assert dict(plan.files) == {"config.py": b"a = 1\n"}
    assert plan.setup == ENVIRONMENT.setup
    assert LIFTED not in plan.variables


def test_a_resume_names_its_checkpoint_and_may_load_it() -> None:
    prepared = dataclasses.replace(PREPARED, checkpoint="/runs/r/1/work_dir/epoch_3.pth")
    plan = framework.train(spec(StartMode.RESUME), prepared, ENVIRONMENT, Ranks())
    assert plan.argv[-2:] == ("--resume", "/runs/r/1/work_dir/epoch_3.pth")
    assert plan.variables[LIFTED] == "1"


def test_a_fine_tune_loads_by_its_config_alone() -> None:
    prepared = dataclasses.replace(PREPARED, checkpoint="/runs/r/1/work_dir/epoch_3.pth")
    plan = framework.train(spec(StartMode.FINETUNE), prepared, ENVIRONMENT, Ranks())
    assert "--resume" not in plan.argv
    assert plan.variables[LIFTED] == "1"


def test_a_resume_without_a_checkpoint_never_trains_from_scratch() -> None:
    with pytest.raises(BadSpecError, match="no checkpoint to resume"):
        framework.train(spec(StartMode.RESUME), PREPARED, ENVIRONMENT, Ranks())
