"""What ``tools/test.py`` of MMDetection 1.x and 2.x prints, in any chunking: each result is told once."""

from __future__ import annotations

import pytest

from runner.entities import Evaluation, WorkStep
from runner.frameworks.base import Prepared
from runner.frameworks.mmdet_legacy_test_log import LegacyTestLogParser, legacy_log_parser
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.specs import Kind

BAR = "".join(f"\r[{'>' * 10}] {done}/40, 10.9 task/s, elapsed: {done}s, ETA:     0s" for done in range(1, 41))
ROW = " Average Precision  (AP) @[ IoU={iou:<9} | area={area:>6} | maxDets=100 ] = {value}\n"
TABLE = "".join(
    ROW.format(iou=iou, area=area, value=value)
    for iou, area, value in [
        ("0.50:0.95", "all", "0.412"), ("0.50", "all", "0.600"), ("0.75", "all", "0.450"), ("0.50:0.95", "small", "-1.000"),
        ("0.50:0.95", "medium", "0.300"), ("0.50:0.95", "large", "0.500"),
    ]
)  # fmt: skip
COCO = f"Evaluating {{task}}...\nLoading and preparing results...\nEvaluate annotation type *{{task}}*\nDONE (t=0.10s).\n{TABLE}"
CLASSES = (
    "2021-12-21 21:56:22,062 - mmdet - INFO - \n+----------+-------+----------+-------+\n| category | AP    | category | AP    |\n"
    "+----------+-------+----------+-------+\n| fish     | 0.411 | sea bass | nan   |\n| squid    | 0.413 | None     | None  |\n"
    "+----------+-------+----------+-------+\n"
)
PRINTED = "OrderedDict([('bbox_mAP', 0.412), ('bbox_mAP_50', 0.6), ('bbox_mAP_copypaste', '0.412 0.600')])\n"
VOC = (
    "\n+-------+-----+------+--------+-------+\n| class | gts | dets | recall | ap    |\n+-------+-----+------+--------+-------+\n"
    "| fish  | 4   | 9    | 0.500  | 0.250 |\n| squid | 0   | 1    | 0.000  | 0.750 |\n+-------+-----+------+--------+-------+\n"
    "| mAP   |     |      |        | 0.500 |\n+-------+-----+------+--------+-------+\n"
)
PER_CLASS = {"fish": 0.411, "sea bass": None, "squid": 0.413}


def read(text: str, *, classwise: bool, size: int) -> list[Evaluation | WorkStep]:
    parser, data = LegacyTestLogParser(12, classwise=classwise), text.encode()
    found = [record for at in range(0, len(data), size) for record in parser.feed(data[at : at + size])]
    assert parser.pending_bytes == 0
    return [record for record in found if isinstance(record, Evaluation | WorkStep)]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("printed", [PRINTED, ""])
def test_a_table_of_coco_and_its_classes_are_one_evaluation(size: int, printed: str) -> None:
    *steps, boxes = read(BAR + COCO.format(task="bbox") + CLASSES + printed, classwise=True, size=size)
    assert boxes == Evaluation(
        12, "bbox", ap=0.412, ap50=0.6, ap75=0.45, ap_small=None, ap_medium=0.3, ap_large=0.5, per_class=PER_CLASS
    )
    assert len(steps) <= 21


def test_masks_follow_boxes_with_classes_of_their_own() -> None:
    text = COCO.format(task="bbox") + CLASSES + COCO.format(task="segm") + CLASSES.replace("0.411", "0.111") + PRINTED
    boxes, masks = read(text, classwise=True, size=5)
    assert isinstance(masks, Evaluation)
    assert (masks.task, masks.per_class["fish"]) == ("segm", 0.111)
    assert isinstance(boxes, Evaluation)
    assert boxes.per_class == PER_CLASS


def test_the_first_releases_print_no_classes() -> None:
    (boxes,) = read(COCO.format(task="bbox"), classwise=False, size=9)
    assert boxes == Evaluation(12, "bbox", ap=0.412, ap50=0.6, ap75=0.45, ap_medium=0.3, ap_large=0.5)


@pytest.mark.parametrize("printed", ["OrderedDict([('mAP', 0.5), ('AP50', 0.5)])\n", ""])
def test_a_table_of_voc(printed: str) -> None:
    (boxes,) = read(VOC + printed, classwise=False, size=3)
    assert boxes == Evaluation(12, "bbox", ap=0.5, ap50=0.5, per_class={"fish": 0.25, "squid": 0.75})


@pytest.mark.parametrize("form", ["AR@{}\t{}\n", "AR@{}\t= {}\n"])
def test_recalls_of_proposals(form: str) -> None:
    text = "".join(form.format(number, value) for number, value in ((100, "0.4"), (300, "0.5"), (1000, "0.6")))
    (found,) = read("ETA:     0s" + text, classwise=True, size=4)
    assert found == Evaluation(12, "proposal", ap=None, recall={"AR@100": 0.4, "AR@300": 0.5, "AR@1000": 0.6})


@pytest.mark.parametrize(("before", "words"), [
    ("Evaluating segm...\n", "The testing results of the whole dataset is empty."), ("", "No prediction found."),
])  # fmt: skip
def test_nothing_found_is_a_precision_of_zero(before: str, words: str) -> None:
    (found,) = read(f"{before}2022-02-09 03:15:50,503 - mmdet - ERROR - {words}\nOrderedDict()\n", classwise=True, size=6)
    assert found == Evaluation(12, "segm" if before else "bbox", ap=0.0, ap50=0.0, ap75=0.0)


def test_what_breaks_off_is_held_and_forgotten() -> None:
    parser = LegacyTestLogParser(12, classwise=True)
    assert parser.feed((COCO.format(task="bbox") + "| category | AP |\n| fish |").encode()) == []
    assert parser.pending_bytes > len(TABLE)
    parser.feed(b"x" * 999 + b"\n" + (b"y" * 999 + b"\n") * 1100)
    assert parser.pending_bytes == 0


def test_a_training_has_the_parser_of_trainings() -> None:
    known = Prepared(config="", epochs=1, batch=1, lr=1, revision="r", checkpoint_epoch=3, values={"kind": Kind.EVAL})
    assert isinstance(legacy_log_parser(known), LegacyTestLogParser)
    for prepared in (None, Prepared(config="", epochs=1, batch=1, lr=1, revision="r", values={"kind": "train"})):
        assert isinstance(legacy_log_parser(prepared), MmdetLogParser)
