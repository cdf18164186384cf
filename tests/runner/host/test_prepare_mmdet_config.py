"""The parts of preparing that rewrite a config and need no framework: own code, data, masks, epochs, processes, weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from runner.host.prepare_mmdet.config import set_imports, set_scaling
from runner.host.prepare_mmdet.datasets import annotation_steps, best_score, coco_evaluators, leaf_dataset, measured_tasks, repeats
from runner.host.prepare_mmdet.epochs import by_epochs
from runner.host.prepare_mmdet.errors import BadSpecError
from runner.host.prepare_mmdet.own_code import import_modules, laid_config, lay_down, modules, own_configs
from runner.host.prepare_mmdet.pretrained import leave_out, pretrained_parts
from runner.host.prepare_mmdet.processes import replace_sync_bn
from runner.host.prepare_mmdet.schedule import scaled_schedulers

LOAD = {"type": "LoadAnnotations", "with_bbox": True}
KNOWN = {"_base_/models/retina.py": "/collection/configs/_base_/models/retina.py"}


class Settings(dict[str, Any]):
    """As mmengine's Config: keys are attributes too."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__  # type: ignore[assignment]


def own_code(**files: str) -> dict[str, str]:
    return {name.replace("__", "/") + ".py": text for name, text in files.items()}


def test_every_module_but_the_configs_is_imported() -> None:
    code = own_code(nets__necks="", top="", mine='_base_ = "common.py"', common="x = 1") | {"nets/__init__.py": "", "notes.txt": ""}
    assert modules({"config": "mine.py"}, code) == ["nets", "nets.necks", "top"]
    assert modules({"config": "mine.py", "imports": ("nets",)}, code) == ["nets"]


def test_a_configs_bases_are_found_beside_it_and_in_the_collection(tmp_path: Path) -> None:
    text = '# mine\n_base_ = [\n    "common.py",\n    "../_base_/models/retina.py", "mmdet::x.py",\n]\nlr = 1\n'
    code = own_code(configs__mine=text, configs__common='_base_ = "../../_base_/models/retina.py"\n')
    path = laid_config("configs/mine.py", code, folder=str(tmp_path), known=KNOWN)
    lines = Path(path).read_text().splitlines()
    beside = str(tmp_path / "own_configs" / "configs" / "common.py")
    assert lines[1] == f"_base_ = {[beside, KNOWN['_base_/models/retina.py'], 'mmdet::x.py']!r}"
    assert lines[5] == "lr = 1"  # where it was
    assert KNOWN["_base_/models/retina.py"] in Path(beside).read_text()


@pytest.mark.parametrize(
    ("text", "sentence", "where"),
    [
        ('_base_ = "../_base_/models/retinna.py"', r"neither beside it nor in .*did you mean '_base_/models/retina\.py'", "mine.py"),
        ("x = 1\n_base_ = [name]", "is no list of file names", "mine.py, line 2"),
        ("with read_base():\n    from .x import *", r"names its bases with read_base\(\)", "mine.py, line 1"),
        ("x = 1\ny = = 2", "The config mine.py cannot be read", "mine.py, line 2"),
    ],
)
def test_a_config_that_cannot_be_based_on_anything_says_where(tmp_path: Path, text: str, sentence: str, where: str) -> None:
    with pytest.raises(BadSpecError, match=sentence) as caught:
        laid_config("mine.py", own_code(mine=text), folder=str(tmp_path), known=KNOWN)
    assert caught.value.where == where


def test_configs_that_are_based_on_each_other_come_to_an_end() -> None:
    code = own_code(a='_base_ = "b.py"', b='_base_ = "a.py"')
    assert set(own_configs("a.py", code)) == {"a.py", "b.py"}


