"""Real logs, where they are at hand: what they hold was counted by other means (grep, and the JSON beside the text)."""

from __future__ import annotations

import json
import math
import random

import pytest

from runner.entities import Checkpoint, Evaluation, Progress, Record
from runner.frameworks.known_logs import LOG_PARSERS, recognised
from tests.support.log_records import SAMPLES, parsed

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the real logs are not at hand (they are no part of the project)")

NAN = math.nan
# path: parser, points, (epoch, iteration, loss) of the last, [(epoch, task, AP, AP50)] or their number, checkpoints
COUNTED: dict[str, tuple[str | None, int, tuple[int, int, float] | None, list[tuple[int, str, float, float | None]] | int, int]] = {
    "mmdet1_logs/issue_64_mmdet0.5.log": ("mmdet", 3, (3, 150, 0.0408), 0, 0),
    "mmdet1_logs/issue_486_mmdet0.6_voc_eval.log": ("mmdet", 0, None, [(6, "bbox", 0.0, None)], 0),
    "mmdet1_logs/issue_2672_mmdet1.x.log": ("mmdet", 3, (1, 1300, 0.4859), 0, 0),
    "mmdet2_logs/20230209_031500.excerpt.log": ("mmdet", 24, (4, 30, 0.5656), 6, 1),
    "mmdet2_logs/20230209_031500.log.json": ("mmdet-json", 51, (9, 15, 0.31797), 16, 0),
    "mmdet2_logs/issue_3424_cloudwatch.log": ("mmdet", 2, (1, 500, 1.4152), 0, 0),
    "mmdet2_logs/issue_5911_nan.log": ("mmdet", 4, (1, 200, 1.0595), 0, 0),
    "mmdet2_logs/issue_aitod10_nan_acc_finite.log": ("mmdet", 2, (2, 600, NAN), 0, 0),
    "mmdet2_logs/mmseg_issue_2899_val_labelled_train.log.json": ("mmdet-json", 2, (6, 16050, 3.33729), 0, 0),
    "mmdet2_logs/console_mmdet2_mmcv1.4.excerpt.txt": (
        "mmdet", 32, (2, 700, 0.4329), [(1, "bbox", 0.011, 0.017), (1, "segm", 0.011, 0.017)], 1,
    ),
    "mmdet2_logs/notebook_mmdet2.3_kitti_tiny.txt": ("mmdet", 24, (12, 20, 0.1473), 0, 1),
    "mmdet3_logs/cpu_rtmdet/console.log": ("mmdet", 24, (6, 8, 1.3795), 6, 6),
    "mmdet3_logs/notebook_mmdet3.1_balloon.txt": ("mmdet", 36, (12, 30, 0.2048), 8, 4),
    "mmdet3_logs/rtmdet_balloon/20230609_172212/20230609_172212.log": ("mmdet", 40, (40, 5, 0.6462), 4, 11),
    "mmdet3_logs/rtmdet_balloon/20230609_172212/vis_data/scalars.json": ("mmdet-json", 40, None, 4, 0),
    "mmdet3_logs/issue_10164.log": ("mmdet", 3, (1, 8700, 0.2184), 0, 0),
    "mmdet3_logs/homework1_test_tail.log": ("mmdet", 0, None, [(0, "bbox", 0.792, 0.955)], 0),
    "mmdet3_logs/homework1_test_20230604_185806.json": ("mmdet-json", 0, None, [(0, "bbox", 0.792, 0.955)], 0),
    "mmdet3_logs/test_20230212_184933.excerpt.log": ("mmdet", 0, None, [(0, "bbox", 0.766, 0.882), (0, "segm", 0.78, 0.862)], 0),
    "m2det_logs/train_finite_then_nan.log": ("m2det", 6, (3, 2, NAN), 0, 0),
    "m2det_logs/eval_voc_complete.log": ("m2det", 0, None, [(0, "bbox", 0.15, 0.15)], 0),
    "m2det_logs/custom_class_keyerror.log": (None, 0, None, 0, 0),
    "m2det_logs/resume_epoch_beyond_steps.log": (None, 0, None, 0, 0),
    "m2det_logs/test_voc_class_without_detection.log": (None, 0, None, 0, 0),
    "tfod_logs/train_2020-10_inline_loss.log": ("tfod", 6, (1, 600, 1.397), 0, 0),
    "tfod_logs/train_2021+_loss_dict.log": ("tfod", 1, (1, 100, 2.1387844), 0, 0),
    "tfod_logs/train_2021+_windows_thread.log": ("tfod", 1, (1, 2500, 0.29547784), 0, 0),
    "tfod_logs/train_out_of_order_restart.log": ("tfod", 2, (1, 2100, 0.149088), 0, 0),
    "tfod_logs/eval_step10000.log": ("tfod", 0, None, [(10000, "bbox", 0.000033, 0.000133)], 0),
    "tfod_real/tiny_main200.log": ("tfod", 2, (1, 200, 0.9345526), 0, 0),
    "tfod_real/tiny_resume400.log": ("tfod", 2, (1, 400, 0.49113968), 0, 0),
    "tfod_real/tiny_eval_step200.log": ("tfod", 0, None, [(200, "bbox", 0.281986, 0.495186)], 1),
    "tfod_real/eval1.log": ("tfod", 0, None, [(200, "bbox", 0.000124, 0.001178)], 1),
    "tfod_real/nan_loss.log": ("tfod", 8, (1, 40, NAN), 0, 0),
    "tfod_real/effdet_d0_256.log": ("tfod", 4, (1, 40, 1.3068856), 0, 0),
    "tfod_real/signal_TERM.log": ("tfod", 3, (1, 30, 1.1047168), 0, 0),
    "tfod_real/crash_inverted_box.log": ("tfod", 1, (1, 5, 1.9010731), 0, 0),
    "tfod_real/crash_config_typo.log": (None, 0, None, 0, 0),
    "tfod_real/export1.log": (None, 0, None, 0, 0),
}
READABLE = [path for path, counted in COUNTED.items() if counted[0]]
DRIVEN = ("mmdet1_logs/driver_mmcv_v0.4.0", *(f"mmdet2_logs/driver_mmcv_v{version}" for version in ("0.6.2", "1.0.5", "1.3.3", "1.7.1")))


