"""users.info, users.list, usergroups.users.list."""

from __future__ import annotations

from bot.local_workspace.methods.method import Call, Method
from bot.local_workspace.payloads import person_json
from bot.local_workspace.rate_limits import Tier
from bot.local_workspace.wire import Json, RefusalError


def _users_info(call: Call) -> Json:
    return {"user": person_json(call.workspace.person(call.text("user")))}


def _users_list(call: Call) -> Json:
    people, metadata = call.page(call.workspace.people())
    return {"members": [person_json(person) for person in people], "response_metadata": metadata}


def _group_users(call: Call) -> Json:
    members = call.workspace.configuration.groups.get(call.text("usergroup"))
    if members is None:
        raise RefusalError("no_such_subteam")
    ids = {person.name: person.id for person in call.workspace.people()}
    return {"users": [ids[name] for name in members]}


METHODS = {
    "users.info": Method(_users_info, ("users:read",), required="user", optional="include_locale", tier=Tier.FOUR),
    "users.list": Method(_users_list, ("users:read",), optional="cursor limit include_locale", tier=Tier.TWO),
    "usergroups.users.list": Method(_group_users, ("usergroups:read",), required="usergroup", optional="include_disabled", tier=Tier.TWO),
}
