"""users.info, users.list."""

from __future__ import annotations

from bot.local_workspace.methods.method import Call, Method
from bot.local_workspace.payloads import person_json
from bot.local_workspace.rate_limits import Tier
from bot.local_workspace.wire import Json


def _users_info(call: Call) -> Json:
    return {"user": person_json(call.workspace.person(call.text("user")))}


def _users_list(call: Call) -> Json:
    people, metadata = call.page(call.workspace.people())
    return {"members": [person_json(person) for person in people], "response_metadata": metadata}


METHODS = {
    "users.info": Method(_users_info, ("users:read",), required="user", optional="include_locale", tier=Tier.FOUR),
    "users.list": Method(_users_list, ("users:read",), optional="cursor limit include_locale", tier=Tier.TWO),
}
