"""What looks at datasets say: sendable however odd the names, and with the numbers that a person asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.views.report import comparison_parts, report
from bot.views.versions import outline, removal_question
from recipes.catalog.comparing import BoxTotals, ClassChanges, Comparison, ImageChanges, SplitMove
from recipes.catalog.removal import Swept
from recipes.ledger import LeftOut
from recipes.observing import SplitCount
from recipes.summary import Summary
from runner.entities import Place
from runner.service.house import House
from runner.service.views import RunView, view
from runner.specs import DatasetRef, Kind, VersionsSpec
from runner.states import Reason
from runner.store import runs
from tests.support.payloads import HOSTILE, assert_sendable
from tests.support.words_house import ADA, NOW, add_dataset, converting, words_house

FISH = [DatasetRef(name="fish", version=number, fingerprint="f" * 64, format="coco") for number in (1, 2)]
SAME = Comparison(ImageChanges(10, 2, 0, 0, 0), BoxTotals(40, 0, 0, 0, 0), ClassChanges((), (), {}, {"cod": (40, 40)}), (), {})
CHANGED = Comparison(
    ImageChanges(90, 1, 2, 3, 4), BoxTotals(1200, 12, 3, 4, 5),
    ClassChanges(("ray",), ("eel",), {"cod": "Cod"}, {"cod": (900, 0), "Cod": (0, 900), "eel": (9, 0), "ray": (0, 1)}),
    (SplitMove("train", "val", 7), SplitMove(None, "train", 3)), {"box moved": ("a.jpg: cod 1,2 3×4 → cod 2,2 3×4",)}, (0, 8),
)
ODD = Comparison(
    ImageChanges(0, 0, 0, 10**9, 0), BoxTotals(0, 0, 0, 10**12, 0),
    ClassChanges((), tuple(f"{HOSTILE}{n}" for n in range(200)), {}, {f"{HOSTILE}{n}": (n, 0) for n in range(200)}),
    tuple(SplitMove(HOSTILE, f"{n}", n) for n in range(50)), {f"kind {n}": (HOSTILE * 20,) * 5 for n in range(30)},
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return words_house(tmp_path)


def looked(house: House, kind: Kind, *, detail: str = "", result: object = None) -> RunView:
    with house.store.writing() as db:
        spec = VersionsSpec(kind=kind, versions=tuple(FISH))  # type: ignore[arg-type]
        run = runs.submit(db, spec, owner=ADA, place=Place("C1"), now=NOW)
        run = runs.transition(db, run, Reason.COMPLETED, now=NOW, detail=detail)
    return replace(view(house, run.id), result=result or {})  # type: ignore[arg-type]


def test_a_comparison_names_what_changed() -> None:
    text = "\n".join(comparison_parts(CHANGED))
    for part in ("4 added · 3 removed · 2 with other pixels · 1 under another name · 90 the same", "12 moved · 3 with another class",
                 "cod is called Cod now", "ray (new): 0 → 1 box", "eel (gone): 9 → 0 boxes", "7 images from train to val",
                 "3 images from no split to train", "box moved: a.jpg: cod 1,2 3×4", "0 in the old, 8 in the new"):
        assert part in text, part
    assert comparison_parts(SAME) == ["They hold the same 12 images with the same boxes. 2 images of them under another name."]


@pytest.mark.parametrize("found", [SAME, CHANGED, ODD], ids=["same", "changed", "odd"])
def test_any_comparison_can_be_sent(house: House, found: Comparison) -> None:
    assert_sendable(*report(looked(house, Kind.DIFF, result=found.as_json())))


@pytest.mark.parametrize("kind", [Kind.VERIFY, Kind.REMOVE])
def test_a_sentence_is_told(house: House, kind: Kind) -> None:
    text, blocks = report(looked(house, kind, detail=f"Every content is whole. {HOSTILE}"))
    assert_sendable(text, blocks)
    assert "Every content is whole." in text


def test_a_dry_run_tells_what_would_be_and_offers_to_do_it(house: House) -> None:
    run = converting(house, gap="20").id
    gone = (LeftOut("drop_flagged", "lost", "boxes", 12, ("a.txt, line 4",)),)
    summary = Summary("nothing written", 80, 200, 3, {"cod": 200}, {"train": SplitCount(80, 200, {"cod": 200})}, {}, gone)
    shown = view(house, run)
    shown = replace(shown, run=replace(shown.run, spec=shown.run.spec.model_copy(update={"dry_run": True})), result=summary.as_json())
    text, blocks = report(shown)
    assert_sendable(text, blocks)
    for part in ("(dry run)", "It would make 80 images, 200 boxes, 1 class. Nothing was written.", "12 boxes: lost (a.txt, line 4)"):
        assert part in text, part
    button = blocks[-1]["elements"][0]  # type: ignore[index]
    assert button["value"] == "convert fish@1 vatic-to-coco gap=20"


def test_two_versions_side_by_side(house: House) -> None:
    old = add_dataset(house, "fish", format_name="vatic", classes={"cod": 120, "eel": 80})
    new = add_dataset(house, "fish", classes={"cod": 150, "ray": 5})
    text, blocks = outline(old, new)
    assert_sendable(text, blocks)
    for part in ("boxes: 200 → 155 (-45)", "format: vatic → coco", "cod: 120 → 150 boxes", "eel (gone): 80 → 0", "ray (new): 0 → 5 boxes",
                 "contents: 0 in both, 1 only in the old, 1 only in the new", "train: 0 → 80 images", "`data diff fish@1 fish@2 --boxes`"):
        assert part in text, part
    again = add_dataset(house, "fish", classes={"cod": 150, "ray": 5})
    assert "files: the very same" in outline(new, again)[0]


def test_the_question_before_removing_says_what_is_lost(house: House) -> None:
    version = add_dataset(house, "fish")
    text, blocks = removal_question("fish@1", [version], Swept(12, 3_400_000), readers=2)
    assert_sendable(text, blocks)
    for part in ("Remove fish@1 (1 version with 100 images)?", "12 files", "3.4 MB get free", "2 trainings on it can then not be resumed",
                 "`data remove fish@1 --yes`"):
        assert part in text, part
    assert "nothing is lost but the version itself" in removal_question("fish@1", [version] * 30, Swept(0, 0), readers=0)[0]
    assert f"at most {version.size_bytes} B get free" in removal_question("fish@1", [version], None, readers=0)[0]
