"""Which images of an evaluation are worst and best, which are worse than before, and what hosts may say of that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot import grammar
from bot.answer import Answer
from bot.notifier import notify
from bot.plots import detections as sheets
from bot.rendering import render
from bot.run_pictures import detections, drawn
from recipes.ingest import ingest
from runner.entities import Place, Run
from runner.service import models, outbox
from runner.service.datasets import reference
from runner.service.detections import FOUND, Box, iou, is_drawable, match, newest_drawable, regressions, worst_and_best
from runner.service.house import House, Requester
from runner.service.views import history
from runner.settings import Role
from runner.specs import Kind, ModelSpec, Start
from runner.states import Reason
from runner.store import runs
from tests.support.run_rows import SPEC, house_in
from tests.support.scripted_house import scripted_house, write_coco

FISH, EEL = 1, 9


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """fish@1: four images in val, of which number n has a fish at (2, 3) of 10 x 8, and the fourth a crowd instead."""
    opened = house_in(tmp_path)
    folder = write_coco(tmp_path / "coco", images=4)
    listing = folder / "annotations" / "instances_val.json"
    content = json.loads(listing.read_text())
    content["categories"].append({"id": EEL, "name": "eel <!channel>"})
    content["annotations"].append({"id": 9, "image_id": 3, "category_id": EEL, "bbox": [20, 3, 8, 8], "area": 64, "iscrowd": 0})
    listing.write_text(json.dumps(content))
    ingest(opened.catalog, folder, name="fish", created_at=datetime.now(UTC))
    yield opened
    opened.store.close()


def evaluated(house: House, found: object, *, parent: str | None = None) -> Run:
    """An evaluation on the val split whose host sent this."""
    dataset = reference(house.catalog.get("fish"))
    spec = ModelSpec(
        kind=Kind.EVAL, preset=SPEC.preset, model=Start(run_id="r-aaaa"), trained_on=dataset, dataset=dataset, split="val", host="gpu-1"
    )
    with house.store.writing() as db:
        run = runs.submit(db, spec, owner="U1", place=Place("C1"), now=house.now(), parent_id=parent)
    path = house.settings.results / run.id / FOUND
    path.parent.mkdir(parents=True)
    path.write_text(found if isinstance(found, str) else json.dumps({"least_score": 0.3, "boxes": found}))
    return run


def fish(image: int, score: float = 0.9, *, x: float = 2, label: int = FISH) -> list[float]:
    return [image, label, x, 3, 10, 8, score]


def categories(house: House) -> tuple[int, int]:
    """The numbers that the catalog's listing gives to fish and eel."""
    version = house.catalog.get("fish")
    listing = json.loads(house.catalog.objects.path(version.files["annotations/instances_val.json"].digest).read_text())
    ids = {each["name"]: each["id"] for each in listing["categories"]}
    return ids["fish"], ids["eel <!channel>"]


def test_the_surest_box_takes_the_annotated_one_and_classes_never_mix() -> None:
    truth = [Box("fish", 0, 0, 10, 10), Box("eel", 20, 0, 10, 10)]
    found = [Box("fish", 0, 0, 10, 9, 0.5), Box("fish", 0, 0, 10, 8, 0.9), Box("fish", 20, 0, 10, 10, 0.8), Box("eel", 26, 0, 10, 10, 0.7)]
    known, seen = match(truth, found)
    assert [box.right for box in known] == [True, False]
    assert [(box.score, box.right) for box in seen] == [(0.9, True), (0.8, False), (0.7, False), (0.5, False)]


def test_what_lies_in_a_crowd_is_neither_right_nor_wrong() -> None:
    crowd = Box("fish", 0, 0, 100, 100)
    assert match([], [Box("fish", 5, 5, 4, 4, 0.9)], [crowd]) == ([], [])
    assert len(match([], [Box("eel", 5, 5, 4, 4, 0.9), Box("fish", 97, 5, 10, 4, 0.9)], [crowd])[1]) == 2


