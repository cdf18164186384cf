"""Bytes in and out: the upload URL, url_private behind the bot's token, and both for people. Nothing is held in memory."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response

from bot.local_workspace.entities import TEAM_ID, StoredFile
from bot.local_workspace.methods.method import Services
from bot.local_workspace.payloads import file_mimetype
from bot.local_workspace.web_api import bearer, same_secret
from bot.local_workspace.wire import RefusalError
from bot.local_workspace.workspace import Workspace

# What a browser may show; anything else is only ever saved, so that an uploaded page cannot act in ours.
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}


async def receive_bytes(workspace: Workspace, request: Request, file: StoredFile, *, exactly: bool) -> StoredFile:
    """Streams a request's body to disk and returns the file with its size; half-made files are removed.

    `exactly`: the size must be the one announced, else it may be anything up to the workspace's limit.
    Raises file_upload_size_mismatch (400), file_upload_size_restricted (413), no_file_data and upload_interrupted (400).
    """
    limit = file.size_bytes if exactly else workspace.configuration.limits.file_size_bytes
    path = workspace.store.bytes_path(file.id)
    received = 0
    try:
        with path.open("wb") as sink:
            async for chunk in request.stream():
                received += len(chunk)
                if received > limit:
                    too_long = "file_upload_size_mismatch" if exactly else "file_upload_size_restricted"
                    raise RefusalError(too_long, status=400 if exactly else 413)
                sink.write(chunk)
        if received == 0:
            raise RefusalError("no_file_data", status=400)
        if exactly and received != file.size_bytes:
            raise RefusalError("file_upload_size_mismatch", status=400)
    except ClientDisconnect as error:
        path.unlink(missing_ok=True)
        raise RefusalError("upload_interrupted", status=400) from error
    except RefusalError:
        path.unlink(missing_ok=True)
        raise
    uploaded = replace(file, size_bytes=received, uploaded_s=workspace.now())
    workspace.store.put_file(uploaded)
    return uploaded


async def serve_upload(services: Services, request: Request) -> Response:
    """POST /upload/v1/<ticket>: the raw bytes of a file (Slack also takes a multipart form; this workspace does not)."""
    file_id = services.upload_tickets.redeem(request.path_params["ticket"])
    file = services.workspace.store.file(file_id) if file_id else None
    if file is None:
        return PlainTextResponse("upload URL unknown, used or expired", status_code=404)
    try:
        await receive_bytes(services.workspace, request, file, exactly=True)
    except RefusalError as refusal:
        return PlainTextResponse(refusal.error, status_code=refusal.status)
    return PlainTextResponse(f"OK - {file.size_bytes}")


async def serve_download(workspace: Workspace, bot_token: str, request: Request) -> Response:
    """GET url_private: the bytes for the bot's token with files:read. Anybody else is sent to a login page, as in Slack."""
    team, _, file_id = request.path_params["key"].partition("-")
    may_read = "files:read" in workspace.configuration.app.scopes
    if not (may_read and same_secret(bearer(request), bot_token)):
        return RedirectResponse("/login", status_code=302)
    try:
        file = workspace.file(file_id)
    except RefusalError:
        return PlainTextResponse("file_not_found", status_code=404)
    if team != TEAM_ID:
        return PlainTextResponse("file_not_found", status_code=404)
    return file_response(workspace, file)


async def serve_login(request: Request) -> Response:  # noqa: ARG001 (Starlette passes it)
    """What a download without a valid token ends at: 200 and HTML, the trap that Slack's apps must notice."""
    return HTMLResponse("<!doctype html><title>Sign in</title><p>This file needs a token with files:read.")


def file_response(workspace: Workspace, file: StoredFile) -> Response:
    """The bytes of a file; pictures may be shown in a page, everything else is saved."""
    media_type = file_mimetype(file)
    return FileResponse(
        workspace.store.bytes_path(file.id),
        media_type=media_type,
        filename=file.name,
        content_disposition_type="inline" if media_type in _PICTURES else "attachment",
        headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"},
    )
