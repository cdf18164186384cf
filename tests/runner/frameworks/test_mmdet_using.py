"""Launch plans of what is done with a trained MMDetection model, and the reading of what tools/test.py prints."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import pytest

from runner.entities import Environment, Evaluation, Record, WorkStep
from runner.errors import BadSpecError
from runner.frameworks.base import LogParser, Prepared, Ranks
from runner.frameworks.mmdet import framework
from runner.presets import find_preset
from runner.specs import DatasetRef, GivenFile, Kind, ModelSpec, ResultFile, Start, StartMode

ENVIRONMENT = Environment("gpu-1", "up", "mmdet", "/my env/bin/python", "/env/mmdet/.mim/", "f", setup=("ulimit -n 4096",))
VALUES = {"kind": "eval", "classes": ["cod", "eel"], "listing": "data/a.json", "images": "data/images", "split": "val"}
PREPARED = Prepared(
    config="a = 1\n", epochs=12, batch=4, lr=0.004, revision="mmdet 3.3.0", checkpoint="/runs/r 1/epoch_12.pth", checkpoint_epoch=12,
    values=VALUES,
)  # fmt: skip
FISH = DatasetRef(name="fish", version=1, fingerprint="f", format="coco")
LIFTED = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


def spec(kind: Kind, *, results: Sequence[ResultFile] = (), files: Sequence[str] = (), publish_as: str | None = None) -> ModelSpec:
    given = tuple(GivenFile(name=name, digest="0") for name in files)
    model = Start(mode=StartMode.FINETUNE, run_id="r-7f3k")
    return ModelSpec(
        kind=kind, preset=find_preset("rtmdet-nano"), model=model, trained_on=FISH, host="gpu-1", results=tuple(results), files=given,
        publish_as=publish_as,
    )  # fmt: skip


def test_an_evaluation_runs_the_frameworks_own_program_on_the_frozen_config() -> None:
    plan = framework.evaluate(spec(Kind.EVAL), PREPARED, ENVIRONMENT, Ranks())
    program = "/env/mmdet/.mim/tools/test.py"
    assert plan.argv == ("/my env/bin/python", program, "config.py", "/runs/r 1/epoch_12.pth", "--work-dir", "work_dir")
    assert dict(plan.files) == {"config.py": b"a = 1\n"}
    assert plan.setup == ("ulimit -n 4096", "mkdir -p results || exit 1")
    assert plan.variables[LIFTED] == "1"


def test_an_evaluation_in_several_processes_leaves_its_predictions() -> None:
    plan = framework.evaluate(spec(Kind.EVAL, results=[ResultFile.PICKLE]), PREPARED, ENVIRONMENT, Ranks(processes=2))
    assert plan.argv[1:3] == ("-m", "torch.distributed.run")
    assert plan.argv[-4:] == ("--out", "results/predictions.pkl", "--launcher", "pytorch")


def test_classes_in_another_order_are_laid_in_the_trained_one_first() -> None:
    prepared = dataclasses.replace(PREPARED, values={**VALUES, "reordered": True})
    plan = framework.evaluate(spec(Kind.EVAL), prepared, ENVIRONMENT, Ranks())
    assert plan.setup[-1] == "'/my env/bin/python' in_trained_order.py in_trained_order.json || exit 1"
    assert json.loads(plan.files["in_trained_order.json"]) == {"classes": ["cod", "eel"], "listing": "data/a.json"}


def test_a_prediction_says_all_it_needs_in_one_file() -> None:
    wanted = spec(Kind.PREDICT, files=["a $b'.jpg"], results=[ResultFile.PICKLE])
    plan = framework.predict(wanted, dataclasses.replace(PREPARED, values={"classes": ["cod"]}), ENVIRONMENT, Ranks())
    assert plan.argv == ("/my env/bin/python", "predict_mmdet", "predict.json")
    assert plan.files["predict_mmdet"][:2] == b"PK"
    assert json.loads(plan.files["predict.json"]) == {
        "config": "config.py", "checkpoint": "/runs/r 1/epoch_12.pth", "batch": 4, "score": 0.3, "results": ["pickle"],
        "files": [{"name": "a $b'.jpg", "path": "data/inputs/a $b'.jpg"}],
        "classes": ["cod"], "listing": None, "images": None, "cityscapes": None,
    }  # fmt: skip


def test_a_prediction_takes_one_gpu() -> None:
    with pytest.raises(BadSpecError, match="one GPU"):
        framework.predict(spec(Kind.PREDICT), PREPARED, ENVIRONMENT, Ranks(processes=2))


def test_an_export_runs_the_frameworks_own_tool_under_the_name_asked_for() -> None:
    plan = framework.export(spec(Kind.EXPORT, publish_as="fish-best"), PREPARED, ENVIRONMENT)
    request = json.loads(plan.files["publish.json"])
    assert plan.argv == ("/my env/bin/python", "publish_mmdet.py", "publish.json")
    assert request["tool"] == "/env/mmdet/.mim/tools/model_converters/publish_model.py"
    assert (request["name"], request["folder"], request["epoch"], request["classes"]) == ("fish-best", "results/model", 12, ["cod", "eel"])
    assert json.loads(framework.export(spec(Kind.EXPORT), PREPARED, ENVIRONMENT).files["publish.json"])["name"] == "rtmdet-nano"


@pytest.mark.parametrize("kind", [Kind.EVAL, Kind.PREDICT])
def test_nothing_is_done_without_a_checkpoint(kind: Kind) -> None:
    bare = dataclasses.replace(PREPARED, checkpoint=None)
    launch = framework.evaluate if kind is Kind.EVAL else framework.predict
    with pytest.raises(BadSpecError, match="no whole checkpoint"):
        launch(spec(kind), bare, ENVIRONMENT, Ranks())


METRICS = (
    b"coco/sea horse_precision: 0.2300", b"coco/a/b_precision: nan", b"coco/bbox_mAP: 0.4860", b"coco/bbox_mAP_50: 0.6750",
    b"coco/bbox_mAP_75: 0.5760", b"coco/bbox_mAP_s: -1.0000", b"coco/bbox_mAP_m: 0.1000", b"coco/bbox_mAP_l: 0.2000",
    b"coco_segm/sea horse_precision: 0.1100", b"coco_segm/a/b_precision: 0.3000", b"coco_segm/segm_mAP: 0.4000",
    b"coco_proposal/AR@100: 0.7130", b"coco_proposal/AR@1000: 0.8130", b"coco_proposal/AR_s@1000: -1.0000",
    b"data_time: 0.0062", b"time: 0.1565",
)  # fmt: skip
LOG = b"11/21 09:18:33 - mmengine - INFO - Epoch(test) [10/13]    eta: 0:00:00  time: 0.1565  data_time: 0.0062  \n"
LOG += b"11/21 09:18:34 - mmengine - INFO - Epoch(test) [13/13]    " + b"  ".join(METRICS) + b"\n"


def read(parser: LogParser, log: bytes, size: int) -> list[Record]:
    return [record for start in range(0, len(log), size) for record in parser.feed(log[start : start + size])]


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_boxes_masks_and_proposals_are_told_apart_and_are_of_the_checkpoints_epoch(size: int) -> None:
    parser = framework.log_parser(PREPARED)
    records = read(parser, LOG, size)
    bbox, segm, proposal = (record for record in records if isinstance(record, Evaluation))
    assert WorkStep("evaluating", 10, 13) in records
    assert {bbox.epoch, segm.epoch, proposal.epoch} == {12}
    assert (bbox.task, bbox.ap, bbox.ap50, bbox.ap_small, bbox.ap_large) == ("bbox", 0.486, 0.675, None, 0.2)
    assert dict(bbox.per_class) == {"sea horse": 0.23, "a/b": None}
    assert (segm.task, segm.ap, dict(segm.per_class)) == ("segm", 0.4, {"sea horse": 0.11, "a/b": 0.3})
    assert (proposal.task, proposal.ap) == ("proposal", None)
    assert dict(proposal.recall) == {"AR@100": 0.713, "AR@1000": 0.813, "AR_s@1000": None}
    assert parser.pending_bytes == 0


def test_a_training_counts_its_own_epochs() -> None:
    line = b"11/21 09:18:34 - mmengine - INFO - Epoch(val) [3][4/4]    coco/bbox_mAP: 0.4860  data_time: 0.0062  time: 0.1565\n"
    (found,) = framework.log_parser(dataclasses.replace(PREPARED, values={})).feed(line)
    assert isinstance(found, Evaluation)
    assert found.epoch == 3


def test_a_model_that_finds_nothing_has_a_precision_of_zero() -> None:
    stamp = "11/21 09:18:34 - mmengine - "
    nothing = "ERROR - coco_metric.py - compute_metrics - 462 - The testing results of the whole dataset is empty."
    said = [line for task in ("bbox", "segm", "proposal") for line in (f"INFO - Evaluating {task}...", nothing)]
    said.append("INFO - Epoch(test) [1/1]    data_time: 0.0062  time: 0.1565")
    found = framework.log_parser(PREPARED).feed("".join(f"{stamp}{line}\n" for line in said).encode())
    assert [(item.task, item.ap, dict(item.recall), item.epoch) for item in found if isinstance(item, Evaluation)] == [
        ("bbox", 0.0, {}, 12), ("segm", 0.0, {}, 12), ("proposal", None, {"AR@100": 0.0}, 12),
    ]  # fmt: skip
