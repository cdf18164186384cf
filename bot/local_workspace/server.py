"""Puts the workspace together and runs it: routes, secrets, the server's thread."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from bot.local_workspace.answers import serve_response_url
from bot.local_workspace.configuration import WorkspaceConfiguration
from bot.local_workspace.events import Events
from bot.local_workspace.file_doors import serve_download, serve_login, serve_upload
from bot.local_workspace.interactions import Interactions
from bot.local_workspace.methods.method import Services
from bot.local_workspace.modals import Modals
from bot.local_workspace.origins import LoopbackOnly
from bot.local_workspace.people_api import PeopleApi
from bot.local_workspace.rate_limits import RateLimits
from bot.local_workspace.request_url import RequestUrl
from bot.local_workspace.socket_mode import SocketHub
from bot.local_workspace.store import Store
from bot.local_workspace.tickets import OneTimeTickets
from bot.local_workspace.web_api import Tokens, WebApi
from bot.local_workspace.workspace import Workspace

_PAGE = Path(__file__).parent / "page"
_UPLOAD_TICKET_LIFE_S = 3600.0
_START_S = 20.0
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: https: http:; "
    "connect-src 'self' ws://127.0.0.1:* ws://localhost:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class LocalWorkspace:
    """A Slack workspace on 127.0.0.1, started in a thread of this process.

    `with LocalWorkspace(folder) as workspace:` starts it on a free port; the app needs `api_url`, `bot_token` and
    `app_token`, people need `page_url`. `state_folder` keeps conversation and secrets across restarts. `now` is its
    clock (acks, retries and sockets run on real time).
    """

    def __init__(
        self,
        state_folder: Path,
        configuration: WorkspaceConfiguration | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._state_folder = state_folder
        self._configuration = configuration or WorkspaceConfiguration()
        self._now = now
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub: SocketHub | None = None
        self._tokens = Tokens("", "", "")
        self._signing_secret = ""
        self.base_url = ""

    @property
    def api_url(self) -> str:
        """The base URL for slack_sdk's WebClient (SLACK_API_URL)."""
        return f"{self.base_url}/api/"

    @property
    def page_url(self) -> str:
        """The page's address with the session token, which stays in the browser (it is behind the #)."""
        return f"{self.base_url}/#session={self._tokens.session}"

    @property
    def bot_token(self) -> str:
        """The bot's token (xoxb-)."""
        return self._tokens.bot

    @property
    def app_token(self) -> str:
        """The app-level token for Socket Mode (xapp-)."""
        return self._tokens.app

    @property
    def signing_secret(self) -> str:
        """The secret that proves Slack's posts to the app's request URL."""
        return self._signing_secret

    @property
    def session_token(self) -> str:
        """The token of the people's door."""
        return self._tokens.session

    def start(self, port: int = 0) -> str:
        """Serves on 127.0.0.1:`port` (0: any free one) and returns the base URL.

        Raises OSError when the port is taken, StateFolderInUseError when the folder is, TimeoutError when the server does not come up.
        """
        store = Store(self._state_folder)
        try:
            listener = socket.create_server(("127.0.0.1", port), backlog=128)
        except OSError:
            store.close()
            raise
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._tokens = Tokens(
            bot=store.secret("bot_token", f"xoxb-local-{secrets.token_hex(16)}"),
            app=store.secret("app_token", f"xapp-1-A0LOCAL001-{secrets.token_hex(24)}"),
            session=store.secret("session_token", secrets.token_urlsafe(24)),
        )
        config = uvicorn.Config(
            self._application(store), log_level="warning", access_log=False, proxy_headers=False, lifespan="off", ws="websockets-sansio",
            ws_ping_interval=self._configuration.limits.ping_interval_s, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._server, listener, store, started), name="local-workspace", daemon=True
        )
        self._thread.start()
        if not started.wait(_START_S):
            raise TimeoutError(f"The local workspace did not start within {_START_S:.0f} s on {self.base_url}.")
        return self.base_url

    def _run(self, server: uvicorn.Server, listener: socket.socket, store: Store, started: threading.Event) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(started.set)
            await server.serve(sockets=[listener])
            if self._hub is not None:
                self._hub.stop()

        with asyncio.Runner() as runner:
            runner.run(serve())
        store.close()
        listener.close()

    def _application(self, store: Store) -> Starlette:
        limits = self._configuration.limits
        socket_tickets = OneTimeTickets(self._now, life_s=limits.socket_ticket_life_s)
        url, secret = self._configuration.request_url, store.secret("signing_secret", secrets.token_hex(16))
        hub = self._hub = SocketHub(socket_tickets, limits, request_url=RequestUrl(url, secret) if url else None)
        self._signing_secret = secret
        events = Events(self._configuration.app, send=hub.send_event, now=self._now)
        workspace = Workspace(self._configuration, store, events=events, now=self._now)
        workspace.base_url = self.base_url
        modals = Modals(store, workspace.changes)
        socket_base = self.base_url.replace("http", "ws", 1)
        services = Services(
            workspace=workspace,
            modals=modals,
            rate_limits=RateLimits(self._now, message_interval_s=limits.message_interval_s, message_burst=limits.message_burst),
            socket_tickets=socket_tickets,
            upload_tickets=OneTimeTickets(self._now, life_s=_UPLOAD_TICKET_LIFE_S),
            socket_url=lambda ticket: f"{socket_base}/link/?ticket={ticket}&app_id=A0LOCAL001",
        )
        return _routes(services, hub, self._tokens)

    def request_disconnect(self, reason: str = "refresh_requested") -> None:
        """Asks the app to replace its sockets ("refresh_requested", "warning"), as Slack does every few hours."""
        self._in_loop(lambda hub: hub.request_disconnect(reason))

    def drop_sockets(self) -> None:
        """Cuts the app's sockets without a word."""
        self._in_loop(lambda hub: hub.drop())

    def socket_count(self) -> int:
        """How many sockets of the app take envelopes now."""
        return self._hub.socket_count if self._hub else 0

    def _in_loop(self, act: Callable[[SocketHub], None]) -> None:
        if self._loop is None or self._hub is None:
            raise RuntimeError("The local workspace is not running; call start() first.")
        hub = self._hub

        async def run() -> None:
            act(hub)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=5)

    def stop(self) -> None:
        """Ends the server and closes the state folder; a second call does nothing."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=10)
        self._server = self._thread = self._loop = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _routes(services: Services, hub: SocketHub, tokens: Tokens) -> Starlette:
    workspace = services.workspace
    interactions = Interactions(workspace, services.modals, hub)
    people = PeopleApi(workspace, services.modals, interactions, session=tokens.session)
    web_api = WebApi(services, tokens)

    async def upload(request: Request) -> Response:
        return await serve_upload(services, request)

    async def download(request: Request) -> Response:
        return await serve_download(workspace, tokens.bot, request)

    async def respond(request: Request) -> Response:
        return await serve_response_url(workspace, request)

    async def permalink(request: Request) -> Response:
        ts = request.path_params["message"].removeprefix("p")
        return RedirectResponse(f"/#channel={request.path_params['channel']}&ts={ts[:-6]}.{ts[-6:]}")

    async def page(request: Request) -> Response:  # noqa: ARG001 (Starlette passes it)
        headers = {"Content-Security-Policy": _PAGE_POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
        return FileResponse(_PAGE / "index.html", headers=headers)

    routes = [
        Route("/", page),
        Route("/api/{method}", web_api.serve, methods=["GET", "POST"]),
        WebSocketRoute("/link/", hub.serve),
        Route("/upload/v1/{ticket}", upload, methods=["POST"]),
        Route("/files-pri/{key}/{name:path}", download),
        Route("/login", serve_login),
        Route("/response/{secret}", respond, methods=["POST"]),
        Route("/archives/{channel}/{message}", permalink),
        Route("/people/api/{name}", people.serve, methods=["GET", "POST"]),
        WebSocketRoute("/people/events", people.stream),
        Mount("/page", StaticFiles(directory=_PAGE)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(LoopbackOnly)])
