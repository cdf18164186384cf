"""views.*: modals and the Home tab."""

from __future__ import annotations

from bot.local_workspace.block_kit import accept_view
from bot.local_workspace.methods.method import Call, Method
from bot.local_workspace.rate_limits import Tier
from bot.local_workspace.wire import Json, RefusalError


def _view(call: Call, *kinds: str) -> Json:
    return accept_view(call.arguments["view"], kinds=kinds, file_is_ready=call.workspace.file_is_ready)


def _open(call: Call) -> Json:
    view = _view(call, "modal")
    trigger = call.workspace.triggers.exchange(call.text("trigger_id"))
    return {"view": call.services.modals.open(trigger.person, view)}


def _push(call: Call) -> Json:
    view = _view(call, "modal")
    trigger = call.workspace.triggers.exchange(call.text("trigger_id"))
    if trigger.view_id is None:
        raise RefusalError("not_found", "[ERROR] views.push needs a trigger_id from within a modal")
    return {"view": call.services.modals.push(trigger.person, view)}


def _update(call: Call) -> Json:
    view = _view(call, "modal")
    if not (call.optional("view_id") or call.optional("external_id")):
        raise RefusalError("invalid_arguments", "[ERROR] missing required field: view_id or external_id")
    modals = call.services.modals
    person, old = modals.find(view_id=call.optional("view_id"), external_id=call.optional("external_id"))
    return {"view": modals.update(person, old, view, view_hash=call.optional("hash"))}


def _publish(call: Call) -> Json:
    if not call.workspace.configuration.app.home_tab:
        raise RefusalError("not_enabled")
    view = _view(call, "home")
    person = call.workspace.person(call.text("user_id"))
    return {"view": call.services.modals.publish(person.id, view, view_hash=call.optional("hash"))}


METHODS = {
    "views.open": Method(_open, required="trigger_id view", tier=Tier.FOUR),
    "views.push": Method(_push, required="trigger_id view", tier=Tier.FOUR),
    "views.update": Method(_update, required="view", optional="view_id external_id hash", tier=Tier.FOUR),
    "views.publish": Method(_publish, required="user_id view", optional="hash", tier=Tier.FOUR),
}