@pytest.mark.parametrize(("other", "expected"), [
    (Box("a", 0, 0, 10, 10), 1.0), (Box("a", 5, 0, 10, 10), 1 / 3), (Box("a", 10, 0, 5, 5), 0.0), (Box("a", 0, 0, 0, 0), 0.0),
])
def test_iou(other: Box, expected: float) -> None:
    assert iou(Box("a", 0, 0, 10, 10), other) == pytest.approx(expected)


def test_the_worst_have_the_most_errors_and_the_best_none(house: House) -> None:
    known, eel = categories(house)
    right = [fish(1, label=known), fish(3, label=known), fish(3, 0.8, x=19, label=eel)]
    boxes = [*right, fish(2, 0.4, x=20, label=known), fish(4, 0.6, x=20, label=known)]
    worst, best = worst_and_best(house, evaluated(house, boxes).id, most=3)
    assert [(look.name, look.missed, look.wrong) for look in worst] == [("val_4.jpg", 1, 1), ("val_2.jpg", 1, 1)], "the surer error first"
    assert [look.name for look in best] == ["val_3.jpg", "val_1.jpg"]
    assert [look.name for look in worst_and_best(house, evaluated(house, boxes).id, most=1)[0]] == ["val_4.jpg"]


def test_regressions_are_the_images_with_more_errors_than_the_champion_had(house: House) -> None:
    known, _ = categories(house)
    champion = evaluated(house, [fish(1, label=known), fish(2, label=known), fish(3, label=known)])
    new = evaluated(house, [fish(1, label=known), fish(3, x=20, label=known), fish(4, label=known)])
    found = regressions(house, new.id, champion.id, most=4)
    assert [(before.name, before.errors, after.errors) for before, after in found] == [("val_3.jpg", 1, 3), ("val_2.jpg", 0, 1)]
    assert regressions(house, champion.id, champion.id, most=4) == []


@pytest.mark.parametrize("said", [
    "{", "[]", '{"boxes": 7}', '{"boxes": [[1, 1]]}', '{"boxes": [[1, 77, 0, 0, 1, 1, 0.9]]}', '{"boxes": [["x", "y", {}, [], 1, 1, 1]]}',
])
def test_what_a_host_says_amiss_draws_nothing_and_breaks_nothing(house: House, said: str) -> None:
    run = evaluated(house, said)
    assert worst_and_best(house, run.id, most=3) == ([], [])
    assert drawn(house, [run.id], "detections", "light", title="") is None


def test_an_image_that_the_listing_names_elsewhere_is_left_out(house: House) -> None:
    known, _ = categories(house)
    run = evaluated(house, [fish(77, label=known), fish(-1, label=known)])
    worst, _best = worst_and_best(house, run.id, most=9)
    assert {look.name for look in worst} == {f"val_{number}.jpg" for number in range(1, 5)}
    assert all(look.path.is_relative_to(house.catalog.root) for look in worst)


def test_a_training_shows_its_newest_evaluation(house: House) -> None:
    with house.store.writing() as db:
        training = runs.submit(db, SPEC, owner="U1", place=Place("C1"), now=house.now())
    assert newest_drawable(house, training.id) is None
    own = house.settings.results / training.id / FOUND
    own.parent.mkdir()
    own.write_text("{}")
    assert newest_drawable(house, training.id) == training.id, "its last validation"
    older, newer = evaluated(house, [], parent=training.id), evaluated(house, [], parent=training.id)
    with house.store.writing() as db:
        db.conn.execute("UPDATE runs SET created_at = '2020-01-01T00:00:00+00:00' WHERE id = ?", (older.id,))
    assert newest_drawable(house, training.id) == newer.id
    assert newest_drawable(house, older.id) == older.id


def test_the_sheet_is_a_picture_and_not_a_file_of_the_thread(house: House) -> None:
    run = evaluated(house, [fish(1, label=categories(house)[0])])
    [picture] = detections(house, run.id)
    png = picture.draw()
    assert png is not None
    with Image.open(BytesIO(png)) as shown:
        assert shown.width == sheets.WIDTH
        assert shown.height < 3 * sheets.WIDTH
    assert models.results_of(house, run.id) == []


