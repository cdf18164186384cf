"""What the doctor finds, on a real database and against a real (loopback) Slack."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.doctor import MANIFEST, Check, Outcome, in_words, report
from bot.grammar import answer
from bot.local_workspace import AppConfiguration, LocalWorkspace, WorkspaceConfiguration
from bot.settings import APP_TOKEN, BOT_TOKEN
from runner.entities import Environment, Host, TransportName
from runner.service.health import remote_file_system
from runner.service.house import House, Requester, open_house
from runner.settings import Access, Role, Settings, Web
from runner.store import hosts, people

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
Report = Callable[..., dict[str, Check]]


@pytest.fixture(scope="module")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkspace]:
    configuration = WorkspaceConfiguration(app=AppConfiguration.from_manifest(MANIFEST))
    with LocalWorkspace(tmp_path_factory.mktemp("workspace"), configuration) as workspace:
        yield workspace


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    settings = Settings(state_folder=tmp_path / "state", access=Access(channels=("C1",), members=("U1",)))
    house = replace(open_house(settings), now=lambda: NOW)
    yield house
    house.store.close()


@pytest.fixture
def examine(house: House) -> Report:
    def look(environment: dict[str, str] | None = None, **others: object) -> dict[str, Check]:
        settings = others.pop("settings", house.settings)
        checks = report(house, settings, environment=environment or {}, **others)  # type: ignore[arg-type]
        return {check.name: check for check in checks}

    return look


def _environment(slack: LocalWorkspace, **changes: str) -> dict[str, str]:
    return {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token, "SLACK_API_URL": slack.api_url} | changes


def _beat(house: House, *processes: str, ago: timedelta = timedelta(seconds=3)) -> None:
    with house.store.writing() as db:
        for process in processes:
            people.beat(db, process, pid=os.getpid(), now=NOW - ago)


def _host(house: House, *, seen: timedelta | None = None, trouble: str = "") -> None:
    with house.store.writing() as db:
        hosts.put(db, Host("gpu1", TransportName.SSH, "/srv/signalbox"))
        if seen is not None:
            hosts.note_seen(db, "gpu1", now=NOW - seen)
        if trouble:
            hosts.note_trouble(db, "gpu1", trouble)


def test_a_healthy_installation_has_nothing_to_mend(house: House, slack: LocalWorkspace, examine: Report) -> None:
    _beat(house, "runner", "bot", "socket")
    _host(house, seen=timedelta(seconds=4))
    with house.store.writing() as db:
        hosts.put_environment(db, Environment("gpu1", "upstream", "mmdet", "/usr/bin/python3", "/srv/mmdet", "abc"))

    checks = examine(_environment(slack))

    assert {check.outcome for check in checks.values()} == {Outcome.OK}, in_words(list(checks.values()))
    assert list(checks) == [
        "database", "runner", "bot", "socket", "bot token", "scopes", "app token", "access", "host gpu1", "environment upstream",
    ]
    assert in_words(list(checks.values())).endswith("Everything that must work does.")


def test_without_tokens_chat_is_off_and_the_rest_is_looked_at(house: House, examine: Report) -> None:
    _beat(house, "runner", "bot")

    checks = examine()

    assert checks["chat"].outcome is Outcome.WARN
    assert "Chat is off" in checks["chat"].sentence
    assert checks["runner"].outcome is checks["bot"].outcome is Outcome.OK
    assert not {"tokens", "socket", "scopes", "access"} & set(checks)


@pytest.mark.parametrize(("alive", "ok"), [(("runner", "bot"), True), (("bot",), False)])
def test_the_command_succeeds_with_warnings_and_fails_with_a_failed_check(
    house: House, monkeypatch: pytest.MonkeyPatch, alive: tuple[str, ...], ok: bool
) -> None:
    for name in (BOT_TOKEN, APP_TOKEN):
        monkeypatch.delenv(name, raising=False)
    _beat(house, *alive)

    given = answer(house, Requester("terminal:ada", Role.ADMIN, "terminal", "request"), "doctor")

    assert "! chat: Chat is off" in given.text
    assert given.ok is ok


def test_a_new_installation_is_told_what_to_do_first(examine: Report) -> None:
    checks = examine()

    assert checks["runner"].outcome is Outcome.FAIL
    assert "signalbox serve" in checks["runner"].remedy
    assert checks["hosts"].outcome is checks["environments"].outcome is Outcome.WARN


WRONG_TOKENS = [
    ({"SLACK_BOT_TOKEN": ""}, "tokens", "SLACK_BOT_TOKEN is not set"),
    ({"SLACK_APP_TOKEN": "xoxb-1"}, "tokens", "must start with xapp-"),
    ({"SLACK_BOT_TOKEN": "xoxb-wrong"}, "bot token", "invalid_auth"),
    ({"SLACK_APP_TOKEN": "xapp-wrong"}, "app token", "invalid_auth"),
]


@pytest.mark.parametrize(("change", "name", "says"), WRONG_TOKENS)
def test_a_wrong_token_is_named_with_the_place_to_take_it_from(
    slack: LocalWorkspace, examine: Report, change: dict[str, str], name: str, says: str
) -> None:
    check = examine(_environment(slack, **change))[name]

    assert check.outcome is Outcome.FAIL
    assert says in check.sentence
    assert check.remedy
    assert "xoxb-wrong" not in in_words([check])


def test_scopes_are_compared_with_the_manifest_both_ways(slack: LocalWorkspace, examine: Report, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST.read_text(encoding="utf-8").replace("- chat:write ", "- chat:write.public "), encoding="utf-8")

    lacking = examine(_environment(slack), manifest=manifest)["scopes"]
    manifest.write_text("oauth_config: {scopes: {bot: [commands]}}", encoding="utf-8")
    extra = examine(_environment(slack), manifest=manifest)["scopes"]

    assert (lacking.outcome, lacking.sentence) == (Outcome.FAIL, "The app lacks chat:write.public.")
    assert extra.outcome is Outcome.WARN
    assert "chat:write" in extra.sentence


def test_a_slack_that_cannot_be_reached_is_one_sentence_and_no_wait(examine: Report, slack: LocalWorkspace) -> None:
    begun = time.monotonic()

    check = examine(_environment(slack, SLACK_API_URL="http://127.0.0.1:9/api/"))["slack"]

    assert time.monotonic() - begun < 6
    assert check.outcome is Outcome.FAIL
    assert "http://127.0.0.1:9/api/" in check.remedy


def test_slack_is_not_asked_where_that_is_not_wanted(examine: Report, slack: LocalWorkspace) -> None:
    checks = examine(_environment(slack, SLACK_API_URL="http://127.0.0.1:9/api/"), ask_slack=False)

    assert "slack" not in checks
    assert "socket" in checks


def test_over_http_it_says_whether_anything_listens(house: House, slack: LocalWorkspace, examine: Report) -> None:
    environment = _environment(slack, SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET="hush")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = house.settings.model_copy(update={"web": Web(port=port)})
        heard = examine(environment, settings=settings)
    silent = examine(environment, settings=settings)
    assert (heard["web"].outcome, silent["web"].outcome) == (Outcome.OK, Outcome.FAIL)
    assert f"http://127.0.0.1:{port}" in silent["web"].sentence
    assert not {"socket", "app token"} & heard.keys()


@pytest.mark.parametrize(("token", "outcome"), [("", Outcome.WARN), ("m" * 16, Outcome.OK), ("short", Outcome.FAIL)])
def test_figures_that_anybody_may_read_are_said(house: House, examine: Report, token: str, outcome: Outcome) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        settings = house.settings.model_copy(update={"web": Web(address="0.0.0.0", port=server.getsockname()[1])})
        assert examine({"SIGNALBOX_METRICS_TOKEN": token}, settings=settings)["web"].outcome is outcome


def test_a_token_of_another_workspace_fails(house: House, slack: LocalWorkspace, examine: Report) -> None:
    settings = house.settings.model_copy(update={"access": Access(workspace="T0OTHER")})

    checks = examine(_environment(slack), settings=settings)

    assert checks["workspace"].outcome is Outcome.FAIL
    assert "T0OTHER" in checks["workspace"].sentence
    assert checks["access"].sentence == "The settings list no people and no channels."


def test_silent_processes_and_an_old_ping_fail(house: House, slack: LocalWorkspace, examine: Report) -> None:
    _beat(house, "runner", "bot", "socket", ago=timedelta(minutes=5))

    checks = examine(_environment(slack))

    assert [checks[name].outcome for name in ("runner", "bot", "socket")] == [Outcome.FAIL] * 3
    assert checks["socket"].sentence == "Slack last pinged the bot 5 minutes ago."


@pytest.mark.parametrize(
    ("seen", "trouble", "outcome", "says"),
    [
        (timedelta(seconds=5), "", Outcome.OK, "5 seconds ago"),
        (timedelta(hours=2), "", Outcome.FAIL, "last seen 2 hours ago"),
        (None, "", Outcome.WARN, "not been seen"),
        (timedelta(seconds=5), "The host key of gpu1 is not the pinned one.", Outcome.FAIL, "not the pinned one"),
    ],
)
def test_hosts_are_judged_by_when_they_were_seen_and_their_trouble(
    house: House, examine: Report, seen: timedelta | None, trouble: str, outcome: Outcome, says: str
) -> None:
    _host(house, seen=seen, trouble=trouble)

    check = examine()["host gpu1"]

    assert check.outcome is outcome
    assert says in check.sentence


def test_a_damaged_database_is_found(house: House, examine: Report) -> None:
    with house.store.writing() as db:
        people.grant(db, "U" * 3000, "member", by="x" * 3000, now=NOW)
    house.store.reading().conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    house.store.close()
    content = bytearray(house.settings.database.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\x7f" * (4096 * 3)
    house.settings.database.write_bytes(content)

    check = examine()["database"]

    assert check.outcome is Outcome.FAIL
    assert "damaged" in check.sentence
    assert "backup" in check.remedy


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/anna/local\\040disk xfs rw 0 0
anna@gpu1:/ /mnt fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/var/lib", ""), ("/home/anna", "nfs4"), ("/home/anna/local disk/x", ""), ("/mnt/state", "fuse.sshfs"), ("/homes", "")],
)
def test_a_network_file_system_is_recognised_by_the_nearest_mount(folder: str, kind: str) -> None:
    assert remote_file_system(Path(folder), MOUNTS) == kind
