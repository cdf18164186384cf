"""MMDetection 2.x, each release with its own flags: prepared, launched and read as the runner does it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy
import pytest

from runner.entities import Checkpoint, Evaluation, WorkResult
from runner.errors import BadSpecError
from runner.frameworks.base import Ranks
from runner.frameworks.mmdet2 import framework
from runner.host.prepare_mmdet_legacy.config import parsed
from runner.specs import Kind, ResultFile, StartMode
from tests.support.mmdet_standin import Standin

pytestmark = pytest.mark.slow
MASKS = "mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"
SLOW = pytest.mark.slow
RPN = "rpn/rpn_r50_fpn_1x_coco.py"


@pytest.mark.parametrize("version", ["2.0.0", pytest.param("2.3.0", marks=SLOW), "2.7.0", "2.25.0", pytest.param("2.28.2", marks=SLOW)])
def test_trained_crashed_resumed_and_evaluated(tmp_path: Path, version: str) -> None:
    at = Standin(tmp_path, version, classes=("fish", "squid"))
    spec = at.training(at.preset(config=MASKS))
    prepared = at.prepare(spec)
    crashed = at.run(spec, prepared, STANDIN_FAIL_AT="2")
    assert (crashed.exit_code, crashed.epochs, crashed.whole) == (1, [1, 2], ["epoch_1.pth", "epoch_2.pth"])
    assert crashed.evaluations == [(1, "bbox", 0.1), (1, "segm", 0.1), (2, "bbox", 0.2), (2, "segm", 0.2)]

    again = at.training(spec.preset, mode=StartMode.RESUME)
    resumed = at.run(again, at.prepare(again, crashed.newest(), trained=prepared))
    assert (resumed.exit_code, resumed.epochs, resumed.lr) == (0, [3], 0.01)
    best = [record.name for record in resumed.records if isinstance(record, Checkpoint) and record.best]
    copied = ["best_bbox_mAP_epoch_3.pth"]
    assert best == {"2.7.0": ["epoch_3.pth"], "2.25.0": copied, "2.28.2": copied}.get(version, [])
    kept = "'max_keep_ckpts': 3" in prepared.config
    assert kept == (version in ("2.3.0", "2.25.0", "2.28.2"))
    assert any("stays on the host" in note for note in prepared.notes) != kept

    measuring = at.using(Kind.EVAL, spec.preset)
    measured = at.run(measuring, at.prepare(measuring, resumed.newest(), trained=prepared))
    assert (measured.exit_code, measured.evaluations) == (0, [(3, "bbox", 0.3), (3, "segm", 0.3)])
    (boxes, masks) = (record for record in measured.records if isinstance(record, Evaluation))
    assert boxes.per_class == masks.per_class == {"fish": 0.3, "squid": 0.3}


def test_resumed_at_another_rate_and_for_more_epochs(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0", variables={"STANDIN_TORCH": "2.6.0"})
    prepared = at.prepare(at.training())
    trained = at.run(at.training(), prepared)
    again = at.training(mode=StartMode.RESUME, lr=0.001, epochs=4)
    begun = at.prepare(again, trained.newest(), trained=prepared)
    resumed = at.run(again, begun)
    assert (resumed.epochs, resumed.lr) == ([4], 0.001)
    assert begun.notes[-2:] == (
        "The schedule is that of 4 epochs from epoch 4 on; it was that of 3.", "Goes on at the learning rate 0.001 instead of 0.01.",
    )  # fmt: skip
    assert "already holds all 3 epochs" in at.refused(at.training(mode=StartMode.RESUME), trained.newest(), trained=prepared)


def test_a_fine_tune_takes_over_what_fits_and_begins_anew(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.7.0")
    trained = at.run(at.training(), at.prepare(at.training()))
    other = Standin(tmp_path / "other", "2.7.0", classes=("crab", "squid"))
    other.folder.mkdir()
    spec = other.training(mode=StartMode.FINETUNE)
    truncated = tmp_path / "epoch_9.pth"
    truncated.write_bytes(trained.newest().read_bytes()[:-30])
    prepared = other.prepare(spec, truncated, trained.newest())
    assert prepared.new_parameters == ("roi_head.bbox_head.weight",)
    assert [Path(path).name for path, _ in prepared.refused] == ["epoch_9.pth"]
    assert "torchvision://" not in prepared.config
    done = other.run(spec, prepared)
    assert (done.exit_code, done.epochs) == (0, [1, 2, 3])
    assert f"load checkpoint from local path: {trained.newest()}" in done.log


@pytest.mark.parametrize(
    ("version", "flag", "batch", "lr"),
    [
        ("2.0.0", "autoscale_lr", 2, 0.005),
        pytest.param("2.3.0", None, 2, 0.005, marks=SLOW),
        ("2.24.1", "auto_scale_lr", 4, 0.01),
        pytest.param("2.28.2", "auto_scale_lr", 2, 0.005, marks=SLOW),
    ],
)
def test_the_rate_is_scaled_by_the_frameworks_own_flag_where_it_has_one(
    tmp_path: Path, version: str, flag: str | None, batch: int, lr: float
) -> None:
    at = Standin(tmp_path, version, variables={"STANDIN_CUDA": "2", "STANDIN_TORCH": "2.1.0"})
    spec = at.training(at.preset(gpus=8, lr=0.02), gpus=2, batch=batch, epochs=1)
    prepared = at.prepare(spec)
    done = at.run(spec, prepared)
    assert (done.exit_code, prepared.lr, done.lr) == (0, lr, lr)
    given = done.told()["given"]
    assert [name for name in ("autoscale_lr", "auto_scale_lr") if given.get(name)] == ([flag] if flag else [])
    assert [done.told(rank)["variables"]["LOCAL_RANK"] for rank in (0, 1)] == ["0", "1"]


def test_own_modules_are_named_by_the_config_or_registered_by_the_launcher(tmp_path: Path) -> None:
    code = {
        "augfpn.py": "from mmcv.modules import module\nfrom mmdet.models import ALL, NECKS\n\n"
        "module(ALL, NECKS, 'AugFPN', 0, in_channels=None, out_channels=256, num_outs=5)\n",
        "fishes/reading.py": "from mmdet.datasets import CocoDataset, DATASETS\n\n"
        "@DATASETS.register_module()\nclass Fishes(CocoDataset):\n    CLASSES = ('fish',)\n",
        "fishes/__init__.py": "from . import reading\n",
        "own.py": "_base_ = ['../_base_/models/cascade_mask_rcnn_r50_fpn.py', 'mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py'][:1] + [\n"
        "    'faster_rcnn/../_base_/datasets/coco_detection.py', '../_base_/schedule_1x_runner.py', '../_base_/default_runtime.py']\n"
        "model = dict(neck=dict(type='AugFPN'))\n"
        "pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True),\n"
        "    dict(type='AutoAugment', policies=[[dict(type='Rotate', level=5)]])]\n"
        "data = dict(train=dict(type='Fishes', pipeline=pipeline))\n",
    }
    for version, launcher in (("2.0.0", True), ("2.28.2", False)):
        at = Standin(tmp_path / version, version, code=code)
        at.folder.mkdir()
        preset = at.preset(config="own.py", code=dict.fromkeys(code, "0" * 64), imports=("augfpn", "fishes"))
        prepared = at.prepare(at.training(preset, epochs=1))
        assert "'type': 'Fishes'" in prepared.config
        assert prepared.config.count("'num_classes': 1,") == 4
        assert prepared.config.count("'num_classes': 183") == 1
        done = at.run(at.training(preset, epochs=1), prepared)
        assert done.exit_code == 0, done.log
        program = json.loads((done.directory / "companion.json").read_text())["program"]
        assert ("augfpn,fishes" in program) == launcher
        assert ("'imports': ['augfpn', 'fishes']" in prepared.config) == (not launcher)


def test_predicts_on_given_pictures_and_a_video(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.28.2")
    prepared = at.prepare(at.training(epochs=1))
    trained = at.run(at.training(epochs=1), prepared)
    directory = at.directory()
    inputs = directory / "data/inputs"
    inputs.mkdir()
    cv2.imwrite(str(inputs / "a 'b'.png"), numpy.zeros((24, 32, 3), numpy.uint8))
    (inputs / "broken.jpg").write_bytes(b"no picture")
    video = cv2.VideoWriter(str(inputs / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 5, (64, 48))
    for number in range(3):
        video.write(numpy.full((48, 64, 3), number * 60, numpy.uint8))
    video.release()
    # What lists other files is not followed to them, and no frame takes the name of a picture, which is a link to what was given.
    (inputs / "list.mp4").write_text("ffconcat version 1.0\nfile clip.mp4\n")
    cv2.imwrite(str(inputs / "clip_000002.png"), numpy.full((24, 32, 3), 255, numpy.uint8))
    given = (inputs / "clip_000002.png").read_bytes()
    files = ("a 'b'.png", "broken.jpg", "clip_000002.png", "clip.mp4", "list.mp4")
    spec = at.using(Kind.PREDICT, files=files, results=(ResultFile.PICTURES,), overrides={"batch": 2}, score=0.5)
    using = at.prepare(spec, trained.newest(), trained=prepared)
    test = parsed(using.config)["data"]["test"]
    assert ("ImageToTensor" in str(test), test["samples_per_gpu"], using.batch) == (False, 2, 2)
    done = at.run(spec, using)
    assert done.exit_code == 0, done.log
    (summary,) = (record.summary for record in done.records if isinstance(record, WorkResult))
    assert (summary["images"], summary["frames"], summary["boxes"], summary["left_out_count"]) == (5, 3, 5, 2)
    names = ("a _b_", "clip_000002", "clip_000001", "clip_000002_2", "clip_000003")
    shown = [{"picture": f"pictures/{name}.jpg", "boxes": 1, "score": 0.9} for name in names]
    assert (summary["shown"], (inputs / "clip_000002.png").read_bytes()) == (shown, given)
    capture = cv2.VideoCapture(str(directory / "results/video.mp4"))
    assert (capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)) == (3, 5)
    boxes = json.loads((directory / "results/predictions.json").read_text())
    assert [(box["image_id"], box.get("frame")) for box in boxes] == [(1, None), (2, None), (3, 1), (4, 2), (5, 3)]
    nothing = at.using(Kind.PREDICT, files=("broken.jpg",))
    failed = at.run(nothing, at.prepare(nothing, trained.newest(), trained=prepared))
    assert (failed.exit_code, "failed to load image" in failed.log) == (1, True)


def test_result_files_of_cityscapes(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0", classes=("person", "car"))
    preset = at.preset(config="cityscapes/mask_rcnn_r50_fpn_1x_cityscapes.py")
    prepared = at.prepare(at.training(preset, epochs=1))
    assert "load_from (mask_rcnn_r50.pth) is left out" in " ".join(prepared.notes)
    assert prepared.iterations == 16  # four pictures, eight times, two at a time
    trained = at.run(at.training(preset, epochs=1), at.prepare(at.training(at.preset(config=MASKS), epochs=1)))
    spec = at.using(Kind.PREDICT, preset, results=(ResultFile.CITYSCAPES,))
    done = at.run(spec, at.prepare(spec, trained.newest(), trained=prepared))
    assert done.exit_code == 0, done.log
    assert len(list((done.directory / "results/cityscapes").glob("*_pred.txt"))) == 4
    assert list((done.directory / "results/pictures").iterdir()) == []
    both = at.using(Kind.PREDICT, preset, results=(ResultFile.CITYSCAPES, ResultFile.COCO))
    assert "ask for one of them" in at.refused(both, trained.newest(), trained=prepared)


def test_published_and_proposals_measured(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.7.0")
    preset = at.preset(config=RPN)
    prepared = at.prepare(at.training(preset, epochs=1))
    trained = at.run(at.training(preset, epochs=1), prepared)
    measuring = at.using(Kind.EVAL, preset)
    measured = at.run(measuring, at.prepare(measuring, trained.newest(), trained=prepared))
    (recall,) = (record.recall for record in measured.records if isinstance(record, Evaluation))
    assert recall == {"AR@100": 0.1, "AR@300": 0.1, "AR@1000": 0.1}
    spec = at.using(Kind.EXPORT, preset, publish_as="mine")
    done = at.run(spec, at.prepare(spec, trained.newest(), trained=prepared))
    assert done.exit_code == 0, done.log
    (summary,) = (record.summary for record in done.records if isinstance(record, WorkResult))
    assert (done.directory / str(summary["file"])).is_file()
    assert str(summary["file"]).startswith("results/model/mine-")


def test_measured_on_a_split_whose_classes_stand_in_another_order(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0", classes=("fish", "squid"))
    prepared = at.prepare(at.training(epochs=1))
    trained = at.run(at.training(epochs=1), prepared)
    turned = Standin(tmp_path, "2.25.0", classes=("squid", "fish"), made=at.made)
    spec = turned.using(Kind.EVAL)
    using = turned.prepare(spec, trained.newest(), trained=prepared, trained_classes=at.classes)
    measured = turned.run(spec, using)
    assert measured.exit_code == 0, measured.log
    other = Standin(tmp_path, "2.25.0", classes=("crab",), made=at.made)
    assert "The model knows the classes fish, squid" in other.refused(
        spec, trained.newest(), trained=prepared, trained_classes=at.classes
    )


def test_without_a_gpu_late_releases_train_in_one_process(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0", variables={"STANDIN_CUDA": "0"})
    spec = at.training(epochs=1)
    done = at.run(spec, at.prepare(spec))
    assert (done.exit_code, done.told()["variables"]["CUDA_VISIBLE_DEVICES"]) == (0, "-1")
    assert "'workers_per_gpu': 0" in (done.directory / "run_config.py").read_text()
    assert "on GPUs only" in at.refused(at.training(gpus=2))
    assert "2.21 and later can" in Standin(tmp_path, "2.7.0", variables={"STANDIN_CUDA": "0"}).refused(spec)
    two = Standin(tmp_path, "2.7.0", variables={"STANDIN_CUDA": "2"})
    assert "leave --no-distributed out" in two.refused(two.training(gpus=2, distributed=False))


def test_slurm_starts_the_processes_itself(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.28.2", variables={"STANDIN_CUDA": "4"})
    spec = at.training(gpus=4)
    plan = framework.train(spec, at.prepare(spec), at.environment, Ranks(processes=4, port=20001, slurm=True))
    program = json.loads(plan.files["companion.json"])["program"]
    assert program[1] == f"{at.environment.code}/tools/train.py"
    assert (program[-2:], plan.variables["MASTER_PORT"]) == (["--launcher", "slurm"], "20001")
    with pytest.raises(BadSpecError, match="no checkpoint to resume"):
        framework.train(at.training(mode=StartMode.RESUME), at.prepare(spec), at.environment, Ranks())
