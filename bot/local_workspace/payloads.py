"""The shapes in which Slack shows people, channels, messages, files and views to an app."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath
from urllib.parse import quote

from bot.local_workspace.configuration import WorkspaceConfiguration
from bot.local_workspace.entities import APP_ID, BOT_ID, BOT_USER_ID, TEAM_ID, Channel, Message, Person, StoredFile
from bot.local_workspace.wire import Json


def person_json(person: Person) -> Json:
    """A user as users.info shows it."""
    profile = {"real_name": person.real_name, "display_name": person.name, "team": TEAM_ID}
    if person.is_bot:
        profile |= {"bot_id": BOT_ID, "api_app_id": APP_ID}
    return {
        "id": person.id, "team_id": TEAM_ID, "name": person.name, "real_name": person.real_name, "deleted": False,
        "tz": "Etc/UTC", "tz_label": "Coordinated Universal Time", "tz_offset": 0, "profile": profile,
        "is_admin": False, "is_owner": False, "is_restricted": False, "is_bot": person.is_bot, "is_app_user": False,
        "updated": 0,
    }  # fmt: skip


def channel_json(channel: Channel) -> Json:
    """A conversation as conversations.info shows it to the app."""
    shared: Json = {
        "id": channel.id, "created": channel.created_s, "is_im": channel.is_im, "is_archived": False,
        "context_team_id": TEAM_ID, "is_private": channel.is_im, "is_mpim": False, "is_group": False,
    }  # fmt: skip
    if channel.is_im:
        other = next(iter(channel.members - {BOT_USER_ID}))
        return shared | {"user": other, "is_channel": False, "is_open": True}
    return shared | {
        "name": channel.name, "name_normalized": channel.name, "is_channel": True, "is_general": channel.name == "general",
        "is_member": BOT_USER_ID in channel.members, "num_members": len(channel.members), "is_shared": False,
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0}, "unlinked": 0, "creator": BOT_USER_ID,
    }  # fmt: skip


def bot_profile_json(configuration: WorkspaceConfiguration) -> Json:
    """The bot behind the app, as messages and bots.info show it."""
    return {
        "id": BOT_ID, "app_id": APP_ID, "user_id": BOT_USER_ID, "name": configuration.app.name, "deleted": False,
        "updated": 0, "team_id": TEAM_ID, "icons": {},
    }  # fmt: skip


def file_json(file: StoredFile, *, base_url: str, is_processed: bool) -> Json:
    """A file as files.info shows it.

    Until it is processed its mimetype is empty: that is how an app finds out that image blocks cannot show it yet.
    """
    name = quote(file.name, safe="")
    shares: dict[str, list[Json]] = {}
    for channel, ts in file.shares:
        shares.setdefault(channel, []).append({"ts": ts})
    kind = PurePosixPath(file.name).suffix.lstrip(".").lower()
    return {
        "id": file.id, "created": int(file.created_s), "timestamp": int(file.created_s), "name": file.name,
        "title": file.title, "mimetype": file_mimetype(file) if is_processed else "",
        "filetype": kind if is_processed else "", "pretty_type": kind.upper(), "user": file.user, "user_team": TEAM_ID,
        "editable": False, "size": file.size_bytes, "mode": "hosted", "is_external": False, "is_public": True,
        "public_url_shared": False, "display_as_bot": False, "username": "", "alt_txt": file.alt_text,
        "file_access": "visible", "url_private": f"{base_url}/files-pri/{TEAM_ID}-{file.id}/{name}",
        "url_private_download": f"{base_url}/files-pri/{TEAM_ID}-{file.id}/download/{name}",
        "permalink": f"{base_url}/files/{file.user}/{file.id}/{name}",
        "shares": {"public": shares} if shares else {}, "channels": sorted(shares), "ims": [], "groups": [],
        "has_rich_preview": False,
    }  # fmt: skip


def file_mimetype(file: StoredFile) -> str:
    """What its name says a file is."""
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def message_json(message: Message, *, files: list[Json], bot_profile: Json, with_metadata: bool) -> Json:
    """A message as history shows it (reply counts are added there, where the thread is known)."""
    body: Json = {"type": "message", "user": message.user, "ts": message.ts, "text": message.text, "team": TEAM_ID}
    if message.is_from_app:
        body |= {"bot_id": BOT_ID, "app_id": APP_ID, "bot_profile": bot_profile}
    optional: Json = {
        "subtype": message.subtype,
        "blocks": list(message.blocks),
        "attachments": list(message.attachments),
        "thread_ts": message.thread_ts,
        "files": files,
        "metadata": message.metadata if with_metadata else None,
        "edited": {"user": message.user, "ts": message.edited_ts} if message.edited_ts else None,
        "reactions": [{"name": n, "users": users, "count": len(users)} for n, users in message.reactions.items()],
    }
    body |= {key: value for key, value in optional.items() if value}
    if message.file_ids:
        body |= {"upload": False, "display_as_bot": False}
    if message.visible_to:
        body |= {"is_ephemeral": True}
    return body


def thread_facts(thread: list[Message]) -> Json:
    """What history adds to a parent with replies. `thread` is the parent and its replies, oldest first."""
    replies = thread[1:]
    if not replies:
        return {}
    users = list(dict.fromkeys(reply.user for reply in replies))
    return {
        "reply_count": len(replies), "reply_users": users, "reply_users_count": len(users),
        "latest_reply": replies[-1].ts, "is_locked": False, "subscribed": False,
    }  # fmt: skip
