"""Triggers from the outside: typed in chat, fired by what really happens, and answered in the channel by the real bot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runner.alerts.configuration import AlertSettings
from runner.alerts.engine import AlertEngine
from runner.entities import Evaluation, Host, Place, Run, TransportName
from runner.evidence import Connected, Identity
from runner.file_looks import FileLooks
from runner.links import HostLink
from runner.specs import IngestSpec, TrainSpec
from runner.states import Reason
from runner.store import hosts, runs
from tests.support.slack_house import DATASET, PRESET, SlackHouse, slack_house, until
from tests.support.words_house import add_dataset

TRIGGERS = {
    "new data fish": "data show {data}", "mAP below 0.5 on fish": "why {run}", "mAP above 0.8 on fish": "show {run}",
    "mAP dropped by 0.1 on fish": "log {run}", "failure on fish": "checkpoints {run}", "alert run_failed": "log {run} -n 9",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with pytest.MonkeyPatch.context() as patch, slack_house(tmp_path_factory.mktemp("chat")) as house:
        for name, value in house.environment.items():
            patch.setenv(name, value)
        patch.setattr("bot.app.FIRINGS_WAKE_S", 0.1)
        patch.setattr("bot.outbox.POST_INTERVAL_S", 0.0)
        add_dataset(house.house)
        house.runner_lives()
        with house.bot():
            yield house


@pytest.fixture(autouse=True)
def no_trigger(served: SlackHouse) -> Iterator[None]:
    yield
    with served.house.store.writing() as db:
        db.conn.execute("DELETE FROM trigger_firings")
        db.conn.execute("DELETE FROM triggers")


def asked(served: SlackHouse, line: str) -> str:
    """What the operator Ben is answered."""
    before = len(served.person("ben").ephemeral_messages(served.training))
    shown = served.person("ben").slash(served.training, "/train", line)
    if shown and shown.get("text"):
        return str(shown["text"])
    found = served.person("ben").wait_for(
        lambda: served.person("ben").ephemeral_messages(served.training)[before:] or None, timeout_s=20, what=line
    )
    return str(found[-1]["text"])


def heard(served: SlackHouse, words: str) -> str:
    """The answer to a command that a trigger carried out, in the channel."""
    message = served.person().wait_for_message(served.training, lambda m: words in m["text"] and "(t-" in m["text"], timeout_s=20)
    return str(message["text"])


def trained(served: SlackHouse, ap: float | None, *, parent_id: str | None = None, request_id: str | None = None) -> Run:
    """A training on fish that ended with that mAP, or failed."""
    with served.house.store.writing() as db:
        run = runs.submit(
            db, TrainSpec(preset=PRESET, dataset=DATASET), owner=served.people["ada"], place=Place(), now=served.house.now(),
            parent_id=parent_id, request_id=request_id,
        )
    run = served.start(run)
    if ap is not None:
        served.log(run, Evaluation(1, "bbox", ap, ap, ap, None, ap, ap))
    return served.move(run, Reason.CODE_ERROR if ap is None else Reason.COMPLETED)


def came_in(served: SlackHouse, reference: str) -> None:
    with served.house.store.writing() as db:
        run = runs.submit(
            db, IngestSpec(archive="/a.zip", dataset="fish", file_name="a.zip"), owner="U1", place=Place(), now=served.house.now()
        )
        runs.keep_result(db, run.id, {"reference": reference})
    served.move(run, Reason.STAGING, Reason.LAUNCHING, Reason.WORKING, Reason.COMPLETED)


def test_each_cause_is_typed_and_fires_in_chat(served: SlackHouse) -> None:
    for words, command in TRIGGERS.items():
        assert words in asked(served, f'trigger add --cooldown 1m "{words}" {command}')
    at_once = AlertSettings.model_validate({"route": {"receiver": "none", "group_wait": "0s"}})
    engine = AlertEngine(replace(served.house, settings=served.house.settings.model_copy(update={"alerts": at_once})))
    came_in(served, "fish@2")
    good = trained(served, 0.9)
    worse = trained(served, 0.4, parent_id=good.id)
    failed = trained(served, None)
    engine.look()
    assert "made fish@2" in heard(served, "data show fish@2")
    assert "mAP 0.900" in heard(served, f"show {good.id}")
    assert "mAP 0.400" in heard(served, f"why {worse.id}")
    assert f"mAP 0.400 after 0.900 of {good.id}" in heard(served, f"log {worse.id}")
    assert failed.reason.in_words in heard(served, f"checkpoints {failed.id}")
    assert f"the alert run_failed fires for {failed.id}" in heard(served, f"log {failed.id} -n 9")
    listed = asked(served, "trigger list")
    assert listed.count(": fired, because ") == len(TRIGGERS)


def test_a_file_that_comes_to_a_host_fires_in_chat(served: SlackHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.file_looks.AT_REST", timedelta(0))
    monkeypatch.setattr("runner.file_looks.EVERY", timedelta(0))
    folder = tmp_path / "incoming"
    folder.mkdir()
    with served.house.store.writing() as db:
        hosts.put(db, Host("box", TransportName.LOCAL, str(tmp_path / "root")))
    asked(served, f'trigger add "file box:{folder}/*.zip" log {{file}}')
    link = HostLink(hosts.get(served.house.store.reading(), "box"), lambda _: None, silence_s=15)
    link.note(Connected("box", Identity("m", "box", "b", "ada", "")))
    looks = FileLooks(served.house)

    def fired() -> bool:
        (folder / "a b.zip").touch()  # what came in the very moment of the trigger does not count
        looks.look({"box": link})
        return bool(served.rows("SELECT 1 FROM trigger_firings"))

    try:
        until(fired, timeout_s=20)
    finally:
        looks.close()
        link.close()
    assert "came (0 bytes)" in heard(served, f"log 'box:{folder}/a b.zip'")


def test_cooldown_dry_run_and_loop_guard_are_told_with_their_reasons(served: SlackHouse) -> None:
    asked(served, 'trigger add "failure on fish" show {run}')
    asked(served, 'trigger add --rehearse "failure on fish" why {run}')
    first = trained(served, None)
    heard(served, f"show {first.id}")
    trained(served, None)
    [(trigger,)] = [row.values() for row in served.rows("SELECT id FROM triggers WHERE NOT dry_run")]
    own = trained(served, None, request_id=f"trigger:{trigger}:event:1")
    until(lambda: len(served.rows("SELECT 1 FROM trigger_firings")) == 6, timeout_s=20, what="what came of three failures")
    listed = asked(served, "trigger list")
    assert listed.count("cooling down, because ") == listed.count("its own product, because ") == listed.count("fired, because ") == 1
    assert listed.count("dry run, because ") == 3
    assert own.id in listed
    assert not [message for message in served.posted(served.training) if f"`why {first.id}`" in message["text"]]
