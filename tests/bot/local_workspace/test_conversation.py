"""Messages, threads, files and views through the Web API: what is kept, shown and counted, also after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.local_workspace import LocalWorkspace, WorkspaceConfiguration
from bot.local_workspace.store import StateFolderInUseError

DIVIDER = [{"type": "divider"}]
METADATA = {"event_type": "delivery", "event_payload": {"id": "d-1"}}
MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": DIVIDER}


def test_history_pages_backwards_with_cursors(slack: Any) -> None:
    channel = slack.channel("training")
    sent = [slack.call("chat.postMessage", channel=channel, text=str(n))["ts"] for n in range(5)]
    first = slack.call("conversations.history", channel=channel, limit=3)
    rest = slack.call("conversations.history", channel=channel, limit=3, cursor=first["response_metadata"]["next_cursor"])
    assert [m["ts"] for m in first["messages"] + rest["messages"]] == sent[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    some = slack.call("conversations.history", channel=channel, oldest=sent[1], latest=sent[3])
    assert [m["ts"] for m in some["messages"]] == [sent[2]]
    some = slack.call("conversations.history", channel=channel, oldest=sent[1], latest=sent[3], inclusive=True)
    assert len(some["messages"]) == 3


def test_threads_are_counted_and_stay_out_of_history(slack: Any) -> None:
    channel = slack.channel("training")
    parent = slack.call("chat.postMessage", channel=channel, text="parent")["ts"]
    reply = slack.call("chat.postMessage", channel=channel, text="reply", thread_ts=parent)
    slack.call("chat.postMessage", channel=channel, text="loud", thread_ts=parent, reply_broadcast=True)
    history = slack.call("conversations.history", channel=channel)["messages"]
    assert [m["text"] for m in history] == ["loud", "parent"]
    assert (history[1]["reply_count"], history[1]["thread_ts"]) == (2, parent)
    replies = slack.call("conversations.replies", channel=channel, ts=parent)["messages"]
    assert [m["text"] for m in replies] == ["parent", "reply", "loud"]
    assert replies[1]["parent_user_id"] == "U0LOCALBOT"
    link = slack.call("chat.getPermalink", channel=channel, message_ts=reply["ts"])["permalink"]
    assert link.endswith(f"/p{reply['ts'].replace('.', '')}?thread_ts={parent}&cid={channel}")
    slack.call("chat.delete", channel=channel, ts=parent)
    assert slack.call("conversations.history", channel=channel)["messages"][1]["subtype"] == "tombstone"


def test_an_update_keeps_what_it_does_not_name(slack: Any) -> None:
    channel = slack.channel("training")
    ts = slack.call("chat.postMessage", channel=channel, text="one", blocks=DIVIDER, metadata=METADATA)["ts"]
    message = slack.call("chat.update", channel=channel, ts=ts, text="two")["message"]
    assert (message["text"], message["blocks"][0]["type"], message["metadata"]) == ("two", "divider", METADATA)
    assert "edited" in message
    message = slack.call("chat.update", channel=channel, ts=ts, text="two", blocks=[], metadata={})["message"]
    assert "blocks" not in message
    assert "metadata" not in message


def test_metadata_is_shown_to_those_who_ask(slack: Any) -> None:
    channel = slack.channel("training")
    slack.call("chat.postMessage", channel=channel, text="x", metadata=METADATA)
    assert "metadata" not in slack.call("conversations.history", channel=channel)["messages"][0]
    asked = slack.call("conversations.history", channel=channel, include_all_metadata=True)
    assert asked["messages"][0]["metadata"] == METADATA


def test_direct_messages_open_by_a_persons_id(slack: Any) -> None:
    ada = slack.person_id("ada")
    posted = slack.call("chat.postMessage", channel=ada, text="hello")
    assert posted["channel"].startswith("D")
    assert slack.call("conversations.open", users=ada)["channel"]["id"] == posted["channel"]
    assert slack.call("conversations.info", channel=posted["channel"])["channel"]["user"] == ada


def test_joining_makes_posting_possible(slack: Any) -> None:
    general = slack.channel("general")
    assert slack.call("conversations.join", channel=general)["channel"]["is_member"]
    assert slack.call("conversations.join", channel=general)["warning"] == "already_in_channel"
    slack.call("chat.postMessage", channel=general, text="hello")
    assert "U0LOCALBOT" in slack.call("conversations.members", channel=general)["members"]
    assert len(slack.call("conversations.list", types="public_channel,im")["channels"]) == 2


def test_people_and_the_app_introduce_themselves(slack: Any) -> None:
    page = slack.call("users.list", limit=2)
    rest = slack.call("users.list", cursor=page["response_metadata"]["next_cursor"])
    assert {p["name"] for p in page["members"] + rest["members"]} == {"ada", "ben", "chen", "signalbox", "slackbot"}
    assert slack.call("users.info", user=slack.person_id("ben"))["user"]["real_name"] == "Ben Lindqvist"
    assert slack.call("bots.info", bot="B0LOCAL001")["bot"]["user_id"] == "U0LOCALBOT"
    assert slack.call("auth.test")["user_id"] == "U0LOCALBOT"
    assert slack.call("team.info")["team"]["domain"] == "local"


def test_a_reaction_is_counted_once(slack: Any) -> None:
    channel = slack.channel("training")
    ts = slack.call("chat.postMessage", channel=channel, text="x")["ts"]
    slack.call("reactions.add", channel=channel, timestamp=ts, name="eyes")
    again = slack.try_call("reactions.add", channel=channel, timestamp=ts, name="eyes")
    assert again.body["error"] == "already_reacted"
    assert slack.call("conversations.history", channel=channel)["messages"][0]["reactions"][0]["count"] == 1


def test_a_file_is_announced_sent_completed_processed_and_removed(slack: Any) -> None:
    channel = slack.channel("training")
    step = slack.call("files.getUploadURLExternal", filename="a.png", length=4)
    early = slack.try_call("files.completeUploadExternal", files=[{"id": step["file_id"]}])
    assert early.body["error"] == "file_not_found"
    assert slack.request("POST", step["upload_url"], body=b"four")[0] == 200
    assert slack.request("POST", step["upload_url"], body=b"four")[0] == 404
    files = [{"id": step["file_id"], "title": "A picture"}]
    done = slack.call("files.completeUploadExternal", files=files, channel_id=channel, initial_comment="look")
    assert done["files"][0]["title"] == "A picture"
    twice = slack.try_call("files.completeUploadExternal", files=files)
    assert twice.body["error"] == "file_already_completed"
    slack.clock.advance(1)
    info = slack.call("files.info", file=step["file_id"])["file"]
    shared = slack.call("conversations.history", channel=channel)["messages"][0]
    assert (info["mimetype"], shared["subtype"], shared["files"][0]["id"]) == ("image/png", "file_share", info["id"])
    assert info["shares"]["public"][channel][0]["ts"] == shared["ts"]
    assert slack.call("files.list", channel=channel)["paging"]["total"] == 1
    slack.call("files.delete", file=info["id"])
    assert slack.try_call("files.info", file=info["id"]).body["error"] == "file_not_found"
    assert "files" not in slack.call("conversations.history", channel=channel)["messages"][0]


def test_a_file_that_is_not_processed_has_no_type_yet(slack: Any) -> None:
    file = slack.upload("a.png", b"data")
    slack.clock.now_s -= 10  # `upload` has moved the clock between its calls
    assert slack.try_call("files.info", file=file["id"]).body["file"]["mimetype"] == ""


@pytest.mark.parametrize("size", [3, 5])
def test_an_upload_of_another_size_is_refused(slack: Any, size: int) -> None:
    step = slack.call("files.getUploadURLExternal", filename="a.bin", length=4)
    status, _, body = slack.request("POST", step["upload_url"], body=b"x" * size)
    assert (status, body) == (400, b"file_upload_size_mismatch")


def test_the_app_cannot_delete_what_people_shared(slack: Any, tmp_path: Path) -> None:
    path = tmp_path / "theirs.txt"
    path.write_text("theirs")
    file = slack.person().upload("training", path)["files"][0]
    assert slack.try_call("files.delete", file=file["id"]).body["error"] == "cant_delete_file"


def test_everything_said_survives_a_restart(tmp_path: Path, clock: Any, workspace_with: Any) -> None:
    configuration = WorkspaceConfiguration()
    with workspace_with(tmp_path, clock, configuration) as slack:
        channel, tokens = slack.channel("training"), (slack.workspace.bot_token, slack.workspace.session_token)
        parent = slack.call("chat.postMessage", channel=channel, text="kept", metadata=METADATA)["ts"]
        slack.call("chat.postMessage", channel=channel, text="reply", thread_ts=parent)
        slack.upload("a.bin", b"bytes", channel_id=channel)
        slack.call("views.publish", user_id=slack.person_id("ada"), view={"type": "home", "blocks": DIVIDER})
        before = slack.person().messages("training")
    with workspace_with(tmp_path, clock, configuration) as slack:
        assert (slack.workspace.bot_token, slack.workspace.session_token) == tokens
        after = slack.person().messages("training")
        assert [(m["ts"], m["text"]) for m in after] == [(m["ts"], m["text"]) for m in before]
        assert after[0]["metadata"] == METADATA
        assert slack.person().download(after[-1]["files"][0]) == b"bytes"
        assert slack.person().home() is not None
        assert float(slack.call("chat.postMessage", channel=channel, text="later")["ts"]) > float(after[-1]["ts"])


def test_a_state_folder_has_one_workspace_at_a_time(slack: Any, tmp_path: Path) -> None:
    second = LocalWorkspace(tmp_path / "state")
    with pytest.raises(StateFolderInUseError, match="state"):
        second.start()
    slack.workspace.stop()
    second.start()
    port = int(second.base_url.rsplit(":", 1)[1])
    third = LocalWorkspace(tmp_path / "other")
    with pytest.raises(OSError, match="in use"):
        third.start(port)
    second.stop()
    with LocalWorkspace(tmp_path / "other"):
        pass
