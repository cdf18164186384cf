"""What may be asked of a trained model, and why not; nothing here is connected to any host."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from recipes.catalog.keeping import kept
from recipes.errors import FormatError
from recipes.ingest import ingest
from runner.checkpoints import wanted
from runner.entities import Checkpoint, Evaluation, Place, Run
from runner.errors import NotAllowedError, RequestError
from runner.frameworks import find_framework, m2det, mmdet, mmdet_legacy, tfod
from runner.service import models
from runner.service.datasets import reference, require_unused
from runner.service.given_files import keep_files
from runner.service.house import House, Requester
from runner.settings import Limits, Role
from runner.specs import BoardSpec, FetchSpec, Kind, ModelSpec, ResultFile, StartMode
from runner.store import attempts, progress, runs
from tests.support.run_rows import NOW, SPEC, house_in, submitted
from tests.support.scripted_house import write_coco

WHO = Requester("U1", Role.ADMIN, "test", "t1")
MEMBER = Requester("U2", Role.MEMBER, "test", "t2")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = house_in(tmp_path)
    ingest(opened.catalog, write_coco(tmp_path / "coco"), name="fish", created_at=datetime.now(UTC))
    yield opened
    opened.store.close()


@pytest.fixture
def trained(house: House) -> Run:
    """A training with the checkpoints of two attempts, of which one is gone."""
    spec = SPEC.model_copy(update={"dataset": reference(house.catalog.get("fish"))})
    with house.store.writing() as db:
        run = runs.submit(db, spec, owner="U1", place=Place("C1"), now=house.now())
        for number, epochs in ((1, (1, 2)), (2, (3, 4))):
            attempt = attempts.begin(db, run, number=number, host="gpu-1", root="/gpu-1", now=house.now())
            records: list[Checkpoint | Evaluation] = []
            for epoch in epochs:
                records.append(Checkpoint(f"epoch_{epoch}.pth", epoch, size_bytes=100 * epoch))
                records.append(Evaluation(epoch, "segm", 0.05 * epoch))
                records.append(Evaluation(epoch, "bbox", 0.1 * epoch))
            records += [Checkpoint("epoch_1.pth", 1, removed=True)] if number == 1 else []
            records += [Checkpoint("best_bbox_mAP_epoch_3.pth", 3, best=True)] if number == 2 else []
            progress.keep(db, attempt, records, progress.LogPosition(), now=NOW)
        db.conn.execute("UPDATE runs SET state = 'RUNNING', reason = 'WORKING', host = 'gpu-1', attempt = 2 WHERE id = ?", (run.id,))
        return runs.get(db, run.id)


def test_what_is_not_said_is_the_usual(house: House, trained: Run) -> None:
    spec = models.submit_eval(house, MEMBER, trained.id).spec
    assert isinstance(spec, ModelSpec)
    assert (spec.kind, spec.host, spec.gpus, spec.split, spec.dataset) == (Kind.EVAL, "gpu-1", 1, "val", trained.spec.dataset)  # type: ignore[union-attr]
    assert (spec.model.mode, spec.model.run_id, spec.model.checkpoint) == (StartMode.FINETUNE, trained.id, None)
    assert spec.overrides.batch is None
    assert runs.get(house.store.reading(), trained.id).stop_requested_by is None


def test_what_is_said_is_frozen(house: House, trained: Run) -> None:
    run = models.submit_predict(
        house, WHO, trained.id, dataset="fish@1", split="train", checkpoint="epoch_2", batch=4, devices=("GPU-a", "GPU-b"),
        results=(ResultFile.COCO, ResultFile.COCO, ResultFile.PICKLE), score=0.5, options=("x=1",),
    )
    spec = run.spec
    assert isinstance(spec, ModelSpec)
    assert (spec.split, spec.model.checkpoint, spec.overrides.batch, spec.overrides.options) == ("train", "epoch_2", 4, ("x=1",))
    assert (spec.devices, spec.gpus, spec.results, spec.score) == (("GPU-a", "GPU-b"), 2, (ResultFile.COCO, ResultFile.PICKLE), 0.5)
    assert run.parent_id == trained.id
    on_cpu = models.submit_eval(house, WHO, trained.id, gpus=0).spec
    assert isinstance(on_cpu, ModelSpec)
    assert on_cpu.gpus == 0


def test_a_test_split_goes_before_val(house: House, trained: Run, tmp_path: Path) -> None:
    folder = write_coco(tmp_path / "more")
    for path in [*folder.rglob("*val*")]:
        path.rename(path.with_name(path.name.replace("val", "test")))
    listing = folder / "annotations" / "instances_test.json"
    listing.write_text(listing.read_text().replace("val_", "test_"))
    ingest(house.catalog, folder, name="tested", created_at=datetime.now(UTC))
    spec = models.submit_eval(house, WHO, trained.id, dataset="tested").spec
    assert isinstance(spec, ModelSpec)
    assert spec.split == "test"
    with pytest.raises(RequestError, match="tested@1 has no split val with boxes to measure against; it has: test, train"):
        models.submit_eval(house, WHO, trained.id, dataset="tested", split="val")


def test_what_has_no_boxes_is_predicted_and_not_measured(house: House, trained: Run, tmp_path: Path) -> None:
    folder = write_coco(tmp_path / "bare")
    listing = folder / "annotations" / "instances_val.json"
    listing.write_text(json.dumps(json.loads(listing.read_text()) | {"annotations": []}))
    ingest(house.catalog, folder, name="bare", created_at=datetime.now(UTC))
    with pytest.raises(RequestError, match="bare@1 has neither a test nor a val split with boxes to measure against; it has: train"):
        models.submit_eval(house, WHO, trained.id, dataset="bare")
    spec = models.submit_predict(house, WHO, trained.id, dataset="bare").spec
    assert isinstance(spec, ModelSpec)
    assert spec.split == "val"


def test_what_has_no_model_is_refused_with_the_reason(house: House, trained: Run) -> None:
    waiting = submitted(house)
    with pytest.raises(RequestError, match=f"{waiting.id} has not trained yet \\(submitted\\); there is nothing to evaluate"):
        models.submit_eval(house, WHO, waiting.id)
    measured = models.submit_eval(house, WHO, trained.id)
    with pytest.raises(RequestError, match=f"{measured.id} is eval, not a training; there is nothing to export"):
        models.submit_export(house, WHO, measured.id)
    with pytest.raises(RequestError, match="has no checkpoint epoch_1; it left: best_bbox_mAP_epoch_3, epoch_4"):
        models.submit_eval(house, WHO, trained.id, checkpoint="epoch_1")
    with house.store.writing() as db:
        db.conn.execute("UPDATE checkpoints SET removed = 1")
    with pytest.raises(RequestError, match=f"{trained.id} has not left a checkpoint yet \\(working\\); there is nothing to use"):
        models.submit_predict(house, WHO, trained.id)
    with pytest.raises(RequestError, match="There is no run r-none"):
        models.submit_eval(house, WHO, "r-none")


def test_a_framework_that_has_no_way_to_do_it_says_what_it_can(
    house: House, trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find_framework("scripted", house.settings.extensions), "kinds", frozenset({Kind.TRAIN, Kind.EVAL}), raising=False)
    with pytest.raises(RequestError, match="export is not possible with scripted; it can do: eval, train"):
        models.submit_export(house, WHO, trained.id)


def test_what_a_member_may_not(house: House, trained: Run) -> None:
    for submit in (models.submit_eval, models.submit_predict, models.submit_export, models.submit_board):
        with pytest.raises(NotAllowedError):
            submit(house, replace(MEMBER, role=Role.VIEWER), trained.id)  # type: ignore[operator]
    with pytest.raises(NotAllowedError):
        models.submit_fetch(house, replace(MEMBER, role=Role.VIEWER), trained.id, what="log")
    with pytest.raises(NotAllowedError, match="raw framework options"):
        models.submit_eval(house, MEMBER, trained.id, options=("x=1",))
    with pytest.raises(NotAllowedError, match="add presets"):
        models.submit_export(house, MEMBER, trained.id, publish_as="mine")
    assert models.submit_export(house, MEMBER, trained.id).spec
    with pytest.raises(RequestError, match="cannot name a preset"):
        models.submit_export(house, WHO, trained.id, publish_as="Not A Name")


def test_what_is_fetched_lies_where_its_attempt_left_it(house: House, trained: Run) -> None:
    root = f"/gpu-1/runs/{trained.id}-{trained.nonce}"
    asked = {
        "best": (f"{root}/2", "work_dir/best_bbox_mAP_epoch_3.pth"),
        "latest": (f"{root}/2", "work_dir/epoch_4.pth"),
        "epoch_2": (f"{root}/1", "work_dir/epoch_2.pth"),
        "all-checkpoints": (root, "2/work_dir/epoch_4.pth"),
        "tensorboard": (root, "*/work_dir/**/events.out.tfevents.*"),
        "log": (f"{root}/2", "log"),
        "results": (f"{root}/2", "results/**"),
    }
    for what, (directory, path) in asked.items():
        spec = models.submit_fetch(house, WHO, trained.id, what=what).spec
        assert isinstance(spec, FetchSpec)
        assert (spec.directory, spec.paths[0], spec.host) == (directory, path, "gpu-1"), what


@pytest.mark.parametrize("module", [mmdet, mmdet_legacy, m2det, tfod])
def test_the_config_is_fetched_as_every_framework_calls_it(house: House, trained: Run, module: ModuleType) -> None:
    spec = models.submit_fetch(house, WHO, trained.id, what="config").spec
    assert isinstance(spec, FetchSpec)
    assert any(fnmatch(module.CONFIG, pattern) for pattern in spec.paths)


def test_a_board_shows_the_newest_attempt_for_a_while(house: House, trained: Run) -> None:
    spec = models.submit_board(house, WHO, trained.id, hours=2).spec
    assert isinstance(spec, BoardSpec)
    assert (spec.folder, spec.hours, spec.framework) == (f"/gpu-1/runs/{trained.id}-{trained.nonce}/2/work_dir", 2, "scripted")
    for hours in (0, -1, 1000, float("nan")):
        with pytest.raises(RequestError, match="at most 72 hours"):
            models.submit_board(house, WHO, trained.id, hours=hours)


def test_checkpoints_are_listed_with_what_they_measured(house: House, trained: Run) -> None:
    listed = models.checkpoints_of(house, trained.id)
    assert [(item.name, item.size_bytes, item.best, item.there, item.attempt) for item in listed] == [
        ("epoch_1.pth", 100, False, False, 1), ("epoch_2.pth", 200, False, True, 1), ("best_bbox_mAP_epoch_3.pth", None, True, True, 2),
        ("epoch_3.pth", 300, False, True, 2), ("epoch_4.pth", 400, False, True, 2),
    ]
    assert {item.epoch: item.ap for item in listed} == pytest.approx({1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4})


def test_what_a_model_is_used_on_cannot_be_removed_meanwhile(house: House, trained: Run) -> None:
    models.submit_eval(house, WHO, trained.id)
    with house.store.writing() as db:
        db.conn.execute("UPDATE runs SET state = 'SUCCEEDED', reason = 'COMPLETED' WHERE id = ?", (trained.id,))
    with pytest.raises(RequestError, match=r"needed by r-\w+ \(eval on fish@1"):
        require_unused(house, ["fish@1"])


def picture(path: Path, kind: str = "JPEG") -> Path:
    Image.new("RGB", (8, 8), "teal").save(path, kind)
    return path


def test_files_are_known_by_their_content_and_kept_under_plain_names(house: House, tmp_path: Path) -> None:
    video = tmp_path / "holiday.MOV"
    video.write_bytes(struct.pack(">I", 20) + b"ftypqt  " + bytes(200))
    files = [picture(tmp_path / "a b$(c).jpg"), picture(tmp_path / "fisch ü.png", "PNG"), picture(tmp_path / "no ending")]
    (tmp_path / "again").mkdir()
    files += [picture(tmp_path / "again" / "no ending"), picture(tmp_path / "wrong.gif", "BMP"), picture(tmp_path / "-rf.tiff", "TIFF")]
    files += [picture(tmp_path / "w.webp", "WEBP"), video, picture(tmp_path / f"{'n' * 200}.jpg")]
    given = keep_files(house, files)
    assert [file.name for file in given] == [
        "a_b_c_.jpg", "fisch_ü.png", "no_ending.jpg", "no_ending-2.jpg", "wrong.gif.bmp", "rf.tiff", "w.webp", "holiday.mov",
        f"{'n' * 60}.jpg",
    ]
    assert {file.digest for file in given} <= kept(house.catalog)
    assert house.catalog.objects.path(given[0].digest).read_bytes() == files[0].read_bytes()


def test_what_is_neither_picture_nor_video_is_refused_all_of_it_at_once(house: House, tmp_path: Path, trained: Run) -> None:
    cut = picture(tmp_path / "cut.jpg")
    cut.write_bytes(cut.read_bytes()[:-100])
    bad = {
        "text.jpg": b"hello", "empty.png": b"", "phone.heic": b"\0\0\0\x18ftypheic" + bytes(100), "huge.bmp": b"BM" + bytes(60),
        "page.html": b"<html>",
    }
    paths = [cut]
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        paths.append(tmp_path / name)
    paths.append(tmp_path / "absent.jpg")
    with pytest.raises(FormatError) as caught:
        models.submit_predict(house, WHO, trained.id, files=paths)
    assert {defect.where.file for defect in caught.value.defects} == {*bad, "cut.jpg", "absent.jpg"}
    assert kept(house.catalog) == frozenset()
    assert "Give pictures" in str(caught.value)


def test_too_much_of_what_is_given_is_refused(house: House, tmp_path: Path, trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    one = picture(tmp_path / "1.jpg")
    with pytest.raises(RequestError, match="These are 201 files; at most 200"):
        models.submit_predict(house, WHO, trained.id, files=[one] * 201)
    with pytest.raises(RequestError, match="Give either files or a dataset"):
        models.submit_predict(house, WHO, trained.id, files=[one], dataset="fish")
    video = tmp_path / "v.avi"
    video.write_bytes(b"RIFF\0\0\0\0AVI LIST")
    with pytest.raises(RequestError, match="several videos"):
        models.submit_predict(house, WHO, trained.id, files=[video, video])
    settings = house.settings.model_copy(update={"limits": Limits(upload_bytes=10)})
    with pytest.raises(RequestError, match="at most 10 are taken"):
        keep_files(replace(house, settings=settings), [one])


def test_where_no_file_is_called_the_best_it_is_the_one_that_measured_most(house: House, trained: Run) -> None:
    db = house.store.reading()
    assert [left.checkpoint.epoch for left in wanted(db, trained.id, best_first=True)] == [3, 4, 3, 2]
    with house.store.writing() as writing:
        writing.conn.execute("UPDATE checkpoints SET best = 0")
        writing.conn.execute("UPDATE evaluations SET ap = 0.9 WHERE epoch IN (1, 2) AND task = 'bbox'")
    assert [left.checkpoint.epoch for left in wanted(db, trained.id, best_first=True)] == [2, 4, 3, 3]
    assert [left.checkpoint.epoch for left in wanted(db, trained.id, "best")] == [2]  # the first measured as much, and is gone
    assert [item.epoch for item in models.checkpoints_of(house, trained.id) if item.best] == [2]
    with house.store.writing() as writing:
        writing.conn.execute("DELETE FROM evaluations")
    assert [left.checkpoint.epoch for left in wanted(db, trained.id, best_first=True)] == [4, 3, 3, 2]
    with pytest.raises(RequestError, match="has no checkpoint best"):
        wanted(db, trained.id, "best")
