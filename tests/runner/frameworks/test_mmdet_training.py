"""Real MMDetection trainings on the CPU: prepared, trained, resumed and fine-tuned through their launch plans."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from runner.entities import Checkpoint, Environment, Evaluation, Record
from runner.errors import BadSpecError
from runner.frameworks.base import Prepared
from runner.frameworks.mmdet import framework
from runner.specs import StartMode
from tests.runner.frameworks.conftest import SHAPES, Training, ask, new_training, steps

pytestmark = pytest.mark.environment

Parent = tuple[Training, Prepared, tuple[Record, ...]]


def test_a_training_leaves_epochs_evaluations_checkpoints_and_predictions(parent: Parent) -> None:
    training, prepared, records = parent
    assert (prepared.epochs, prepared.batch, prepared.lr, prepared.iterations) == (3, 4, 0.002, 4)
    assert [step.epoch for step in steps(records)][-1] == 3
    evaluations = [record for record in records if isinstance(record, Evaluation)]
    assert [item.epoch for item in evaluations] == [1, 2, 3]
    assert set(evaluations[-1].per_class) == set(training.classes)
    assert {record.epoch for record in records if isinstance(record, Checkpoint) and not record.best} == {1, 2, 3}
    predictions = json.loads((training.directory / "work_dir" / "val.bbox.json").read_text())
    assert {"image_id", "category_id", "bbox", "score"} <= set(predictions[0])


def test_the_framework_scales_the_learning_rate_to_the_batch(parent: Parent) -> None:
    training, prepared, records = parent
    assert (prepared.values["auto_scale_lr"], prepared.values["keep"]) == (True, 3)
    assert "Scaling the original LR by 0.5." in (training.directory / "log").read_text()
    assert max(step.lr or 0 for step in steps(records)) == pytest.approx(0.002, rel=0.05)


def test_preparing_counts_how_large_a_checkpoint_will_be(parent: Parent) -> None:
    training, prepared, _ = parent
    assert prepared.values["checkpoint_bytes"] == pytest.approx(training.checkpoint(3).stat().st_size, rel=0.2)


def test_curves_lie_where_tensorboard_looks_for_them(parent: Parent) -> None:
    assert list((parent[0].directory / framework.log_folder).rglob("events.out.tfevents*"))


def test_prepared_twice_a_config_is_the_same_text(parent: Parent, tmp_path: Path) -> None:
    training = new_training(tmp_path, parent[0].environment)
    again = training.prepare(training.spec(epochs=3, keep=7))
    assert again.config == parent[1].config.replace("max_keep_ckpts=3", "max_keep_ckpts=7")


def test_the_config_names_no_place_outside_the_attempts_directory(parent: Parent) -> None:
    training, prepared, _ = parent
    assert str(training.directory) not in prepared.config
    assert training.environment.code not in prepared.config
    assert "http" not in prepared.config


def test_a_resume_refuses_a_truncated_checkpoint_and_goes_on_as_if_never_stopped(parent: Parent, tmp_path: Path) -> None:
    parent_training, _, records = parent
    broken = tmp_path / "epoch_3.pth"
    shutil.copy(parent_training.checkpoint(3), broken)
    with broken.open("r+b") as file:
        file.truncate(broken.stat().st_size // 2)
    training = new_training(tmp_path / "child", parent_training.environment)
    spec = training.spec(StartMode.RESUME)
    prepared = training.prepare(spec, [broken, parent_training.checkpoint(2)], parent[1])
    assert (prepared.checkpoint, prepared.checkpoint_epoch) == (str(parent_training.checkpoint(2)), 2)
    assert [(path, "truncated" in why) for path, why in prepared.refused] == [(str(broken), True)]
    first = steps(training.train(spec, prepared))[0]
    same = next(step for step in steps(records) if step.epoch == 3)
    assert (first.epoch, first.iteration, first.lr) == (3, same.iteration, same.lr)
    assert first.loss == pytest.approx(same.loss, rel=0.25)


def test_the_learning_rate_asked_for_is_the_first_one_logged(parent: Parent, tmp_path: Path) -> None:
    training = new_training(tmp_path, parent[0].environment)
    spec = training.spec(StartMode.RESUME, lr=0.00123, epochs=5)
    prepared = training.prepare(spec, [parent[0].checkpoint(3), parent[0].checkpoint(2)], parent[1])
    assert (prepared.lr, prepared.epochs, prepared.checkpoint_epoch) == (0.00123, 5, 3)
    assert Path(prepared.checkpoint or "").parent == tmp_path
    points = steps(training.train(spec, prepared))
    assert (points[0].epoch, points[0].lr) == (4, 0.00123)
    assert points[-1].epoch == 5
    assert points[-1].lr is not None
    assert points[-1].lr < 0.00123


def test_more_epochs_alone_keep_the_learning_rate(parent: Parent, tmp_path: Path) -> None:
    training = new_training(tmp_path, parent[0].environment)
    spec = training.spec(StartMode.RESUME, epochs=4)
    points = steps(training.train(spec, training.prepare(spec, [parent[0].checkpoint(3)], parent[1])))
    last = steps(parent[2])[-1]
    assert points[0].epoch == 4
    assert points[0].lr == pytest.approx(last.lr, rel=0.2)


def test_a_finished_training_is_not_resumed_without_more_epochs(parent: Parent) -> None:
    with pytest.raises(BadSpecError, match="already holds all 3 epochs; ask for more with --epochs"):
        parent[0].prepare(parent[0].spec(StartMode.RESUME), [parent[0].checkpoint(3)])


def test_a_fine_tune_takes_over_every_weight_of_the_same_classes(parent: Parent, tmp_path: Path) -> None:
    training = new_training(tmp_path, parent[0].environment)
    spec = training.spec(StartMode.FINETUNE, epochs=1)
    prepared = training.prepare(spec, [parent[0].checkpoint(3)])
    assert prepared.new_parameters == ()
    assert prepared.taken_parameters > 100
    assert len(prepared.taken_sha256 or "") == 64
    assert steps(training.train(spec, prepared))[0].epoch == 1


def test_a_fine_tune_for_other_classes_names_the_new_head(parent: Parent, tmp_path: Path) -> None:
    training = new_training(tmp_path, parent[0].environment, classes=SHAPES)
    prepared = training.prepare(training.spec(StartMode.FINETUNE), [parent[0].checkpoint(3)])
    assert prepared.new_parameters
    assert all("rtm_cls" in name for name in prepared.new_parameters)


def test_a_resume_for_other_classes_is_refused(parent: Parent, tmp_path: Path) -> None:
    training = new_training(tmp_path, parent[0].environment, classes=SHAPES)
    with pytest.raises(BadSpecError, match=r"of another model: .*rtm_cls.*; use finetune"):
        training.prepare(training.spec(StartMode.RESUME), [parent[0].checkpoint(2)])


def test_the_environment_trains_at_all(training_environment: Environment) -> None:
    answer = json.loads(ask(training_environment.python, "smoke", b"{}").stdout)
    assert answer["iterations"] == 4
    assert answer["mmdet"].startswith("3.")
    assert answer["code"] == training_environment.code
