"""The table from events to deliveries."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.notifier import deliveries_for, notify
from bot.result_files import Shown
from runner.entities import Event, Host, Place, Run, TransportName
from runner.service.models import ResultFileView
from runner.specs import BoardSpec, FetchSpec, IngestSpec, Kind, ModelSpec, RunSpec, Start, TrainSpec
from runner.states import Reason
from runner.store import hosts
from tests.support.slack_house import DATASET, PRESET, slack_house, until

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVAL, PREDICT, EXPORT = (
    ModelSpec(kind=kind, preset=PRESET, model=Start(run_id="r-bbbb"), trained_on=DATASET, dataset=DATASET, split="val", host="gpu-1")
    for kind in (Kind.EVAL, Kind.PREDICT, Kind.EXPORT)
)
FETCH = FetchSpec(run_id="r-bbbb", host="gpu-1", directory="/r", what="best", paths=("*",))
BOARD = BoardSpec(run_id="r-bbbb", host="gpu-1", framework="scripted", folder="/r")
FILE = ResultFileView("predictions.json", Path("/results/predictions.json"), 12)
TRAIN = TrainSpec(preset=PRESET, dataset=DATASET)
INGEST = IngestSpec(archive="/inbox/a.zip", dataset="fish", file_name="a.zip")


@pytest.mark.parametrize(("kind", "says"), [("schedule_missed", "was missed"), ("schedule_skipped", "passed over. r-aaaa of an earlier")])
def test_a_time_of_a_schedule_that_was_not_carried_out_is_told_in_its_channel(kind: str, says: str) -> None:
    payload = {
        "schedule": "s-7f3k", "command": "run quick on fish", "channel": "C1", "due_at": "2026-11-22T01:30:00+00:00",
        "zone": "Europe/Berlin", "because": "r-aaaa of an earlier time still goes on." if kind == "schedule_skipped" else "",
    }
    (owed,) = deliveries_for(Event(7, NOON, kind, None, None, payload), None, home_channel=None)
    assert owed.channel == "C1"
    assert str(owed.body["text"]).startswith("`run quick on fish` (s-7f3k) of Sun 22 Nov 02:30 CET")
    assert says in str(owed.body["text"])


def run(reason: Reason, *, spec: RunSpec = TRAIN, place: Place = Place("C1", "1.1")) -> Run:
    return Run(
        id="r-aaaa", nonce="n", spec=spec, state=reason.state, reason=reason, detail="", owner="U0ADA", place=place, parent_id=None,
        host=None, attempt=1, created_at=NOON, updated_at=NOON,
    )


def event(kind: str, **payload: object) -> Event:
    return Event(7, NOON, kind, "r-aaaa", None, payload)


@pytest.mark.parametrize(
    ("reason", "spec", "kinds"),
    [
        (Reason.SUBMITTED, TRAIN, ["card"]),
        (Reason.WAITING_FOR_GPU, TRAIN, []),
        (Reason.WORKING, TRAIN, []),
        (Reason.UNREACHABLE, TRAIN, []),
        (Reason.UNCLEAR, TRAIN, ["text"]),
        (Reason.COMPLETED, TRAIN, ["result"]),
        (Reason.COMPLETED, INGEST, ["dataset"]),
        (Reason.COMPLETED, EVAL, ["result"]),
        (Reason.COMPLETED, PREDICT, ["outcome"]),
        (Reason.COMPLETED, EXPORT, ["outcome"]),
        (Reason.COMPLETED, FETCH, ["outcome"]),
        (Reason.COMPLETED, BOARD, []),
        (Reason.BY_USER, TRAIN, []),
        (Reason.OUT_OF_MEMORY, TRAIN, ["alert"]),
        (Reason.DATA_ERROR, INGEST, ["alert"]),
    ],
)
def test_what_a_change_of_state_calls_for(reason: Reason, spec: RunSpec, kinds: list[str]) -> None:
    owed = deliveries_for(event("state", state=reason.state, reason=reason, detail=""), run(reason, spec=spec), home_channel=None)
    assert [delivery.kind for delivery in owed] == kinds
    assert {delivery.channel for delivery in owed} <= {"C1"}


def test_only_a_best_evaluation_is_told_and_nobody_is_mentioned() -> None:
    best = event("evaluation", epoch=3, task="bbox", ap=0.5, best=True)
    (owed,) = deliveries_for(best, run(Reason.WORKING), home_channel=None)
    text = "New best: bbox mAP 0.500 at epoch 3."
    assert owed.body == {"text": text, "in_thread": True, "line": f"`r-aaaa` {text}"}
    assert not deliveries_for(event("evaluation", epoch=3, task="bbox", ap=0.5, best=False), run(Reason.WORKING), home_channel=None)
    assert not deliveries_for(best, run(Reason.WORKING, spec=EVAL), home_channel=None)


def test_files_of_a_run_are_owed_after_what_is_said_of_it() -> None:
    done = event("state", state="SUCCEEDED", reason="COMPLETED", detail="")
    shown = Shown(pictures=(), all_pictures=0, others=[FILE], left=())
    owed = deliveries_for(done, run(Reason.COMPLETED, spec=PREDICT), home_channel=None, files=shown)
    assert [(delivery.id, delivery.kind) for delivery in owed] == [("event:7:outcome", "outcome"), ("event:7:files:0", "files")]
    assert owed[1].body == {"names": ["predictions.json"], "of": 1}


@pytest.mark.parametrize(
    ("kind", "payload", "text"),
    [
        ("refused_checkpoint", {"checkpoint": "epoch_3.pth", "why": "it ends in the middle"},
         "Left out epoch_3.pth: it ends in the middle. The one before it is used."),
        ("attempt_failed", {"attempt": 1, "reason": "LOST", "epoch": 2, "exit_code": None},
         "Attempt 1 ended: lost. It is tried again by itself."),
        ("starts_from", {"checkpoint": "epoch_2.pth", "epoch": 2, "taken_parameters": 9, "new_parameters": []},
         "Starts from epoch_2.pth of epoch 2."),
        ("starts_from", {"checkpoint": "epoch_2.pth", "epoch": None, "taken_parameters": 9, "new_parameters": ["head.weight"]},
         "Starts from epoch_2.pth: 9 tensors taken, 1 new, head.weight."),
        ("moved_in", {"host": "gpu-1", "device": 2, "user": "<!here>", "used_mib": 5120},
         "&lt;!here&gt; has moved in on GPU 2 of gpu-1, which this run uses, and holds 5.0 GiB. It may become slower, or lack memory."),
    ],
)
def test_what_else_is_told_in_the_thread(kind: str, payload: dict[str, object], text: str) -> None:
    (owed,) = deliveries_for(event(kind, **payload), run(Reason.WORKING), home_channel=None)
    assert owed.body == {"text": text, "in_thread": True, "line": f"`r-aaaa` {text}"}


def test_the_last_failed_attempt_is_left_to_the_alert() -> None:
    failed = event("attempt_failed", attempt=4, reason="LOST", epoch=2, exit_code=None)
    assert not deliveries_for(failed, run(Reason.LOST), home_channel=None)


def test_an_unclear_run_calls_its_owner_and_nothing_in_the_detail_is_acted_on() -> None:
    unclear = event("state", state="RUNNING", reason="UNCLEAR", detail="<!channel> vanished")
    (owed,) = deliveries_for(unclear, run(Reason.UNCLEAR), home_channel=None)
    assert str(owed.body["text"]).startswith("<@U0ADA> r-aaaa")
    assert "<!channel>" not in str(owed.body["text"])


def test_runs_without_a_channel_report_to_the_home_channel_or_nowhere() -> None:
    submitted, homeless = event("state", state="PENDING", reason="SUBMITTED", detail=""), run(Reason.SUBMITTED, place=Place())
    assert [owed.channel for owed in deliveries_for(submitted, homeless, home_channel="CHOME")] == ["CHOME"]
    assert not deliveries_for(submitted, homeless, home_channel=None)


def test_what_is_merely_history_calls_for_nothing() -> None:
    assert not deliveries_for(event("claimed", attempt=1), run(Reason.WORKING), home_channel="CHOME")
    assert not deliveries_for(Event(1, NOON, "audit", None, "U0", {}), None, home_channel="CHOME")


def test_every_event_owes_once(tmp_path: Path) -> None:
    with slack_house(tmp_path) as served:
        served.submit()
        assert notify(served.house, home_channel=None) == 1
        assert notify(served.house, home_channel=None) == 0
        with served.house.store.writing() as db:
            db.conn.execute("DELETE FROM cursors")  # even if the cursor were lost
        assert notify(served.house, home_channel=None) == 1
        assert len(served.rows("SELECT id FROM deliveries")) == 1


def test_a_limit_that_comes_near_and_a_preemption_are_told_in_the_thread() -> None:
    working = run(Reason.WORKING)
    near = event("time_limit_near", per_cent=80, left_s=7200)
    given_up = event("preempting", for_run="r-high", grace_s=3600.0)

    (notice,), (told,) = (deliveries_for(each, working, home_channel=None) for each in (near, given_up))
    assert notice.body["text"] == "80 % of its time limit are used up; it is stopped in 2 h 00 min, and can be resumed then."
    assert "gives its devices to r-high" in str(told.body["text"])
    assert notice.body["in_thread"] and told.body["in_thread"]


@pytest.mark.parametrize(
    ("kind", "actor", "words"),
    [
        ("unlocked", "U0BEN", "was broken by <@U0BEN>. New runs may start there; `lock gpu-1:2` keeps it again."),
        ("lock_expired", None, "has expired. New runs may start there; `lock gpu-1:2` keeps it again."),
        ("unlocked", "U0ADA", None),
    ],
)
def test_who_locked_something_hears_of_its_end_where_it_was_locked(kind: str, actor: str | None, words: str | None) -> None:
    payload = {"lock": "gpu-1:2", "owner": "U0ADA", "reason": "<!channel>", "channel": "C7", "thread": "1.7"}
    owed = deliveries_for(Event(9, NOON, kind, None, actor, payload), None, home_channel="C0")
    assert [(each.channel, each.body) for each in owed] == ([] if words is None else [
        ("C7", {"text": f"<@U0ADA> Your lock of `gpu-1:2` (&lt;!channel&gt;) {words}", "thread": "1.7"})
    ])
    elsewhere = deliveries_for(Event(9, NOON, kind, None, actor, {**payload, "channel": None}), None, home_channel="C0")
    assert [each.channel for each in elsewhere] == ["C0"] * (words is not None)


def test_a_broken_lock_is_told_in_the_channel_where_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slack_house(tmp_path) as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        with served.house.store.writing() as db:
            hosts.put(db, Host("gpu-1", TransportName.SSH, "/r"))
        with served.bot():
            served.person("ada").slash(served.training, "/train", "lock gpu-1 --for 4h --reason debugging")
            served.person("ben").slash(served.lab, "/train", "unlock gpu-1 --yes")
            posted = until(lambda: [each["text"] for each in served.posted(served.training) if "broken" in each["text"]], timeout_s=30)
        [said] = posted
        assert said == (
            f"<@{served.people['ada']}> Your lock of `gpu-1` (debugging) was broken by <@{served.people['ben']}>. "
            "New runs may start there; `lock gpu-1` keeps it again."
        )
