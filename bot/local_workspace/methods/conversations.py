"""conversations.*: channels, their members and their messages."""

from __future__ import annotations

from bot.local_workspace.entities import BOT_USER_ID, Channel, Message
from bot.local_workspace.methods.method import Call, Method
from bot.local_workspace.payloads import channel_json
from bot.local_workspace.rate_limits import Tier
from bot.local_workspace.wire import Json, RefusalError

_READ = ("channels:read", "im:read")
_HISTORY = ("channels:history", "im:history")
_KINDS = {"public_channel", "private_channel", "mpim", "im"}


def _scoped_channel(call: Call, right: str) -> Channel:
    channel = call.channel()
    call.require_scope(f"im:{right}" if channel.is_im else f"channels:{right}")
    return channel


def _list(call: Call) -> Json:
    kinds = set((call.text("types") or "public_channel").split(","))
    if not kinds <= _KINDS:
        raise RefusalError("invalid_types")
    if "public_channel" in kinds:
        call.require_scope("channels:read")
    if "im" in kinds:
        call.require_scope("im:read")
    wanted = [c for c in call.workspace.channels() if ("im" if c.is_im else "public_channel") in kinds]
    channels, metadata = call.page(wanted, highest=999)
    return {"channels": [channel_json(channel) for channel in channels], "response_metadata": metadata}


def _info(call: Call) -> Json:
    return {"channel": channel_json(_scoped_channel(call, "read"))}


def _members(call: Call) -> Json:
    members, metadata = call.page(sorted(_scoped_channel(call, "read").members))
    return {"members": members, "response_metadata": metadata}


def _join(call: Call) -> Json:
    channel = call.channel()
    if channel.is_im:
        raise RefusalError("method_not_supported_for_channel_type")
    was_member = BOT_USER_ID in channel.members
    joined = call.workspace.join(channel, BOT_USER_ID)
    return {"channel": channel_json(joined)} | ({"warning": "already_in_channel"} if was_member else {})


def _open(call: Call) -> Json:
    if call.optional("channel"):
        channel = call.channel()
        if not channel.is_im:
            raise RefusalError("method_not_supported_for_channel_type")
        return {"channel": {"id": channel.id}, "no_op": True, "already_open": True}
    people = [person for person in call.text("users").split(",") if person]
    if len(people) != 1:
        # Slack opens a group of up to eight; this workspace has no group messages.
        raise RefusalError("users_list_not_supplied" if not people else "not_enough_users")
    channel = call.workspace.direct_messages(people[0])
    return {"channel": channel_json(channel) if call.flag("return_im") else {"id": channel.id}}


def _between(call: Call, messages: list[Message]) -> list[Message]:
    latest, oldest = call.optional("latest"), call.optional("oldest")
    inclusive = call.flag("inclusive")

    def is_wanted(message: Message) -> bool:
        ts = float(message.ts)
        below = latest is None or ts < _ts(latest) or (inclusive and ts == _ts(latest))
        above = oldest is None or ts > _ts(oldest) or (inclusive and ts == _ts(oldest))
        return below and above

    return [message for message in messages if is_wanted(message)]


def _ts(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RefusalError("invalid_arguments", f"[ERROR] {text} is no ts") from error


def _channel_with_history(call: Call) -> Channel:
    channel = _scoped_channel(call, "history")
    if BOT_USER_ID not in channel.members:
        raise RefusalError("not_in_channel")
    return channel


def _history(call: Call) -> Json:
    channel = _channel_with_history(call)
    visible = [m for m in call.workspace.store.top_level(channel.id) if m.visible_to is None]
    messages, metadata = call.page(_between(call, visible)[::-1], highest=999)
    has_more = bool(metadata["next_cursor"])
    with_metadata = call.flag("include_all_metadata")
    return {
        "messages": [call.workspace.show(message, with_metadata=with_metadata) for message in messages],
        "has_more": has_more, "pin_count": 0, "response_metadata": metadata,
    }  # fmt: skip


def _replies(call: Call) -> Json:
    channel = _channel_with_history(call)
    thread = [m for m in call.workspace.store.thread(channel.id, call.text("ts")) if m.visible_to is None]
    if not thread or thread[0].ts != call.text("ts"):
        raise RefusalError("thread_not_found")
    # The parent comes with every page, as in Slack.
    replies, metadata = call.page(_between(call, thread[1:]), highest=1000)
    with_metadata = call.flag("include_all_metadata")
    return {
        "messages": [call.workspace.show(message, with_metadata=with_metadata) for message in [thread[0], *replies]],
        "has_more": bool(metadata["next_cursor"]), "response_metadata": metadata,
    }  # fmt: skip


_PAGE = "cursor limit"
_SPAN = f"{_PAGE} latest oldest inclusive include_all_metadata"
METHODS = {
    "conversations.list": Method(_list, _READ, optional=f"{_PAGE} types exclude_archived", tier=Tier.TWO),
    "conversations.info": Method(_info, _READ, required="channel", optional="include_locale include_num_members"),
    "conversations.members": Method(_members, _READ, required="channel", optional=_PAGE, tier=Tier.FOUR),
    "conversations.join": Method(_join, ("channels:join",), required="channel"),
    "conversations.open": Method(_open, ("im:write",), optional="channel users return_im prevent_creation"),
    "conversations.history": Method(_history, _HISTORY, required="channel", optional=_SPAN),
    "conversations.replies": Method(_replies, _HISTORY, required="channel ts", optional=_SPAN),
}
