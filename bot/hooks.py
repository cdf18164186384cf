"""The hooks: what Alertmanager, Grafana or anybody with the token posts, kept before it is answered; triggers act on it afterwards."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.posted import body_of
from bot.settings import WEB_TOKENS, WebTokens
from runner.service import hooks
from runner.service.hooks import HookCall
from runner.service.house import DatabaseError, House

WINDOW_S = 300
STAMP, SIGNATURE = "x-signalbox-timestamp", "x-signalbox-signature"
Text = Annotated[str, Field(max_length=4096)]
Labels = Annotated[dict[Annotated[str, Field(min_length=1, max_length=200)], Text], Field(max_length=100)]


class _Posted(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class AlertPosted(_Posted):
    """One alert of a group."""

    status: Literal["firing", "resolved"]
    labels: Labels
    startsAt: AwareDatetime  # noqa: N815 - Alertmanager's own word
    fingerprint: Annotated[str, Field(min_length=1, max_length=200)]


class AlertsPosted(_Posted):
    """The body of Alertmanager's webhook_config (its version 4) and of Grafana's webhook (which calls its version 1, and says more)."""

    version: Literal["4", "1"]
    groupKey: Annotated[str, Field(min_length=1, max_length=20_000)]  # noqa: N815
    alerts: Annotated[list[AlertPosted], Field(min_length=1, max_length=1000)]

    def calls(self) -> list[HookCall]:
        """Each alert by groupKey, fingerprint and startsAt: a repeat is none of its own, a new beginning is."""
        return [
            HookCall(_key(self.groupKey, each.fingerprint, each.startsAt.isoformat(), each.status), each.labels.get("alertname", ""),
                     each.labels, resolved=each.status == "resolved")
            for each in self.alerts
        ]


class AnythingPosted(_Posted):
    """The body of the generic hook; the ``id`` is the caller's, who repeats it where it tries again."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")]
    id: Annotated[str, Field(min_length=1, max_length=200)]
    status: Literal["firing", "resolved"] = "firing"
    labels: Labels = Field(default_factory=dict)

    def calls(self) -> list[HookCall]:
        """The one thing that it tells."""
        return [HookCall(_key("generic", self.name, self.id, self.status), self.name, self.labels, resolved=self.status == "resolved")]


def hook_routes(house: House, tokens: WebTokens) -> Sequence[Route]:
    """``POST /hooks/alertmanager`` and ``/hooks/generic``. 200 once what was told is in the database; a 5xx is worth another try."""

    def route(path: str, kind: type[AlertsPosted] | type[AnythingPosted]) -> Route:
        async def hook(request: Request) -> Response:
            body = await body_of(request)
            _admit(tokens, request.headers, body, now=time.time())
            return await run_in_threadpool(_keep, house, kind, body)

        return Route(path, hook, methods=["POST"])

    return [route("/hooks/alertmanager", AlertsPosted), route("/hooks/generic", AnythingPosted)]


def _admit(tokens: WebTokens, headers: Mapping[str, str], body: bytes, *, now: float) -> None:
    if not tokens.hook and not tokens.hook_secret:
        raise HTTPException(403, f"Hooks are off: the bot was started without {WEB_TOKENS[1]} and {WEB_TOKENS[2]}.")
    given = headers.get("authorization", "")
    if tokens.hook and hmac.compare_digest(f"Bearer {tokens.hook}".encode(), given.encode()):
        return
    stamp, signature = headers.get(STAMP, ""), headers.get(SIGNATURE, "")
    if tokens.hook_secret and stamp.isdecimal() and len(stamp) <= 12 and abs(now - int(stamp)) <= WINDOW_S:
        wanted = hmac.new(tokens.hook_secret.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        if hmac.compare_digest(wanted.encode(), signature.encode()):
            return
    raise HTTPException(401, (
        f"Wanted: Authorization: Bearer and {WEB_TOKENS[1]}; or {STAMP} with the seconds since 1970, within {WINDOW_S} s of now, and "
        f"{SIGNATURE} with the hexadecimal HMAC-SHA256 of TIMESTAMP:BODY under {WEB_TOKENS[2]}."
    ))


def _keep(house: House, kind: type[AlertsPosted] | type[AnythingPosted], body: bytes) -> Response:
    try:
        told = kind.model_validate_json(body).calls()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the body"
        raise HTTPException(400, f"{key}: {first['msg']}") from error
    try:
        new = hooks.keep(house, told)
    except DatabaseError as error:
        raise HTTPException(503, f"The database does not take it now ({error}); try again.") from error
    return JSONResponse({"told": len(told), "new": new})


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
