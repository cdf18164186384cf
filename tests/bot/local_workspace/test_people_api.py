"""The people's door: who gets in, and what people can and cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from bot.local_workspace import Limits, WorkspaceConfiguration, WorkspacePerson
from bot.local_workspace.person import PersonError

FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "127.0.0.1:1"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "[::1"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=[str(h) for h in FOREIGN])
@pytest.mark.parametrize("path", ["/", "/api/api.test", "/people/api/state"])
def test_other_pages_stay_out(shared_slack: Any, path: str, headers: dict[str, str]) -> None:
    status, answered, _ = shared_slack.request("GET", shared_slack.workspace.base_url + path, headers=headers)
    assert status == 403
    assert "access-control-allow-origin" not in {name.lower() for name in answered}


def test_a_foreign_page_cannot_open_the_stream(shared_slack: Any) -> None:
    base, session = shared_slack.workspace.base_url, shared_slack.workspace.session_token
    url = f"{base.replace('http', 'ws')}/people/events?session={session}&person=ada"
    with pytest.raises(InvalidStatus):
        connect(url, origin="https://evil.example")  # type: ignore[arg-type]
    with connect(url, origin=base) as stream:  # type: ignore[arg-type]
        shared_slack.person("ben").say("training", "live")
        assert json.loads(stream.recv(timeout=5))["message"]["text"] == "live"


def test_the_session_token_is_needed(shared_slack: Any) -> None:
    stranger = WorkspacePerson(shared_slack.workspace.base_url, "wrong", "ada")
    with pytest.raises(PersonError) as refused:
        stranger.state()
    assert refused.value.error == "not_authed"
    with pytest.raises(InvalidStatus):
        connect(f"{shared_slack.workspace.base_url.replace('http', 'ws')}/people/events?session=wrong&person=ada")


def test_the_page_and_its_files_are_served_with_a_policy(shared_slack: Any) -> None:
    status, headers, body = shared_slack.request("GET", shared_slack.workspace.base_url + "/")
    assert (status, b"app.js" in body) == (200, True)
    assert "script-src 'self'" in headers["content-security-policy"]
    assert shared_slack.request("GET", shared_slack.workspace.base_url + "/page/app.js")[0] == 200


REFUSED: list[tuple[str, Any]] = [
    ("user_not_found", lambda ada: WorkspacePerson(f"http://{ada._address}", ada._headers["Authorization"][7:], "zoe").state()),
    ("user_not_found", lambda ada: WorkspacePerson(f"http://{ada._address}", ada._headers["Authorization"][7:], "signalbox").state()),
    ("channel_not_found", lambda ada: ada.say("nowhere", "x")),
    ("no_text", lambda ada: ada.say("training", "  \n")),
    ("invalid_arguments", lambda ada: ada.say("training", "")),
    ("thread_not_found", lambda ada: ada.say("training", "x", thread_ts="1.000000")),
    ("not_in_threads", lambda ada: ada._post("slash", channel="training", command="/train", thread_ts="1.0")),
    ("message_not_found", lambda ada: ada.click({"channel": "training", "ts": "1.0"}, "go")),
    ("not_found", lambda ada: ada.submit({"id": "V999"})),
    ("unknown_request", lambda ada: ada._post("dance")),
    ("no_such_shortcut", lambda ada: ada.shortcut("unknown")),
]  # fmt: skip


@pytest.mark.parametrize(("error", "act"), REFUSED, ids=[f"{e}-{n}" for n, (e, _) in enumerate(REFUSED)])
def test_refused(shared_slack: Any, error: str, act: Any) -> None:
    with pytest.raises(PersonError) as refused:
        act(shared_slack.person())
    assert refused.value.error == error


def test_somebody_elses_notes_and_direct_messages_are_not_visible(slack: Any) -> None:
    ada, ben = slack.person("ada"), slack.person("ben")
    slack.call("chat.postEphemeral", channel=slack.channel("training"), user=slack.person_id("ada"), text="psst")
    assert [m["text"] for m in ada.ephemeral_messages("training")] == ["psst"]
    assert ben.messages("training") == []
    direct = ada.open_direct_messages()
    ada.say(direct, "only between us")
    with pytest.raises(PersonError, match="channel_not_found"):
        ben.messages(direct)
    assert direct not in [channel["id"] for channel in ben.state()["channels"]]
    assert slack.call("conversations.history", channel=direct)["messages"][0]["text"] == "only between us"


def test_elements_offer_only_what_they_offer(slack: Any) -> None:
    option = {"text": {"type": "plain_text", "text": "one"}, "value": "1"}
    menu = {"type": "static_select", "action_id": "menu", "options": [option]}
    blocks = [{"type": "actions", "elements": [menu]}]
    slack.call("chat.postMessage", channel=slack.channel("training"), text="x", blocks=blocks)
    ada = slack.person()
    message = ada.messages("training")[-1]
    with pytest.raises(PersonError, match="does not offer '2'"):
        ada.click(message, "menu", value="2")
    with pytest.raises(PersonError, match="no_such_element"):
        ada.click(message, "other")
    assert ada.click(message, "menu", value="1")["problem"] == "dispatch_failed"


def test_waiting_sees_what_comes_and_gives_up_in_time(slack: Any) -> None:
    ada = slack.person()
    with pytest.raises(TimeoutError, match=r"waited 0\.1 s in vain for a reply"):
        ada.wait_for(lambda: None, timeout_s=0.1, what="a reply")
    slack.person("ben").say("training", "hello")
    assert ada.wait_for_message("training", lambda m: m["text"] == "hello", timeout_s=5)["user"] == slack.person_id("ben")


def test_uploads_are_streamed_within_a_limit_and_leave_nothing_half_made(tmp_path: Path, clock: Any, workspace_with: Any) -> None:
    configuration = WorkspaceConfiguration(limits=Limits(file_size_bytes=200_000))
    big, empty, good = tmp_path / "big.zip", tmp_path / "empty", tmp_path / "good.zip"
    big.write_bytes(b"x" * 200_001)
    empty.write_bytes(b"")
    good.write_bytes(b"x" * 200_000)
    with workspace_with(tmp_path / "state", clock, configuration) as slack:
        for path, error in ((big, "file_upload_size_restricted"), (empty, "no_file_data")):
            with pytest.raises(PersonError) as refused:
                slack.person().upload("training", path)
            assert refused.value.error == error
        assert list((tmp_path / "state" / "files").iterdir()) == []
        message = slack.person().upload("training", good, filename="../../etc/pass wd.zip")
        assert message["files"][0]["name"] == "pass wd.zip"
        assert message["files"][0]["size"] == 200_000


def test_uploaded_pages_cannot_act_in_ours(slack: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<script>alert(1)</script>")
    file = slack.person().upload("training", path)["files"][0]
    token = {"Authorization": f"Bearer {slack.workspace.bot_token}"}
    status, headers, _ = slack.request("GET", file["url_private"], headers=token)
    assert status == 200
    assert headers["content-disposition"].startswith("attachment")
    assert (headers["x-content-type-options"], "sandbox" in headers["content-security-policy"]) == ("nosniff", True)
