"""Cards and results of evaluations, predictions, exports, fetches and boards: what they say, and that anything in them can be sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.result_files import MOST_PICTURES, Shown, shown_by
from bot.views.blocks import Message
from bot.views.checkpoints import checkpoint_list
from bot.views.outcome import outcome
from bot.views.result import final_result
from bot.views.run_card import epoch_table, run_card
from bot.views.runs_in_words import again, origin, title
from bot.views.stopping import stop_question
from bot.views.submitted import submitted
from runner.entities import Checkpoint, Evaluation, Host, Progress, TransportName
from runner.service.house import House
from runner.service.models import CheckpointView, ResultFileView
from runner.service.views import RunView, view
from runner.specs import BoardSpec, DatasetRef, FetchSpec, GivenFile, Kind, ModelSpec, Overrides, ResultFile, Start
from runner.states import Reason
from tests.support.payloads import HOSTILE, assert_sendable
from tests.support.words_house import NANO, NOW, at_work, training, words_house

ZONE = ZoneInfo("Europe/Berlin")
FISH = DatasetRef(name="fish", version=2, fingerprint="f" * 64, format="coco")
TWELVE = Start(run_id="r-7f3k", checkpoint="epoch_12")
MODEL = ModelSpec(kind=Kind.EVAL, preset=NANO, model=TWELVE, trained_on=FISH, dataset=FISH, split="test", host="gpu1")
BOARD = BoardSpec(run_id="r-7f3k", host="gpu1", framework="mmdet", folder="/r", hours=4)
FETCH = FetchSpec(run_id="r-7f3k", host="gpu1", directory="/r", what="best", paths=("*",))
BOTH = [
    Evaluation(12, "bbox", 0.53, 0.8, 0.6, 0.2, 0.5, 0.6, {"cod": 0.7, "eel": 0.36, "ray": 0.9, "rock": 0.1, "weed": None}),
    Evaluation(12, "segm", 0.48, 0.75, 0.5, None, 0.4, 0.6, {"cod": 0.6, "eel": 0.36, "ray": 0.8, "rock": 0.05}),
]
LINES = [
    (MODEL, "eval r-7f3k on fish@2 --split test --checkpoint epoch_12"),
    (MODEL.model_copy(update={"gpus": 0}), "eval r-7f3k on fish@2 --split test --checkpoint epoch_12 --gpus 0"),
    (MODEL.model_copy(update={"gpus": 4, "overrides": Overrides(batch=8, options=("a=b c",))}),
     'eval r-7f3k on fish@2 --split test --checkpoint epoch_12 --batch 8 --gpus 4 -- "a=b c"'),
    (MODEL.model_copy(update={"kind": Kind.PREDICT, "score": 0.5, "results": (ResultFile.PICTURES, ResultFile.COCO)}),
     "predict r-7f3k on fish@2 --score 0.5 --as pictures --as coco --split test --checkpoint epoch_12"),
    (MODEL.model_copy(update={"kind": Kind.PREDICT, "files": (GivenFile(name="a.jpg", digest="0"),)}), ""),
    (MODEL.model_copy(update={"kind": Kind.EXPORT, "dataset": None, "split": None, "publish_as": "pond"}),
     "export r-7f3k --checkpoint epoch_12 --as pond"),
    (FETCH, "fetch r-7f3k best"),
    (BOARD, "tensorboard r-7f3k --hours 4"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return words_house(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def plain(house: House) -> RunView:
    return view(house, at_work(house, training(house)).id)


def of(plain: RunView, spec: ModelSpec | BoardSpec | FetchSpec, reason: Reason = Reason.COMPLETED, **changed: object) -> RunView:
    ended = NOW if reason.state.final else None
    run = replace(plain.run, spec=spec, state=reason.state, reason=reason, ended_at=ended, detail="It is done.")
    nothing = {"progress": None, "epoch_ends": (), "evaluations": (), "checkpoints": (), "epochs": None}
    return replace(plain, run=run, **{**nothing, **changed})  # type: ignore[arg-type]


def files(*names: str, size_bytes: int = 10) -> list[ResultFileView]:
    return [ResultFileView(name, Path("/results") / name, size_bytes) for name in names]


@pytest.mark.parametrize(("spec", "line"), LINES)
def test_the_line_that_asks_for_the_same_again(plain: RunView, spec: ModelSpec, line: str) -> None:
    assert again(replace(plain.run, spec=spec)) == line


def test_titles_and_origins_in_words(plain: RunView) -> None:
    run = replace(plain.run, spec=MODEL)
    assert (title(run), origin(run)) == ("evaluation of rtmdet-nano on fish@2 (test)", "with epoch_12 of `r-7f3k`")
    given = (GivenFile(name="a.jpg", digest="0"),) * 3
    best = MODEL.model_copy(update={"model": Start(run_id="r-7f3k"), "kind": Kind.PREDICT, "files": given})
    run = replace(plain.run, spec=best)
    assert (title(run), origin(run)) == ("prediction of rtmdet-nano on 3 files", "with the best checkpoint of `r-7f3k`")
    used = replace(run, prepared={"checkpoint": "/r/1/work_dir/best_coco_epoch_9.pth"})
    assert "epoch" in origin(used) and origin(used).startswith("with best")


def test_an_evaluation_shows_boxes_and_masks_and_the_weakest_classes(plain: RunView) -> None:
    shown = of(plain, MODEL, evaluations=BOTH)
    card, blocks = run_card(shown, zone=ZONE)
    assert_sendable(card, blocks)
    assert "mAP (bbox): 0.530 · AP50 0.800 · AP75 0.600" in card and "mAP (segm): 0.480 · AP50 0.750" in card and "Best" not in card
    text, blocks = final_result(shown)
    assert_sendable(text, blocks, mentions=0)
    assert "bbox mAP *0.530* (AP50 0.800)." in text and "segm mAP *0.480* (AP50 0.750)." in text and "Best" not in text
    assert "Weakest: rock 0.100, eel 0.360, cod 0.700." in text
    table = [line.split() for line in text.splitlines()]
    assert ["bbox", "segm"] in table and ["mAP", "0.530", "0.480"] in table and ["small", "0.200", "–"] in table
    labels = [line[0] for line in table if line and line[0] in BOTH[0].per_class]
    assert labels == ["ray", "cod", "eel", "rock", "weed"]


def test_of_many_classes_the_worst_are_never_left_out(plain: RunView) -> None:
    many: dict[str, float | None] = {f"class {number}": number / 100 for number in range(80)}
    text, blocks = final_result(of(plain, MODEL, evaluations=[Evaluation(1, "bbox", 0.4, per_class={**many, "nowhere": None})]))
    assert_sendable(text, blocks)
    assert "class 0 " in text and "class 9 " in text and "class 79 " in text and "class 40 " not in text and "… 41 classes between" in text


def test_proposals_are_measured_by_recall(plain: RunView) -> None:
    found = Evaluation(12, "proposal", None, recall={"AR@100": 0.512, "AR@1000": 0.6})
    shown = of(plain, MODEL, evaluations=[found])
    assert "Recall (proposal): AR@100 0.512, AR@1000 0.600" in run_card(shown, zone=ZONE)[0]
    text, blocks = final_result(shown)
    assert_sendable(text, blocks)
    assert "Proposal: *AR@100 0.512, AR@1000 0.600*." in text and "mAP" not in text.replace("mAP, ", "")


def test_a_training_with_masks_has_both_in_its_card_table_and_result(plain: RunView) -> None:
    measured = [Evaluation(epoch, task, ap + epoch / 100, 0.7) for epoch in (1, 2) for task, ap in (("bbox", 0.5), ("segm", 0.4))]
    ends = [Progress(epoch, 60, 60, loss=0.5, lr=0.01) for epoch in (1, 2)]
    checkpoints = [(1, Checkpoint("epoch_2.pth", 2, best=True))]
    shown = replace(plain, evaluations=measured, epoch_ends=ends, checkpoints=checkpoints)
    card, _ = run_card(shown, zone=ZONE)
    assert "Best mAP (bbox): 0.520 at epoch 2" in card and "Best mAP (segm): 0.420 at epoch 2" in card
    rows = [line.split() for line in epoch_table(shown, zone=ZONE)[0].splitlines()]
    assert ["epoch", "loss", "lr", "mAP", "AP50", "segm"] in rows and ["★", "2", "0.500", "0.01", "0.520", "0.700", "0.420"] in rows
    before = replace(shown, evaluations=[replace(each, ap=(each.ap or 0) - 0.1) for each in measured])
    text, blocks = final_result(shown, parent=before)
    assert_sendable(text, blocks)
    assert "Best segm mAP *0.420* (AP50 0.700) at epoch 2, +0.100 against" in text
    assert ["mAP", "0.520", "+0.100", "0.420", "+0.100"] in [line.split() for line in text.splitlines()]
    done = replace(shown, run=replace(shown.run, state=Reason.COMPLETED.state, reason=Reason.COMPLETED))
    lines = [element["value"].split()[0] for element in final_result(done)[1][-1]["elements"]]  # type: ignore[index, union-attr]
    assert lines == ["eval", "predict", "export", "fetch", "finetune", "log"]


def test_a_prediction_tells_what_it_found_and_what_it_left_out(plain: RunView) -> None:
    spec = MODEL.model_copy(update={"kind": Kind.PREDICT})
    classes = {f"class {number}": 100 - number for number in range(12)}
    result = {"classes": classes, "left_out": [{"name": HOSTILE, "why": "it is cut off"}], "left_out_count": 3}
    shown = of(plain, spec, result=result)
    brought = files("pictures/a.jpg", "pictures/b.jpg", "predictions.json", "huge.pkl", size_bytes=200_000_000)
    text, blocks = outcome(shown, brought, shown_by(shown, brought), where="They lie there.")
    assert_sendable(text, blocks)
    assert "Boxes by class: class 0 100, class 1 99," in text and "4 more classes 362" in text and "⚠️ 3 pictures left out" in text
    assert "In all 4 files, 800 MB." in text and text.index("They lie there.") < text.index("boxes from score 0.3")


def test_an_export_offers_to_fetch_it_and_to_start_from_it(plain: RunView) -> None:
    spec = MODEL.model_copy(update={"kind": Kind.EXPORT, "dataset": None, "split": None})
    shown, brought = of(plain, spec, result={"sha256": "0123456789abcdef"}), files("model/nano-01234567.pth")
    text, blocks = outcome(shown, brought, shown_by(shown, brought), where="It lies there.")
    assert "sha256 `01234567`" in text and "It lies there." in text and "Here in the thread" not in text
    values = [element["value"] for element in blocks[-1]["elements"]]  # type: ignore[union-attr]
    assert values == [f"fetch {shown.run.id} results", "finetune r-7f3k on fish --from epoch_12"]


def test_what_of_a_runs_files_is_shown(plain: RunView) -> None:
    shown = of(plain, MODEL.model_copy(update={"kind": Kind.PREDICT}))
    drawn = files(*(f"pictures/{number:03}.jpg" for number in range(100)))
    chosen = shown_by(shown, [*drawn, *files("predictions.json")])
    assert [file.name for file in chosen.pictures] == [f"pictures/{number:03}.jpg" for number in range(0, 100, 10)]
    assert (len(chosen.pictures), chosen.all_pictures, len(chosen.others)) == (MOST_PICTURES, 100, 1)
    fetched = shown_by(of(plain, FETCH), files("epoch_9.pth", size_bytes=900_000_000))
    assert len(fetched.others) == 1
    too_large = shown_by(of(plain, FETCH), files("epoch_9.pth", size_bytes=1_100_000_000))
    assert (too_large.others, len(too_large.left)) == ([], 1)


def test_tensorboard_is_a_line_to_copy_and_says_when_it_ends(plain: RunView) -> None:
    host = Host("gpu1", TransportName.SSH, "/r", address="gpu1.lan", port=2222, user="ml")
    begun = replace(of(plain, BOARD, Reason.WORKING), result={}, host=host)
    assert "appears here as soon as it listens" in run_card(begun, zone=ZONE)[0]
    shown = replace(begun, result={"port": 45678})
    text, blocks = run_card(shown, zone=ZONE)
    assert_sendable(text, blocks)
    assert "`ssh -N -L 6006:localhost:45678 -p 2222 ml@gpu1.lan`" in text and "`http://localhost:6006`" in text
    assert "It ends by itself at 17:51 CET." in text
    here = replace(shown, host=Host("local", TransportName.LOCAL, "/r"))
    assert "Open `http://localhost:45678` on the machine of Signalbox." in run_card(here, zone=ZONE)[0]
    assert "nothing is lost" in stop_question(shown, now=NOW)[0]


def test_checkpoints_are_a_table_with_what_can_be_done(plain: RunView) -> None:
    listed = [CheckpointView(f"epoch_{epoch}.pth", epoch, 90_000_000, epoch == 40, epoch / 100, 1, epoch > 30) for epoch in range(1, 51)]
    text, blocks = checkpoint_list(plain.run, listed)
    assert_sendable(text, blocks)
    assert "50 checkpoints, 30 of them gone from the host" in text and "★ epoch_40.pth    40  0.400  90.0 MB" in text
    assert "… 20 older ones" in text and "epoch_30.pth    30  0.300     gone" in text
    values = [element["value"] for element in blocks[-1]["elements"]]  # type: ignore[union-attr]
    assert values == [f"eval {plain.run.id} --checkpoint epoch_40", f"finetune {plain.run.id} on fish --from epoch_40",
                      f"fetch {plain.run.id} epoch_40"]
    assert "no checkpoint yet" in checkpoint_list(plain.run, [])[0]


PER_RUN: dict[str, Callable[[RunView], Message]] = {
    "card": lambda shown: run_card(shown, zone=ZONE),
    "result": final_result,
    "outcome": lambda shown: outcome(shown, files(HOSTILE), Shown((), 40, files(HOSTILE), files(*[HOSTILE] * 40)), where="x"),
    "nothing": lambda shown: outcome(shown, [], Shown((), 0, (), ()), where="x"),
    "checkpoints": lambda shown: checkpoint_list(shown.run, [CheckpointView(HOSTILE, 1, None, True, None, 1, True)]),
    "submitted": lambda shown: (submitted(shown).text, list(submitted(shown).blocks)),
}


@pytest.mark.parametrize("message", PER_RUN)
@pytest.mark.parametrize("reason", [Reason.SUBMITTED, Reason.WORKING, Reason.COMPLETED, Reason.CODE_ERROR, Reason.BY_USER])
def test_anything_in_it_can_be_sent(plain: RunView, message: str, reason: Reason) -> None:
    hostile = {"name": HOSTILE, "framework": "mmdet", "config": "x", "description": HOSTILE}
    start = Start(run_id="r-7f3k", checkpoint=HOSTILE)
    model = MODEL.model_copy(update={"preset": NANO.model_copy(update=hostile), "split": HOSTILE, "model": start, "publish_as": HOSTILE})
    kinds = (Kind.EVAL, Kind.PREDICT, Kind.EXPORT)
    for spec in (*(model.model_copy(update={"kind": kind}) for kind in kinds), FETCH.model_copy(update={"what": HOSTILE}), BOARD):
        odd = [Evaluation(1, HOSTILE, 0.5, per_class={HOSTILE: None}), Evaluation(1, "proposal", None, recall={HOSTILE: 0.1})]
        result = {"classes": {HOSTILE: 3}, "left_out": [HOSTILE, {"name": HOSTILE}], "left_out_count": 9, "port": 1, "sha256": HOSTILE}
        shown = of(plain, spec, reason, evaluations=odd, result=result)
        run = replace(shown.run, detail=HOSTILE * 20, started_at=NOW - timedelta(hours=1))
        assert_sendable(*PER_RUN[message](replace(shown, run=run)))
