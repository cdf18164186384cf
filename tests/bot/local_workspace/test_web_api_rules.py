"""One refused call per rule of the Web API: the call, and Slack's word for the refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.local_workspace import AppConfiguration, WorkspaceConfiguration
from bot.local_workspace.methods import METHODS, TokenKind

TEXT = {"type": "plain_text", "text": "text"}
MODAL = {"type": "modal", "title": TEXT, "blocks": [{"type": "divider"}]}


@dataclass(frozen=True)
class World:
    """What the rows below refer to."""

    slack: Any
    training: str
    general: str
    ada: str
    own: str
    theirs: str
    reply: str
    whispered: str


@pytest.fixture(scope="module")
def world(shared_slack: Any) -> World:
    slack = shared_slack
    training, ada = slack.channel("training"), slack.person_id("ada")
    own = slack.call("chat.postMessage", channel=training, text="own")["ts"]
    reply = slack.call("chat.postMessage", channel=training, text="reply", thread_ts=own)["ts"]
    whispered = slack.call("chat.postEphemeral", channel=training, user=ada, text="psst")["message_ts"]
    theirs = slack.person().say("training", "hello")["ts"]
    return World(slack, training, slack.channel("general"), ada, own, theirs, reply, whispered)


Row = tuple[str, str, Callable[[World], dict[str, Any]]]
ROWS: list[Row] = [
    ("unknown_method", "chat.shout", lambda w: {}),
    ("invalid_arguments", "chat.postMessage", lambda w: {"text": "no channel"}),
    ("invalid_arguments", "chat.postMessage", lambda w: {"channel": w.training, "text": "x", "colour": "red"}),
    ("invalid_arguments", "chat.postMessage", lambda w: {"channel": w.training, "text": 5}),
    ("invalid_arguments", "chat.postMessage", lambda w: {"channel": w.training, "text": "x", "reply_broadcast": "maybe"}),
    ("invalid_arguments", "conversations.history", lambda w: {"channel": w.training, "limit": "many"}),
    ("invalid_arguments", "conversations.history", lambda w: {"channel": w.training, "oldest": "yesterday"}),
    ("invalid_limit", "conversations.history", lambda w: {"channel": w.training, "limit": 1000}),
    ("invalid_cursor", "conversations.history", lambda w: {"channel": w.training, "cursor": "nonsense"}),
    ("invalid_types", "conversations.list", lambda w: {"types": "secret"}),
    ("team_access_not_granted", "auth.test", lambda w: {"team_id": "T999"}),
    ("channel_not_found", "chat.postMessage", lambda w: {"channel": "C999", "text": "x"}),
    ("channel_not_found", "conversations.info", lambda w: {"channel": "C999"}),
    ("user_not_found", "chat.postMessage", lambda w: {"channel": "U999", "text": "x"}),
    ("user_not_found", "users.info", lambda w: {"user": "U999"}),
    ("not_in_channel", "chat.postMessage", lambda w: {"channel": w.general, "text": "x"}),
    ("not_in_channel", "chat.postEphemeral", lambda w: {"channel": w.general, "user": w.ada, "text": "x"}),
    ("not_in_channel", "conversations.history", lambda w: {"channel": w.general}),
    ("not_in_channel", "conversations.replies", lambda w: {"channel": w.general, "ts": "1.0"}),
    ("user_not_in_channel", "chat.postEphemeral", lambda w: {"channel": w.training, "user": "USLACKBOT", "text": "x"}),
    ("no_text", "chat.postMessage", lambda w: {"channel": w.training}),
    ("no_text", "chat.postMessage", lambda w: {"channel": w.training, "text": ""}),
    ("no_text", "chat.update", lambda w: {"channel": w.training, "ts": w.own}),
    ("msg_too_long", "chat.postMessage", lambda w: {"channel": w.training, "text": "x" * 40_001}),
    ("invalid_blocks_format", "chat.postMessage", lambda w: {"channel": w.training, "blocks": "no json"}),
    ("invalid_blocks_format", "chat.postMessage", lambda w: {"channel": w.training, "blocks": [1]}),
    ("invalid_blocks", "chat.postMessage", lambda w: {"channel": w.training, "blocks": [{"type": "poem"}]}),
    ("invalid_attachments", "chat.postMessage", lambda w: {"channel": w.training, "attachments": {}}),
    ("invalid_metadata_format", "chat.postMessage", lambda w: {"channel": w.training, "text": "x", "metadata": {"a": 1}}),
    (
        "invalid_metadata_schema", "chat.postMessage",
        lambda w: {"channel": w.training, "text": "x", "metadata": {"event_type": "e", "event_payload": []}},
    ),
    ("thread_not_found", "chat.postMessage", lambda w: {"channel": w.training, "text": "x", "thread_ts": "1.000000"}),
    ("thread_not_found", "chat.postMessage", lambda w: {"channel": w.training, "text": "x", "thread_ts": w.reply}),
    ("thread_not_found", "chat.postMessage", lambda w: {"channel": w.training, "text": "x", "thread_ts": w.whispered}),
    ("thread_not_found", "conversations.replies", lambda w: {"channel": w.training, "ts": "1.000000"}),
    ("message_not_found", "chat.update", lambda w: {"channel": w.training, "ts": "1.000000", "text": "x"}),
    ("message_not_found", "chat.update", lambda w: {"channel": w.training, "ts": w.whispered, "text": "x"}),
    ("cant_update_message", "chat.update", lambda w: {"channel": w.training, "ts": w.theirs, "text": "x"}),
    ("message_not_found", "chat.delete", lambda w: {"channel": w.training, "ts": "1.000000"}),
    ("cant_delete_message", "chat.delete", lambda w: {"channel": w.training, "ts": w.theirs}),
    ("message_not_found", "chat.getPermalink", lambda w: {"channel": w.training, "message_ts": "1.000000"}),
    ("message_not_found", "reactions.add", lambda w: {"channel": w.training, "timestamp": "1.0", "name": "eyes"}),
    ("invalid_name", "reactions.add", lambda w: {"channel": w.training, "timestamp": w.own, "name": "not an emoji"}),
    ("bot_not_found", "bots.info", lambda w: {"bot": "B999"}),
    ("invalid_trigger_id", "views.open", lambda w: {"trigger_id": "nonsense", "view": MODAL}),
    ("invalid_arguments", "views.open", lambda w: {"trigger_id": "1.2.3", "view": {"type": "home", "blocks": []}}),
    ("not_found", "views.update", lambda w: {"view_id": "V999", "view": MODAL}),
    ("invalid_arguments", "views.update", lambda w: {"view": MODAL}),
    ("user_not_found", "views.publish", lambda w: {"user_id": "U999", "view": {"type": "home", "blocks": MODAL["blocks"]}}),
    ("hash_conflict", "views.publish", lambda w: {
        "user_id": w.ada, "hash": "old", "view": {"type": "home", "blocks": MODAL["blocks"]}}),
    ("view_too_large", "views.publish", lambda w: {
        "user_id": w.ada, "view": {"type": "home", "blocks": [], "private_metadata": "x" * 250_001}}),
    ("file_not_found", "files.info", lambda w: {"file": "F999"}),
    ("file_not_found", "files.delete", lambda w: {"file": "F999"}),
    ("file_not_found", "files.completeUploadExternal", lambda w: {"files": [{"id": "F999"}]}),
    ("invalid_arguments", "files.completeUploadExternal", lambda w: {"files": []}),
    ("invalid_arguments", "files.getUploadURLExternal", lambda w: {"filename": "a", "length": 0}),
    ("file_upload_size_restricted", "files.getUploadURLExternal", lambda w: {"filename": "a", "length": 1_000_001}),
    ("method_not_supported_for_channel_type", "conversations.open", lambda w: {"channel": w.training}),
    ("users_list_not_supplied", "conversations.open", lambda w: {}),
    ("my_error", "api.test", lambda w: {"error": "my_error"}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "method", "arguments"), ROWS, ids=[f"{m}-{e}-{i}" for i, (e, m, _) in enumerate(ROWS)])
def test_refused(world: World, error: str, method: str, arguments: Callable[[World], dict[str, Any]]) -> None:
    world.slack.clock.advance(10)
    answer = world.slack.try_call(method, **arguments(world))
    assert (answer.body["ok"], answer.body["error"], answer.status) == (False, error, 200)


@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
def test_both_encodings_are_understood(world: World, form: bool) -> None:
    world.slack.clock.advance(10)
    blocks: Any = [{"type": "divider"}]
    blocks = json.dumps(blocks) if form else blocks
    answer = world.slack.try_call("chat.postMessage", form=form, channel=world.training, text="x", blocks=blocks)
    assert answer.body["message"]["blocks"][0]["type"] == "divider"


TOKENS = [
    ("auth.test", None, "not_authed"),
    ("auth.test", "xoxb-wrong", "invalid_auth"),
    ("auth.test", "app", "not_allowed_token_type"),
    ("apps.connections.open", None, "not_authed"),
    ("apps.connections.open", "xapp-1-wrong", "invalid_auth"),
    ("apps.connections.open", "bot", "not_allowed_token_type"),
]


@pytest.mark.parametrize(("method", "token", "error"), TOKENS)
def test_token_kinds(shared_slack: Any, method: str, token: str | None, error: str) -> None:
    assert shared_slack.try_call(method, token).body["error"] == error


def test_a_token_may_come_as_an_argument(shared_slack: Any) -> None:
    assert shared_slack.try_call("auth.test", None, token_=1).body["error"] == "not_authed"
    answer = shared_slack.raw("auth.test", body=f"token={shared_slack.workspace.bot_token}",
                              headers={"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
    assert answer.body["ok"]


BODIES = [
    ("application/json", "{", "invalid_json"),
    ("application/json", "[" * 100_000, "invalid_json"),
    ("application/json", "[]", "json_not_object"),
    ("text/plain", "hello", "invalid_post_type"),
    ("", "hello", "missing_post_type"),
    ("application/x-www-form-urlencoded", "no pairs", "invalid_form_data"),
    ("application/json", " " * 2_000_001, "request_too_large"),
]


@pytest.mark.parametrize(("content_type", "body", "error"), BODIES)
def test_malformed_bodies(shared_slack: Any, content_type: str, body: str, error: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert shared_slack.raw("api.test", body=body, headers=headers).body["error"] == error


def test_every_method_says_which_scopes_there_are(shared_slack: Any) -> None:
    headers = shared_slack.try_call("auth.test").headers
    assert "chat:write" in headers["x-oauth-scopes"].split(",")
    assert "x-accepted-oauth-scopes" in headers


@pytest.fixture(scope="module")
def scopeless(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A workspace whose app was granted nothing."""
    from bot.local_workspace import LocalWorkspace

    configuration = WorkspaceConfiguration(app=AppConfiguration(scopes=("dummy",)))
    with LocalWorkspace(tmp_path_factory.mktemp("scopeless"), configuration) as workspace:
        yield workspace


