"""The HTTP way in: what Slack posts, held against the signing secret by Bolt, and heard by the same listeners as over the socket."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from slack_bolt import App
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.settings import EVENTS_PATH, Http
from runner.errors import ConfigurationError

HEALTH_PATH = "/health"
_log = logging.getLogger(__name__)
_MOST_BYTES = 1_000_000
"""Slack's largest payloads, those of views, are far smaller."""
_BODY_S = 5.0
_MOST_AT_ONCE = 100
_END_S = 5.0


def application(app: App) -> Starlette:
    """Slack's one request URL, for commands, events, clicks and views, and a page that says the bot is there."""

    async def events(request: Request) -> Response:
        try:
            async with asyncio.timeout(_BODY_S):
                body = await _body(request)
            posted = to_bolt_request(request, body)
        except (TimeoutError, ClientDisconnect, UnicodeDecodeError):
            return PlainTextResponse("bad request", status_code=400)
        except OverflowError:
            return PlainTextResponse("too large", status_code=413)
        # The adapter's own handler would hold up the event loop, and so every other request, while a listener commits.
        return to_starlette_response(await run_in_threadpool(app.dispatch, posted))

    async def health(_request: Request) -> Response:
        return PlainTextResponse("Signalbox listens.")

    return Starlette(routes=[Route(EVENTS_PATH, events, methods=["POST"]), Route(HEALTH_PATH, health)])


async def _body(request: Request) -> bytes:
    """The body; OverflowError before more of it is read than Slack would send."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise OverflowError
    return body


@contextmanager
def serving(app: App, http: Http) -> Iterator[None]:
    """Listen in a thread of its own until the block is left; ConfigurationError where nothing can listen there."""
    try:
        listener = socket.create_server((http.address, http.port), backlog=128)
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can listen on {http.address}:{http.port} ({error.strerror or error}); choose another in slack.http of the settings."
        ) from error
    config = uvicorn.Config(
        application(app), log_level="warning", access_log=False, server_header=False, lifespan="off", limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=int(_END_S),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), name="web", daemon=True)
    thread.start()
    _log.info("Slack may post to http://%s:%d%s.", http.address, http.port, EVENTS_PATH)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(2 * _END_S)
        listener.close()
