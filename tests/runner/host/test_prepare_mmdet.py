"""The parts of preparing that need no framework: the schedule's arithmetic and the request's shape."""

from __future__ import annotations

import pytest

from runner.host.prepare_mmdet.config import set_classes
from runner.host.prepare_mmdet.errors import BadSpecError
from runner.host.prepare_mmdet.options import check_raw_options, tuples_in_pipelines
from runner.host.prepare_mmdet.preparing import prepare
from runner.host.prepare_mmdet.proof import check_files
from runner.host.prepare_mmdet.request import check_request
from runner.host.prepare_mmdet.schedule import rest_of_schedule, scaled_schedulers

WARM_UP = {"type": "LinearLR", "start_factor": 1e-5, "by_epoch": False, "begin": 0, "end": 1000}
COSINE = {"type": "CosineAnnealingLR", "begin": 150, "end": 300, "T_max": 150, "eta_min": 0.0002, "by_epoch": True}
STEPS = {"type": "MultiStepLR", "begin": 0, "end": 12, "milestones": [8, 11], "gamma": 0.1, "by_epoch": True}


def test_a_schedule_is_stretched_with_its_epochs_and_learning_rate() -> None:
    (warm_up, cosine), notes = scaled_schedulers([WARM_UP, COSINE], 0.1, 2.0, epochs=30, iterations=100)
    assert warm_up["end"] == 300
    assert (cosine["begin"], cosine["end"], cosine["T_max"], cosine["eta_min"]) == (15, 30, 15, 0.0004)
    assert notes == ["The warm-up takes 300 iterations instead of 1000: a tenth of this training."]


def test_a_long_training_keeps_its_warm_up() -> None:
    (warm_up, _), notes = scaled_schedulers([WARM_UP, COSINE], 1.0, 1.0, epochs=300, iterations=1000)
    assert warm_up["end"] == 1000
    assert notes == []


def test_milestones_are_stretched_and_never_fall_on_the_start() -> None:
    (steps,), _ = scaled_schedulers([STEPS], 0.25, 1.0, epochs=3, iterations=10)
    assert steps["milestones"] == [2, 3]
    (steps,), _ = scaled_schedulers([STEPS], 1 / 12, 1.0, epochs=1, iterations=10)
    assert steps["milestones"] == [1]


def test_a_part_that_shrinks_to_nothing_is_left_out() -> None:
    schedulers, _ = scaled_schedulers([{**COSINE, "end": 151, "T_max": 1}], 0.01, 1.0, epochs=3, iterations=10)
    assert schedulers == []


def test_the_rest_of_a_schedule_waits_one_epoch_and_ends_when_it_should() -> None:
    (cosine,) = rest_of_schedule([WARM_UP, COSINE], 200, 100)
    assert (cosine["begin"], cosine["end"], cosine["T_max"]) == (1, 100, 99)


def test_what_has_not_begun_begins_when_it_would_have() -> None:
    (cosine,) = rest_of_schedule([WARM_UP, COSINE], 100, 100)
    assert (cosine["begin"], cosine["end"], cosine["T_max"]) == (50, 200, 150)


def test_milestones_to_come_stay_where_they_are() -> None:
    (steps,) = rest_of_schedule([STEPS], 9, 100)
    assert (steps["begin"], steps["end"], steps["milestones"]) == (0, 3, [2])


def test_nothing_is_left_of_a_schedule_that_ended() -> None:
    assert rest_of_schedule([WARM_UP, COSINE], 300, 100) == []


def test_a_schedule_that_cannot_change_midway_says_so() -> None:
    with pytest.raises(BadSpecError, match="OneCycleLR cannot be changed"):
        rest_of_schedule([{"type": "OneCycleLR", "total_steps": 100}], 1, 10)


def test_every_head_gets_the_class_count() -> None:
    model = {
        "backbone": {"num_classes": 1000},
        "rpn_head": {"num_classes": 1},
        "roi_head": {"bbox_head": [{"num_classes": 80}, {"num_classes": 80}], "mask_head": {"num_classes": 80}},
        "bbox_head": {"num_classes": 80, "loss_cls": {"num_classes": 80}},
    }
    set_classes(model, 3)
    assert model["backbone"] == {"num_classes": 1000}
    assert model["rpn_head"] == {"num_classes": 1}
    assert model["roi_head"] == {"bbox_head": [{"num_classes": 3}, {"num_classes": 3}], "mask_head": {"num_classes": 3}}
    assert model["bbox_head"] == {"num_classes": 3, "loss_cls": {"num_classes": 3}}


