"""The hooks: who is let in, what is understood, and that what is told twice counts once. (What comes of it: tests/bot/test_triggers.py.)"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.settings import WebTokens
from bot.web import Served
from runner.service.house import House
from tests.support.web_client import web_client
from tests.support.words_house import words_house

TOKEN, SECRET = "t" * 16, "s" * 16
BEARER = {"Authorization": f"Bearer {TOKEN}"}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return words_house(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[httpx.Client]:
    with web_client(Served(house, WebTokens(hook=TOKEN, hook_secret=SECRET))) as asking:
        yield asking


@pytest.fixture(autouse=True)
def nothing_told(house: House) -> None:
    with house.store.writing() as db:
        db.conn.execute("DELETE FROM hook_calls")
        db.conn.execute("DELETE FROM events WHERE kind = 'hook'")


def told(house: House) -> list[Json]:
    return [json.loads(row["payload"]) for row in house.store.reading().conn.execute("SELECT payload FROM events WHERE kind = 'hook'")]


def alert(**changes: object) -> Json:
    labels = {"alertname": "HostDown", "instance": "gpu1:9100"}
    return {
        "status": "firing", "labels": labels, "annotations": {"summary": "x"}, "startsAt": "2026-11-21T13:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph", "fingerprint": "c0ffee",
    } | changes


def group(*alerts: Json, **changes: object) -> Json:
    """As Alertmanager 0.25 posts it."""
    return {
        "version": "4", "groupKey": '{}:{alertname="HostDown"}', "truncatedAlerts": 0, "status": "firing", "receiver": "signalbox",
        "groupLabels": {"alertname": "HostDown"}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager",
        "alerts": list(alerts) or [alert()],
    } | changes


def anything(**changes: object) -> Json:
    return {"name": "deployed", "id": "build-7", "labels": {"branch": "main"}} | changes


def post(client: httpx.Client, body: object, hook: str = "alertmanager", headers: dict[str, str] | None = None) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/hooks/{hook}", content=content, headers=BEARER if headers is None else headers)


def signed(body: bytes, *, secret: str = SECRET, ago_s: float = 0.0) -> dict[str, str]:
    stamp = str(int(time.time() - ago_s))
    digest = hmac.new(secret.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Signalbox-Timestamp": stamp, "X-Signalbox-Signature": digest}


def test_an_alert_is_told_once_however_often_it_is_repeated(client: httpx.Client, house: House) -> None:
    assert post(client, group()).json() == {"told": 1, "new": 1}
    assert post(client, group()).json() == {"told": 1, "new": 0}
    assert post(client, group(alert(), alert(fingerprint="beef"))).json() == {"told": 2, "new": 1}
    assert told(house)[0] == {
        "key": told(house)[0]["key"], "name": "HostDown", "labels": {"alertname": "HostDown", "instance": "gpu1:9100"}, "resolved": False,
    }


@pytest.mark.parametrize(
    "changed", [group(alert(startsAt="2026-11-21T14:00:00Z")), group(groupKey="{}:{}"), group(alert(status="resolved"))],
    ids=["a new beginning", "another group", "its end"],
)
def test_what_is_new_is_told(client: httpx.Client, house: House, changed: Json) -> None:
    post(client, group())
    assert post(client, changed).json()["new"] == 1
    assert told(house)[1]["resolved"] is (changed["alerts"][0]["status"] == "resolved")


def test_grafana_says_the_same_and_more(client: httpx.Client) -> None:
    grafana = alert(values={"B": 12}, silenceURL="https://grafana/…", dashboardURL="", panelURL="", imageURL="")
    assert post(client, group(grafana, version="1", orgId=1, title="[FIRING:1]", state="alerting", message="…")).json()["new"] == 1


def test_the_generic_hook_goes_by_name_and_id(client: httpx.Client, house: House) -> None:
    assert [post(client, body, "generic").json()["new"] for body in (anything(), anything(), anything(id="build-8"))] == [1, 0, 1]
    assert told(house)[0]["name"] == "deployed" and told(house)[0]["labels"] == {"branch": "main"}


@pytest.mark.parametrize(
    ("hook", "body", "key"),
    [
        ("alertmanager", group(version="3"), "version"),
        ("alertmanager", group(alert(startsAt="yesterday")), "alerts.0.startsAt"),
        ("alertmanager", group(alert(startsAt="2026-11-21T13:00:00")), "alerts.0.startsAt"),
        ("alertmanager", group(alert(), alert(fingerprint=7)), "alerts.1.fingerprint"),
        ("alertmanager", group(alert(labels={"alertname": "x" * 5000})), "alerts.0.labels.alertname"),
        ("alertmanager", group(alert(status="pending")), "alerts.0.status"),
        ("alertmanager", group(alerts=[]), "alerts"),
        ("alertmanager", group(alerts=[alert(fingerprint=str(each)) for each in range(1001)]), "alerts"),
        ("alertmanager", {key: value for key, value in group().items() if key != "groupKey"}, "groupKey"),
        ("alertmanager", b"[" * 100_000, "the body"),
        ("alertmanager", b"\xff", "the body"),
        ("generic", anything(name="rm -rf"), "name"),
        ("generic", {"name": "deployed"}, "id"),
        ("generic", anything(labels={"a": 1}), "labels.a"),
        ("generic", anything(command="stop r-1"), "command"),
    ],
)
def test_what_is_wrong_is_refused_by_its_key_and_nothing_of_it_is_kept(
    client: httpx.Client, house: House, hook: str, body: object, key: str
) -> None:
    answer = post(client, body, hook)
    assert (answer.status_code, answer.text.split(":")[0]) == (400, key)
    assert told(house) == []


def test_a_body_that_is_too_large_is_not_read(client: httpx.Client) -> None:
    assert post(client, b"x" * 1_000_001).status_code == 413


def test_a_signature_lets_in_within_its_window_and_for_its_own_body(client: httpx.Client) -> None:
    body = json.dumps(anything()).encode()
    old, forged = signed(body, ago_s=301), signed(json.dumps(anything(id="build-9")).encode())
    refused = [{}, signed(body, secret="x" * 16), old, forged, signed(body) | {"X-Signalbox-Timestamp": "9" * 5000},
               signed(body, ago_s=-400), {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}]
    assert [post(client, body, "generic", headers).status_code for headers in refused] == [401] * len(refused)
    assert post(client, body, "generic", signed(body, ago_s=290)).json() == {"told": 1, "new": 1}
    assert post(client, body, "generic", signed(body)).json()["new"] == 0


def test_without_a_token_hooks_are_off(tmp_path: Path) -> None:
    with web_client(Served(words_house(tmp_path))) as client:
        answer = post(client, group(), headers={"Authorization": "Bearer x"})
        assert answer.status_code == 403 and "SIGNALBOX_HOOK_TOKEN" in answer.text


def test_a_database_that_is_busy_is_worth_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.store.connection.BUSY_TIMEOUT_S", 0.1)
    house = words_house(tmp_path)
    with web_client(Served(house, WebTokens(hook=TOKEN))) as client, house.store.writing():
        assert post(client, group()).status_code == 503
