"""The bot's web server: signs of life, figures for Prometheus, hooks, and what Slack posts, held by Bolt against the signing secret."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from slack_bolt import App
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.ack_times import ACKS
from bot.hooks import hook_routes
from bot.posted import body_of
from bot.settings import EVENTS_PATH, WebTokens
from runner.errors import ConfigurationError
from runner.service.figures import Figures
from runner.service.health import troubles
from runner.service.house import House

_log = logging.getLogger(__name__)
_MOST_AT_ONCE = 100
_END_S = 5.0


@dataclass(slots=True)
class Served:
    """What the web server tells of the bot and hands on to it. ``processes``: whose heartbeats must be fresh. ``slack``: who hears what
    Slack posts; None before the bot knows who it is, and where Slack posts nothing."""

    house: House
    tokens: WebTokens = field(default_factory=WebTokens)
    processes: Sequence[str] = ("runner", "bot")
    threads: list[Thread] = field(default_factory=list)
    slack: App | None = None


def application(served: Served) -> Starlette:
    """Everything there is to ask."""
    figures = CollectorRegistry()
    figures.register(ACKS)
    figures.register(Figures(served.house))

    def healthz(_request: Request) -> Response:
        return _said([f"The thread {thread.name} has ended." for thread in served.threads if not thread.is_alive()])

    def readyz(_request: Request) -> Response:
        return _said(troubles(served.house, served.processes))

    def metrics(request: Request) -> Response:
        wanted, given = f"Bearer {served.tokens.metrics}", request.headers.get("authorization", "")
        if served.tokens.metrics and not hmac.compare_digest(wanted.encode(), given.encode()):
            refused = "Wanted: Authorization: Bearer and SIGNALBOX_METRICS_TOKEN.\n"
            return PlainTextResponse(refused, status_code=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(generate_latest(figures), media_type=CONTENT_TYPE_LATEST)

    async def events(request: Request) -> Response:
        if served.slack is None:
            return PlainTextResponse("not ready to hear Slack", status_code=503)
        body = await body_of(request)
        try:
            posted = to_bolt_request(request, body)
        except UnicodeDecodeError:
            return PlainTextResponse("bad request", status_code=400)
        # The adapter's own handler would hold up the event loop, and so every other request, while a listener commits.
        return to_starlette_response(await run_in_threadpool(served.slack.dispatch, posted))

    return Starlette(routes=[
        Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics),
        Route(EVENTS_PATH, events, methods=["POST"]), *hook_routes(served.house, served.tokens),
    ])


def _said(wrong: Sequence[str]) -> Response:
    return PlainTextResponse("\n".join(wrong or ["ok"]) + "\n", status_code=503 if wrong else 200)


@contextmanager
def serving(served: Served, port: int | None) -> Iterator[None]:
    """Listen in a thread of its own until the block is left, where there is a port; ConfigurationError where nothing can listen there."""
    if port is None:
        yield
        return
    address = served.house.settings.web.address
    try:
        listener = socket.create_server((address, port), backlog=128)
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can listen on {address}:{port} ({error.strerror or error}); choose another address or port in web of the settings."
        ) from error
    config = uvicorn.Config(
        application(served), log_level="warning", access_log=False, server_header=False, lifespan="off", limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=int(_END_S),
    )
    server = uvicorn.Server(config)
    thread = Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), name="web", daemon=True)
    thread.start()
    _log.info("The web server listens on http://%s:%d.", address, port)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(2 * _END_S)
        listener.close()