def test_weights_of_classes_follow_their_count_and_those_of_a_person_stay() -> None:
    model = {"panoptic_head": {"num_things_classes": 80, "num_stuff_classes": 53, "loss_cls": {"class_weight": [1.0] * 133 + [0.1]}}}
    set_classes(model, 2)
    assert model == {"panoptic_head": {"num_things_classes": 2, "num_stuff_classes": 0, "loss_cls": {"class_weight": [1.0, 1.0, 0.1]}}}
    chosen = {"bbox_head": {"loss_cls": {"class_weight": [1.0, 2.5]}}}
    set_classes(chosen, 2)
    assert chosen == {"bbox_head": {"loss_cls": {"class_weight": [1.0, 2.5]}}}


def test_lists_of_numbers_become_tuples_in_pipelines_only() -> None:
    pipeline = [{"type": "Pad", "size": [160, 160], "pad_val": {"img": [1, 2, 3]}}, {"type": "Choice", "scales": [[1, 2], [3, 4]]}]
    assert tuples_in_pipelines(pipeline, "train_dataloader.dataset.pipeline") == [
        {"type": "Pad", "size": (160, 160), "pad_val": {"img": (1, 2, 3)}}, {"type": "Choice", "scales": [(1, 2), (3, 4)]},
    ]
    assert tuples_in_pipelines([32, 64], "model.neck.in_channels") == [32, 64]
    assert tuples_in_pipelines([{"switch_pipeline": [{"size": [1, 2]}]}], "custom_hooks") == [{"switch_pipeline": [{"size": (1, 2)}]}]


def test_a_request_with_a_missing_key_is_refused() -> None:
    with pytest.raises(BadSpecError, match="lacks the key 'checkpoints'"):
        check_request({"spec": {}, "dataset": {}, "folder": "/x"})


def test_a_misspelt_key_names_the_near_one() -> None:
    with pytest.raises(BadSpecError, match=r"unknown key 'folderr' \(did you mean 'folder'\?\)"):
        check_request({"folderr": "/x"})


@pytest.mark.parametrize("text", ["nonsense", "--resume=x", "=1", "a b=1", "", "a-b=1"])
def test_a_raw_option_is_a_dotted_key_and_a_value(text: str) -> None:
    with pytest.raises(BadSpecError, match="not of the form key=value"):
        check_raw_options([text])


def test_a_raw_option_that_signalbox_sets_names_what_to_use() -> None:
    with pytest.raises(BadSpecError, match=r"train_cfg\.max_epochs is Signalbox's own: use --epochs"):
        check_raw_options(["model.x=1", "train_cfg.max_epochs=5"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": {"mode": "finetune", "at_epoch": 100}}, "counts a fine-tune from epoch 0"),
        ({"gpus": 2, "overrides": {"distributed": False}}, "drives several GPUs with a process for each"),
    ],
)
def test_a_wish_that_the_framework_does_not_know_is_refused_before_it_loads(changes: dict[str, object], sentence: str) -> None:
    preset = {"name": "x", "config": "x.py", "epochs": 1, "batch": 1, "lr": 1.0}
    dataset = {"classes": ["a"], "splits": {"train": ["a", "b"], "val": ["a", "b"]}, "images": {"train": 1}}
    spec = {"preset": preset, "dataset": {"name": "fish", "version": 1}, **changes}
    with pytest.raises(BadSpecError, match=sentence):
        prepare({"spec": spec, "dataset": dataset, "checkpoints": [], "folder": "/x"})


def test_a_dataset_without_masks_is_refused_where_they_are_learned() -> None:
    with pytest.raises(BadSpecError, match="learns masks, and 3 boxes of the dataset have no segmentation"):
        check_files("/nowhere", {"unmasked": 3}, masks=True)
    check_files("/nowhere", {"unmasked": 3}, masks=False)
