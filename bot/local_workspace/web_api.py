"""The Web API's front door: method, token, scope, arguments and pace are checked from the table before a handler runs."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from bot.local_workspace.entities import TEAM_ID
from bot.local_workspace.methods import METHODS, Call, Method, TokenKind
from bot.local_workspace.methods.method import Services
from bot.local_workspace.wire import Json, RefusalError

BODY_BYTES = 2_000_000
_ACCEPTED_TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True)
class Tokens:
    """The secrets of one workspace: the bot's, the app's, and the one that opens the people's door."""

    bot: str
    app: str
    session: str


class WebApi:
    """Answers POST and GET /api/<method>."""

    def __init__(self, services: Services, tokens: Tokens) -> None:
        self._services = services
        self._tokens = tokens

    async def serve(self, request: Request) -> Response:
        """One call, answered as Slack answers: 200 with ok true or false, 429 when calls come too fast."""
        headers = {"x-oauth-scopes": ",".join(self._services.workspace.configuration.app.scopes)}
        try:
            method = METHODS.get(request.path_params["method"])
            if method is None:
                raise RefusalError("unknown_method", fields={"req_method": request.path_params["method"]})
            headers["x-accepted-oauth-scopes"] = ",".join(method.scopes)
            body = self._answer(request.path_params["method"], method, request, await raw_arguments(request))
            return JSONResponse(body, headers=headers)
        except RefusalError as refusal:
            return JSONResponse(refusal.to_json(), status_code=refusal.status, headers=headers | refusal.headers)

    def _answer(self, name: str, method: Method, request: Request, raw: Json) -> Json:
        self._check_token(method.token, _token(request, raw))
        # Bolt's client adds team_id to every call; Slack takes it everywhere and heeds it for organisations only.
        if raw.get("team_id", TEAM_ID) != TEAM_ID:
            raise RefusalError("team_access_not_granted")
        arguments = {k: value for k, value in raw.items() if k not in ("token", "team_id") and value is not None}
        call = Call(self._services, method.parse(arguments))
        call.require_scope(*method.scopes)
        self._services.rate_limits.spend_call(name, method.tier)
        return {"ok": True, **method.handler(call)}

    def _check_token(self, kind: TokenKind, token: str) -> None:
        if kind is TokenKind.NONE:
            return
        if not token:
            raise RefusalError("not_authed")
        is_bot, is_app = same_secret(token, self._tokens.bot), same_secret(token, self._tokens.app)
        if not (is_bot or is_app):
            raise RefusalError("invalid_auth")
        if is_bot != (kind is TokenKind.BOT):
            raise RefusalError("not_allowed_token_type")


def same_secret(given: str, secret: str) -> bool:
    """Compares secrets without telling by the time it takes how much of one is right."""
    return hmac.compare_digest(given.encode(), secret.encode())


def bearer(request: Request) -> str:
    """The token of an Authorization header; "" without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _token(request: Request, raw: Json) -> str:
    return bearer(request) or str(raw.get("token", ""))


async def body_of(request: Request, longest: int = BODY_BYTES) -> bytes:
    """The body of a request, at most `longest` bytes. Raises request_too_large, request_timeout."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > longest:
                raise RefusalError("request_too_large", status=413)
    except ClientDisconnect as error:
        raise RefusalError("request_timeout") from error
    return bytes(body)


async def raw_arguments(request: Request) -> Json:
    """What a call says, from its query and its form or JSON body, not yet checked."""
    arguments: Json = dict(request.query_params)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        form = await request.form(max_files=0, max_part_size=BODY_BYTES)
        return arguments | dict(form)
    body = await body_of(request)
    if not body:
        return arguments
    if content_type not in _ACCEPTED_TYPES:
        raise RefusalError("invalid_post_type" if content_type else "missing_post_type")
    if content_type == "application/json":
        return arguments | _json_object(body)
    return arguments | _form(body)


def _json_object(body: bytes) -> Json:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusalError("invalid_json") from error
    if not isinstance(document, dict):
        raise RefusalError("json_not_object")
    return document


def _form(body: bytes) -> Json:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    except ValueError as error:
        raise RefusalError("invalid_form_data") from error
