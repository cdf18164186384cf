"""The TensorFlow 2 Object Detection API for real, on the CPU: VoTT annotations in, then every kind of run through its launch plan."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest

from runner.diagnosis import diagnose
from runner.entities import Checkpoint, Environment, Evaluation, Progress, Record, WorkResult
from runner.environments import find_ready
from runner.frameworks.base import Prepared, Ranks
from runner.frameworks.tfod import framework
from runner.specs import Kind, StartMode
from runner.states import Reason
from tests.support.tfod_place import DATASET, Place, shapes, training, using

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1500)]

WEIGHTS = """
import sys, numpy, tensorflow as tf
one, other = (tf.train.load_checkpoint(path) for path in sys.argv[1:])
names = [name for name in one.get_variable_to_shape_map() if name.startswith("model/") and ".OPTIMIZER_SLOT" not in name]
same = [name for name in names if other.has_tensor(name) and numpy.array_equal(one.get_tensor(name), other.get_tensor(name))]
heads = [name for name in names if "_box_predictor" in name]
print(len(names), len(same), len(heads), len(set(heads) & set(same)))
"""


@dataclass(frozen=True)
class Parent:
    """A finished training of 200 steps."""

    place: Place
    prepared: Prepared
    records: tuple[Record, ...]

    @property
    def checkpoint(self) -> Path:
        return self.place.directory / "kept" / "ckpt-2"

    def child(self, folder: Path, **changed: object) -> Place:
        """Another attempt's directory with the same data."""
        shutil.copytree(self.place.directory / "data", folder / "data")
        return replace(self.place, directory=folder, **changed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def environment() -> Environment:
    found = find_ready("tfod")
    if found is None:
        pytest.skip("there is no environment of the TensorFlow Object Detection API; `python -m runner.environments build tfod` makes it")
    return found


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory, environment: Environment) -> Parent:
    folder = tmp_path_factory.mktemp("it's a $parent")
    place = Place(folder, environment, shapes(folder))
    spec = training(epochs=20, batch=2, eval_every=25)
    prepared = place.prepare(spec)
    code, log, records = place.train(spec, prepared)
    assert code == 0, log[-3000:]
    return Parent(place, prepared, records)


T = TypeVar("T")


def of(kind: type[T], records: tuple[Record, ...]) -> list[T]:
    return [record for record in records if isinstance(record, kind)]


def compared(python: str, one: Path, other: Path) -> tuple[int, int, int, int]:
    """(weights, equal ones, weights of the heads, equal ones of these)."""
    done = subprocess.run([python, "-c", WEIGHTS, str(one), str(other)], capture_output=True, check=True)
    weights, same, heads, same_heads = map(int, done.stdout.split())
    return weights, same, heads, same_heads


def test_a_training_tells_steps_as_epochs_and_is_evaluated_beside(parent: Parent) -> None:
    prepared, records = parent.prepared, parent.records
    assert (prepared.epochs, prepared.iterations, prepared.batch, prepared.lr) == (25, 8, 2, 0.08)
    assert "200 steps (25 epochs) instead of 160" in prepared.notes[0]
    points = of(Progress, records)
    assert [(point.epoch, point.iteration, point.iterations) for point in points] == [(13, 4, 8), (25, 8, 8)]
    assert points[-1].eta_s == 0
    told = of(Checkpoint, records)
    assert {(each.name, each.epoch) for each in told} == {("ckpt-2", 25)}
    [last] = of(Evaluation, records)
    assert (last.epoch, last.task, set(last.per_class)) == (25, "bbox", {"square", "disc"})
    assert last.ap is not None
    assert last.ap > 0.5
    assert [each.best for each in told] == [False, True]


