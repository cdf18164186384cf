"""The HTTP way in lets in what Slack has signed, and nothing else; through the real server. (What is said then: tests/bot/test_app.py.)"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from bot.app import build_app
from bot.listeners import Identity
from bot.settings import EVENTS_PATH, Http, SlackSettings, tokens
from bot.web import HEALTH_PATH, serving
from runner.errors import ConfigurationError
from tests.support.slack_house import SlackHouse, slack_house


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with slack_house(tmp_path_factory.mktemp("house"), way="http") as house:
        app = build_app(house.house, Identity("T0LOCAL001", "U0LOCALBOT"), house.tokens, SlackSettings())
        with serving(app, Http(port=house.port)):
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
    assert httpx.get(f"{base}{HEALTH_PATH}").status_code == 200
    assert httpx.get(f"{base}{EVENTS_PATH}").status_code == 405
    assert httpx.post(f"{base}/").status_code == 404


def test_slack_checks_the_request_url_before_it_posts_there(served: SlackHouse) -> None:
    body = b'{"type": "url_verification", "challenge": "abc", "token": "x"}'
    headers = signed(body, served.workspace.signing_secret) | {"Content-Type": "application/json"}
    assert "abc" in post(served, body, headers).text


def test_a_taken_port_is_said(served: SlackHouse) -> None:
    with pytest.raises(ConfigurationError, match=rf"Nothing can listen on 127.0.0.1:{served.port}.*slack.http"), serving(
        build_app(served.house, Identity("T0LOCAL001", "U0LOCALBOT"), served.tokens, SlackSettings()), Http(port=served.port)
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
