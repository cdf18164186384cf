"""What can never work is refused while preparing, in a sentence that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.entities import Environment
from runner.errors import BadSpecError
from runner.specs import TrainSpec
from tests.runner.frameworks.conftest import Training, ask, new_training

pytestmark = pytest.mark.environment


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory, training_environment: Environment) -> Training:
    return new_training(tmp_path_factory.mktemp("bad"), training_environment)


OPTIONS = [
    ("model.bbox_head.feat_chanels=8", r"model\.bbox_head has no 'feat_chanels' \(did you mean 'feat_channels'\?\)"),
    ("default_hooks.logger.intervall=5", r"default_hooks\.logger has no 'intervall' \(did you mean 'interval'\?\)"),
    ("train_dataloader.dataset.pipeline.99.x=1", r"train_dataloader\.dataset\.pipeline has no '99'"),
    ("model.bbox_head.num_classes=7", "bbox_head is made for 7 classes and the dataset has 2"),
    ("model.backbone.type=NoNet", r"cannot build the config's model: .*NoNet is not in the mmdet::model registry"),
    ("model.neck.out_channels=24", "The model's parts do not fit together"),
]


@pytest.mark.parametrize(("option", "sentence"), OPTIONS)
def test_an_option_that_cannot_work(training: Training, option: str, sentence: str) -> None:
    with pytest.raises(BadSpecError, match=sentence):
        training.prepare(training.spec(options=[option]))


def preset(**changes: object) -> Callable[[TrainSpec], TrainSpec]:
    return lambda spec: spec.model_copy(update={"preset": spec.preset.model_copy(update=changes)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (preset(config="rtmdet/rtmdet_tinny_8xb32-300e_coco.py"), r"no config .*did you mean 'rtmdet/rtmdet_tiny_8xb32-300e_coco\.py'"),
        (preset(config="../../../../../etc/passwd"), "no config"),
        (preset(options={"modle.backbone.widen_factor": 0.5}), r"the config has no 'modle' \(did you mean 'model'\?\)"),
    ],
)
def test_a_preset_that_cannot_work(training: Training, change: Callable[[TrainSpec], TrainSpec], sentence: str) -> None:
    with pytest.raises(BadSpecError, match=sentence):
        training.prepare(change(training.spec()))


def test_an_annotation_file_that_is_missing(tmp_path: Path, training_environment: Environment) -> None:
    training = new_training(tmp_path, training_environment)
    (tmp_path / "data" / "val.json").unlink()
    with pytest.raises(BadSpecError, match=r"The val split of the dataset lacks data/val\.json"):
        training.prepare(training.spec())


def test_categories_in_another_order_than_the_classes(tmp_path: Path, training_environment: Environment) -> None:
    training = new_training(tmp_path, training_environment)
    path = tmp_path / "data" / "train.json"
    content = json.loads(path.read_text())
    content["categories"].reverse()
    path.write_text(json.dumps(content))
    with pytest.raises(BadSpecError, match=r"data/train\.json lists the categories \['disc', 'square'\]"):
        training.prepare(training.spec())


def test_files_that_are_no_whole_checkpoints_and_why(training: Training, tmp_path: Path) -> None:
    contents = {"empty": b"", "cut": b"PK\x03\x04" + b"\0" * 2000, "text": b"nonsense" * 300}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in (*contents, "missing")]
    answer = json.loads(ask(training.environment.python, "verify", json.dumps({"paths": paths}).encode()).stdout)
    assert [found["whole"] for found in answer["checkpoints"]] == [False] * 4
    whys = ["truncated", "truncated", "cannot be loaded", "no such file"]
    assert all(why in found["why"] for why, found in zip(whys, answer["checkpoints"], strict=True))


def test_unknown_keys_of_a_request_are_refused(training: Training) -> None:
    finished = ask(training.environment.python, "prepare", b'{"spec": {}, "dataset": {}, "checkpoints": [], "folder": "/x", "evil": 1}')
    assert finished.exit_code == 3
    assert "unknown key 'evil'" in json.loads(finished.stdout)["error"]["sentence"]
