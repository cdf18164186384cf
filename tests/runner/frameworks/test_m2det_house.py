"""M2Det through the whole house, over a real sshd and screen: trained, killed, resumed, fine-tuned at an epoch and evaluated."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.demo.processes import marked
from recipes.ingest import convert
from recipes.recipe import load_recipe
from runner.entities import Run
from runner.errors import RequestError
from runner.service.environments import declare
from runner.service.models import submit_eval, submit_predict
from runner.service.runs import finetune, resume, submit_training
from runner.specs import DeclaredEnvironment, Overrides
from runner.states import Reason
from tests.support.m2det_standin import new_environment, read_weights
from tests.support.scripted_house import HOST, ScriptedHouse, scripted_house

FINAL = "Final_M2Det_VOC_size320_netvgg16.pth"
EPOCHS = 8


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ScriptedHouse]:
    """fish@2 is in Pascal VOC's format, and the stand-in is what somebody may declare as an environment of the host."""
    with scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as house:
        convert(house.house.catalog, "fish@1", load_recipe("coco-to-voc"), name="fish", created_at=datetime.now(UTC))
        yield house


def declared(house: ScriptedHouse, folder: Path, *, code: str = "") -> Run:
    """The look at the stand-in as a declared environment."""
    standin = new_environment(folder)
    environment = DeclaredEnvironment(
        framework="m2det", python=standin.python, code=code or standin.code, variables={"M2DET_STANDIN_STEP_S": "0.25"}
    )
    return declare(house.house, house.who("declared"), host=HOST, name="m2", declared=environment)


def train(house: ScriptedHouse, **overrides: int) -> Run:
    changed = Overrides.model_validate({"epochs": EPOCHS, "batch": 1, "eval_every": 1, **overrides})
    return submit_training(house.house, house.who(), preset="m2det-320", dataset="fish", overrides=changed, host=HOST)


@pytest.mark.slow
def test_declared_trained_killed_resumed_fine_tuned_and_evaluated(house: ScriptedHouse, tmp_path: Path) -> None:
    with house.running():
        found = house.wait(declared(house, tmp_path), Reason.COMPLETED)
        assert "m2 on gpu-1: python 3." in found.run.detail
        run = train(house)
        seen = house.wait_until(run, lambda view: [item for _, item in view.checkpoints if item.epoch >= 2])
        assert seen.run.spec.dataset.version == 2  # type: ignore[union-attr]
        for pid in marked(seen.attempt.marker) if seen.attempt else ():
            os.kill(pid, signal.SIGKILL)
        killed = house.wait(run, Reason.KILLED, Reason.LOST, Reason.NONZERO_EXIT)
        last = max(item.epoch for _, item in killed.checkpoints)

        again = resume(house.house, house.who("again"), run.id)
        resumed = house.wait(again, Reason.COMPLETED)
        assert resumed.run.prepared is not None
        assert resumed.run.prepared["checkpoint_epoch"] == last
        assert [point.epoch for point in resumed.epoch_ends] == list(range(last + 1, EPOCHS + 1))
        assert (FINAL, EPOCHS) in [(item.name, item.epoch) for _, item in resumed.checkpoints]
        weights = house.directory(again) / "weights" / FINAL
        assert read_weights(weights)["unet1.seen"] == [2.0 * EPOCHS]

        tuned = finetune(
            house.house, house.who("tuned"), again.id, dataset="fish", at_epoch=100, overrides=Overrides(epochs=102, batch=1, eval_every=1)
        )
        measured = submit_eval(house.house, house.who("measured"), again.id)
        drawn = submit_predict(house.house, house.who("drawn"), again.id)
        assert {point.epoch for point in house.wait(tuned, Reason.COMPLETED).epoch_ends} == {101, 102}
        (evaluation,) = house.wait(measured, Reason.COMPLETED).evaluations
        assert (evaluation.epoch, set(evaluation.per_class)) == (EPOCHS, {"fish"})
        house.wait(drawn, Reason.COMPLETED)


def test_what_can_never_work_fails_before_anything_is_taken(house: ScriptedHouse, tmp_path: Path) -> None:
    with house.running():
        missing = house.wait(declared(house, tmp_path, code=str(tmp_path)), Reason.ENVIRONMENT_ERROR)
        assert "is no checkout of M2Det: it lacks the file train.py" in missing.run.detail
        house.wait(declared(house, tmp_path), Reason.COMPLETED)
        seen = house.wait(train(house, batch=3), Reason.BAD_SPEC)
    assert "2 images to train on, fewer than one batch of 3" in seen.run.detail
    assert seen.attempt is None


def test_a_format_that_m2det_does_not_read_is_refused_at_once(house: ScriptedHouse) -> None:
    with pytest.raises(RequestError, match="fish@9"):
        submit_training(house.house, house.who(), preset="m2det-320", dataset="fish@9")