@pytest.mark.parametrize("path", ["/etc/cron.d/x.py", "../x.py", "a/../../x.py"])
def test_a_module_stays_in_its_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadSpecError, match="does not lie in its folder"):
        lay_down({path: ""}, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "line"),
    [("import math\nmath.no_such_thing()", 2), ("def f():\n  raise KeyError('x')\nf()", 2), ("x = 1\nexit(3)", 2), ("x ==", 1)],
)
def test_a_module_that_does_not_import_names_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int) -> None:
    monkeypatch.setattr("sys.path", [])
    lay_down({"broken_module_of_a_preset.py": text}, str(tmp_path))
    with pytest.raises(BadSpecError, match="broken_module_of_a_preset cannot be imported") as caught:
        import_modules(["broken_module_of_a_preset"], str(tmp_path))
    assert caught.value.where == f"broken_module_of_a_preset.py, line {line}"


def test_the_dataset_below_wrappers_is_found_and_of_several_the_first_alone_stays() -> None:
    loader = {"dataset": {"type": "RepeatDataset", "times": 3, "dataset": {"datasets": [{"type": "A"}, {"type": "B"}]}}}
    assert leaf_dataset(loader) == {"type": "A"}
    assert loader["dataset"]["dataset"] == {"type": "A"}
    assert repeats(loader) == 3


def mask_config(metric: Any, **parts: Any) -> Settings:
    steps = [{"type": "RandomChoice", "transforms": [[dict(LOAD)]]}]
    return Settings(val_evaluator=metric, model=parts, train_dataloader={"dataset": {"pipeline": steps}})


@pytest.mark.parametrize(
    ("metric", "model", "tasks", "best"),
    [
        ({"type": "CocoMetric", "metric": "bbox"}, {"bbox_head": {}}, ["bbox"], "coco/bbox_mAP"),
        ({"type": "CocoMetric", "metric": "bbox"}, {"roi_head": {"mask_head": {"x": 1}}}, ["bbox", "segm"], "coco/bbox_mAP"),
        ({"type": "CocoMetric", "metric": ["bbox", "segm"]}, {"roi_head": {"mask_head": None}}, ["bbox"], "coco/bbox_mAP"),
        ({"type": "CocoMetric", "metric": "segm"}, {"mask_head": {"x": 1}}, ["segm"], "coco/segm_mAP"),
        ([{"type": "CocoMetric"}, {"type": "CityScapesMetric"}], {"mask_head": {"x": 1}}, ["bbox", "segm"], "coco/bbox_mAP"),
        ({"type": "CocoMetric", "metric": "proposal_fast"}, {"rpn_head": {}}, ["proposal_fast"], "coco/AR@1000"),
        ({"type": "VOCMetric"}, {"bbox_head": {}}, ["bbox"], "coco/bbox_mAP"),
    ],
)  # fmt: skip
def test_what_is_measured_follows_from_the_model(metric: Any, model: dict[str, Any], tasks: list[str], best: str) -> None:
    found = measured_tasks(mask_config(metric, **model))
    assert (found, best_score(found)) == (tasks, best)


def test_boxes_and_masks_have_an_evaluator_each() -> None:
    boxes, masks = coco_evaluators({"type": "CocoMetric", "metric": ["bbox", "segm"], "x": 1}, ["bbox", "segm"], ann_file="a.json")
    assert (boxes["metric"], boxes["prefix"], masks["metric"], masks["prefix"]) == ("bbox", "coco", "segm", "coco_segm")
    assert masks["x"] == 1
    assert coco_evaluators({"type": "VOCMetric", "y": 1}, ["bbox"])["type"] == "CocoMetric"


def test_annotations_are_loaded_wherever_a_pipeline_says_so() -> None:
    assert list(annotation_steps(mask_config({}).train_dataloader["dataset"])) == [LOAD]


