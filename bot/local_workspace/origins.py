"""Keeps other web pages out: only requests to a loopback name, and only from our own page, get through.

The Host check stops DNS rebinding (a foreign name that resolves to 127.0.0.1), the Origin check stops pages of other
sites and ports from posting here or opening a WebSocket. Programs send no Origin.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_NAMES = ("127.0.0.1", "localhost")


class LoopbackOnly:
    """ASGI middleware that answers 403 to foreign Host and Origin headers (a WebSocket is closed before it opens)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is ours."""
        if scope["type"] == "lifespan" or _is_ours(Headers(scope=scope), scope["server"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("This address serves its own page only.", status_code=403)(scope, receive, send)


def _is_ours(headers: Headers, server: tuple[str, int]) -> bool:
    own_hosts = [f"{name}:{server[1]}" for name in _NAMES]
    own_origins = [f"http://{host}" for host in own_hosts]
    # Slack's own socket client leaves the port out of its Host header.
    host_is_ours = headers.get("host", "").lower() in (*own_hosts, *_NAMES)
    return host_is_ours and headers.get("origin", own_origins[0]) in own_origins