@pytest.mark.parametrize("name", sorted(n for n, m in METHODS.items() if m.scopes))
def test_missing_scope(scopeless: Any, shared_slack: Any, name: str) -> None:
    caller = replace(shared_slack, workspace=scopeless, channel_ids={}, person_ids={})
    arguments: dict[str, Any] = dict.fromkeys(METHODS[name].required.split(), "1")
    answer = caller.try_call(name, **arguments).body
    assert (answer["error"], answer["provided"]) == ("missing_scope", "dummy")
    assert answer["needed"] == ",".join(METHODS[name].scopes)


def test_the_scope_of_a_channel_is_that_of_its_kind(tmp_path: Path, clock: Any, workspace_with: Any) -> None:
    configuration = WorkspaceConfiguration(app=AppConfiguration(scopes=("channels:history", "chat:write")))
    with workspace_with(tmp_path, clock, configuration) as slack:
        direct = slack.person().open_direct_messages()
        answer = slack.try_call("conversations.history", channel=direct).body
        assert (answer["error"], answer["needed"]) == ("missing_scope", "im:history")


def test_one_message_a_second_per_channel_after_a_burst_of_three(slack: Any) -> None:
    channel = slack.channel("training")
    answers = [slack.try_call("chat.postMessage", channel=channel, text=str(n)) for n in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert (answers[3].body["error"], answers[3].headers["retry-after"]) == ("ratelimited", "1")
    slack.clock.advance(1)
    assert slack.try_call("chat.postMessage", channel=channel, text="later").status == 200
    assert slack.try_call("chat.postMessage", channel=channel, text="at once").status == 429
    assert slack.try_call("chat.postMessage", channel=slack.person_id("ada"), text="elsewhere").status == 200


def test_fifty_updates_a_minute(slack: Any) -> None:
    channel = slack.channel("training")
    ts = slack.call("chat.postMessage", channel=channel, text="0")["ts"]
    statuses = [slack.try_call("chat.update", channel=channel, ts=ts, text=str(n)).status for n in range(51)]
    assert statuses == [200] * 50 + [429]
    assert slack.try_call("chat.update", channel=channel, ts=ts, text="x").headers["retry-after"] == "2"


def test_only_these_methods_need_no_bot_token() -> None:
    others = {name for name, method in METHODS.items() if method.token is not TokenKind.BOT}
    assert others == {"api.test", "apps.connections.open"}
