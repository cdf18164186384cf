"""Preparing MMDetection 1.x and 2.x: what every config becomes, and what is refused, in which words."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.host.prepare_mmdet_legacy.config import frozen_text, parsed
from runner.host.prepare_mmdet_legacy.datasets import set_classes
from runner.host.prepare_mmdet_legacy.errors import BadSpecError
from runner.host.prepare_mmdet_legacy.identity import numbers
from runner.host.prepare_mmdet_legacy.options import apply_options, preset_options, raw_options
from runner.host.prepare_mmdet_legacy.predicting import detections
from runner.host.prepare_mmdet_legacy.schedule import set_epochs, set_schedule
from runner.specs import Kind
from tests.support.mmdet_standin import Standin, write_coco

pytestmark = pytest.mark.slow
OLD_PYTHONS = [str(path) for path in (Path("/usr/bin/python3.6"), *Path.home().glob(".pyenv/versions/3.6.*/bin/python")) if path.exists()]
CASCADE = "cascade_rcnn/cascade_mask_rcnn_r50_fpn_1x_coco.py"


def heads(config: str) -> dict[str, int]:
    """Every number of classes in a config's model, by the dotted path of what has it."""

    def walk(node: Any, path: str) -> dict[str, int]:
        found = {path: node["num_classes"]} if isinstance(node, dict) and "num_classes" in node else {}
        for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            found |= walk(value, f"{path}.{key}".strip("."))
        return found

    return walk(parsed(config)["model"], "")


@pytest.mark.parametrize(
    ("version", "config", "expected"),
    [
        ("1.2.0", "retinanet_r50_fpn_1x.py", {"bbox_head": 3}),
        ("1.2.0", "mask_rcnn_r50_fpn_1x.py", {"bbox_head": 3, "mask_head": 3}),
        ("1.0.0", "cascade_rcnn_r50_fpn_1x.py", {"bbox_head.0": 3, "bbox_head.1": 3, "bbox_head.2": 3, "semantic_head": 183}),
        ("2.25.0", "retinanet/retinanet_r50_fpn_1x_coco.py", {"bbox_head": 2}),
        ("2.25.0", "detr/detr_r50_8x2_150e_coco.py", {"bbox_head": 2}),
        ("2.7.0", CASCADE, {
            "roi_head.bbox_head.0": 2, "roi_head.bbox_head.1": 2, "roi_head.bbox_head.2": 2, "roi_head.mask_head": 2,
            "roi_head.semantic_head": 183,
        }),
    ],
)  # fmt: skip
def test_the_number_of_classes_everywhere_and_with_the_background_in_1_x(
    tmp_path: Path, version: str, config: str, expected: dict[str, int]
) -> None:
    at = Standin(tmp_path, version, classes=("fish", "squid"))
    prepared = at.prepare(at.training(at.preset(config=config)))
    assert heads(prepared.config) == expected


def test_a_class_agnostic_rpn_and_the_backbone_keep_theirs() -> None:
    model = {
        "backbone": {"num_classes": 1000}, "rpn_head": {"stages": [{"num_classes": 1}]}, "bbox_head": {"num_classes": 80},
        "panoptic_head": {"num_things_classes": 80, "num_stuff_classes": 53},
    }  # fmt: skip
    set_classes(model, 3)
    assert model["backbone"] == {"num_classes": 1000}
    assert model["rpn_head"] == {"stages": [{"num_classes": 1}]}
    assert model["bbox_head"] == {"num_classes": 3}
    assert model["panoptic_head"] == {"num_things_classes": 3, "num_stuff_classes": 0}