def test_a_schedule_of_iterations_keeps_its_shares_and_its_warm_up() -> None:
    cfg = Settings(
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": 90000, "val_interval": 10000}, log_processor={"by_epoch": False},
        train_dataloader={"sampler": {"type": "InfiniteSampler"}, "batch_size": 2},
        param_scheduler=[
            {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": 500},
            {"type": "MultiStepLR", "by_epoch": False, "begin": 0, "end": 90000, "milestones": [60000, 80000]},
        ],
    )  # fmt: skip
    by_epochs(cfg, 9000)
    warm_up, steps = cfg.param_scheduler
    assert (warm_up["end"], steps["end"], steps["milestones"]) == (500, 9000, [6000, 8000])
    assert cfg.train_cfg["type"] == "EpochBasedTrainLoop"
    assert cfg.train_dataloader["sampler"] == {"type": "DefaultSampler", "shuffle": True}
    assert cfg.log_processor["by_epoch"] is True
    before = copy.deepcopy(dict(cfg))
    by_epochs(cfg, 100)
    assert cfg == before


def test_a_warm_up_of_epochs_is_kept_and_what_follows_it_still_does() -> None:
    quadratic = {"type": "mmdet.QuadraticWarmupLR", "by_epoch": True, "begin": 0, "end": 5, "convert_to_iter_based": True}
    cosine = {"type": "CosineAnnealingLR", "by_epoch": True, "begin": 5, "end": 285, "T_max": 285, "eta_min": 0.0005}
    (warm_up, rest), _ = scaled_schedulers([quadratic, cosine], 0.1, 1.0, epochs=30, iterations=100)
    assert (warm_up["end"], rest["begin"], rest["end"]) == (3, 3, 28)


def test_the_shortest_warm_up_still_ends() -> None:
    linear = {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": 500}
    (warm_up,), _ = scaled_schedulers([linear], 1.0, 1.0, epochs=1, iterations=3)
    assert warm_up["end"] == 2  # one step would leave the learning rate at its thousandth


def test_norms_over_several_gpus_become_plain_ones() -> None:
    model = {"backbone": {"norm_cfg": {"type": "SyncBN", "eps": 1}}, "heads": [{"norm": {"type": "SyncBN"}}, {"norm": {"type": "GN"}}]}
    replace_sync_bn(model)
    assert model == {"backbone": {"norm_cfg": {"type": "BN", "eps": 1}}, "heads": [{"norm": {"type": "BN"}}, {"norm": {"type": "GN"}}]}


def test_weights_are_loaded_only_for_parts_that_no_checkpoint_fills() -> None:
    pretrained = {"type": "Pretrained", "checkpoint": "torchvision://resnet50"}
    roi_head = {"shared_head": {"init_cfg": dict(pretrained)}, "x": [{"init_cfg": {"type": "Xavier"}}]}
    cfg = Settings(model={"backbone": {"init_cfg": dict(pretrained)}, "roi_head": roi_head})
    assert [path for path, _ in pretrained_parts(cfg.model)] == ["model.backbone", "model.roi_head.shared_head"]
    leave_out(cfg, unless=["roi_head.shared_head.layer4.weight", "bbox_head.fc.weight"])
    assert [path for path, _ in pretrained_parts(cfg.model)] == ["model.roi_head.shared_head"]
    leave_out(cfg)
    assert list(pretrained_parts(cfg.model)) == []


@pytest.mark.parametrize(
    ("config", "lr", "asked", "held", "values"),
    [
        ({"auto_scale_lr": {"enable": True, "base_batch_size": 64}}, 0.005, None, 0.02, {"auto_scale_lr": True}),
        ({"auto_scale_lr": {"enable": True, "base_batch_size": 64}}, 0.02, None, 0.02, {}),
        ({"auto_scale_lr": {"base_batch_size": 64}}, 0.1, 0.1, 0.1, {}),
        ({}, 0.005, None, 0.005, {}),
    ],
)
def test_the_framework_scales_where_it_can_and_nobody_asked(
    config: dict[str, Any], lr: float, asked: float | None, held: float, values: dict[str, bool]
) -> None:
    cfg = Settings(config, optim_wrapper={"optimizer": {"lr": lr}})
    assert set_scaling(cfg, {"batch": 2, "gpus": 8, "lr": 0.02}, lr=lr, asked=asked) == values
    assert cfg.optim_wrapper["optimizer"]["lr"] == held
    assert cfg.get("auto_scale_lr", {}) in ({}, {"enable": False, "base_batch_size": 16})


def test_own_modules_are_imported_after_those_that_the_config_names() -> None:
    cfg = Settings(custom_imports={"imports": "mmpretrain.models", "allow_failed_imports": True})
    set_imports(cfg, ["neck"])
    assert cfg.custom_imports == {"imports": ["mmpretrain.models", "neck"], "allow_failed_imports": False}
