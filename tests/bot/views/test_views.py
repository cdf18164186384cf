"""Every message that views make, at its extremes, judged by Slack's rules; and what a person reads in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import inf, nan
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.views.alert import failure_alert
from bot.views.blocks import Message
from bot.views.catalog import dataset_list, recipe_list, recipe_page
from bot.views.dataset_card import dataset_card
from bot.views.device_map import device_lines
from bot.views.history import Around, why_page
from bot.views.hosts import host_list, host_page
from bot.views.log_lines import log_page
from bot.views.result import final_result
from bot.views.run_card import epoch_table, run_card
from bot.views.runs import queue_list, run_list
from bot.views.runs_in_words import again, remedies
from bot.views.standing_orders import schedule_list
from bot.views.states import REASONS
from bot.views.stopping import stop_question
from bot.views.submitted import submitted
from bot.views.words import bar, code_block, duration, name, number, prose, shortened
from recipes.catalog.versions import Lineage
from recipes.checks.check import Finding, Kind, Severity
from recipes.ledger import LeftOut
from recipes.recipe import library, load_recipe
from recipes.summary import Summary
from runner.entities import Checkpoint, Diagnosis, Evaluation, Gpu, Lease, Place, Progress, Remedy, WorkStep
from runner.queueing.facts import Lock
from runner.service import hosts
from runner.service.house import House
from runner.service.views import RunView, history, view
from runner.specs import IngestSpec, Overrides, Preset, TrainSpec
from runner.states import Reason, State
from runner.store.schedules import Schedule
from tests.support.payloads import HOSTILE, assert_sendable
from tests.support.words_house import ADA, NOW, add_dataset, at_work, converting, ended, training, words_house

ZONE = ZoneInfo("Europe/Berlin")
PER_RUN: dict[str, Callable[[RunView], Message]] = {
    "card": lambda shown: run_card(shown, zone=ZONE),
    "epochs": lambda shown: epoch_table(shown, zone=ZONE),
    "alert": lambda shown: failure_alert(shown, zone=ZONE),
    "result": final_result,
    "against": lambda shown: final_result(shown, parent=shown),
    "stop": lambda shown: stop_question(shown, now=NOW),
    "ps": lambda shown: run_list([shown] * 60, total=60, now=NOW, zone=ZONE),
    "queue": lambda shown: queue_list([shown.run] * 60, {}, running=2, now=NOW, zone=ZONE),
    "why": lambda shown: why_page(shown, [], Around(runner_silent_since=NOW), now=NOW, zone=ZONE),
    "log": lambda shown: log_page(shown.run, [HOSTILE * 20] * 400, whole=False),
    "submitted": lambda shown: (submitted(shown).text, list(submitted(shown).blocks)),
}


TELLING = (
    Reason.SUBMITTED, Reason.WAITING_FOR_GPU, Reason.RETRYING, Reason.STAGING, Reason.WORKING, Reason.UNREACHABLE, Reason.UNCLEAR,
    Reason.STOPPING, Reason.COMPLETED, Reason.BY_USER, Reason.BAD_SPEC, Reason.CODE_ERROR, Reason.OUT_OF_MEMORY, Reason.DIVERGED,
)
"""The reasons that a view treats in ways of their own, and one of every state."""


@pytest.fixture
def house(tmp_path: Path) -> House:
    return words_house(tmp_path)


@pytest.fixture(scope="module")
def odd_views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunView]:
    return extremes(words_house(tmp_path_factory.mktemp("house")))


def working(house: House) -> RunView:
    return view(house, at_work(house, training(house)).id)


def extremes(house: House) -> dict[str, RunView]:
    """The same views where everything is missing, huge, not finite or hostile."""
    shown = working(house)
    empty = view(house, training(house).id)
    hostile_preset = Preset(name=HOSTILE * 3, framework="mmdet", config="x", description=HOSTILE, epochs=3, batch=1, lr=1)
    assert isinstance(shown.run.spec, TrainSpec)
    spec = shown.run.spec.model_copy(update={
        "preset": hostile_preset, "overrides": Overrides(options=(HOSTILE, "a=b")),
        "dataset": shown.run.spec.dataset.model_copy(update={"name": "f" * 63}),
    })  # fmt: skip
    hostile_run = replace(shown.run, spec=spec, owner="terminal:" + HOSTILE, detail=HOSTILE * 30, host=HOSTILE * 4, parent_id="r-aaaa")
    told = Diagnosis(Reason.CODE_ERROR, HOSTILE * 40, HOSTILE * 40, (HOSTILE * 9,) * 200)
    many = {f"{HOSTILE[:20]} class {number}": number / 80 for number in range(80)}
    return {
        "working": shown,
        "empty": empty,
        "hostile": replace(
            shown, run=hostile_run, diagnosis=told, work=WorkStep(HOSTILE, 3, None), devices=[Lease("r", HOSTILE, HOSTILE, NOW)] * 30,
            checkpoints=[(1, Checkpoint(HOSTILE, 1))],
        ),
        "long": replace(
            shown, epochs=300, progress=Progress(300, 9_999_999, 9_999_999, loss=1e300, lr=1e-300, eta_s=1e9),
            epoch_ends=[Progress(epoch, 60, 60, loss=1 / epoch, lr=0.004) for epoch in range(1, 301)],
            evaluations=[Evaluation(epoch, "bbox", epoch / 400, per_class=dict(many)) for epoch in range(1, 301)],
        ),
        "odd": replace(
            shown, epochs=None, progress=Progress(0, 5, 0, loss=nan, lr=inf, eta_s=None), last_seen=None,
            evaluations=[Evaluation(1, "bbox", None), Evaluation(2, "bbox", nan, -1.0, inf, per_class={"": None})],
        ),
        "convert": view(house, converting(house).id),
        "upload": replace(empty, run=replace(empty.run, spec=IngestSpec(archive="/x", dataset="fish", file_name=HOSTILE * 5))),
    }


@pytest.mark.parametrize("message", PER_RUN)
@pytest.mark.parametrize("case", ["working", "empty", "hostile", "long", "odd", "convert", "upload"])
def test_a_message_about_any_run_in_any_state_can_be_sent(odd_views: dict[str, RunView], message: str, case: str) -> None:
    shown = odd_views[case]
    for reason in TELLING:
        run = replace(shown.run, state=reason.state, reason=reason, started_at=NOW - timedelta(days=3), ended_at=NOW)
        text, blocks = PER_RUN[message](replace(shown, run=run))
        assert_sendable(text, blocks)


def test_every_reason_has_its_words() -> None:
    assert set(REASONS) == set(Reason)
    assert all(words and sentence.endswith(".") for words, sentence in REASONS.values())


def test_the_card_of_a_training_says_all_that_matters(house: House) -> None:
    text, blocks = run_card(working(house), zone=ZONE)
    assert "*rtmdet-nano on fish@2*" in text and "*Training* · epoch 7 of 20 · iteration 30 of 60" in text
    assert "32 %" in text and "█" in text
    assert "Loss: 0.2857" in text and "Learning rate: 0.004" in text
    assert "Best mAP: 0.700 at epoch 6" in text and "now" not in text
    assert "Done: about 15:32 CET (in 60 min ± 18 min)" in text.replace("1 h 00 min", "60 min")
    assert "on gpu1, CPU slot 0" in text and "\nseen 14:32 CET" in text
    assert [element["text"]["text"] for element in blocks[-1]["elements"]] == ["Log", "Plot", "Stop"]  # type: ignore[index, union-attr]


def test_the_card_says_how_long_a_start_waited_for_the_memory_of_its_gpus(house: House) -> None:
    shown = working(house)
    assert "memory of its GPUs" not in run_card(shown, zone=ZONE)[0]
    for free, words in ((True, "was free after 7 s"), (False, "was given up waiting for after 7 s")):
        text, blocks = run_card(replace(shown, result={"memory_wait_s": 7, "memory_free": free}), zone=ZONE)
        assert f"the memory of its GPUs {words}" in text
        assert_sendable(text, blocks)


def test_a_new_card_mentions_nobody_and_an_edited_one_names_its_owner(house: House) -> None:
    shown = working(house)
    fresh = replace(shown, run=replace(shown.run, place=Place("C0TRAIN01")))
    assert_sendable(*run_card(fresh, zone=ZONE), mentions=0)
    assert_sendable(*run_card(shown, zone=ZONE), mentions=1)


def test_stale_numbers_are_said_to_be_stale_and_promise_nothing(house: House) -> None:
    shown = working(house)
    text, _ = run_card(replace(shown, run=replace(shown.run, reason=Reason.UNREACHABLE)), zone=ZONE)
    assert "Host does not answer" in text and "last seen Sat 21 Nov 14:32 CET; these numbers may be old" in text
    assert "Done:" not in text
    assert "nothing is stopped because of silence" in text


def test_a_waiting_card_says_why_in_one_sentence(house: House) -> None:
    shown = view(house, training(house).id)
    run = replace(shown.run, reason=Reason.WAITING_FOR_GPU, detail="gpu1 is taken by r-aaaa until about 15:10")
    text, _ = run_card(replace(shown, run=run), zone=ZONE)
    assert "*Waiting* · 20 epochs\ngpu1 is taken by r-aaaa until about 15:10." in text


def test_work_without_epochs_shows_its_phase_and_amount(house: House) -> None:
    shown = view(house, converting(house).id)
    run = replace(shown.run, state=State.RUNNING, reason=Reason.WORKING, host="local")
    text, _ = run_card(replace(shown, run=run, work=WorkStep("storing files", 120, 400)), zone=ZONE)
    assert "*Converting* · storing files · 120 of 400" in text and "30 %" in text


def test_the_epoch_table_is_thinned_but_keeps_the_best(odd_views: dict[str, RunView]) -> None:
    shown = odd_views["long"]
    best = [replace(each, ap=0.99) if each.epoch == 150 else each for each in shown.evaluations]
    text, _ = epoch_table(replace(shown, evaluations=best), zone=ZONE)
    assert "★ 150 " in text and text.count("★") == 2 and "276 of 300 epochs are left out" in text
    assert text.count("\n") < 32
    assert all(len(line) < 38 for line in text.split("```")[1].splitlines()), "fits a phone"


def failed(house: House, reason: Reason, **more: str) -> RunView:
    run = ended(house, at_work(house, training(house)), reason, tail=["Traceback", "RuntimeError: no space"], **more)
    return view(house, run.id)


def test_an_alert_says_cause_log_and_remedy_and_mentions_the_owner_once(house: House) -> None:
    text, blocks = failure_alert(failed(house, Reason.CODE_ERROR, sentence="It broke in `x.py`", remedy="Mend it."), zone=ZONE)
    assert_sendable(text, blocks, mentions=1)
    assert text.startswith(f"🔴 <@{ADA}> *rtmdet-nano on fish@2* failed: error in the program")
    assert "It broke in `x.py`." in text and "RuntimeError: no space" in text and "*What to do:* Mend it." in text
    assert "on gpu1 · epoch 7 of 20 · after 41 min · at" in text


@pytest.mark.parametrize(
    ("reason", "first"),
    [
        (Reason.CODE_ERROR, "resume {id}"),
        (Reason.DIVERGED, "resume {id} --lr 0.0004"),
        (Reason.OUT_OF_MEMORY, "run rtmdet-nano on fish@2 --batch 4 --lr 0.002"),
        (Reason.BAD_SPEC, "run rtmdet-nano on fish@2"),
    ],
)
def test_the_first_button_of_an_alert_is_the_remedy(house: House, reason: Reason, first: str) -> None:
    shown = failed(house, reason)
    assert remedies(shown)[0].line == first.format(id=shown.run.id)


def test_the_remedy_of_the_diagnosis_comes_first(house: House) -> None:
    shown = failed(house, Reason.CODE_ERROR)
    assert shown.diagnosis is not None
    smaller = "run rtmdet-nano on fish@2 --batch 4 --lr 0.002"
    for action, line in ((Remedy.RETRY, "run rtmdet-nano on fish@2"), (Remedy.RETRY_SMALLER_BATCH, smaller)):
        buttons = remedies(replace(shown, diagnosis=replace(shown.diagnosis, action=action)))
        assert (buttons[0].line, buttons[0].style) == (line, "primary")
        assert [button.style for button in buttons[1:]] == [None] * len(buttons[1:])
        assert f"resume {shown.run.id}" in [button.line for button in buttons[1:]]
    without = replace(shown, checkpoints=[])
    assert remedies(without)[0].label == "Run again"


def test_asking_for_the_same_again_keeps_everything_that_was_asked(house: House) -> None:
    run = training(house, overrides=Overrides(epochs=3, lr=0.001, options=("a.b=c d",)))
    assert again(run, batch="4") == 'run rtmdet-nano on fish@2 --epochs 3 --lr 0.001 --batch 4 -- "a.b=c d"'
    assert again(converting(house, gap="20")) == "convert fish@1 vatic-to-coco gap=20"


def test_the_result_is_a_table_of_all_sizes_and_classes_against_the_parent(house: House) -> None:
    shown = view(house, ended(house, at_work(house, training(house)), Reason.COMPLETED).id)
    evaluation = Evaluation(6, "bbox", 0.512, 0.81, 0.6, None, 0.4, 0.7, {"cod": 0.6, "eel": 0.424, "ray": None})
    shown = replace(shown, evaluations=[evaluation])
    before = replace(shown, evaluations=[replace(evaluation, ap=0.5, per_class={"cod": 0.7})])
    text, blocks = final_result(shown, parent=before)
    assert_sendable(text, blocks, mentions=0)
    assert "Best mAP *0.512* (AP50 0.810) at epoch 6, +0.012 against" in text
    assert "small       –" in text and "cod     0.600  -0.100" in text and "ray         –" in text
    holder = replace(shown, run=replace(shown.run, id="r-best"), evaluations=[replace(evaluation, ap=0.6)])
    told = final_result(shown, parent=replace(before, run=replace(before.run, id="r-old")), champion=holder)[0]
    assert "+0.012 against `r-old`, -0.088 against the champion `r-best`." in told and "cod     0.600  -0.100" in told
    assert "-0.088 against the champion" in final_result(shown, parent=holder, champion=holder)[0], "the parent is the champion: said once"
    assert "against" not in final_result(shown, champion=shown)[0]


def test_a_run_without_evaluation_says_so(house: House) -> None:
    shown = view(house, ended(house, training(house), Reason.COMPLETED).id)
    assert "never evaluated" in final_result(shown)[0]


def test_the_card_of_a_dataset_says_what_it_holds_and_what_was_left_out(house: House) -> None:
    gone = [LeftOut("drop_flagged", "lost", "boxes", 12, ("a.txt, line 4", "a.txt, line 9", "b.txt, line 1"))]
    lineage = Lineage("fish@1", "signalbox", NOW.isoformat(), ADA, recipe="vatic-to-coco")
    version = add_dataset(house, "cardfish", left_out=gone, notes=["Frames were paired by number."], lineage=lineage)
    text, blocks = dataset_card(version, run=None)
    assert_sendable(text, blocks, mentions=1)
    for part in ("100 images, 200 boxes, 2 classes (coco)", "3 images without a box", "cod       120", "train 80 images (200 boxes)",
                 "12 boxes: lost (a.txt, line 4; a.txt, line 9; …)", "Frames were paired", "made from `fish@1` by `vatic-to-coco`"):
        assert part in text, part
    assert blocks[-1]["type"] != "actions"


def test_a_raw_dataset_offers_its_conversion(house: House) -> None:
    _, blocks = dataset_card(add_dataset(house, "rawfish", format_name="vatic"), run=None)
    assert blocks[-1]["elements"][0]["value"] == "convert rawfish@1 vatic-to-coco"  # type: ignore[index]


def test_a_hostile_dataset_is_shown_not_acted_on(house: House) -> None:
    version = add_dataset(house, "evil")
    classes = {f"{HOSTILE} {number}": number for number in range(80)}
    findings = tuple(Finding(kind, Severity.WARNING, 3, HOSTILE, (HOSTILE * 5,) * 5) for kind in Kind)
    left_out = tuple(LeftOut(HOSTILE, HOSTILE * 5, "boxes", 3, (HOSTILE,) * 5) for _ in range(40))
    summary = Summary(HOSTILE, 10**9, 10**9, 1, classes, dict(version.summary.splits), {}, left_out, (HOSTILE * 9,) * 40, findings)
    evil = replace(version, summary=summary, lineage=Lineage(HOSTILE * 4, "x", "y", "terminal:" + HOSTILE, recipe=HOSTILE))
    assert_sendable(*dataset_card(evil, run=None), mentions=0)
    assert_sendable(*dataset_list([(evil, 2)] * 60), mentions=0)


def test_lists_of_the_catalog_can_be_sent() -> None:
    recipes = [load_recipe(each) for each in library()]
    assert_sendable(*recipe_list(recipes * 60))
    assert_sendable(*recipe_page(recipes[0]))
    assert_sendable(*dataset_list([]))


def test_hosts_show_gpus_runs_and_trouble(house: House) -> None:
    shown = working(house)
    plain = hosts.host_view(house, "gpu1")
    disk = {"disk_free_bytes": 10**12, "disk_total_bytes": 2 * 10**12}
    resources = {**disk, "load": 1.5, "cpus": 16, "notes": [HOSTILE] * 20, "driver": HOSTILE}
    gpus = [Gpu("gpu1", "GPU-1", number, "H200 " + HOSTILE, 143_000, 100_000, ((HOSTILE, 5000),) * 9, HOSTILE * 9) for number in range(40)]
    locks = [Lock("gpu1", device, ADA, NOW + timedelta(hours=3), HOSTILE) for device in (None, "GPU-1")]
    busy = replace(plain, resources=resources, leases=[Lease(shown.run.id, "gpu1", "GPU-1", NOW)], gpus=gpus, locks=locks)
    text, blocks = host_list([busy, plain], {shown.run.id: shown}, now=NOW, zone=ZONE)
    assert_sendable(text, blocks)
    assert f"`{shown.run.id}` rtmdet-nano on fish@2" in text and "98 of 140 GiB" in text
    silent = replace(plain, host=replace(plain.host, seen_at=NOW - timedelta(hours=2)))
    assert "last seen 12:32 CET, 2 h 00 min ago" in host_page(silent, now=NOW, zone=ZONE)[0]
    hostile = replace(busy, host=replace(plain.host, name=HOSTILE, trouble=HOSTILE * 9, root=HOSTILE, host_name=HOSTILE))
    assert_sendable(*host_list([hostile] * 60, {}, now=NOW, zone=ZONE))
    assert_sendable(*host_page(hostile, now=NOW, zone=ZONE))


def test_the_map_of_a_host_has_a_line_a_device(house: House) -> None:
    shown = working(house)
    gpus = [
        Gpu("gpu1", "GPU-0", 0, "A100", 81_920, 40_960, (("bob", 5120),)), Gpu("gpu1", "GPU-1", 1, "A100", 81_920, 4, (), "", 0, 34),
        Gpu("gpu1", "GPU-2", 2, "A100", 81_920, 4, (), "Xid 79: GPU has fallen off the bus."),
        Gpu("gpu1", "GPU-3", 3, "A100", 81_920, 4, ()), Gpu("gpu1", "GPU-4", 4, "A100", 81_920, 70_000, None, "", 98, 88),
    ]
    view_of_host = replace(
        hosts.host_view(house, "gpu1"), gpus=gpus, resources={"driver": "550.54.15"},
        leases=[Lease(shown.run.id, "gpu1", "GPU-0", NOW - timedelta(hours=1))], until={shown.run.id: NOW + timedelta(hours=2)},
        locks=[Lock("gpu1", "GPU-3", "terminal:ada", NOW + timedelta(hours=3), "debugging")],
    )
    heading, *lines = (line.strip() for line in device_lines(view_of_host, {}, now=NOW, zone=ZONE))
    assert heading == "5 × A100, driver 550.54.15"
    assert lines == [
        f"• GPU 0, 40 of 80 GiB: `{shown.run.id}`, since 13:32 CET until about 16:32 CET; bob's own programs 5.0 GiB",
        "• GPU 1, 0 of 80 GiB, 0 %, 34 °C: *free*",
        "• GPU 2, 0 of 80 GiB: ❌ Xid 79: GPU has fallen off the bus.",
        "• GPU 3, 0 of 80 GiB: 🔒 locked by ada (terminal) until 17:32 CET (debugging)",
        "• GPU 4, 68 of 80 GiB, 98 %, 88 °C 🔥: somebody's programs",
    ]


def test_a_drained_server_a_lock_and_a_cluster_are_seen_in_top_and_queue(house: House) -> None:
    view_of_host = hosts.host_view(house, "gpu1")
    drained = replace(view_of_host.host, drained=True, drained_by=ADA, drained_at=NOW - timedelta(hours=1), executor="slurm")
    lock = Lock("gpu1", "GPU-3", "terminal:ada", NOW + timedelta(days=1), "debugging", 3)
    seen = replace(view_of_host, host=drained, locks=[lock])
    said = f"🚧 gpu1 is drained by <@{ADA}> since 13:32 CET: nothing new starts there (`host resume gpu1` ends that)"
    top = host_list([seen], {}, now=NOW, zone=ZONE)[0]
    assert "🟢 *gpu1*  Slurm cluster, answers" in top and said in top
    for waiting in ([], [training(house)]):
        told = queue_list(waiting, {}, [seen], running=0, now=NOW, zone=ZONE)[0].splitlines()
        assert told[1:3] == [said, "🔒 gpu1:3 is locked by ada (terminal) until Sun 22 Nov 14:32 CET (debugging)."]


def test_schedules_and_history_can_be_sent(house: House) -> None:
    kept = Schedule("s-aaaa", HOSTILE, "0 3 * * *", "UTC", HOSTILE * 9, ADA, None, NOW, False, None)
    assert_sendable(*schedule_list([(kept, HOSTILE * 9)] * 60))
    assert_sendable(*schedule_list([]))
    shown = failed(house, Reason.CODE_ERROR, sentence=HOSTILE)
    text, blocks = why_page(shown, history(house, shown.run.id) * 20, Around(), now=NOW, zone=ZONE)
    assert_sendable(text, blocks)
    assert "error in the program" in text and "earlier" in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"), (nan, "NaN"), (inf, "∞"), (0.0, "0"), (0.004, "0.004"), (0.0004, "4e-4"), (1.23456, "1.2346"), (1e6, "1e6"),
        (-2.5, "-2.5"),
    ],
)
def test_numbers_are_short(value: float | None, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (59, "59 s"), (89, "89 s"), (95, "1 min"), (3600, "1 h 00 min"), (10_000, "2 h 46 min"), (200_000, "2 d 7 h")],
)
def test_durations_are_short(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_names_keep_their_look_and_lose_their_power() -> None:
    assert name("fish_small_2") == "fish_small_2"
    assert name("<!channel> & *bold*").replace("\u2060", "") == "&lt;!channel&gt; &amp; *bold*"
    assert "*b" not in name("*bold*") and ":fire:" not in name(":fire:")
    assert prose("see `resume r-7f3k` *now*").startswith("see `resume r-7f3k` ")
    assert shortened("a" * 50 + "b" * 50, 20) == "a" * 13 + "…" + "b" * 6
    assert bar(0.999, 10) == "█" * 9 + "░" and bar(nan, 4) == "░░░░" and bar(7, 4) == "████"


def test_a_code_block_keeps_its_last_lines_and_stays_closed() -> None:
    block = code_block("\n".join(f"{number} ```" for number in range(1000)), 300)
    assert len(block) < 330 and block.count("```") == 2 and "999" in block and block.startswith("```\n…")
