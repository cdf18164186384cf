"""What is done with trained MMDetection models, for real on the CPU: evaluated, used on pictures, datasets and videos, published."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from runner.entities import Environment, Evaluation, Record, WorkResult, WorkStep
from runner.errors import BadSpecError
from runner.frameworks.base import DatasetOnHost, LaunchPlan, Prepared, PrepareRequest, Ranks
from runner.frameworks.mmdet import framework
from runner.own_lines import OwnLines
from runner.preparing import as_bytes, read_answer
from runner.presets import find_preset
from runner.specs import DatasetRef, GivenFile, Kind, ModelSpec, Overrides, Preset, ResultFile, Start, StartMode, TrainSpec
from tests.runner.frameworks.conftest import SHAPES, TRAIN, VAL, ask, new_training, training_environment

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]  # on a machine that does other things, too
__all__ = ["training_environment"]  # a fixture

TIMEOUT_S = 500
REFERENCE = DatasetRef(name="shapes", version=1, fingerprint="f", format="coco")
LAYOUT = {split: (f"data/{split}.json", "data/images") for split in ("train", "val")}
# A ResNet-18 with a quarter of its channels: learns a little in seconds.
TINY_MASKS = Preset(
    name="masks", framework="mmdet", config="mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py", description="tiny", epochs=6, batch=4, lr=0.02,
    options={
        "model.backbone.depth": 18, "model.backbone.base_channels": 16, "model.backbone.frozen_stages": -1,
        "model.backbone.norm_eval": False, "model.backbone.init_cfg": None, "model.backbone.norm_cfg.requires_grad": True,
        "model.neck.in_channels": [16, 32, 64, 128], "model.neck.out_channels": 32,
        "model.rpn_head.in_channels": 32, "model.rpn_head.feat_channels": 32, "model.rpn_head.anchor_generator.scales": [4],
        "model.roi_head.bbox_roi_extractor.out_channels": 32, "model.roi_head.mask_roi_extractor.out_channels": 32,
        "model.roi_head.bbox_head.in_channels": 32, "model.roi_head.bbox_head.fc_out_channels": 64,
        "model.roi_head.mask_head.in_channels": 32, "model.roi_head.mask_head.conv_out_channels": 32,
        "model.roi_head.mask_head.num_convs": 1,
        "train_dataloader.dataset.pipeline": [
            {"type": "LoadImageFromFile"}, {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True},
            {"type": "Resize", "scale": [128, 128], "keep_ratio": True}, {"type": "PackDetInputs"},
        ],
        "val_dataloader.dataset.pipeline": [
            {"type": "LoadImageFromFile"}, {"type": "Resize", "scale": [128, 128], "keep_ratio": True},
            {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True},
            {"type": "PackDetInputs", "meta_keys": ["img_id", "img_path", "ori_shape", "img_shape", "scale_factor"]},
        ],
    },
)  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A finished training, whose model is used in directories of their own as the runner does it."""

    directory: Path
    environment: Environment
    preset: Preset
    classes: tuple[str, ...]
    prepared: Prepared
    records: Sequence[Record]

    def spec(
        self, kind: Kind, *, dataset: bool = True, files: Sequence[str] = (), results: Sequence[ResultFile] = (), batch: int | None = None,
        gpus: int = 1,
    ) -> ModelSpec:  # fmt: skip
        return ModelSpec(
            kind=kind, preset=self.preset, model=Start(mode=StartMode.FINETUNE, run_id="r-7f3k"), trained_on=REFERENCE, host="local",
            dataset=REFERENCE if dataset else None, files=tuple(GivenFile(name=name, digest="0") for name in files), gpus=gpus,
            results=tuple(results), overrides=Overrides(batch=batch), score=0.05,
        )  # fmt: skip

    def prepare(
        self, spec: ModelSpec, folder: Path, *, checkpoints: Sequence[Path] = (), classes: Sequence[str] = ()
    ) -> Prepared:
        dataset = DatasetOnHost("shapes@1", "coco", tuple(classes or self.classes), LAYOUT, {"train": TRAIN, "val": VAL})
        wanted = checkpoints or [self.directory / f"work_dir/epoch_{self.prepared.epochs}.pth"]
        request = PrepareRequest(
            spec, dataset if spec.dataset else None, tuple(map(str, wanted)), str(folder), trained=self.prepared,
            trained_classes=self.classes,
        )  # fmt: skip
        return read_answer(ask(self.environment.python, "prepare", as_bytes(request)))

    def last(self, task: str) -> Evaluation:
        return [item for item in self.records if isinstance(item, Evaluation) and item.task == task][-1]


