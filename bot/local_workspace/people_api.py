"""The people's door: what the page, tests and the headless demo use to be somebody in this workspace.

Every request needs `Authorization: Bearer <session token>`; the token is printed with the page's address. POST bodies are
JSON objects. `person`, `channel`: a name or an id. Answers are {"ok": true, …} or {"ok": false, "error", …}.

| request under /people/api/ | what it does | answer |
|---|---|---|
| GET people | who one can be | people |
| GET state?person= | who and what is there | people, channels, app, seq |
| GET messages?person=&channel=&limit= | top-level and ephemeral messages, oldest first | messages |
| GET thread?person=&channel=&ts= | a parent and its replies | messages |
| GET views?person= | open modals (the visible one last) and the Home tab | views, home |
| GET changes?person=&after=&timeout_s= | waits for what happens after number `after` | changes, seq |
| GET file?file= | the bytes of a file | bytes |
| POST say {person, channel, text, thread_ts?} | sends a message; @names, #channels, addresses are recognised | message |
| POST slash {person, channel, command, text} | runs a slash command (not in a thread, as in Slack) | answer |
| POST upload?person=&channel=&filename=&text=&thread_ts= (raw body) | shares a file | message |
| POST click {person, channel, ts, action_id, block_id?, value?, confirmed?} | acts in a message | acknowledged, problem |
| POST click {person, view_id, action_id, …} | acts in a modal or the Home tab | acknowledged, problem |
| POST submit {person, view_id, values} | fills in and submits a modal | outcome, errors |
| POST close {person, view_id, whole_stack?} | closes a modal | |
| POST shortcut {person, callback_id, channel?, ts?} | runs a shortcut | acknowledged, problem |
| POST home {person} | opens the app's Home tab | view |
| POST direct_messages {person} | opens the direct messages with the app | channel |
| POST invite {person, channel} | makes the app a member of a channel | channel |
| WebSocket /people/events?session=&person=&after= | the same changes, pushed | one JSON object a change |
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.local_workspace.entities import BOT_USER_ID, Channel, Message, Person, StoredFile
from bot.local_workspace.file_doors import file_response, receive_bytes
from bot.local_workspace.identifiers import fresh_id
from bot.local_workspace.interactions import Interactions
from bot.local_workspace.modals import Modals
from bot.local_workspace.payloads import channel_json, person_json
from bot.local_workspace.typed_text import encode
from bot.local_workspace.web_api import bearer, raw_arguments, same_secret
from bot.local_workspace.wire import Json, RefusalError
from bot.local_workspace.workspace import Workspace

_LONGEST_POLL_S = 30.0


class PeopleApi:
    """Answers /people/api/<name> and /people/events."""

    def __init__(self, workspace: Workspace, modals: Modals, interactions: Interactions, *, session: str) -> None:
        self._workspace = workspace
        self._modals = modals
        self._interactions = interactions
        self._session = session
        self._routes: dict[tuple[str, str], Callable[[Person, Json], Awaitable[Json]]] = {
            ("GET", "state"): self._state,
            ("GET", "messages"): self._messages,
            ("GET", "thread"): self._thread,
            ("GET", "views"): self._views,
            ("GET", "changes"): self._changes,
            ("POST", "say"): self._say,
            ("POST", "slash"): self._slash,
            ("POST", "click"): self._click,
            ("POST", "submit"): self._submit,
            ("POST", "close"): self._close,
            ("POST", "shortcut"): self._shortcut,
            ("POST", "home"): self._home,
            ("POST", "direct_messages"): self._direct_messages,
            ("POST", "invite"): self._invite,
        }

    async def serve(self, request: Request) -> Response:
        """One request of a person."""
        name = request.path_params["name"]
        try:
            if not same_secret(bearer(request), self._session):
                raise RefusalError("not_authed", "Open the address that the workspace printed.", status=401)
            if (request.method, name) == ("GET", "file"):
                return file_response(self._workspace, self._workspace.file(request.query_params.get("file", "")))
            if (request.method, name) == ("POST", "upload"):
                return JSONResponse({"ok": True, **await self._upload(request)})
            if (request.method, name) == ("GET", "people"):
                return JSONResponse({"ok": True, "people": self._selectable_people()})
            route = self._routes.get((request.method, name))
            if route is None:
                raise RefusalError("unknown_request", f"There is no {request.method} {name} here.", status=404)
            body = await raw_arguments(request)
            return JSONResponse({"ok": True, **await route(self._person(body), body)})
        except RefusalError as refusal:
            status = 400 if refusal.status == 200 else refusal.status
            return JSONResponse(refusal.to_json(), status_code=status)

    async def stream(self, websocket: WebSocket) -> None:
        """Pushes changes to the page until it goes away."""
        query = websocket.query_params
        if not same_secret(query.get("session", ""), self._session):
            await websocket.close()
            return
        try:
            person, after = self._person(dict(query)), _number(dict(query), "after", 0)
        except RefusalError:
            await websocket.close()
            return
        await websocket.accept()
        pusher = asyncio.ensure_future(self._push(websocket, person, after))
        try:
            while True:
                await websocket.receive_text()
        except (WebSocketDisconnect, KeyError):
            pass
        finally:
            pusher.cancel()

    async def _push(self, websocket: WebSocket, person: Person, seq: int) -> None:
        while True:
            for change in await self._workspace.changes.wait(seq, person.id, timeout_s=_LONGEST_POLL_S):
                seq = int(change["seq"])
                await websocket.send_text(json.dumps(change))

    # What is there

    def _selectable_people(self) -> list[Json]:
        return [person_json(person) for person in self._workspace.people() if not person.is_bot]

    async def _state(self, person: Person, body: Json) -> Json:  # noqa: ARG002
        app = self._workspace.configuration.app
        mine = [c for c in self._workspace.channels() if not c.is_im or person.id in c.members]
        return {
            "team": {"name": self._workspace.configuration.team_name},
            "people": [person_json(somebody) for somebody in self._workspace.people()],
            "channels": [channel_json(channel) | {"is_mine": person.id in channel.members} for channel in mine],
            "app": {
                "name": app.name, "bot_user_id": BOT_USER_ID, "home_tab": app.home_tab,
                "commands": [vars(command) for command in app.slash_commands],
                "shortcuts": [vars(shortcut) for shortcut in app.shortcuts],
            },
            "seq": self._workspace.changes.seq,
        }  # fmt: skip

    async def _messages(self, person: Person, body: Json) -> Json:
        limit = _number(body, "limit", 200)
        newest = self._workspace.store.top_level(self._channel(person, body).id, newest=limit)
        return {"messages": [self._workspace.show_to_people(message) for message in self._visible(person, newest)]}

    async def _thread(self, person: Person, body: Json) -> Json:
        channel = self._channel(person, body)
        thread = self._visible(person, self._workspace.store.thread(channel.id, _text(body, "ts")))
        return {"messages": [self._workspace.show_to_people(message) for message in thread]}

    async def _views(self, person: Person, body: Json) -> Json:  # noqa: ARG002
        return {"views": self._modals.stack(person.id), "home": self._workspace.store.home(person.id)}

    async def _changes(self, person: Person, body: Json) -> Json:
        timeout_s = min(_LONGEST_POLL_S, float(body.get("timeout_s", 0)))
        after = _number(body, "after", 0)
        changes = await self._workspace.changes.wait(after, person.id, timeout_s=timeout_s)
        return {"changes": changes, "seq": int(changes[-1]["seq"]) if changes else after}

    # What people do

    async def _say(self, person: Person, body: Json) -> Json:
        channel, thread_ts = self._own_channel(person, body), body.get("thread_ts") or None
        self._workspace.require_parent(channel, thread_ts)
        text = self._encode(_text(body, "text"))
        if not text.strip():
            raise RefusalError("no_text", "A message needs text.")
        posted = self._workspace.post(Message(channel.id, "", person.id, text, thread_ts=thread_ts))
        return {"message": self._workspace.show_to_people(posted)}

    async def _slash(self, person: Person, body: Json) -> Json:
        if body.get("thread_ts"):
            raise RefusalError("not_in_threads", "Slash commands do not work in threads.")
        channel = self._own_channel(person, body)
        command, text = _text(body, "command"), str(body.get("text", ""))
        answer = await self._interactions.slash(person, channel, command=command, text=text)
        return {"answer": self._workspace.show_to_people(answer) if answer else None}

    async def _upload(self, request: Request) -> Json:
        query = dict(request.query_params)
        person = self._person(query)
        channel, thread_ts = self._own_channel(person, query), query.get("thread_ts") or None
        self._workspace.require_parent(channel, thread_ts)
        # A name is only ever shown and sent on, never a path here; still, folders in it are noise.
        name = _text(query, "filename").replace("\\", "/").rsplit("/", 1)[-1] or "file"
        announced = StoredFile(fresh_id("F"), name, name, 0, person.id, self._workspace.now())
        file = await receive_bytes(self._workspace, request, announced, exactly=False)
        text = self._encode(query.get("text", ""))
        message = Message(channel.id, "", person.id, text, thread_ts=thread_ts)
        return {"message": self._workspace.show_to_people(self._workspace.share([file], message))}

    async def _click(self, person: Person, body: Json) -> Json:
        what: Json = {
            "action_id": _text(body, "action_id"), "block_id": body.get("block_id"), "value": body.get("value"),
            "confirmed": body.get("confirmed") is True,
        }  # fmt: skip
        if body.get("view_id"):
            return await self._interactions.act_in_view(person, self._view(person, body), **what)
        return await self._interactions.act_on_message(person, self._message(person, body), **what)

    async def _submit(self, person: Person, body: Json) -> Json:
        values = body.get("values", {})
        if not isinstance(values, dict):
            raise RefusalError("invalid_arguments", "values must be an object.")
        return await self._interactions.submit(person, self._modal(person, body), values)

    async def _close(self, person: Person, body: Json) -> Json:
        await self._interactions.close(person, self._modal(person, body), whole_stack=body.get("whole_stack") is True)
        return {}

    async def _shortcut(self, person: Person, body: Json) -> Json:
        message = self._message(person, body) if body.get("ts") else None
        return await self._interactions.shortcut(person, _text(body, "callback_id"), message)

    async def _home(self, person: Person, body: Json) -> Json:  # noqa: ARG002
        return {"view": self._interactions.open_home(person)}

    async def _direct_messages(self, person: Person, body: Json) -> Json:  # noqa: ARG002
        return {"channel": channel_json(self._workspace.direct_messages(person.id))}

    async def _invite(self, person: Person, body: Json) -> Json:
        joined = self._workspace.join(self._own_channel(person, body), BOT_USER_ID, inviter=person.id)
        return {"channel": channel_json(joined)}

    # Finding what a request names

    def _person(self, body: Json) -> Person:
        name = body.get("person", "")
        for person in self._workspace.people():
            if not person.is_bot and name in (person.id, person.name):
                return person
        raise RefusalError("user_not_found", f"There is no person {name!r} here.")

    def _channel(self, person: Person, body: Json) -> Channel:
        name = str(body.get("channel", "")).removeprefix("#")
        for channel in self._workspace.channels():
            if name == channel.id or (name == channel.name and not channel.is_im):
                if channel.is_im and person.id not in channel.members:
                    break
                return channel
        raise RefusalError("channel_not_found", f"There is no channel {name!r} here.")

    def _own_channel(self, person: Person, body: Json) -> Channel:
        channel = self._channel(person, body)
        if person.id not in channel.members:
            raise RefusalError("not_in_channel", f"{person.name} is not a member of #{channel.name}.")
        return channel

    @staticmethod
    def _visible(person: Person, messages: list[Message]) -> list[Message]:
        return [message for message in messages if message.visible_to in (None, person.id)]

    def _message(self, person: Person, body: Json) -> Message:
        message = self._workspace.store.message(self._channel(person, body).id, _text(body, "ts"))
        if message is None or message.visible_to not in (None, person.id):
            raise RefusalError("message_not_found")
        return message

    def _modal(self, person: Person, body: Json) -> Json:
        owner, view = self._modals.find(view_id=_text(body, "view_id"))
        if owner != person.id:
            raise RefusalError("not_found")
        return view

    def _view(self, person: Person, body: Json) -> Json:
        home = self._workspace.store.home(person.id)
        return home if home and home["id"] == body["view_id"] else self._modal(person, body)

    def _encode(self, text: str) -> str:
        return encode(text, people=self._workspace.people(), channels=self._workspace.channels())


def _text(body: Json, name: str) -> str:
    value: Any = body.get(name)
    if not isinstance(value, str) or not value:
        raise RefusalError("invalid_arguments", f"{name} is required and must be text.")
    return value


def _number(body: Json, name: str, default: int) -> int:
    try:
        return int(body.get(name) or default)
    except (TypeError, ValueError) as error:
        raise RefusalError("invalid_arguments", f"{name} must be a whole number.") from error
