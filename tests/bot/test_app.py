"""Commands, mentions and clicks through the real Bolt, over a real socket."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from slack_bolt import App, BoltRequest

from bot.app import build_app, run_bot
from bot.listeners import Identity
from bot.settings import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackSettings
from runner.errors import ConfigurationError
from runner.service import schedules
from runner.service.health import health
from runner.service.house import Requester, open_house
from runner.settings import Access, Role, Settings
from runner.states import Reason
from runner.store import schedules as rows
from tests.support.slack_house import Json, SlackHouse, delivery_ids, slack_house, until

TEAM = "T0LOCAL001"


@pytest.fixture(scope="module", params=["socket", "http"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    """One house with its bot for every test that only asks."""
    with pytest.MonkeyPatch.context() as patch, slack_house(tmp_path_factory.mktemp("house"), way=request.param) as house:
        for name, value in house.environment.items():
            patch.setenv(name, value)
        house.runner_lives()
        with house.bot():
            yield house


def test_a_command_is_answered_in_its_ack_and_leaves_one_row(served: SlackHouse) -> None:
    answer = served.person("ada").slash(served.training, "/train", "ps")
    assert answer is not None
    assert answer["is_ephemeral"]
    rows = served.rows("SELECT actor, door FROM requests WHERE text = 'ps'")
    assert rows == [{"actor": served.people["ada"], "door": "slash"}]


def test_a_typo_is_answered_with_what_was_meant(served: SlackHouse) -> None:
    answer = served.person("ada").slash(served.training, "/train", "queu")
    assert answer is not None
    assert "Did you mean `queue`" in answer["text"]


@pytest.mark.parametrize(
    ("person", "channel", "sentence"),
    [("eve", "training", "not on Signalbox's list of people"), ("ada", "lounge", "does not serve this channel")],
)
def test_who_and_where_is_not_listed_is_refused_with_one_sentence(served: SlackHouse, person: str, channel: str, sentence: str) -> None:
    before = served.rows("SELECT count(*) AS n FROM requests")
    answer = served.person(person).slash(served.channels[channel], "/train", "ps")
    assert answer is not None
    assert sentence in answer["text"]
    assert served.rows("SELECT count(*) AS n FROM requests") == before


def test_a_stranger_who_mentions_the_bot_is_told_so_alone(served: SlackHouse) -> None:
    eve = served.person("eve")
    eve.say(served.lab, "@signalbox stop r-aaaa --yes")
    note = eve.wait_for_message(served.lab, lambda m: bool(m.get("is_ephemeral")), timeout_s=5)
    assert "not on Signalbox's list" in note["text"]
    assert not served.person("ada").ephemeral_messages(served.lab)


def test_a_mention_in_a_thread_is_answered_in_the_thread(served: SlackHouse) -> None:
    ada = served.person("ada")
    parent = ada.say(served.lab, "how is it going?")
    ada.say(served.lab, "@signalbox ps", thread_ts=parent["ts"])
    answer = ada.wait_for_message(served.lab, lambda m: bool(m.get("is_ephemeral")), timeout_s=5, thread_ts=parent["ts"])
    assert answer["thread_ts"] == parent["ts"]


def test_a_button_carries_a_command_line(served: SlackHouse) -> None:
    ada = served.person("ada")
    run = served.submit()
    card = ada.wait_for_message(served.training, lambda m: run.id in m["text"] and not m.get("is_ephemeral"), timeout_s=5)
    buttons = [e for b in card["blocks"] if b["type"] == "actions" for e in b["elements"]]
    stop = next(button for button in buttons if button["value"].startswith("stop"))
    assert ada.click(card, stop["action_id"])["acknowledged"]
    asked = ada.wait_for_message(served.training, lambda m: bool(m.get("is_ephemeral")) and run.id in m["text"], timeout_s=5)
    yes = next(e for b in asked["blocks"] if b["type"] == "actions" for e in b["elements"] if e["value"].startswith("confirm "))
    assert ada.click(asked, yes["action_id"])["acknowledged"]
    until(lambda: served.rows("SELECT 1 FROM runs WHERE id = ? AND stop_requested_by = ?", run.id, served.people["ada"]))
    answered = until(lambda: next((m for m in ada.ephemeral_messages(served.training) if "is taken off the queue" in m["text"]), None))
    assert answered["ts"] == asked["ts"] and not answered.get("blocks")  # and with it the buttons are gone
    served.move(run, Reason.BY_USER)


@pytest.mark.parametrize(("line", "says"), [("approve {run}", "✅ approved by"), ("approve {run} --refuse --reason no", "🚫 refused by"),
                                            ("stop {run} --yes", "no longer waits for approval")])
def test_a_decided_approval_loses_its_buttons_and_says_by_whom(served: SlackHouse, line: str, says: str) -> None:
    ben, run = served.person("ben"), served.submit()
    served.move(run, Reason.WAITING_FOR_APPROVAL, detail="It may take 99 GPU-hours.")

    def shown() -> Json:
        return next((each for each in served.posted(served.training) if delivery_ids([each]) == [f"approval:{run.id}"]), {})

    asked = until(shown)
    values = [each["value"] for block in asked["blocks"] if block["type"] == "actions" for each in block["elements"]]
    assert values == [f"approve {run.id}", f"approve {run.id} --refuse", f"show {run.id}"]
    ben.slash(served.training, "/train", line.format(run=run.id))
    if "approve" not in line:
        served.move(run, Reason.BY_USER)  # as the runner does
    until(lambda: says in shown()["text"])
    told = shown()
    assert told["ts"] == asked["ts"]
    assert [each["value"] for block in told["blocks"] if block["type"] == "actions" for each in block["elements"]] == [f"show {run.id}"]
    assert served.people["ben"] in told["text"] or "stop" in line
    if "approve" in line:
        served.move(run, Reason.BY_USER)


def test_while_the_runner_is_silent_answers_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slack_house(tmp_path) as served:
        app = _app(served)
        assert "the runner has not been started yet" in _slash(app, served, "1.1").body


def test_a_duplicate_envelope_acts_once_and_gets_the_same_answer(served: SlackHouse) -> None:
    app = _app(served)
    line = 'schedule add "every day 02:30" ps'
    first = _slash(app, served, "7.7.7", text=line)
    again = _slash(app, served, "7.7.7", text=line)
    assert first.status == again.status == 200
    assert first.body == again.body
    assert len(served.rows("SELECT id FROM schedules")) == 1


def test_slacks_own_retries_in_any_order_act_once_each(served: SlackHouse) -> None:
    """Slack sends an event that was not acknowledged again at once, after a minute and after five; reconnecting shuffles them."""
    app, chance = _app(served), random.Random(3)
    mentions = [_mention(served, f"EvRetry{number}", f'schedule add "every day 0{number}:45" ps') for number in range(5)]
    sent = [body for body in mentions for _ in range(4)]
    chance.shuffle(sent)
    before = len(served.rows("SELECT id FROM schedules"))
    for body in sent:
        assert app.dispatch(BoltRequest(mode="socket_mode", body=body)).status == 200
    assert len(served.rows("SELECT id FROM schedules")) == before + 5
    assert len(served.rows("SELECT id FROM requests WHERE id LIKE 'EvRetry%'")) == 5
    assert len(served.rows("SELECT id FROM deliveries WHERE id LIKE 'answer:EvRetry%'")) == 5


def test_people_of_another_workspace_are_refused(served: SlackHouse) -> None:
    answer = _slash(_app(served), served, "8.8.8", team="T0ELSEWHERE")
    assert "its own workspace only" in answer.body
    assert not served.rows("SELECT 1 FROM requests WHERE id = '8.8.8'")


def test_the_settings_may_name_the_workspace(tmp_path: Path) -> None:
    with slack_house(tmp_path) as served:
        strict = served.house.settings.access.model_copy(update={"workspace": "T0OTHER"})
        assert isinstance(strict, Access)
        house = type(served.house)(served.house.settings.model_copy(update={"access": strict}), served.house.store, served.house.catalog)
        app = build_app(house, Identity(TEAM, "U0LOCALBOT"), served.tokens, SlackSettings())
        assert "its own workspace only" in _slash(app, served, "9.9").body


@pytest.mark.slow
@pytest.mark.parametrize("served", ["socket"], indirect=True)
def test_the_bot_and_its_socket_say_that_they_live(served: SlackHouse) -> None:
    until(lambda: len(served.rows("SELECT 1 FROM heartbeats WHERE process IN ('bot', 'socket')")) == 2, timeout_s=20)


@pytest.mark.parametrize("served", ["socket"], indirect=True)
def test_a_command_right_after_slack_asked_to_reconnect_is_acknowledged_in_time(served: SlackHouse) -> None:
    served.workspace.request_disconnect()
    until(lambda: served.workspace.socket_count() > 0, timeout_s=15)
    answer = served.person("ada").slash(served.training, "/train", "ps")
    assert answer is not None
    assert "failed with the error" not in answer["text"]


def test_one_bot_per_database(served: SlackHouse) -> None:
    with pytest.raises(ConfigurationError, match=r"Another bot \(pid \d+\) is at work"):
        run_bot(served.house.settings)


def test_a_wrong_token_ends_the_start_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with slack_house(tmp_path) as served:
        for name, value in {**served.environment, "SLACK_BOT_TOKEN": "xoxb-wrong"}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match="Slack refuses SLACK_BOT_TOKEN: invalid_auth"):
            run_bot(served.house.settings)


def test_without_tokens_due_schedules_are_carried_out_and_the_bot_says_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (BOT_TOKEN, APP_TOKEN, SIGNING_SECRET):
        monkeypatch.delenv(name, raising=False)
    caplog.set_level(logging.INFO)
    house = open_house(Settings(state_folder=tmp_path))
    who = Requester("terminal:ada", Role.ADMIN, "terminal", "request")
    kept, _ = schedules.add(house, who, words="every day 02:30", command="ps")
    with house.store.writing() as db:
        rows.fire(db, kept.id, house.now())
    stop = Event()
    bot = Thread(target=run_bot, args=(house.settings,), kwargs={"stop": stop})
    bot.start()
    try:
        until(lambda: not schedules.ready_firings(house))
        until(lambda: set(health(house).beats) == {"bot"})
    finally:
        stop.set()
        bot.join(20)
    assert not bot.is_alive()
    assert caplog.text.count("Chat is off: neither SLACK_BOT_TOKEN nor SLACK_APP_TOKEN is set.") == 1
    assert f"{kept.id}, every day 02:30 carried out ps: " in caplog.text
    house.store.close()


@pytest.mark.parametrize(("name", "value"), [("SLACK_BOT_TOKEN", ""), ("SLACK_APP_TOKEN", "xoxb-mixed-up")])
def test_missing_and_mixed_up_tokens_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with slack_house(tmp_path) as served:
        for key, given in {**served.environment, name: value}.items():
            monkeypatch.setenv(key, given)
        with pytest.raises(ConfigurationError, match=name):
            run_bot(served.house.settings)


def test_a_due_schedule_is_carried_out_once_and_answered_in_its_channel(served: SlackHouse) -> None:
    with served.house.store.writing() as db:
        ada, now = served.people["ada"], served.house.now()
        kept = rows.Schedule("s-7f3k", "every day 02:30", "30 2 * * *", "UTC", "ps", ada, served.training, now)
        rows.add(db, kept)
        rows.fire(db, kept.id, served.house.now())
    served.person().wait_for_message(served.training, lambda m: kept.id in m["text"], timeout_s=5)
    assert not schedules.ready_firings(served.house)
    assert len(served.rows("SELECT 1 FROM requests WHERE door = 'schedule'")) == 1


def _app(served: SlackHouse) -> App:
    return build_app(served.house, Identity(TEAM, "U0LOCALBOT"), served.tokens, SlackSettings())


def _mention(served: SlackHouse, event_id: str, text: str) -> dict[str, object]:
    event = {"type": "app_mention", "user": served.people["ada"], "text": f"<@U0LOCALBOT> {text}", "channel": served.training, "team": TEAM}
    return {"type": "event_callback", "event_id": event_id, "team_id": TEAM, "api_app_id": "A0LOCAL001", "event": event}


def _slash(app: App, served: SlackHouse, trigger_id: str, *, text: str = "ps", team: str = TEAM):  # type: ignore[no-untyped-def]
    payload = {
        "command": "/train", "text": text, "user_id": served.people["ada"], "channel_id": served.training, "team_id": team,
        "trigger_id": trigger_id, "response_url": served.workspace.base_url, "api_app_id": "A0LOCAL001",
    }
    return app.dispatch(BoltRequest(mode="socket_mode", body=payload))
