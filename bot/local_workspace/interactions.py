"""What people do and the app must answer: commands, clicks, submitted and closed views, shortcuts, the Home tab.

The shapes of the payloads are Slack's (docs.slack.dev/reference/interaction-payloads).
"""

from __future__ import annotations

from typing import Any

from bot.local_workspace.answers import give_answer
from bot.local_workspace.block_kit import accept_view
from bot.local_workspace.entities import APP_ID, TEAM_ID, Channel, Message, Person
from bot.local_workspace.inputs import action_of, complaints, fill_in, find_element, initial_state, state_of
from bot.local_workspace.modals import Modals
from bot.local_workspace.socket_mode import SocketHub
from bot.local_workspace.typed_text import encode, escape
from bot.local_workspace.wire import Json, RefusalError, Silence
from bot.local_workspace.workspace import Workspace

TROUBLE = "We had some trouble connecting. Try again?"
"""What Slack's modal says when the app did not answer, or answered nonsense."""


class Interactions:
    """Builds the payload of each interaction, sends it through a socket, and applies the ack."""

    def __init__(self, workspace: Workspace, modals: Modals, hub: SocketHub) -> None:
        self._workspace = workspace
        self._modals = modals
        self._hub = hub
        self._states: dict[tuple[str, str, str], Json] = {}

    # Slash commands

    async def slash(self, person: Person, channel: Channel, *, command: str, text: str) -> Message | None:
        """Runs a command and returns the answer in its ack, if any; failures are a note by Slackbot.

        The error is Slack's: dispatch_failed without a socket, operation_timeout without an ack in time.
        """
        declared = {entry.command: entry for entry in self._workspace.configuration.app.slash_commands}
        if command not in declared:
            note = f"{escape(command)} is not a valid command. In Slack, all commands of an app are in its manifest."
            return self._workspace.whisper(person.id, channel, note)
        secret = self._workspace.response_urls.issue(person.id, channel.id)
        people, channels = self._workspace.people(), self._workspace.channels()
        should_escape = declared[command].should_escape
        sent = encode(text, people=people, channels=channels, with_names=True) if should_escape else escape(text)
        payload = {
            "token": self._token(), "team_id": TEAM_ID, "team_domain": self._workspace.configuration.team_domain,
            "channel_id": channel.id, "channel_name": "directmessage" if channel.is_im else channel.name,
            "user_id": person.id, "user_name": person.name, "command": command, "text": sent, "api_app_id": APP_ID,
            "is_enterprise_install": "false", "response_url": self._response_url(secret),
            "trigger_id": self._workspace.triggers.issue(person.id),
        }  # fmt: skip
        ack = await self._hub.deliver("slash_commands", payload, accepts_response=True)
        if isinstance(ack, Silence):
            return self._failed(person, channel, command, ack.value)
        if not ack:
            return None
        try:
            return give_answer(self._workspace, self._workspace.response_urls.look_up(secret), ack)
        except RefusalError as refusal:
            return self._failed(person, channel, command, "invalid_command_response", *refusal.args)

    def _failed(self, person: Person, channel: Channel, command: str, error: str, *details: str) -> Message:
        text = f'{escape(command)} failed with the error "{error}"'
        return self._workspace.whisper(person.id, channel, " ".join((text, *(f"({escape(d)})" for d in details))))

    # Clicks and choices

    async def act_on_message(
        self, person: Person, message: Message, *, action_id: str, block_id: str | None, value: Any, confirmed: bool
    ) -> Json:
        """A click or choice in a message: {acknowledged, problem}. Raises confirmation_required with the dialog."""
        blocks = list(message.blocks)
        block, element = find_element(blocks, action_id, block_id=block_id)
        _require_confirmation(element, confirmed=confirmed)
        action = action_of(block, element, value, action_ts=self._workspace.timestamps.next())
        key = (message.channel, message.ts, person.id)
        state = self._remember(initial_state(blocks, kept=self._states.get(key)), block, element, value)
        if state:
            self._states[key] = state
        if block["type"] == "input" and not block.get("dispatch_action"):
            return {"acknowledged": True}
        channel = self._workspace.channel(message.channel)
        thread_ts = message.thread_ts if message.is_reply else None
        secret = self._workspace.response_urls.issue(person.id, channel.id, message_ts=message.ts, thread_ts=thread_ts)
        container = {
            "type": "message", "message_ts": message.ts, "channel_id": channel.id,
            "is_ephemeral": message.visible_to is not None,
        } | ({"thread_ts": message.thread_ts} if message.thread_ts else {})  # fmt: skip
        payload = self._payload("block_actions", person, container=container, state={"values": state}) | {
            "channel": _channel_reference(channel), "response_url": self._response_url(secret), "actions": [action],
        }  # fmt: skip
        if message.visible_to is None:  # Slack does not show an ephemeral message to the app again
            payload["message"] = self._workspace.show(message)
        return self._outcome(await self._hub.deliver("interactive", payload, accepts_response=True))

    async def act_in_view(self, person: Person, view: Json, *, action_id: str, block_id: str | None, value: Any, confirmed: bool) -> Json:
        """A click or choice in a modal or the Home tab: {acknowledged, problem}. Raises confirmation_required."""
        block, element = find_element(view["blocks"], action_id, block_id=block_id)
        _require_confirmation(element, confirmed=confirmed)
        action = action_of(block, element, value, action_ts=self._workspace.timestamps.next())
        values = self._remember(view["state"]["values"], block, element, value)
        changed = view | {"state": {"values": values}}
        if view["type"] == "modal":
            changed = self._modals.set_state(person.id, view, values)
        if block["type"] == "input" and not block.get("dispatch_action"):
            return {"acknowledged": True}
        container = {"type": "view", "view_id": view["id"]}
        modal_id = view["id"] if view["type"] == "modal" else None
        payload = self._payload("block_actions", person, in_view=modal_id, container=container, view=changed)
        answer = await self._hub.deliver("interactive", payload | {"actions": [action]}, accepts_response=True)
        return self._outcome(answer)

    @staticmethod
    def _remember(state: Json, block: Json, element: Json, value: Any) -> Json:
        if element["type"] in ("button", "overflow"):
            return state
        actions = {**state.get(block["block_id"], {}), element["action_id"]: state_of(element, value)}
        return state | {block["block_id"]: actions}

    # Views

    async def submit(self, person: Person, view: Json, given: Json) -> Json:
        """Fills a modal in and submits it: {outcome: closed, updated, pushed, cleared, errors or trouble; errors}."""
        values = fill_in(view["blocks"], view["state"]["values"], given)
        filled = self._modals.set_state(person.id, view, values)
        if errors := complaints(view["blocks"], values):
            return {"outcome": "errors", "errors": errors}
        payload = self._payload("view_submission", person, in_view=view["id"], view=filled, response_urls=[])
        ack = await self._hub.deliver("interactive", payload, accepts_response=True)
        if isinstance(ack, Silence):
            return {"outcome": "trouble", "problem": f"{TROUBLE} ({ack.value})"}
        try:
            return self._apply_submission(person, filled, ack)
        except RefusalError as refusal:
            return {"outcome": "trouble", "problem": f"{TROUBLE} ({refusal})"}

    def _apply_submission(self, person: Person, view: Json, ack: Json) -> Json:
        action = ack.get("response_action")
        if action is None:
            self._modals.close(person.id, view)
            return {"outcome": "closed"}
        if action == "clear":
            self._modals.close_all(person.id)
            return {"outcome": "cleared"}
        if action == "errors":
            errors, inputs = ack.get("errors"), {b["block_id"] for b in view["blocks"] if b["type"] == "input"}
            if not isinstance(errors, dict) or not errors or not errors.keys() <= inputs:
                raise RefusalError("invalid_arguments", "[ERROR] errors must name input blocks of the view")
            return {"outcome": "errors", "errors": errors}
        if action not in ("update", "push"):
            raise RefusalError("invalid_arguments", f"[ERROR] unknown response_action {action}")
        answer = accept_view(ack.get("view"), kinds=("modal",), file_is_ready=self._workspace.file_is_ready)
        if action == "push":
            return {"outcome": "pushed", "view": self._modals.push(person.id, answer)}
        return {"outcome": "updated", "view": self._modals.update(person.id, view, answer)}

    async def close(self, person: Person, view: Json, *, whole_stack: bool) -> None:
        """Closes a modal, or the whole stack; the app hears of it where the view has notify_on_close."""
        closed = self._modals.stack(person.id)[::-1] if whole_stack or view["clear_on_close"] else [view]
        if len(closed) > 1:
            self._modals.close_all(person.id)
        else:
            self._modals.close(person.id, view)
        for each in closed:
            if each["notify_on_close"]:
                payload = self._payload("view_closed", person, with_trigger=False, view=each, is_cleared=len(closed) > 1)
                await self._hub.deliver("interactive", payload, accepts_response=False)

    # Shortcuts and the Home tab

    async def shortcut(self, person: Person, callback_id: str, message: Message | None) -> Json:
        """Runs a message shortcut (with a message) or a global one: {acknowledged, problem}. Raises no_such_shortcut."""
        kind = "global" if message is None else "message"
        declared = self._workspace.configuration.app.shortcuts
        if not any(s.callback_id == callback_id and s.kind == kind for s in declared):
            raise RefusalError("no_such_shortcut", f"The manifest has no {kind} shortcut {callback_id}.")
        action_ts = self._workspace.timestamps.next()
        kind_name = "shortcut" if message is None else "message_action"
        payload = self._payload(kind_name, person, callback_id=callback_id, action_ts=action_ts)
        if message is not None:
            channel = self._workspace.channel(message.channel)
            secret = self._workspace.response_urls.issue(person.id, channel.id, message_ts=message.ts)
            payload |= {
                "message_ts": message.ts, "message": self._workspace.show(message),
                "channel": _channel_reference(channel), "response_url": self._response_url(secret),
            }  # fmt: skip
        return self._outcome(await self._hub.deliver("interactive", payload, accepts_response=True))

    def open_home(self, person: Person) -> Json | None:
        """Tells the app that a person looks at its Home tab, and returns what it shows so far."""
        view = self._workspace.store.home(person.id)
        channel = self._workspace.direct_messages(person.id)
        self._workspace.events.home_opened(channel, person.id, view, at=self._workspace.timestamps.next())
        return view

    # Shapes

    def _payload(self, kind: str, person: Person, *, in_view: str | None = None, with_trigger: bool = True, **rest: Any) -> Json:
        if not self._workspace.configuration.app.interactivity:
            raise RefusalError("interactivity_disabled", "The manifest says settings.interactivity.is_enabled: false.")
        domain = self._workspace.configuration.team_domain
        trigger = {"trigger_id": self._workspace.triggers.issue(person.id, view_id=in_view)} if with_trigger else {}
        user = {"id": person.id, "username": person.name, "name": person.name, "team_id": TEAM_ID}
        return {
            "type": kind, "user": user, "api_app_id": APP_ID, "token": self._token(), **trigger,
            "team": {"id": TEAM_ID, "domain": domain}, "enterprise": None, "is_enterprise_install": False, **rest,
        }  # fmt: skip

    def _token(self) -> str:
        return self._workspace.events.verification_token

    def _response_url(self, secret: str) -> str:
        return f"{self._workspace.base_url}/response/{secret}"

    @staticmethod
    def _outcome(ack: Json | Silence) -> Json:
        if isinstance(ack, Silence):
            return {"acknowledged": False, "problem": ack.value}
        return {"acknowledged": True}


def _require_confirmation(element: Json, *, confirmed: bool) -> None:
    if "confirm" in element and not confirmed:
        raise RefusalError("confirmation_required", fields={"confirm": element["confirm"]})


def _channel_reference(channel: Channel) -> Json:
    return {"id": channel.id, "name": "directmessage" if channel.is_im else channel.name}