def _bytes(path: str) -> bytes:
    if not (SAMPLES / path).is_file():
        pytest.skip(f"the real log {path} is not at hand")
    return (SAMPLES / path).read_bytes() + b"\n"


def _records(name: str, path: str) -> list[Record]:
    return list(LOG_PARSERS[name]().feed(_bytes(path)))


@pytest.mark.parametrize("path", COUNTED)
def test_a_real_log_holds_what_was_counted(path: str) -> None:
    name, points, last, evaluations, checkpoints = COUNTED[path]
    assert recognised([_bytes(path)]) == name

    records = _records(name, path) if name else []
    found = [record for record in records if isinstance(record, Progress)]
    results = [(each.epoch, each.task, each.ap, each.ap50) for each in records if isinstance(each, Evaluation)]
    assert len(found) == points
    if last:
        assert (found[-1].epoch, found[-1].iteration, found[-1].loss) == pytest.approx(last, nan_ok=True)
    assert (len(results) if isinstance(evaluations, int) else results) == evaluations
    assert sum(isinstance(record, Checkpoint) for record in records) == checkpoints


@pytest.mark.parametrize("path", READABLE)
def test_a_real_log_is_the_same_in_any_chunks(path: str) -> None:
    data, make = _bytes(path), LOG_PARSERS[str(COUNTED[path][0])]
    whole = parsed(make, data)

    assert parsed(make, data, range(1, len(data))) == whole
    generator = random.Random(path)
    for _ in range(5):
        assert parsed(make, data, sorted(generator.sample(range(len(data)), min(200, len(data))))) == whole


