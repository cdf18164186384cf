"""Socket Mode, Slack's side: hello, envelopes, acks within 3 s, retries of events, requests to reconnect.

Simplified: events that nobody acknowledged are retried while this process lives, not across its restart.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.local_workspace.configuration import Limits
from bot.local_workspace.entities import APP_ID
from bot.local_workspace.request_url import RequestUrl
from bot.local_workspace.tickets import OneTimeTickets
from bot.local_workspace.wire import Json, Silence


@dataclass(eq=False)
class _Socket:
    websocket: WebSocket
    is_draining: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class SocketHub:
    """All open sockets of the app. Each envelope goes to one of them, in turn; or, with a ``request_url``, there."""

    def __init__(self, tickets: OneTimeTickets, limits: Limits, *, request_url: RequestUrl | None = None) -> None:
        self._request_url = request_url
        self._tickets = tickets
        self._limits = limits
        self._sockets: list[_Socket] = []
        self._turn = 0
        self._waiting: dict[str, asyncio.Future[Json]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def socket_count(self) -> int:
        """How many sockets take envelopes now."""
        return sum(not socket.is_draining for socket in self._sockets)

    async def serve(self, websocket: WebSocket) -> None:
        """Speaks with one socket until it closes. A ticket opens one socket once; a wrong one is refused (403)."""
        if self._tickets.redeem(websocket.query_params.get("ticket", "")) is None:
            await websocket.close()
            return
        await websocket.accept()
        socket = _Socket(websocket)
        self._sockets.append(socket)
        try:
            await websocket.send_text(json.dumps(self._hello()))
            while True:
                self._take_ack(await websocket.receive_text())
        except (WebSocketDisconnect, KeyError):  # KeyError: a binary frame, which no client sends
            pass
        finally:
            self._sockets.remove(socket)
            socket.closed.set()

    def _hello(self) -> Json:
        return {
            "type": "hello", "num_connections": len(self._sockets), "connection_info": {"app_id": APP_ID},
            "debug_info": {"host": "local", "build_number": 1, "approximate_connection_time": 18060},
        }  # fmt: skip

    def _take_ack(self, text: str) -> None:
        try:
            ack = json.loads(text)
        except (ValueError, RecursionError):
            return
        envelope_id = ack.get("envelope_id") if isinstance(ack, dict) else None
        waiting = self._waiting.get(envelope_id) if isinstance(envelope_id, str) else None
        if waiting is not None and not waiting.done():
            payload = ack.get("payload")
            waiting.set_result(payload if isinstance(payload, dict) else {})

    async def deliver(self, kind: str, payload: Json, *, accepts_response: bool, retry: tuple[int, str] | None = None) -> Json | Silence:
        """Sends one envelope and waits for its ack: the ack's payload ({} without one), or why there was none."""
        if self._request_url is not None:
            return await self._request_url.post(kind, payload, within_s=self._limits.ack_s, retry=retry)
        socket = self._next_socket()
        if socket is None:
            return Silence.NO_SOCKET
        envelope: dict[str, Any] = {
            "envelope_id": str(uuid4()), "type": kind, "payload": payload, "accepts_response_payload": accepts_response,
        }  # fmt: skip
        if kind == "events_api":
            attempt, reason = retry or (0, "")
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        acked: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = acked
        try:
            # Sending counts too: a client that no longer reads would hold it up for ever.
            async with asyncio.timeout(self._limits.ack_s):
                await socket.websocket.send_text(json.dumps(envelope))
                return await acked
        except (TimeoutError, WebSocketDisconnect, RuntimeError):  # RuntimeError: closed while sending
            return Silence.TIMEOUT
        finally:
            del self._waiting[envelope["envelope_id"]]

    def _next_socket(self) -> _Socket | None:
        open_sockets = [socket for socket in self._sockets if not socket.is_draining]
        if not open_sockets:
            return None
        self._turn += 1
        return open_sockets[self._turn % len(open_sockets)]

    def send_event(self, payload: Json) -> None:
        """Delivers an event in the background, again after each retry delay until somebody acknowledges it."""
        self._start(self._deliver_event(payload))

    async def _deliver_event(self, payload: Json) -> None:
        answer = await self.deliver("events_api", payload, accepts_response=False)
        for attempt, delay_s in enumerate(self._limits.event_retry_delays_s, start=1):
            if not isinstance(answer, Silence):
                return
            await asyncio.sleep(delay_s)
            reason = "timeout" if answer is Silence.TIMEOUT else "connection_failed"
            answer = await self.deliver("events_api", payload, accepts_response=False, retry=(attempt, reason))

    def request_disconnect(self, reason: str) -> None:
        """Tells every socket to be replaced ("refresh_requested" or "warning") and closes it a little later."""
        for socket in self._sockets:
            if not socket.is_draining:
                socket.is_draining = True
                self._start(self._drain(socket, reason))

    async def _drain(self, socket: _Socket, reason: str) -> None:
        notice = {"type": "disconnect", "reason": reason, "debug_info": {"host": secrets.token_hex(4)}}
        try:
            async with asyncio.timeout(self._limits.socket_closes_after_s):
                await socket.websocket.send_text(json.dumps(notice))
                await socket.closed.wait()
        except TimeoutError:
            await self._close(socket)
        except (WebSocketDisconnect, RuntimeError):
            return

    def drop(self) -> None:
        """Cuts every socket without a word, as a network does."""
        for socket in self._sockets:
            socket.is_draining = True
            self._start(self._close(socket))

    async def _close(self, socket: _Socket) -> None:
        try:
            await socket.websocket.close(code=1011)
        except (WebSocketDisconnect, RuntimeError):
            return

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Gives up all deliveries that are still being tried."""
        for task in tuple(self._tasks):
            task.cancel()