def test_a_resume_refuses_a_torn_checkpoint_and_goes_on_with_the_steps(parent: Parent, tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    torn.mkdir()
    for file in parent.checkpoint.parent.glob("ckpt-2.*"):
        shutil.copy(file, torn)
    with (torn / "ckpt-2.data-00000-of-00001").open("r+b") as file:
        file.truncate(1_000_000)
    child = parent.child(tmp_path / "child", images={"train": 16})
    spec = training(StartMode.RESUME, epochs=30, lr=0.01)
    prepared = child.prepare(spec, [torn / "ckpt-2", parent.checkpoint], trained=parent.prepared)
    assert [path for path, _ in prepared.refused] == [str(torn / "ckpt-2")]
    assert (prepared.checkpoint, prepared.checkpoint_epoch, prepared.lr) == (str(parent.checkpoint), 25, 0.01)
    assert (prepared.batch, prepared.values["steps"]) == (2, 300)
    code, log, records = child.train(spec, prepared)
    assert code == 0, log[-3000:]
    assert [(each.name, each.epoch) for each in of(Checkpoint, records)] == [("ckpt-3", 37)]
    assert [(point.epoch, point.lr) for point in of(Progress, records)] == [(38, 0.0)]
    assert parent.checkpoint.with_suffix(".index").is_file()


def test_a_fine_tune_takes_over_all_weights_and_begins_at_step_0(parent: Parent, tmp_path: Path) -> None:
    child = parent.child(tmp_path / "child", images={"train": 16})
    spec = training(StartMode.FINETUNE, epochs=5, batch=2)
    prepared = child.prepare(spec, [parent.checkpoint])
    assert prepared.new_parameters == ()
    code, log, records = child.train(spec, prepared)
    assert code == 0, log[-3000:]
    assert [point.epoch for point in of(Progress, records)] == [13]
    weights, same, heads, _ = compared(child.environment.python, parent.checkpoint, child.directory / "model" / "ckpt-1")
    assert weights == same > heads > 0


def test_a_fine_tune_to_other_classes_keeps_the_feature_extractor_and_ends_when_asked(parent: Parent, tmp_path: Path) -> None:
    child = parent.child(tmp_path / "child", images={"train": 16}, classes=("square", "disc", "bar"))
    (child.directory / "data" / "label_map.pbtxt").write_text("".join(
        f"item {{ id: {number} name: '{name}' }}\n" for number, name in enumerate(child.classes, 1)
    ))  # fmt: skip
    spec = training(StartMode.FINETUNE, epochs=5, batch=2)
    prepared = child.prepare(spec, [parent.checkpoint])
    assert "only the feature extractor is taken over" in prepared.notes[-1]
    assert prepared.taken_parameters > 200
    assert all("BoxPredictor" in name for name in prepared.new_parameters)
    with stopped_once_there(child.directory / "model" / "ckpt-1.index"):
        code, log, _ = child.train(spec, prepared)
    assert (code, diagnose(exit_code=code, tail=log.encode()).reason) == (143, Reason.KILLED)
    weights, same, heads, same_heads = compared(child.environment.python, parent.checkpoint, child.directory / "model" / "ckpt-1")
    assert same >= weights - heads
    assert same_heads < heads


class stopped_once_there:  # noqa: N801 - reads as a phrase
    """Beside the block: whatever works in the file's attempt gets TERM once the file is there, as a stop does it."""

    def __init__(self, path: Path) -> None:
        script = (
            "import os, signal, sys, time\npath, home = sys.argv[1:]\nwhile not os.path.exists(path): time.sleep(0.2)\n"
            "for name in filter(str.isdigit, os.listdir('/proc')):\n"
            "    try:\n        inside = os.readlink('/proc/%s/cwd' % name) == home\n    except OSError:\n        continue\n"
            "    if inside: os.kill(int(name), signal.SIGTERM)\n"
        )
        self._argv = [sys.executable, "-c", script, str(path), os.path.realpath(path.parent.parent)]

    def __enter__(self) -> None:
        self._child = subprocess.Popen(self._argv)

    def __exit__(self, *_: object) -> None:
        self._child.wait(20)


def test_an_evaluation_of_the_last_checkpoint_tells_what_was_told_beside_the_training(parent: Parent, tmp_path: Path) -> None:
    child = parent.child(tmp_path / "child")
    spec = using(Kind.EVAL, dataset=DATASET)
    prepared = child.prepare(spec, [parent.checkpoint], trained=parent.prepared)
    code, log, records = child.work(framework.evaluate(spec, prepared, child.environment, Ranks()), prepared)
    assert code == 0, log[-3000:]
    assert "Exiting evaluation at step 200" in log
    assert of(Evaluation, records) == of(Evaluation, parent.records)


def test_an_export_is_a_saved_model_with_its_label_map(parent: Parent, tmp_path: Path) -> None:
    place = replace(parent.place, directory=tmp_path)
    spec = using(Kind.EXPORT)
    prepared = place.prepare(spec, [parent.checkpoint], trained=parent.prepared)
    code, log, _ = place.work(framework.export(spec, prepared, place.environment), prepared)
    assert code == 0, log[-3000:]
    model = tmp_path / "results" / "model"
    assert {"checkpoint", "label_map.pbtxt", "pipeline.config", "saved_model"} == {path.name for path in model.iterdir()}
    assert (model / "saved_model" / "saved_model.pb").stat().st_size > 1_000_000


def test_predictions_of_records_pictures_and_a_video_are_drawn(parent: Parent, tmp_path: Path) -> None:
    child = parent.child(tmp_path / "child")
    given = child.directory / "data" / "inputs"
    given.mkdir()
    shutil.copy(parent.place.directory / "vott" / "vott-json-export" / "3.jpg", given / "own picture.jpg")
    (given / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    video = cv2.VideoWriter(str(given / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (96, 96))
    for _ in range(3):
        video.write(np.full((96, 96, 3), 90, np.uint8))
    video.release()
    files = [{"name": path.name, "digest": "0"} for path in sorted(given.iterdir())]
    spec = using(Kind.PREDICT, dataset=DATASET, files=files, results=["coco", "pictures"])
    prepared = child.prepare(spec, [parent.checkpoint], trained=parent.prepared)
    code, log, records = child.work(framework.predict(spec, prepared, child.environment, Ranks()), prepared)
    assert code == 0, log[-3000:]
    results = child.directory / "results"
    found = json.loads((results / "predictions.json").read_text())
    own = [item for item in found if item["file_name"] == "own picture.jpg" and item["score"] > 0.5]
    assert {item["category"] for item in own} == {"square", "disc"}
    assert (results / "pictures" / "own picture.jpg").is_file()
    assert (results / "video.mp4").is_file()
    [summary] = [record.summary for record in of(WorkResult, records)]
    assert summary["images"] == 4 + 1 + 3
    assert summary["left_out_count"] == 1


@pytest.fixture
def small(tmp_path: Path, environment: Environment) -> Iterator[Place]:
    yield Place(tmp_path, environment, shapes(tmp_path, 5))


def test_an_inverted_box_stops_a_training_before_it_begins(small: Place) -> None:
    spec = training(epochs=1)
    prepared = small.prepare(spec)
    record = small.directory / "data" / "train.record"
    write = (
        "import sys, tensorflow as tf\npath = sys.argv[1]\nrecords = list(tf.data.TFRecordDataset(path).as_numpy_iterator())\n"
        "bad = tf.train.Example.FromString(records[1])\nbad.features.feature['image/object/bbox/xmin'].float_list.value[0] = 0.99\n"
        "with tf.io.TFRecordWriter(path) as writer:\n"
        "    for record in (records[0], bad.SerializeToString(), *records[2:]): writer.write(record)\n"
    )
    subprocess.run([small.environment.python, "-c", write, str(record)], check=True, capture_output=True)
    code, log, _ = small.train(spec, prepared)
    said = diagnose(exit_code=code, tail=log.encode())
    assert (code, said.reason) == (1, Reason.DATA_ERROR)
    assert "train.record, record 2" in said.sentence
    assert "is inverted or empty" in said.sentence
    assert not (small.directory / "model").exists()