@pytest.mark.parametrize("path", READABLE)
def test_a_real_log_from_any_offset_ends_the_same(path: str) -> None:
    data, make = _bytes(path), LOG_PARSERS[str(COUNTED[path][0])]
    whole = parsed(make, data)

    for start in random.Random(path).sample(range(len(data)), 60):
        rest = parsed(make, data[start:])
        assert rest == (whole[-len(rest) :] if rest else []), start


@pytest.mark.parametrize("folder", DRIVEN)
def test_text_and_json_of_the_same_training_agree(folder: str) -> None:
    lines = [json.loads(line) for line in _bytes(f"{folder}/20230209_031500.log.json").splitlines() if line]
    losses_of_the_validation = 13  # iterations; up to mmcv 1.0.5 its mode is train
    trained = [line for line in lines if "loss" in line and line["iter"] != losses_of_the_validation]
    evaluated = [line for line in lines if "bbox_mAP" in line]
    text = _records("mmdet", f"{folder}/20230209_031500.log")
    points = [record for record in text if isinstance(record, Progress)]
    results = [record for record in text if isinstance(record, Evaluation)]

    assert len(points) == 18
    assert [(point.epoch, point.iteration, point.memory_mib) for point in points] == [(t["epoch"], t["iter"], t["memory"]) for t in trained]
    assert [point.loss for point in points] == pytest.approx([line["loss"] for line in trained], abs=1e-4)
    assert [point.lr for point in points] == pytest.approx([line["lr"] for line in trained], rel=1e-3)
    assert [(each.epoch, each.ap, each.ap_large) for each in results if each.task == "segm"] == [
        (line["epoch"], line["segm_mAP"], line["segm_mAP_l"]) for line in evaluated
    ]
    of_json = [record for record in _records("mmdet-json", f"{folder}/20230209_031500.log.json") if isinstance(record, Evaluation)]
    assert of_json == results


def test_the_real_cpu_log_holds_what_its_json_log_says() -> None:
    scalars = [json.loads(line) for line in _bytes("mmdet3_logs/cpu_rtmdet/scalars.json").splitlines() if line]
    records = _records("mmdet", "mmdet3_logs/cpu_rtmdet/console.log")
    points = [record for record in records if isinstance(record, Progress)]
    results = [record for record in records if isinstance(record, Evaluation)]
    trained = [scalar for scalar in scalars if "loss" in scalar]
    evaluated = [scalar for scalar in scalars if "coco/bbox_mAP" in scalar]

    assert [(point.epoch, (point.epoch - 1) * 8 + point.iteration) for point in points] == [(s["epoch"], s["iter"]) for s in trained]
    assert [point.loss for point in points] == pytest.approx([s["loss"] for s in trained], abs=1e-4)
    assert [result.epoch for result in results] == [s["step"] for s in evaluated]
    assert [result.ap50 for result in results] == [s["coco/bbox_mAP_50"] for s in evaluated]
    assert all(result.ap_large is None for result in results)


def test_every_sample_of_a_log_is_counted() -> None:
    folders = ("m2det_logs", "mmdet1_logs", "mmdet2_logs", "mmdet3_logs", "tfod_logs", "tfod_real")
    files = (path for folder in folders for path in (SAMPLES / folder).rglob("*") if path.suffix in (".log", ".json"))
    logs = {str(path.relative_to(SAMPLES)) for path in files if "driver" not in str(path)}
    known_twins = {"mmdet3_logs/cpu_rtmdet/scalars.json", "mmdet3_logs/test_20230212_184933.json", "tfod_real/train1.log",
                   "mmdet3_logs/rtmdet_balloon/20230609_172212/vis_data/20230609_172212.json",
                   "tfod_real/crash_missing_label_map.log", "tfod_real/crash_truncated_record.log"}  # fmt: skip
    assert logs - set(COUNTED) == known_twins
