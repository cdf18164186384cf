"""files.*: upload in three steps (URL, bytes, completion), look-up, deletion."""

from __future__ import annotations

from dataclasses import replace

from bot.local_workspace.block_kit import accept_message_blocks
from bot.local_workspace.entities import BOT_USER_ID, Channel, Message, StoredFile
from bot.local_workspace.identifiers import fresh_id
from bot.local_workspace.methods.method import Call, Method
from bot.local_workspace.rate_limits import Tier
from bot.local_workspace.wire import Json, RefusalError


def _upload_url(call: Call) -> Json:
    size_bytes = int(call.arguments["length"])
    if size_bytes < 1:
        raise RefusalError("invalid_arguments", "[ERROR] length must be greater than 0")
    if size_bytes > call.workspace.configuration.limits.file_size_bytes:
        raise RefusalError("file_upload_size_restricted")
    name = call.text("filename")
    file = StoredFile(fresh_id("F"), name, name, size_bytes, BOT_USER_ID, call.workspace.now(), alt_text=call.text("alt_txt"))
    call.workspace.store.put_file(file)
    ticket = call.services.upload_tickets.issue(file.id)
    return {"upload_url": f"{call.workspace.base_url}/upload/v1/{ticket}", "file_id": file.id}


def _uploaded(call: Call) -> list[StoredFile]:
    entries = call.arguments["files"]
    if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) and "id" in e for e in entries):
        raise RefusalError("invalid_arguments", "[ERROR] files must be a list of objects with an id")
    files = []
    for entry in entries:
        file = call.workspace.store.file(str(entry["id"]))
        if file is None or file.uploaded_s is None or file.user != BOT_USER_ID:
            raise RefusalError("file_not_found")
        if file.is_complete:
            raise RefusalError("file_already_completed")
        files.append(replace(file, title=str(entry.get("title") or file.title)))
    return files


def _share_targets(call: Call) -> list[Channel]:
    named = [call.text("channel_id"), *call.text("channels").split(",")]
    channels = [call.workspace.channel(channel_id) for channel_id in dict.fromkeys(named) if channel_id]
    if any(BOT_USER_ID not in channel.members for channel in channels):
        raise RefusalError("not_in_channel")
    return channels


def _complete(call: Call) -> Json:
    files, channels = _uploaded(call), _share_targets(call)
    thread_ts = call.optional("thread_ts")
    if thread_ts and len(channels) != 1:
        raise RefusalError("invalid_arguments", "[ERROR] thread_ts needs exactly one channel")
    blocks = call.arguments.get("blocks")
    accepted = accept_message_blocks(blocks, file_is_ready=call.workspace.file_is_ready) if blocks else ()
    for channel in channels:
        call.workspace.require_parent(channel, thread_ts)
        call.services.rate_limits.spend_message(channel.id)
    for file in files:
        call.workspace.store.put_file(replace(file, is_complete=True))
    for channel in channels:
        text = call.text("initial_comment")
        message = Message(channel.id, "", BOT_USER_ID, text, accepted, thread_ts=thread_ts, is_from_app=True)
        call.workspace.share(_fresh(call, files), message)
    return {"files": [call.workspace.show_file(file) for file in _fresh(call, files)]}


def _fresh(call: Call, files: list[StoredFile]) -> list[StoredFile]:
    return [call.workspace.file(file.id) for file in files]


def _info(call: Call) -> Json:
    file = call.workspace.file(call.text("file"))
    return {"file": call.workspace.show_file(file), "comments": [], "response_metadata": {"next_cursor": ""}}


def _list(call: Call) -> Json:
    wanted = [
        file
        for file in call.workspace.store.files()
        if file.is_complete
        and (not call.optional("user") or file.user == call.text("user"))
        and (not call.optional("channel") or call.text("channel") in {channel for channel, _ in file.shares})
    ]
    count, page = int(call.arguments.get("count", 100)), int(call.arguments.get("page", 1))
    if count < 1 or page < 1:
        raise RefusalError("invalid_arguments", "[ERROR] count and page start at 1")
    shown = wanted[(page - 1) * count : page * count]
    paging = {"count": count, "total": len(wanted), "page": page, "pages": -(-len(wanted) // count)}
    return {"files": [call.workspace.show_file(file) for file in shown], "paging": paging}


def _delete(call: Call) -> Json:
    file = call.workspace.file(call.text("file"))
    if file.user != BOT_USER_ID:
        raise RefusalError("cant_delete_file")
    call.workspace.store.remove_file(file.id)
    for channel, ts in file.shares:
        message = call.workspace.store.message(channel, ts)
        if message is not None:
            remaining = tuple(file_id for file_id in message.file_ids if file_id != file.id)
            call.workspace.change(replace(message, file_ids=remaining))
    return {}


METHODS = {
    "files.getUploadURLExternal": Method(
        _upload_url, ("files:write",), required="filename length", optional="alt_txt snippet_type", tier=Tier.FOUR
    ),
    "files.completeUploadExternal": Method(
        _complete, ("files:write",), required="files",
        optional="channel_id channels thread_ts initial_comment blocks", tier=Tier.FOUR,
    ),
    "files.info": Method(_info, ("files:read",), required="file", optional="count cursor limit page", tier=Tier.FOUR),
    "files.list": Method(_list, ("files:read",), optional="channel user count page"),
    "files.delete": Method(_delete, ("files:write",), required="file"),
}  # fmt: skip
