"""The web server: signs of life, figures, and what Slack has signed and nothing else. (What is said then: tests/bot/test_app.py; hooks:
tests/bot/test_hooks.py.)"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread, current_thread
from urllib.parse import urlencode

import httpx
import pytest

from bot.app import build_app
from bot.listeners import Identity
from bot.settings import EVENTS_PATH, SlackSettings, WebTokens, tokens, web_port, web_tokens
from bot.web import Served, serving
from runner.errors import ConfigurationError
from runner.settings import Settings, Web
from runner.store import people
from tests.support.slack_house import SlackHouse, slack_house
from tests.support.web_client import web_client
from tests.support.words_house import NOW, words_house


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with slack_house(tmp_path_factory.mktemp("house"), way="http") as house:
        app = build_app(house.house, Identity("T0LOCAL001", "U0LOCALBOT"), house.tokens, SlackSettings())
        with serving(Served(house.house, WebTokens(metrics="m" * 16), ("runner",), slack=app), house.port):
            yield house


def signed(body: bytes, secret: str, *, seconds_ago: float = 0.0) -> dict[str, str]:
    stamp = str(int(time.time() - seconds_ago))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}", "Content-Type": "application/x-www-form-urlencoded"}


def post(served: SlackHouse, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{served.port}{EVENTS_PATH}", content=body, headers=headers, timeout=20)


def command(served: SlackHouse, trigger: str) -> bytes:
    return urlencode({
        "command": "/train", "text": "hold r-none", "user_id": served.people["ada"], "channel_id": served.training, "team_id": "T0LOCAL001",
        "trigger_id": trigger, "response_url": served.workspace.base_url, "api_app_id": "A0LOCAL001",
    }).encode()


def requests(served: SlackHouse, trigger: str) -> int:
    return int(served.rows("SELECT count(*) AS n FROM requests WHERE id = ?", trigger)[0]["n"])


def test_what_slack_signed_is_heard(served: SlackHouse) -> None:
    body = command(served, "1.signed")
    answer = post(served, body, signed(body, served.workspace.signing_secret))
    assert (answer.status_code, requests(served, "1.signed")) == (200, 1)
    assert "There is no run" in answer.json()["text"]


@pytest.mark.parametrize(("trigger", "secret", "seconds_ago"), [("2.wrong", "f" * 32, 0.0), ("3.old", "", 600.0), ("4.none", None, 0.0)])
def test_what_is_not_signed_or_stale_is_refused_and_leaves_nothing(
    served: SlackHouse, trigger: str, secret: str | None, seconds_ago: float
) -> None:
    body = command(served, trigger)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    headers |= {} if secret is None else signed(body, secret or served.workspace.signing_secret, seconds_ago=seconds_ago)
    assert (post(served, body, headers).status_code, requests(served, trigger)) == (401, 0)


def test_a_signature_holds_for_its_own_body_only(served: SlackHouse) -> None:
    headers = signed(command(served, "5.asked"), served.workspace.signing_secret)
    assert (post(served, command(served, "5.forged"), headers).status_code, requests(served, "5.forged")) == (401, 0)


@pytest.mark.parametrize(("body", "status"), [(b"x" * 2_000_000, 413), (b"\xff\xfe", 400)])
def test_what_slack_would_never_send_is_turned_away(served: SlackHouse, body: bytes, status: int) -> None:
    assert post(served, body, signed(body, served.workspace.signing_secret)).status_code == status


def test_nothing_else_is_served(served: SlackHouse) -> None:
    base = f"http://127.0.0.1:{served.port}"
    assert httpx.get(f"{base}{EVENTS_PATH}").status_code == 405
    assert httpx.post(f"{base}/").status_code == 404


def test_it_lives_while_its_threads_do_and_is_ready_while_the_runner_is_heard(tmp_path: Path) -> None:
    house, ended = words_house(tmp_path), Thread(target=int, name="deliveries")
    served = Served(house, processes=("runner", "bot"), threads=[current_thread()])
    with web_client(served) as client:
        assert (client.get("/healthz").status_code, client.get("/healthz").text) == (200, "ok\n")
        ended.start()
        ended.join()
        served.threads.append(ended)
        assert (client.get("/healthz").status_code, client.get("/healthz").text) == (503, "The thread deliveries has ended.\n")
        ready = client.get("/readyz")
        assert (ready.status_code, ready.text) == (503, "The bot has never been heard.\n")
        with house.store.writing() as db:
            people.beat(db, "bot", pid=1, now=NOW)
        assert client.get("/readyz").status_code == 200
        with house.store.writing() as db:
            people.beat(db, "runner", pid=1, now=NOW - timedelta(seconds=31))
        assert client.get("/readyz").text == "The runner has been silent for 31 s.\n"


def test_a_database_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.store.connection.BUSY_TIMEOUT_S", 0.1)
    house = words_house(tmp_path)
    other = sqlite3.connect(house.settings.database, isolation_level=None)
    with web_client(Served(house, processes=("runner",))) as client:
        assert client.get("/readyz").status_code == 200
        other.execute("BEGIN IMMEDIATE")
        assert "cannot be written: database is locked" in client.get("/readyz").text
    other.close()


def test_figures_are_for_those_with_the_token(served: SlackHouse) -> None:
    url = f"http://127.0.0.1:{served.port}/metrics"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
    told = httpx.get(url, headers={"Authorization": f"Bearer {'m' * 16}"})
    assert told.status_code == 200 and "signalbox_runs{" in told.text


def test_acks_are_timed(served: SlackHouse) -> None:
    def counted() -> float:
        text = httpx.get(f"http://127.0.0.1:{served.port}/metrics", headers={"Authorization": f"Bearer {'m' * 16}"}).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("signalbox_ack_seconds_count"))

    before, body = counted(), command(served, "6.timed")
    post(served, body, signed(body, served.workspace.signing_secret))
    assert counted() == before + 1


def test_before_the_bot_knows_who_it_is_slack_is_asked_to_come_again(tmp_path: Path) -> None:
    with web_client(Served(words_house(tmp_path))) as client:
        assert client.post(EVENTS_PATH).status_code == 503


def test_a_server_is_there_where_a_port_is_set_and_where_slack_posts() -> None:
    over_http = tokens({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "hush"})
    over_socket = tokens({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"})
    assert (web_port(Settings(), over_http), web_port(Settings(), over_socket), web_port(Settings(), None)) == (3000, None, None)
    assert web_port(Settings(web=Web(port=9100)), None) == 9100


def test_tokens_that_could_be_guessed_are_refused_and_none_is_printed() -> None:
    with pytest.raises(ConfigurationError, match=r"SIGNALBOX_HOOK_TOKEN has 6 letters.*openssl"):
        web_tokens({"SIGNALBOX_HOOK_TOKEN": "secret"})
    assert "t" * 16 not in repr(web_tokens({"SIGNALBOX_HOOK_TOKEN": "t" * 16}))


def test_slack_checks_the_request_url_before_it_posts_there(served: SlackHouse) -> None:
    body = b'{"type": "url_verification", "challenge": "abc", "token": "x"}'
    headers = signed(body, served.workspace.signing_secret) | {"Content-Type": "application/json"}
    assert "abc" in post(served, body, headers).text


def test_a_taken_port_is_said(served: SlackHouse) -> None:
    with pytest.raises(ConfigurationError, match=rf"Nothing can listen on 127.0.0.1:{served.port}.*web of the settings"), serving(
        Served(served.house), served.port
    ):
        pass


def test_one_way_in_is_chosen_by_what_is_set() -> None:
    bot = {"SLACK_BOT_TOKEN": "xoxb-1"}
    over_http = tokens({**bot, "SLACK_SIGNING_SECRET": "hush"})
    assert over_http is not None and (over_http.app, over_http.signing_secret) == ("", "hush")
    assert "hush" not in repr(over_http)
    with pytest.raises(ConfigurationError, match="both are set"):
        tokens({**bot, "SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": "s"})
    with pytest.raises(ConfigurationError, match="SLACK_BOT_TOKEN is not set"):
        tokens({"SLACK_SIGNING_SECRET": "s"})
