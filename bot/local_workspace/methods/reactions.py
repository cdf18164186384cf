"""reactions.add."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.local_workspace.entities import BOT_USER_ID
from bot.local_workspace.methods.method import Call, Method
from bot.local_workspace.wire import Json, RefusalError


def _add(call: Call) -> Json:
    message = call.workspace.message(call.channel_as_member(), call.text("timestamp"))
    name = call.text("name").strip(":")
    # Slack knows a list of emoji; this workspace knows their form.
    if not re.fullmatch(r"[a-z0-9_+'-]{1,100}", name):
        raise RefusalError("invalid_name")
    users = message.reactions.get(name, [])
    if BOT_USER_ID in users:
        raise RefusalError("already_reacted")
    call.workspace.change(replace(message, reactions=message.reactions | {name: [*users, BOT_USER_ID]}))
    return {}


METHODS = {"reactions.add": Method(_add, ("reactions:write",), required="channel name timestamp")}