def test_one_class_is_a_tuple_and_the_resolved_config_is_all_there_is(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0")
    prepared = at.prepare(at.training(epochs=24, batch=3, eval_every=2, keep=5))
    cfg = parsed(prepared.config)
    leaf = cfg["data"]["train"]
    assert (leaf["classes"], leaf["ann_file"], leaf["img_prefix"]) == (("fish",), "data/annotations/instances_train.json", "data/images/")
    assert cfg["runner"]["max_epochs"] == cfg["total_epochs"] == prepared.epochs == 24
    assert cfg["lr_config"]["step"] == [16, 22]
    assert cfg["data"]["samples_per_gpu"] == prepared.batch == 3
    assert (prepared.iterations, prepared.lr) == (2, 0.015)
    assert cfg["evaluation"] == {"interval": 2, "metric": "bbox", "classwise": True, "save_best": "bbox_mAP"}
    assert cfg["checkpoint_config"] == {"interval": 1, "max_keep_ckpts": 5}
    assert cfg["workflow"] == [("train", 1)]
    assert (cfg["dist_params"], cfg["load_from"], cfg["resume_from"]) == ({"backend": "nccl"}, None, None)
    assert not {"data_root", "train_pipeline", "dataset_type"} & set(cfg)
    assert frozen_text(cfg) == prepared.config


def test_voc_is_read_by_the_class_that_asks_for_no_year(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0", form="voc")
    cfg = parsed(at.prepare(at.training(at.preset(config="pascal_voc/faster_rcnn_r50_fpn_1x_voc0712.py"))).config)
    assert cfg["data"]["train"]["dataset"] == {
        "type": "XMLDataset", "ann_file": "data/VOCfish/ImageSets/Main/train.txt", "img_prefix": "data/VOCfish/", "classes": ("fish",),
        "pipeline": [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations", "with_bbox": True}],
    }  # fmt: skip
    assert (cfg["evaluation"]["metric"], cfg["evaluation"]["save_best"]) == ("mAP", "mAP")


@pytest.mark.parametrize(
    ("preset", "options", "words"),
    [
        ({"config": "faster_rcnn/faster_rcnn_r50_fpn_1x.py"}, (), "did you mean 'faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py'"),
        ({"config": "pascal_voc/by_iterations.py"}, (), "counts iterations (IterBasedRunner)"),
        ({"options": {"model.neck.type": "AugFPN"}}, (), "cannot build the config's model: 'AugFPN is not in the models registry'"),
        ({"options": {"model.neck.outchannels": 128}}, (), "model.neck has no 'outchannels' (did you mean 'out_channels'?)"),
        ({"options": {"model.roi_head.bbox_head.num_classes": "many"}}, (), ""),
        ({"options": {"data.train.pipeline": [{"type": "LoadImagesFromFile"}]}}, (), "did you mean 'LoadImageFromFile'"),
        ({"options": {"data.train.pipeline": [{"type": "LoadAnnotations", "with_seg": True}]}}, (), "learns from maps of stuff (with_seg)"),
        ({}, ("optimizer.lr=0.1",), "The option optimizer.lr is Signalbox's own: use --lr"),
        ({}, ("--resum-from",), "The raw option '--resum-from' is not of the form key=value"),
        ({}, ("data.train.type=COCODataset",), "There is no dataset class 'COCODataset' (did you mean 'CocoDataset'?)"),
        ({}, ("log-level=INFO",), "not of the form key=value"),
        ({}, ("model.roi_head.bbox_head.num_classes=80",), "roi_head.bbox_head is made for 80 classes and the dataset needs 1"),
    ],
)
def test_what_can_never_work_is_refused_in_words(tmp_path: Path, preset: dict[str, Any], options: tuple[str, ...], words: str) -> None:
    at = Standin(tmp_path, "2.25.0")
    spec = at.training(at.preset(**preset), options=options)
    if words:
        assert words in at.refused(spec)
    else:  # what the dataset decides goes before what a preset says
        assert "'num_classes': 1" in at.prepare(spec).config


def test_own_code_is_refused_where_it_breaks(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0", code={"nets/neck.py": "x = 1\nimport nothing_like_this\n", "nets/__init__.py": ""})
    assert "nets.neck cannot be imported: ModuleNotFoundError: No module named 'nothing_like_this' (nets/neck.py, line 2)" in at.refused(
        at.training()
    )
    assert "does not lie in its folder" in replace(at, code={"../x.py": ""}).refused(at.training())
    broken = replace(at, code={"mine.py": "model = dict(\n"})
    assert "The config mine.py cannot be read" in broken.refused(at.training(at.preset(config="mine.py")))


def test_a_model_that_learns_masks_needs_them(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0")
    spec = at.training(at.preset(config="mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"))
    assert "3 boxes of the dataset have no segmentation: take a preset without masks" in at.refused(
        spec, dataset=replace(at.dataset(), unmasked=3)
    )
    assert "the dataset's format has none" in replace(at, form="voc").refused(spec)


def test_data_that_lies_beside_is_looked_at(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0", classes=("fish", "squid"))
    folder = tmp_path / "with data"
    write_coco(folder / "data", ("squid", "fish"))
    assert "lists the categories ['squid', 'fish'], the dataset says ['fish', 'squid']" in at.refused(at.training(), folder=str(folder))
    shutil.rmtree(folder / "data/images")
    assert "The train split of the dataset lacks data/images" in at.refused(at.training(), folder=str(folder))


def test_checkpoints_are_looked_through(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0")
    trained = at.run(at.training(epochs=1), at.prepare(at.training(epochs=1)))
    whole = trained.newest()
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:-20])
    (tmp_path / "text.pth").write_text("no weights")
    paths = [str(path) for path in (whole, tmp_path / "cut.pth", tmp_path / "text.pth", tmp_path / "gone.pth")]
    answered = json.loads(at.ask("verify", json.dumps({"paths": paths}).encode()).stdout)["checkpoints"]
    assert [item["whole"] for item in answered] == [True, False, False, False]
    assert (answered[0]["epoch"], answered[0]["size_bytes"]) == (1, whole.stat().st_size)
    assert "is truncated" in answered[1]["why"]
    assert [item["why"] for item in answered[2:]] == ["it is no checkpoint of PyTorch", "there is no such file"]


def identified(at: Standin, checkout: Path | str) -> tuple[int, dict[str, Any]]:
    done = at.ask("identify", json.dumps({"code": str(checkout)}).encode())
    return done.exit_code, json.loads(done.stdout)


def test_an_environment_says_what_it_is_and_an_edited_checkout_is_another(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0")
    checkout = Path(at.environment.code)
    code, first = identified(at, checkout)
    assert (code, first["mmdet"], first["mmcv"], first["cuda"]) == (0, "2.25.0", "1.5.3", "11.6")
    assert first["revision"].startswith("mmdet 2.25.0 (")
    subprocess.run("git init -q . && git -c user.name=n -c user.email=e commit -q --allow-empty -m x", shell=True, cwd=checkout, check=True)
    (checkout / "tools/train.py").write_text("# another\n" + (checkout / "tools/train.py").read_text())
    _, second = identified(at, checkout)
    assert second["fingerprint"] != first["fingerprint"]
    assert len(second["revision"].split()) == 4


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0")
    bare = replace(at, variables={"PYTHONPATH": ""})
    (tmp_path / "empty").mkdir()
    code, answer = identified(bare, tmp_path / "empty")
    sentence = answer["error"]["sentence"]
    assert code == 3
    lacks = "it lacks the file tools/train.py, the file tools/test.py, the folder configs"
    for words in (lacks, "torch cannot be imported", "mmcv cannot be imported", "mmdet cannot be imported"):
        assert words in sentence
    shutil.copytree(at.environment.code, tmp_path / "three")
    (tmp_path / "three/mmdet/__init__.py").write_text('__version__ = "3.3.0"\n')
    assert "declare it as the framework mmdet" in identified(at, tmp_path / "three")[1]["error"]["sentence"]


def test_a_program_that_does_not_start_says_why_before_a_gpu_is_taken(tmp_path: Path) -> None:
    at = Standin(tmp_path, "2.25.0")
    (Path(at.environment.code) / "tools/train.py").write_text("import nothing_like_this\n")
    assert "tools/train.py of the checkout does not start: ModuleNotFoundError: No module named 'nothing_like_this'" in at.refused(
        at.training()
    )


@pytest.mark.skipif(not OLD_PYTHONS, reason="there is no Python 3.6 here")
@pytest.mark.parametrize("version", ["1.2.0", "2.3.0"])
def test_python_3_6_prepares_and_trains(tmp_path: Path, version: str) -> None:
    at = Standin(tmp_path, version, python=OLD_PYTHONS[0])
    prepared = at.prepare(at.training())
    done = at.run(at.training(), prepared)
    assert (done.exit_code, done.epochs, done.whole[-1]) == (0, [1, 2, 3], "epoch_3.pth")
    spec = at.using(Kind.EVAL)
    assert at.run(spec, at.prepare(spec, done.newest(), trained=prepared)).evaluations == [(3, "bbox", 0.3)]


def test_options_reach_into_lists_and_refuse_what_is_not_there() -> None:
    cfg: dict[str, Any] = {"model": {"heads": [{"type": "A", "depth": 1}, {"type": "B"}]}, "lr_config": {}}
    apply_options(cfg, raw_options(["model.heads.0.depth=(1, 2)", "lr_config.x.y=a,b", "log_level={[]: 1}", "model.heads.1.name=1,2"]), "w")
    assert cfg["model"]["heads"] == [{"type": "A", "depth": (1, 2)}, {"type": "B", "name": [1, 2]}]
    assert (cfg["lr_config"], cfg["log_level"]) == ({"x": {"y": ["a", "b"]}}, "{[]: 1}")
    for option, words in (
        ("model.heads.2.depth=1", "model.heads has no '2'"),
        ("modle=1", "did you mean 'model'"), ("data.trian.type=x", "did you mean 'train'"),
    ):
        with pytest.raises(BadSpecError, match=words):
            apply_options(cfg, raw_options([option]), "w")
    assert preset_options({"data.train.pipeline": [{"img_scale": [1333, 800], "flip": [True]}], "a": [1, 2]}) == {
        "data.train.pipeline": [{"img_scale": (1333, 800), "flip": (True,)}], "a": [1, 2],
    }  # fmt: skip


def test_schedules_keep_their_shape() -> None:
    cfg: dict[str, Any] = {
        "optimizer": {"lr": 0.02}, "total_epochs": 12, "custom_hooks": [{"num_last_epochs": 6}],
        "lr_config": {"policy": "CosineAnnealing", "min_lr": 0.002, "warmup": "linear", "warmup_iters": 500},
    }  # fmt: skip
    assert set_epochs(cfg, 4, 2) == 12
    notes = set_schedule(cfg, 4, 12, 0.01, 100)
    assert notes == ["The warm-up takes 40 iterations instead of 500: a tenth of this training."]
    assert (cfg["total_epochs"], cfg["optimizer"]["lr"], cfg["lr_config"]["min_lr"]) == (4, 0.01, 0.001)
    assert cfg["custom_hooks"] == [{"num_last_epochs": 2}]
    fixed: dict[str, Any] = {"optimizer": {"lr": 0.02}, "lr_config": {"policy": "step", "step": 8}, "runner": {"max_epochs": 12}}
    set_schedule(fixed, 24, set_epochs(fixed, 24, 2), 0.02, 10)
    assert (fixed["lr_config"]["step"], fixed["runner"]) == (16, {"max_epochs": 24})


def test_what_is_no_literal_is_no_frozen_config() -> None:
    assert parsed(frozen_text({"a": (1,), "b": {"c": [None, "é"]}})) == {"a": (1,), "b": {"c": [None, "é"]}}
    with pytest.raises(BadSpecError, match="something else than numbers"):
        frozen_text({"a": print})
    with pytest.raises(ValueError, match="no assignment"):
        parsed("import os\n")


def test_results_of_every_shape_are_read() -> None:
    boxes = [[[1, 2, 3, 4, 0.5]], [[5, 6, 7, 8, 0.9]]]
    flat = [(1, 0.9, [5.0, 6.0, 7.0, 8.0], None), (0, 0.5, [1.0, 2.0, 3.0, 4.0], None)]
    assert detections(boxes) == flat
    assert detections({"ins_results": boxes}) == flat
    masked = [(*item[:3], mask) for item, mask in zip(flat, ("n", "m"), strict=True)]
    assert detections((boxes, [["m"], ["n"]])) == masked
    assert detections((boxes, ([["m"], ["n"]], [[0.1], [0.2]]))) == masked


@pytest.mark.parametrize(("text", "expected"), [("1.0rc1+abc", (1, 0, 0)), ("2.28.2", (2, 28, 2)), ("odd", (0, 0, 0))])
def test_versions_are_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert numbers(text) == expected
