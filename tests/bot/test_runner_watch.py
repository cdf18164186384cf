"""The bot says in the channel that the runner is silent, once, and that it is back, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.runner_watch import tell_of_runner
from bot.settings import SlackSettings
from runner.service import outbox
from runner.service.house import House
from runner.settings import Access
from runner.store import people
from tests.support.slack_house import slack_house, until
from tests.support.words_house import NOW, words_house

HOME = SlackSettings(home_channel="C0HOME")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return words_house(tmp_path)


def told(house: House, *, after_s: float, settings: SlackSettings = HOME) -> list[str]:
    """What has been owed once the bot looked at that moment."""
    tell_of_runner(replace(house, now=lambda: NOW + timedelta(seconds=after_s)), settings)
    return [str(each.body["text"]) for each in outbox.owed(house)]


def beat(house: House, *, after_s: float) -> None:
    with house.store.writing() as db:
        people.beat(db, "runner", pid=1, now=NOW + timedelta(seconds=after_s))


def test_an_outage_is_told_once_and_so_is_its_end(house: House) -> None:
    assert told(house, after_s=59) == []
    [silent] = told(house, after_s=61)
    assert "has not answered since 14:32" in silent and "systemctl restart" in silent
    assert told(house, after_s=600) == [silent]
    beat(house, after_s=630)
    assert told(house, after_s=631)[1].startswith("The runner is back. It had not answered since 14:32")
    assert len(told(house, after_s=640)) == 2
    assert len(told(house, after_s=700)) == 3, "the next outage is another"


def test_a_restart_within_the_minute_is_no_news(house: House) -> None:
    beat(house, after_s=50)
    assert told(house, after_s=100) == []


def test_without_a_home_channel_the_first_that_is_listed_hears_of_it(house: House) -> None:
    assert told(house, after_s=61, settings=SlackSettings()) == []
    listed = replace(house, settings=house.settings.model_copy(update={"access": Access(channels=("C7", "C8"))}))
    assert len(told(listed, after_s=61, settings=SlackSettings())) == 1
    assert [each.channel for each in outbox.owed(house)] == ["C7"]


def test_a_runner_that_never_was_is_the_doctors_to_tell(tmp_path: Path) -> None:
    house = words_house(tmp_path)
    with house.store.writing() as db:
        db.conn.execute("DELETE FROM heartbeats")
    assert told(house, after_s=1000) == []


def test_a_bot_at_work_posts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.app.BEAT_S", 0.05)
    with slack_house(tmp_path) as served:
        for variable, value in served.environment.items():
            monkeypatch.setenv(variable, value)
        with served.house.store.writing() as db:
            people.beat(db, "runner", pid=1, now=served.house.now() - timedelta(seconds=70))
        with served.bot():
            [first] = until(lambda: served.posted(served.training), what="the message that the runner is silent")
            served.runner_lives()
            second = until(lambda: served.posted(served.training)[1:], what="the message that it is back")[0]
    assert "has not answered since" in first["text"] and "is back" in second["text"]
