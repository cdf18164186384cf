"""The parts of preparing M2Det that need no checkout: schedules, options, names, annotations and the dataset's look."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from runner.host.prepare_m2det.annotations import check_voc
from runner.host.prepare_m2det.checkpoints import finished_epochs
from runner.host.prepare_m2det.config import parsed, rendered
from runner.host.prepare_m2det.datasets import lay, set_dataset, source_of
from runner.host.prepare_m2det.errors import BadSpecError
from runner.host.prepare_m2det.options import apply_options, raw_options
from runner.host.prepare_m2det.preparing import checked_classes
from runner.host.prepare_m2det.schedule import index_of, set_schedule

HOST = Path(__file__).parents[3] / "runner" / "host"
RATES = [0.004, 0.002, 0.0004, 0.00004, 0.000004]
STEPS = [90, 110, 130, 150, 160]
OBJECT = "<object><name>{name}</name>{flags}<bndbox><xmin>{xmin}</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
FLAGS = "<pose>Left</pose><truncated>0</truncated><difficult>0</difficult>"


def train_cfg(**changes: object) -> dict[str, Any]:
    return {"lr": list(RATES), "step_lr": {"COCO": list(STEPS), "VOC": [100, 150, 200, 250, 300]}, "warmup": 5, **changes}


@pytest.mark.parametrize(("epochs", "steps"), [(160, STEPS), (16, [9, 11, 13, 15, 16]), (3, [2, 2, 2, 3, 3]), (1, [1, 1, 1, 1, 1])])
def test_both_lists_of_steps_end_with_the_last_epoch(epochs: int, steps: list[int]) -> None:
    cfg = train_cfg()
    set_schedule(cfg, epochs, None, 1, False)
    assert cfg["step_lr"] == {"COCO": steps, "VOC": steps}
    assert cfg["lr"] == RATES


def test_the_rates_are_multiplied_together() -> None:
    cfg = train_cfg()
    set_schedule(cfg, 160, 0.008, 1, False)
    assert cfg["lr"] == [rate * 2 for rate in RATES]


def test_a_rate_asked_for_in_the_middle_is_the_first_one_to_come() -> None:
    cfg = train_cfg()
    rate, notes = set_schedule(cfg, 160, 0.001, 101, True)
    assert rate == 0.001
    assert cfg["lr"][index_of(STEPS, 101)] == 0.001
    assert cfg["lr"][0] == 0.002
    assert notes == ["Epoch 101 begins at learning rate 0.001."]


def test_a_training_that_is_all_warm_up_says_so() -> None:
    rate, (note,) = set_schedule(train_cfg(), 5, 0.004, 1, False)
    assert rate == 0.004
    assert "never reaches its learning rate" in note


@pytest.mark.parametrize(
    ("changes", "first", "words"),
    [
        ({}, 161, "would go on at epoch 161 and ends at epoch 160"),
        ({"lr": [0.004, 0.002]}, 1, "5 steps and 2 learning rates"),
        ({"step_lr": {"COCO": [110, 90]}}, 1, "ascending order"),
        ({"step_lr": {"COCO": []}}, 1, "ascending order"),
        ({"lr": [0.004, 0, 0, 0, 0]}, 1, "positive numbers"),
    ],
)
def test_a_schedule_that_ends_in_an_error_is_refused(changes: dict[str, object], first: int, words: str) -> None:
    with pytest.raises(BadSpecError, match=words):
        set_schedule(train_cfg(**changes), 160, 0.004, first, False)


def test_options_are_python_literals_or_text() -> None:
    read = raw_options(["a.b=[1, 2]", "c=none of these", "d=None", "e={[]: 1}"])
    assert read == {"a.b": [1, 2], "c": "none of these", "d": None, "e": "{[]: 1}"}


@pytest.mark.parametrize("text", ["nonsense", "--resume_net=x", "=1", "a b=1", ""])
def test_a_raw_option_is_a_dotted_key_and_a_value(text: str) -> None:
    with pytest.raises(BadSpecError, match="not of the form key=value"):
        raw_options([text])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("test_cfg.io", "did you mean 'iou'"),
        ("nothing.at.all", "the config has no 'nothing'"),
        ("test_cfg.iou.deeper", "test_cfg.iou has no 'deeper'"),
        ("train_cfg.lr", "use --lr"),
        ("dataset.VOC.train_sets", "the run has its own dataset"),
        ("train_cfg.warmup", "five epochs"),
    ],
)
def test_an_option_that_nothing_reads_or_that_is_ours_is_refused(key: str, words: str) -> None:
    cfg = {"test_cfg": {"iou": 0.45}, "train_cfg": {"lr": [1]}, "dataset": {}}
    with pytest.raises(BadSpecError, match=words):
        apply_options(cfg, {key: 1}, "overrides.options")


def test_a_preset_may_bring_its_own_rates() -> None:
    cfg = {"train_cfg": {"lr": [1]}}
    apply_options(cfg, {"train_cfg.lr": [2, 1]}, "preset.options", allowed=("train_cfg.lr",))
    assert cfg["train_cfg"]["lr"] == [2, 1]


def test_a_config_is_written_the_same_way_and_reads_back() -> None:
    cfg = {"model": {"b": (1,), "a": ["ü", None, True], "long": "x" * 300}, "train_cfg": {}}
    assert parsed(rendered(cfg)) == cfg
    assert rendered(cfg) == rendered(dict(reversed(list(cfg.items()))))


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("M2Det_VOC_size320_netvgg16_epoch10.pth", 10), ("Final_M2Det_VOC_size320_netvgg16.pth", 160), ("mine.pth", None),
        ("epoch_3.pth", None),
    ],
)
def test_the_name_of_a_checkpoint_tells_its_epochs(name: str, epoch: int | None) -> None:
    assert finished_epochs(f"/a/{name}", 160) == epoch


@pytest.mark.parametrize(
    ("classes", "words"),
    [(["Fish", "cat", "fish "], "'Fish' and 'fish '"), (["a/b"], "'a/b'"), (["__background__"], "__background__"), ([], "no classes")],
)
def test_names_that_m2det_cannot_tell_apart_are_refused(classes: list[str], words: str) -> None:
    with pytest.raises(BadSpecError, match=words):
        checked_classes({"name": "fish@1", "classes": classes})


def voc_dataset(root: str = "data/VOC2007") -> dict[str, Any]:
    splits = {split: [f"{root}/ImageSets/Main/{split}.txt", f"{root}/JPEGImages"] for split in ("train", "val")}
    return {"name": "fish@1", "format": "voc", "classes": ["fish"], "splits": splits}


@pytest.mark.parametrize(
    ("root", "year"), [("data/VOC2007", "2007"), ("data/VOC2012", "2012"), ("data/VOCsherlock", "2012"), ("data", "2012")]
)
def test_a_dataset_has_a_year_that_is_a_number(root: str, year: str) -> None:
    source, cfg = source_of(voc_dataset(root), "train", "val"), {}
    notes = set_dataset(cfg, source)
    assert cfg["dataset"]["VOC"] == {"train_sets": [(year, "train")], "eval_sets": [(year, "val")], "test_sets": []}  # type: ignore[index]
    assert bool(notes) is (not root.endswith(f"VOC{year}"))


def test_a_split_or_a_format_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadSpecError, match="no test split; it has: train, val"):
        source_of(voc_dataset(), None, "test")
    with pytest.raises(BadSpecError, match="Pascal VOC and COCO"):
        source_of({**voc_dataset(), "format": "tfrecord"}, "train", "val")


def voc_files(folder: Path, *, suffix: str = ".jpg", **parts: str) -> tuple[str, str]:
    root = folder / "data" / "VOC2007"
    for name in ("Annotations", "JPEGImages/deep", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(root / f"JPEGImages/deep/a{suffix}")
    (root / "Annotations/deep").mkdir()
    content = OBJECT.format(**{"name": " Fish", "flags": FLAGS, "xmin": 1, **parts})
    (root / "Annotations/deep/a.xml").write_text(f"<annotation>{content}</annotation>")
    (root / "ImageSets/Main/val.txt").write_text("deep/a\n")
    return str(root), str(root / "ImageSets/Main/val.txt")


def test_images_with_another_suffix_are_shown_as_jpg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voc_files(tmp_path, suffix=".png")
    monkeypatch.chdir(tmp_path)
    source = source_of(voc_dataset(), None, "val")
    lay(source)
    lay(source)
    assert Path("VOCdevkit/VOC2007/JPEGImages/deep/a.jpg").read_bytes()[1:4] == b"PNG"
    assert Path("VOCdevkit/VOC2007/ImageSets/Main/val.txt").read_text() == "deep/a\n"


@pytest.mark.parametrize(
    ("evaluated", "parts", "words"),
    [
        (False, {"name": "cat"}, "the class 'cat' is not among the dataset's"),
        (False, {"flags": ""}, "no <difficult>"),
        (False, {"xmin": "1.5"}, "xmin is 1.5, and M2Det reads whole numbers only"),
        (True, {"flags": "<difficult>0</difficult><pose>x</pose>"}, "no <truncated>"),
        (True, {"flags": "<difficult>0</difficult><truncated>0</truncated>"}, "no <pose>"),
    ],
)
def test_annotations_that_m2det_fails_on_are_refused(tmp_path: Path, evaluated: bool, parts: dict[str, str], words: str) -> None:
    with pytest.raises(BadSpecError, match=words):
        check_voc(*voc_files(tmp_path, **parts), ["fish"], evaluated)


def test_good_annotations_tell_which_classes_there_are(tmp_path: Path) -> None:
    assert check_voc(*voc_files(tmp_path), ["fish", "cat"], False) == {"fish"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [("data/deep/a\n", "line 1 of val.txt: there is no image data/deep/a"), ("deep/a\n\n", "line 2 of val.txt: there is no image")],
)
def test_a_list_that_names_no_image_is_refused(tmp_path: Path, lines: str, words: str) -> None:
    root, listing = voc_files(tmp_path)
    Path(listing).write_text(lines)
    with pytest.raises(BadSpecError, match=words):
        check_voc(root, listing, ["fish"], False)


def test_the_categories_of_coco_must_be_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("val.json").write_text(json.dumps({"categories": [{"id": 1, "name": "cat"}], "images": []}))
    with pytest.raises(BadSpecError, match="the categories cat and the model has the classes fish"):
        lay({"kind": "COCO", "classes": ["fish"], "sets": {"eval": ["val.json", "images"]}})


@pytest.mark.parametrize("path", sorted(HOST.glob("prepare_m2det/*.py")), ids=lambda path: path.name)
def test_it_is_written_for_pythons_of_m2dets_own_time(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 6))
