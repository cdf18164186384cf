"""Answers that come without a method call: in the ack of a slash command, or by POST to a response_url."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.local_workspace.block_kit import accept_message_blocks
from bot.local_workspace.entities import BOT_USER_ID, Message
from bot.local_workspace.tickets import ResponseUrl
from bot.local_workspace.web_api import body_of, raw_arguments
from bot.local_workspace.wire import Json, RefusalError
from bot.local_workspace.workspace import Workspace

_KEYS = {
    "text", "blocks", "attachments", "response_type", "replace_original", "delete_original", "thread_ts", "metadata",
    "mrkdwn", "unfurl_links", "unfurl_media",
}  # fmt: skip


def give_answer(workspace: Workspace, place: ResponseUrl, answer: Json) -> Message | None:
    """Posts an answer, or replaces or deletes what was clicked; None after a deletion.

    An answer is ephemeral unless response_type is "in_channel". Raises invalid_payload, no_text, message_not_found,
    thread_not_found and the errors of blocks.
    """
    unknown = sorted(set(answer) - _KEYS)
    if unknown or answer.get("response_type", "ephemeral") not in ("ephemeral", "in_channel"):
        raise RefusalError("invalid_payload", *(f"[ERROR] unknown key: {key}" for key in unknown))
    if answer.get("delete_original"):
        workspace.remove(_original(workspace, place))
        return None
    blocks = answer.get("blocks")
    accepted = accept_message_blocks(blocks, file_is_ready=workspace.file_is_ready) if blocks is not None else ()
    text = str(answer.get("text") or "")
    if not text and not accepted and not answer.get("attachments"):
        raise RefusalError("no_text")
    if answer.get("replace_original"):
        replaced = replace(_original(workspace, place), text=text, blocks=accepted)
        workspace.change(replaced)
        return replaced
    channel = workspace.channel(place.channel)
    thread_ts = answer.get("thread_ts") or place.thread_ts
    workspace.require_parent(channel, thread_ts)
    visible_to = None if answer.get("response_type") == "in_channel" else place.person
    return workspace.post(
        Message(
            channel.id, "", BOT_USER_ID, text, accepted, tuple(answer.get("attachments") or ()), thread_ts,
            is_from_app=True, metadata=answer.get("metadata"), visible_to=visible_to,
        )
    )  # fmt: skip


def _original(workspace: Workspace, place: ResponseUrl) -> Message:
    original = workspace.store.message(place.channel, place.message_ts) if place.message_ts else None
    if original is None or not original.is_from_app:
        raise RefusalError("message_not_found", status=404)
    return original


async def serve_response_url(workspace: Workspace, request: Request) -> Response:
    """POST /response/<secret>: "ok", or a refusal in plain text (404 when expired or used up, 400 when malformed)."""
    try:
        if request.headers.get("content-type", "").startswith("multipart/"):
            await body_of(request)
            raise RefusalError("invalid_payload")
        secret = request.path_params["secret"]
        answer = await raw_arguments(request)
        place = workspace.response_urls.look_up(secret)
        give_answer(workspace, place, answer)
        workspace.response_urls.spend(secret)
        return PlainTextResponse("ok")
    except RefusalError as refusal:
        status = refusal.status if refusal.status != 200 else 400
        return PlainTextResponse(refusal.error, status_code=status)
