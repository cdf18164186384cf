"""The parts of preparing TensorFlow trainings that need no TensorFlow: steps, labels, boxes, checkpoint files, options."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.host.prepare_tfod.checkpoints import newest_whole, opened, prefix_of
from runner.host.prepare_tfod.errors import BadSpecError
from runner.host.prepare_tfod.labels import checked
from runner.host.prepare_tfod.options import refuse_reserved
from runner.host.prepare_tfod.pipeline import base_text
from runner.host.prepare_tfod.progress import Position, epochs_at, position
from runner.host.prepare_tfod.records import matching, wrong_boxes
from runner.host.prepare_tfod.schedule import ITERATION, planned
from runner.host.prepare_tfod.training import course

PRESET = {"epochs": 10, "batch": 4, "eval_every": 1}


@given(st.integers(0, 10**5), st.integers(1, 10**6), st.floats(0.1, 10**5))
def test_the_last_step_is_saved_and_never_before_the_one_wanted(done: int, more: int, every: float) -> None:
    steps = planned(done, done + more, every)
    assert steps.last >= done + more
    assert (steps.last - done) % steps.between_saves == 0
    assert steps.between_saves % ITERATION == 0
    # Never more than a save too far, and never much more than the interval asked for.
    assert steps.last - done < more + ITERATION + steps.between_saves
    assert steps.between_saves <= max(2 * every, every + ITERATION) + ITERATION


@pytest.mark.parametrize(("wanted", "every", "steps"), [
    (150, 50, (200, 100)), (200, 100, (200, 100)), (1, 1, (100, 100)), (1000, 400, (1000, 500)), (370_200, 1234, (370_800, 1200)),
])  # fmt: skip
def test_steps_are_rounded_as_little_as_the_stock_program_allows(wanted: int, every: float, steps: tuple[int, int]) -> None:
    assert planned(0, wanted, every) == steps


def request(images: int, overrides: dict[str, object], **spec: object) -> dict[str, object]:
    return {"spec": {"preset": PRESET, "overrides": overrides, **spec}, "dataset": {"images": {"train": images}}}


def test_epochs_become_steps_of_the_whole_batch() -> None:
    at, steps, notes = course(request(1000, {}, gpus=2), {}, None, {})
    assert (at.steps_per_epoch, steps) == (125.0, (1300, 100))
    assert "1300 steps (10.4 epochs) instead of 1250" in notes[0]
    assert notes[1] == "A checkpoint comes every 100 steps, 0.8 epochs."


def test_a_resume_counts_epochs_from_where_it_stands() -> None:
    whole = SimpleNamespace(prefix="/r/kept/ckpt-4", step=300, number=4)
    values = {"first_step": 0, "first_epoch": 0.0, "steps_per_epoch": 100.0, "asked_epochs": 6, "steps": 600}
    trained = {"batch": 4, "values": values}
    at, steps, _ = course(request(400, {}), trained, whole, {})  # type: ignore[arg-type]
    assert (at.first_step, at.first_epoch, steps.last) == (300, 3.0, 600)
    at, steps, _ = course(request(400, {}), trained, whole, {"batch": 2})  # type: ignore[arg-type]
    assert (steps.last, epochs_at(at, steps.last)) == (900, 6.0)
    with pytest.raises(BadSpecError, match=r"ckpt-4 already holds all 3 epochs \(step 300\); ask for more with --epochs") as caught:
        course(request(400, {}), trained, whole, {"epochs": 3})  # type: ignore[arg-type]
    assert caught.value.where == "overrides.epochs"


def test_a_position_survives_as_values() -> None:
    at = Position(200, 12.5, 16.0, 40, 8)
    assert position(at.values()) == at._replace(batch=0)


@pytest.mark.parametrize(("items", "words"), [
    ([("car", 0)], "'car' has the id 0"), ([("car", 1), ("car", 2)], "the name car more than once"),
    ([("car", 1), ("bus", 1)], "the id 1 more than once"), ([], "empty"),
])  # fmt: skip
def test_label_maps_that_the_library_would_misread(items: list[tuple[str, int]], words: str) -> None:
    with pytest.raises(BadSpecError, match=words):
        checked(items, "label_map.pbtxt")


def test_labels_are_in_the_order_of_their_ids() -> None:
    assert list(checked([("bus", 7), ("car", 2)], "m")) == ["car", "bus"]


def example(**sides: list[float]) -> dict[str, SimpleNamespace]:
    return {f"image/object/bbox/{side}": SimpleNamespace(float_list=SimpleNamespace(value=values)) for side, values in sides.items()}


@pytest.mark.parametrize(("box", "words"), [
    ((0.5, 0.1, 0.4, 0.2), "box 1, from (0.5, 0.1) to (0.4, 0.2), is inverted or empty"), ((0.1, 0.1, 0.1, 0.2), "inverted or empty"),
    ((0.1, 0.1, 1.2, 0.2), "lies beyond the image"), ((-0.01, 0.1, 0.5, 0.2), "beyond"), ((0.1, float("nan"), 0.5, 0.2), "not finite"),
])  # fmt: skip
def test_boxes_that_would_stop_a_training(box: tuple[float, ...], words: str) -> None:
    [said] = wrong_boxes(example(**{side: [value] for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)}))
    assert words in said


def test_a_box_at_the_very_border_is_none_of_them() -> None:
    assert wrong_boxes(example(xmin=[0.0], ymin=[0.0], xmax=[1.0], ymax=[1.00000005])) == []
    assert wrong_boxes(example(xmin=[0.0], ymin=[], xmax=[1.0], ymax=[1.0])) == ["xmin, ymin, xmax and ymax are not equally many"]


def test_a_glob_without_files_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "[odd] folder"
    folder.mkdir()
    (folder / "train.record-00000-of-00002").touch()
    assert len(matching("train.record*", str(folder))) == 1
    with pytest.raises(BadSpecError, match=r"No record file matches val.record\*"):
        matching("val.record*", str(folder))


def test_a_checkpoint_lacks_files_before_anything_is_loaded(tmp_path: Path) -> None:
    prefix = tmp_path / "ckpt-3"
    assert opened(str(prefix)) == (None, "its index (ckpt-3.index) is not there")
    (tmp_path / "ckpt-3.index").touch()
    assert opened(str(prefix)) == (None, "1 of its 1 data files are not there")
    (tmp_path / "ckpt-3.data-00001-of-00002").touch()
    assert opened(str(prefix)) == (None, "1 of its 2 data files are not there")
    with pytest.raises(BadSpecError, match=r"No checkpoint can be used: .*ckpt-3: 1 of its 2 .*; .*ckpt-2: its index"):
        newest_whole([str(prefix), str(tmp_path / "ckpt-2")])
    with pytest.raises(BadSpecError, match="there is none"):
        newest_whole([])


def test_a_checkpoint_may_be_named_by_a_file_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "ckpt-0.index").touch()
    prefix = str(tmp_path / "checkpoint" / "ckpt-0")
    assert [prefix_of(str(tmp_path / name)) for name in ("", "checkpoint", "checkpoint/ckpt-0.index")] == [prefix] * 3
    assert prefix_of(prefix + ".data-00000-of-00001") == prefix


@pytest.mark.parametrize("key", ["train_config.num_steps", "eval_input_reader.0.label_map_path", "model.ssd.num_classes"])
def test_what_signalbox_sets_itself_is_refused(key: str) -> None:
    with pytest.raises(BadSpecError, match="is Signalbox's own"):
        refuse_reserved(key)
    refuse_reserved("train_config.num_steps_of_mine")


def test_a_config_is_the_presets_own_or_the_checkouts_or_ours(tmp_path: Path) -> None:
    (tmp_path / "configs" / "tf2").mkdir(parents=True)
    (tmp_path / "configs" / "tf2" / "centernet.config").write_text("theirs")
    assert base_text("own.config", {"own.config": "mine"}, str(tmp_path)) == "mine"
    assert base_text("centernet.config", {}, str(tmp_path)) == "theirs"
    assert base_text("efficientdet_d0.config", {}, "").startswith("# EfficientDet D0")
    with pytest.raises(BadSpecError, match=r"no pipeline config 'efficientdet_do.config' \(did you mean 'efficientdet_d0.config'\?\)"):
        base_text("efficientdet_do.config", {}, str(tmp_path))
