"""chat.*: messages by the app.

Stricter than Slack: text over 40,000 characters is refused (Slack cuts it), arguments that change the author's name or
picture are unknown, and attachments are kept but not checked.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from bot.local_workspace.block_kit import accept_message_blocks
from bot.local_workspace.entities import BOT_USER_ID, Channel, Message
from bot.local_workspace.methods.method import Call, Method
from bot.local_workspace.rate_limits import Tier
from bot.local_workspace.wire import Json, RefusalError

TEXT_CHARACTERS = 40_000
METADATA_BYTES = 16_000


def _target(call: Call) -> Channel:
    """The channel to post to; a person's id stands for the direct messages with them."""
    if call.text("channel").startswith("U"):
        return call.workspace.direct_messages(call.text("channel"))
    channel = call.channel()
    may_post_anywhere = "chat:write.public" in call.workspace.configuration.app.scopes
    if BOT_USER_ID not in channel.members and not may_post_anywhere:
        raise RefusalError("not_in_channel")
    return channel


def _content(call: Call) -> Json:
    """text, blocks, attachments and metadata as far as they were given. Raises the error of the first bad one."""
    content: Json = {}
    if "text" in call.arguments:
        content["text"] = call.text("text")
        if len(content["text"]) > TEXT_CHARACTERS:
            raise RefusalError("msg_too_long")
    if call.arguments.get("blocks") is not None:
        ready = call.workspace.file_is_ready
        content["blocks"] = accept_message_blocks(call.arguments["blocks"], file_is_ready=ready)
    if call.arguments.get("attachments") is not None:
        content["attachments"] = _attachments(call.arguments["attachments"])
    if call.arguments.get("metadata") is not None:
        content["metadata"] = _metadata(call.arguments["metadata"])
    return content


def _attachments(attachments: Any) -> tuple[Json, ...]:
    if not isinstance(attachments, list) or not all(isinstance(a, dict) for a in attachments):
        raise RefusalError("invalid_attachments")
    if len(attachments) > 100:
        raise RefusalError("too_many_attachments")
    return tuple(attachments)


def _metadata(metadata: Any) -> Json | None:
    if metadata == {}:
        return None
    names = set(metadata) if isinstance(metadata, dict) else set()
    if names != {"event_type", "event_payload"} or not isinstance(metadata["event_type"], str):
        raise RefusalError("invalid_metadata_format", "[ERROR] metadata must have event_type and event_payload")
    if not isinstance(metadata["event_payload"], dict):
        raise RefusalError("invalid_metadata_schema", "[ERROR] metadata.event_payload must be an object")
    if len(json.dumps(metadata)) > METADATA_BYTES:
        raise RefusalError("metadata_too_large")
    return dict(metadata)


def _require_content(message: Message) -> None:
    if not message.text and not message.blocks and not message.attachments:
        raise RefusalError("no_text")


def _post_message(call: Call) -> Json:
    channel = _target(call)
    thread_ts = call.optional("thread_ts")
    call.workspace.require_parent(channel, thread_ts)
    message = Message(
        channel.id, "", BOT_USER_ID, thread_ts=thread_ts, is_from_app=True, broadcast=call.flag("reply_broadcast"),
        **{"text": "", **_content(call)},
    )  # fmt: skip
    _require_content(message)
    call.services.rate_limits.spend_message(channel.id)
    posted = call.workspace.post(message)
    return {"channel": channel.id, "ts": posted.ts, "message": call.workspace.show(posted, with_metadata=True)}


def _own_message(call: Call, refusal: str) -> Message:
    channel = call.channel_as_member()
    message = call.workspace.message(channel, call.text("ts"))
    if not message.is_from_app:
        raise RefusalError(refusal)
    return message


def _update(call: Call) -> Json:
    message = _own_message(call, "cant_update_message")
    if message.subtype == "tombstone":
        raise RefusalError("cant_update_message")
    content = _content(call)
    if not content:
        raise RefusalError("no_text")
    # What is not given stays, as in Slack: a new text alone leaves the old blocks in view.
    updated = replace(message, **content)
    _require_content(updated)
    if updated.text != message.text:
        updated = replace(updated, edited_ts=call.workspace.timestamps.next())
    call.workspace.change(updated)
    shown = call.workspace.show(updated, with_metadata=True)
    return {"channel": updated.channel, "ts": updated.ts, "text": updated.text, "message": shown}


def _delete(call: Call) -> Json:
    message = _own_message(call, "cant_delete_message")
    call.workspace.remove(message)
    return {"channel": message.channel, "ts": message.ts}


def _post_ephemeral(call: Call) -> Json:
    channel = _target(call)
    person = call.workspace.person(call.text("user"))
    if person.id not in channel.members:
        raise RefusalError("user_not_in_channel")
    thread_ts = call.optional("thread_ts")
    call.workspace.require_parent(channel, thread_ts)
    message = Message(
        channel.id, "", BOT_USER_ID, thread_ts=thread_ts, is_from_app=True, visible_to=person.id,
        **{"text": "", **_content(call)},
    )  # fmt: skip
    _require_content(message)
    return {"message_ts": call.workspace.post(message).ts}


def _permalink(call: Call) -> Json:
    channel = call.channel()
    message = call.workspace.message(channel, call.text("message_ts"))
    permalink = f"{call.workspace.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        permalink += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": permalink}


_CONTENT = "text blocks attachments metadata mrkdwn parse link_names unfurl_links unfurl_media as_user"
METHODS = {
    "chat.postMessage": Method(
        _post_message, ("chat:write",), required="channel", optional=f"{_CONTENT} thread_ts reply_broadcast",
        tier=Tier.SPECIAL,
    ),
    "chat.update": Method(
        _update, ("chat:write",), required="channel ts", optional=f"{_CONTENT} reply_broadcast", tier=Tier.THREE
    ),
    "chat.delete": Method(_delete, ("chat:write",), required="channel ts", optional="as_user"),
    "chat.postEphemeral": Method(
        _post_ephemeral, ("chat:write",), required="channel user", optional=f"{_CONTENT} thread_ts", tier=Tier.FOUR
    ),
    "chat.getPermalink": Method(_permalink, required="channel message_ts", tier=Tier.SPECIAL),
}  # fmt: skip