def test_they_are_shown_again_to_whoever_asks(house: House) -> None:
    run, bare = evaluated(house, [fish(1, label=categories(house)[0])]), evaluated(house, [])
    (house.settings.results / bare.id / FOUND).unlink()

    def asked(line: str, number: int) -> Answer:
        return grammar.answer(house, Requester("U1", Role.MEMBER, "slash", f"t{number}", Place("C1")), line)

    assert asked(f"plot {run.id} of detections", 1).text == f"The picture of `{run.id}` follows."
    [owed] = [each for each in outbox.owed(house) if each.kind == "plot"]
    [picture] = render(house, owed).pictures
    assert (picture.draw() or b"").startswith(b"\x89PNG")
    refused = asked(f"plot {bare.id} --of detections", 2)
    assert not refused.ok
    assert "has left what it found" in refused.text
    assert not asked(f"plot {run.id} {bare.id} --of detections", 3).ok


def test_an_image_that_is_gone_is_grey_and_its_boxes_are_still_drawn(tmp_path: Path) -> None:
    row = sheets.Row(tmp_path / "gone.jpg", [[Box("fish", 0, 0, 300, 100)], [Box("fish", 0, 0, 3e9, -1e9, 0.5)]], "gone.jpg")
    with Image.open(BytesIO(sheets.sheet(["annotated", "found"], [sheets.Section("Worst", [row])]))) as shown:
        assert shown.width == sheets.WIDTH


def test_a_training_and_its_evaluation_show_what_their_host_found(tmp_path: Path) -> None:
    """Over a real ssh: the last validation's boxes come after the end, the evaluation's before; both are drawn where they are told."""
    found = [{"image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 8], "score": score} for score in (0.9, 0.1)]
    with scripted_house(tmp_path) as scripted:
        folder = write_coco(tmp_path / "drawn", scripted={"learned": {"ap": 0.5, "found": found}})
        ingest(scripted.house.catalog, folder, name="fish", created_at=datetime.now(UTC))
        with scripted.running():
            run = scripted.submit(epochs=1)
            scripted.wait(run, Reason.COMPLETED)
            scripted.wait_until(run, lambda _: is_drawable(scripted.house, run.id))
            assert (scripted.directory(run) / "work_dir" / "val.bbox.json").exists(), "the training's own"
            measured = models.submit_eval(scripted.house, scripted.who("eval"), run.id)
            scripted.wait(measured, Reason.COMPLETED)
            scripted.wait_until(run, lambda _: any(event.kind == "found" for event in history(scripted.house, run.id)))
        while notify(scripted.house, home_channel="C1"):
            pass
        owed = {(each.kind, each.run_id): each for each in outbox.owed(scripted.house)}
        for each in (owed["detections", run.id], owed["result", measured.id]):
            [picture] = render(scripted.house, each).pictures
            assert (picture.draw() or b"").startswith(b"\x89PNG")
        worst, best = worst_and_best(scripted.house, run.id, most=3)
        assert ([look.name for look in worst], [look.name for look in best]) == (["val_2.jpg"], ["val_1.jpg"])


def test_a_host_that_cannot_make_it_smaller_has_measured_all_the_same(tmp_path: Path) -> None:
    with scripted_house(tmp_path) as scripted:
        folder = write_coco(tmp_path / "drawn", scripted={"learned": {"ap": 0.5, "found": "no list"}})
        ingest(scripted.house.catalog, folder, name="fish", created_at=datetime.now(UTC))
        with scripted.running():
            run = scripted.submit(epochs=1)
            scripted.wait(run, Reason.COMPLETED)
            measured = models.submit_eval(scripted.house, scripted.who("eval"), run.id)
            assert scripted.wait(measured, Reason.COMPLETED).evaluations[0].ap == 0.5
        assert not is_drawable(scripted.house, measured.id)