@dataclass(frozen=True)
class Made:
    """What a launch left."""

    results: Path
    records: Sequence[Record]
    log: str

    def evaluation(self, task: str) -> Evaluation:
        (found,) = (item for item in self.records if isinstance(item, Evaluation) and item.task == task)
        return found

    def summary(self) -> Mapping[str, object]:
        (found,) = (item.summary for item in self.records if isinstance(item, WorkResult))
        return found

    def content(self, name: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads((self.results / name).read_text())
        return found


def train(directory: Path, environment: Environment, preset: Preset, classes: tuple[str, ...], epochs: int) -> Trained:
    """One evaluation, at the end."""
    training = new_training(directory, environment, classes)
    add_outlines(directory / "data")
    overrides = Overrides(batch=4, epochs=epochs, eval_every=epochs)
    spec = TrainSpec(preset=preset, dataset=REFERENCE, overrides=overrides, gpus=0)
    prepared = training.prepare(spec)
    return Trained(directory, environment, preset, classes, prepared, training.train(spec, prepared))


def add_outlines(folder: Path) -> None:
    """Every box is the outline of its object, too."""
    for split in LAYOUT:
        listing = folder / f"{split}.json"
        content = json.loads(listing.read_text())
        for item in content["annotations"]:
            x, y, width, height = item["bbox"]
            item["segmentation"] = [[x, y, x + width, y, x + width, y + height, x, y + height]]
        listing.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory, training_environment: Environment) -> Trained:
    preset = find_preset("rtmdet-nano").model_copy(update={"lr": 0.01})
    return train(tmp_path_factory.mktemp("bo xes'"), training_environment, preset, SHAPES[:2], 10)


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory, training_environment: Environment) -> Trained:
    return train(tmp_path_factory.mktemp("masks"), training_environment, TINY_MASKS, ("car", "person"), 6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An attempt's directory."""
    made = tmp_path / 'at "tempt\' ü$1'
    made.mkdir()
    return made


def launch(plan: LaunchPlan, trained: Trained, folder: Path, prepared: Prepared) -> Made:
    """Carry out a plan as a host's launch.sh does, over a tree of the training's data."""
    if not (folder / "data").exists():
        shutil.copytree(trained.directory / "data", folder / "data")
    for name, content in plan.files.items():
        (folder / name).write_bytes(content)
    exports = [f"export {name}={shlex.quote(value)}" for name, value in {"OMP_NUM_THREADS": "1", **plan.variables}.items()]
    (folder / "command.sh").write_text("\n".join([*exports, *plan.setup, f"exec {shlex.join(plan.argv)}", ""]))
    done = subprocess.run(
        ["sh", "command.sh"], cwd=folder, env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    log = done.stdout.decode()
    assert done.returncode == 0, log[-3000:]
    return Made(folder / "results", OwnLines(framework.log_parser(prepared)).feed(done.stdout), log)


def evaluate(trained: Trained, folder: Path, spec: ModelSpec, ranks: Ranks = Ranks(), **prepared_with: Sequence[str]) -> Made:
    prepared = trained.prepare(spec, folder, **prepared_with)  # type: ignore[arg-type]
    return launch(framework.evaluate(spec, prepared, trained.environment, ranks), trained, folder, prepared)


def predict(trained: Trained, folder: Path, spec: ModelSpec) -> Made:
    prepared = trained.prepare(spec, folder)
    return launch(framework.predict(spec, prepared, trained.environment, Ranks()), trained, folder, prepared)


def measured(listing: Path, predictions: Path, task: str) -> float:
    """mAP as pycocotools itself finds it."""
    with contextlib.redirect_stdout(None):
        truth = COCO(str(listing))
        found = COCOeval(truth, truth.loadRes(str(predictions)), task)
        found.evaluate()
        found.accumulate()
        found.summarize()
    return float(found.stats[0])


def test_an_evaluation_finds_what_the_training_found_last_and_pycocotools_finds(boxes: Trained, folder: Path) -> None:
    made = evaluate(boxes, folder, boxes.spec(Kind.EVAL, results=[ResultFile.COCO, ResultFile.PICKLE]))
    found, last = made.evaluation("bbox"), boxes.last("bbox")
    assert found == last
    assert found.epoch == 10
    assert found.ap is not None
    assert found.ap > 0.02
    assert set(found.per_class) == set(boxes.classes)
    assert found.ap == pytest.approx(measured(boxes.directory / "data/val.json", made.results / "coco.bbox.json", "bbox"), abs=0.0006)
    assert WorkStep("evaluating", 1, 1) in made.records
    assert (made.results / "predictions.pkl").stat().st_size > 1000


def test_classes_in_another_order_are_measured_under_their_own_names(boxes: Trained, folder: Path) -> None:
    shutil.copytree(boxes.directory / "data", folder / "data")
    listing = folder / "data" / "val.json"
    content = json.loads(listing.read_text())
    content["categories"].reverse()
    listing.write_text(json.dumps(content))
    made = evaluate(boxes, folder, boxes.spec(Kind.EVAL), classes=boxes.classes[::-1])
    assert made.evaluation("bbox") == boxes.last("bbox")


def test_two_processes_evaluate_as_one_does(boxes: Trained, folder: Path) -> None:
    made = evaluate(boxes, folder, boxes.spec(Kind.EVAL, gpus=2, batch=2), Ranks(processes=2))
    assert made.evaluation("bbox").ap == pytest.approx(boxes.last("bbox").ap, abs=0.002)


def test_the_first_whole_checkpoint_is_used_and_broken_ones_are_named(boxes: Trained, folder: Path) -> None:
    best, broken = next((boxes.directory / "work_dir").glob("best_*.pth")), folder / "epoch_9.pth"
    broken.write_bytes(best.read_bytes()[:5000])
    prepared = boxes.prepare(boxes.spec(Kind.EVAL), folder, checkpoints=[broken, best])
    assert (prepared.checkpoint, prepared.checkpoint_epoch) == (str(best), 10)
    assert [path for path, _ in prepared.refused] == [str(broken)]
    with pytest.raises(BadSpecError, match="the dataset lacks disc; the model does not know bar"):
        boxes.prepare(boxes.spec(Kind.EVAL), folder, classes=("square", "bar"))


def test_a_dataset_is_predicted_as_it_is_evaluated(boxes: Trained, folder: Path) -> None:
    spec = boxes.spec(Kind.PREDICT, results=[ResultFile.PICTURES, ResultFile.COCO, ResultFile.PICKLE], batch=3)
    made = predict(boxes, folder, spec)
    ap = boxes.last("bbox").ap
    assert measured(boxes.directory / "data/val.json", made.results / "coco.bbox.json", "bbox") == pytest.approx(ap, abs=0.002)
    summary, found, exact = made.summary(), made.content("predictions.json"), made.content("coco.bbox.json")
    assert (summary["images"], summary["left_out"]) == (VAL, [])
    assert sorted(path.name for path in (made.results / "pictures").iterdir()) == [f"{number}.jpg" for number in range(TRAIN, TRAIN + VAL)]
    assert {item["category"] for item in found} <= set(boxes.classes)
    assert len(found) == len(exact)
    assert sum(float(str(item["score"])) >= spec.score for item in exact) == summary["boxes"]
    script = "import mmengine, sys; found = mmengine.load(sys.argv[1]); print(len(found), sorted(found[0]['pred_instances']))"
    read = subprocess.check_output([boxes.environment.python, "-c", script, str(made.results / "predictions.pkl")], text=True)
    assert read.strip() == f"{VAL} ['bboxes', 'labels', 'scores']"


def test_pictures_and_a_video_are_drawn_and_what_cannot_be_read_is_named(boxes: Trained, folder: Path) -> None:
    inputs = folder / "data" / "inputs"
    inputs.mkdir(parents=True)
    picture = (boxes.directory / "data/images/0.png").read_bytes()
    (inputs / "a $b.png").write_bytes(picture)
    (inputs / "half.png").write_bytes(picture[:200])
    (inputs / "list.txt").write_text("#EXTM3U\n/etc/passwd\n")
    video = cv2.VideoWriter(str(inputs / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (96, 96))
    for _ in range(5):
        video.write(cv2.imdecode(numpy.frombuffer(picture, numpy.uint8), cv2.IMREAD_COLOR))
    video.release()
    names = ["a $b.png", "half.png", "list.txt", "clip.mp4"]
    made = predict(boxes, folder, boxes.spec(Kind.PREDICT, dataset=False, files=names, batch=2, results=[ResultFile.PICTURES]))
    summary = made.summary()
    assert (summary["images"], summary["frames"]) == (6, 5)
    assert isinstance(summary["left_out"], list)
    assert [item["name"] for item in summary["left_out"]] == ["half.png", "list.txt"]
    assert {path.name for path in (made.results / "pictures").iterdir()} == {"a _b.jpg", "clip_000001.jpg"}
    drawn = cv2.VideoCapture(str(made.results / "video.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert {item.get("frame") for item in made.content("predictions.json")} == {None, 1, 2, 3, 4, 5}


def test_nothing_readable_is_a_failure_that_says_so(boxes: Trained, folder: Path) -> None:
    spec = boxes.spec(Kind.PREDICT, dataset=False, files=["gone.png"])
    prepared = boxes.prepare(spec, folder)
    with pytest.raises(AssertionError, match=r"failed to load image: gone\.png .the file is not there."):
        launch(framework.predict(spec, prepared, boxes.environment, Ranks()), boxes, folder, prepared)


def test_boxes_masks_and_proposals_are_measured_apart(masks: Trained, folder: Path) -> None:
    made = evaluate(masks, folder, masks.spec(Kind.EVAL, results=[ResultFile.COCO]))
    for task in ("bbox", "segm"):
        found = made.evaluation(task)
        assert found == masks.last(task)
        listing = masks.directory / "data/val.json"
        assert found.ap == pytest.approx(measured(listing, made.results / f"coco.{task}.json", task), abs=0.0006)
        assert set(found.per_class) == {"car", "person"}
    assert made.evaluation("proposal").recall["AR@100"] is not None


def test_masks_are_drawn_and_written_for_coco_and_cityscapes(masks: Trained, folder: Path) -> None:
    wanted = [ResultFile.PICTURES, ResultFile.COCO, ResultFile.CITYSCAPES, ResultFile.PICKLE]
    made = predict(masks, folder, masks.spec(Kind.PREDICT, results=wanted))
    ap = masks.last("segm").ap
    assert measured(masks.directory / "data/val.json", made.results / "coco.segm.json", "segm") == pytest.approx(ap, abs=0.002)
    lines = (made.results / f"cityscapes/{TRAIN}_pred.txt").read_text().splitlines()
    name, label, _score = lines[0].split()
    assert label in ("24", "26")
    assert cv2.imread(str(made.results / "cityscapes" / name), cv2.IMREAD_UNCHANGED).shape == (96, 96)
    assert (made.results / "pictures" / f"{TRAIN}.jpg").stat().st_size > 1000


def test_a_published_model_loads_back_without_lifting_torchs_restriction(boxes: Trained, folder: Path) -> None:
    spec = boxes.spec(Kind.EXPORT, dataset=False)
    prepared = boxes.prepare(spec, folder)
    made = launch(framework.export(spec, prepared, boxes.environment), boxes, folder, prepared)
    summary = made.summary()
    weights = folder / str(summary["file"])
    assert weights.name == f"rtmdet-nano-{str(summary['sha256'])[:8]}.pth"
    assert (summary["epoch"], summary["classes"]) == (10, list(boxes.classes))
    assert weights.stat().st_size < boxes.directory.joinpath("work_dir/epoch_10.pth").stat().st_size
    script = "from mmdet.apis import init_detector; import sys; print(init_detector(*sys.argv[1:], device='cpu').dataset_meta['classes'])"
    read = subprocess.run(
        [boxes.environment.python, "-c", script, str(weights.with_suffix(".py")), str(weights)], capture_output=True, text=True, check=False
    )
    assert read.stdout.strip().endswith(str(boxes.classes)), read.stderr[-2000:]
