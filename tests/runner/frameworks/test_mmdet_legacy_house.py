"""A declared checkout of MMDetection 2.x through the whole house, over a real sshd and screen: trained, crashed, resumed, and used."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.entities import Run
from runner.service.models import submit_eval, submit_export, submit_predict
from runner.service.runs import finetune, resume, submit_training
from runner.specs import Overrides
from runner.states import Reason
from runner.store import hosts
from tests.support.mmdet_standin import new_environment
from tests.support.scripted_house import HOST, ScriptedHouse, scripted_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ScriptedHouse]:
    """The host has MMDetection 2.28.2 and 1.2.0 declared, which crash after the second epoch of a fresh training."""
    with scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as house:
        with house.house.store.writing() as db:
            for version in ("2.28.2", "1.2.0"):
                (tmp_path / version).mkdir()
                hosts.put_environment(db, new_environment(tmp_path / version, version, STANDIN_FAIL_AT="2"))
        yield house


def train(house: ScriptedHouse, preset: str, **overrides: float) -> Run:
    changed = Overrides.model_validate({"epochs": 4, **overrides})
    return submit_training(house.house, house.who(preset), preset=preset, dataset="fish", overrides=changed, gpus=1, host=HOST)


@pytest.mark.slow
def test_trained_crashed_resumed_fine_tuned_and_used(house: ScriptedHouse) -> None:
    with house.running():
        run = train(house, "mmdet2-faster-rcnn-r50", lr=0.005)
        trained = house.wait(run, Reason.COMPLETED, timeout_s=60)
        assert trained.run.attempt == 2
        assert [point.epoch for point in trained.epoch_ends] == [1, 2, 3, 4]
        assert [(item.epoch, item.task, item.ap) for item in trained.evaluations[-4:]] == [
            (1, "bbox", 0.1), (2, "bbox", 0.2), (3, "bbox", 0.3), (4, "bbox", 0.4),
        ]  # fmt: skip
        whole = {(number, item.name) for number, item in trained.checkpoints if item.size_bytes}
        assert whole == {(1, "epoch_1.pth"), (1, "epoch_2.pth"), (2, "epoch_3.pth"), (2, "epoch_4.pth")}
        assert [item.name for _, item in trained.checkpoints if item.best][-1] == "best_bbox_mAP_epoch_4.pth"

        again = resume(house.house, house.who("again"), run.id, overrides=Overrides(epochs=5, lr=0.001))
        resumed = house.wait(again, Reason.COMPLETED)
        assert [(point.epoch, point.lr) for point in resumed.epoch_ends] == [(5, 0.001)]

        tuned = finetune(house.house, house.who("tuned"), again.id, dataset="fish", overrides=Overrides(epochs=1))
        measured = submit_eval(house.house, house.who("measured"), again.id)
        drawn = submit_predict(house.house, house.who("drawn"), again.id)
        published = submit_export(house.house, house.who("published"), again.id)
        assert [point.epoch for point in house.wait(tuned, Reason.COMPLETED).epoch_ends] == [1]
        evaluations = house.wait(measured, Reason.COMPLETED).evaluations
        assert [(item.epoch, item.task, item.ap, dict(item.per_class)) for item in evaluations] == [
            (5, "bbox", 0.5, {"fish": 0.5}),
        ]
        house.wait(drawn, Reason.COMPLETED)
        house.wait(published, Reason.COMPLETED)
        assert len(json.loads((house.directory(drawn) / "results/predictions.json").read_text())) == 2
        assert list((house.directory(published) / "results/model").glob("mmdet2-faster-rcnn-r50-*.pth"))


def test_a_gpu_is_not_taken_for_what_1_x_cannot_do(house: ScriptedHouse) -> None:
    with house.house.store.writing() as db:
        environment = next(each for each in hosts.environments(db, host=HOST) if each.framework == "mmdet1")
        hosts.put_environment(db, replace(environment, variables={**environment.variables, "STANDIN_CUDA": "0"}))
    with house.running():
        refused = house.wait(train(house, "mmdet1-faster-rcnn-r50"), Reason.BAD_SPEC)
        assert refused.run.attempt == 0
        assert "MMDetection 1.x cannot train on a CPU" in refused.run.detail
