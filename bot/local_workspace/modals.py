"""Views that are open: every person's stack of modals (at most three), and their Home tab.

Modals do not survive a restart of the workspace; Home tabs do.
"""

from __future__ import annotations

import secrets
from typing import Any

from bot.local_workspace.changes import ChangeFeed
from bot.local_workspace.entities import APP_ID, BOT_ID, TEAM_ID
from bot.local_workspace.identifiers import fresh_id
from bot.local_workspace.inputs import initial_state
from bot.local_workspace.store import Store
from bot.local_workspace.wire import Json, RefusalError

_STACK = 3


class Modals:
    """Open views by person and by id."""

    def __init__(self, store: Store, changes: ChangeFeed) -> None:
        self._store = store
        self._changes = changes
        self._stacks: dict[str, list[Json]] = {}

    def stack(self, person: str) -> list[Json]:
        """A person's open modals, the visible one last."""
        return list(self._stacks.get(person, []))

    def find(self, *, view_id: str | None = None, external_id: str | None = None) -> tuple[str, Json]:
        """(person, view) with that id or external_id. Raises not_found."""
        for person, stack in self._stacks.items():
            for view in stack:
                if (view_id and view["id"] == view_id) or (external_id and view["external_id"] == external_id):
                    return person, view
        raise RefusalError("not_found")

    def open(self, person: str, view: Json) -> Json:
        """Opens a modal; what was open before is gone, as in Slack. Raises duplicate_external_id."""
        self._require_new_external_id(view)
        opened = _dress(view)
        self._keep(person, [opened])
        return opened

    def push(self, person: str, view: Json) -> Json:
        """Puts a modal above the open one. Raises push_limit_reached, not_found when none is open."""
        stack = self._stacks.get(person, [])
        if not stack:
            raise RefusalError("not_found")
        if len(stack) >= _STACK:
            raise RefusalError("push_limit_reached")
        self._require_new_external_id(view)
        pushed = _dress(view, root_view_id=stack[0]["id"], previous_view_id=stack[-1]["id"])
        self._keep(person, [*stack, pushed])
        return pushed

    def update(self, person: str, old: Json, view: Json, *, view_hash: str | None = None) -> Json:
        """Replaces an open modal; inputs with the same ids keep their values. Raises hash_conflict, not_found."""
        if view_hash is not None and view_hash != old["hash"]:
            raise RefusalError("hash_conflict")
        stack = self._stacks.get(person, [])
        if old["id"] not in [open_view["id"] for open_view in stack]:
            raise RefusalError("not_found")
        updated = _dress(view, keep=old)
        self._keep(person, [updated if open_view["id"] == old["id"] else open_view for open_view in stack])
        return updated

    def set_state(self, person: str, view: Json, values: Json) -> Json:
        """Remembers what a person has put into an open view."""
        changed = view | {"state": {"values": values}}
        stack = [changed if open_view["id"] == view["id"] else open_view for open_view in self._stacks.get(person, [])]
        self._stacks[person] = stack
        return changed

    def close(self, person: str, view: Json) -> None:
        """Closes one modal; the one below it, if any, becomes visible."""
        self._keep(person, [open_view for open_view in self._stacks.get(person, []) if open_view["id"] != view["id"]])

    def close_all(self, person: str) -> None:
        """Closes a person's whole stack."""
        self._keep(person, [])

    def publish(self, person: str, view: Json, *, view_hash: str | None = None) -> Json:
        """Replaces a person's Home tab. Raises hash_conflict."""
        old = self._store.home(person)
        if view_hash is not None and (old is None or view_hash != old["hash"]):
            raise RefusalError("hash_conflict")
        published = _dress(view, keep=old)
        self._store.put_home(person, published)
        self._changes.add("home", {"person": person}, only_for=person)
        return published

    def _keep(self, person: str, stack: list[Json]) -> None:
        self._stacks[person] = stack
        self._changes.add("views", {"person": person, "views": stack}, only_for=person)

    def _require_new_external_id(self, view: Json) -> None:
        external_id = view.get("external_id")
        if external_id and any(v["external_id"] == external_id for stack in self._stacks.values() for v in stack):
            raise RefusalError("duplicate_external_id")


def _dress(view: Json, *, keep: Json | None = None, **places: Any) -> Json:
    """The full form of a view as Slack returns it, from what the app sent; `keep` is the one it replaces."""
    view_id = keep["id"] if keep else fresh_id("V")
    kept_values = keep["state"]["values"] if keep else None
    places = {key: keep[key] for key in ("root_view_id", "previous_view_id")} if keep else places
    defaults: Json = {
        "private_metadata": "", "callback_id": "", "external_id": "", "clear_on_close": False, "notify_on_close": False,
        "close": None, "submit": None, "title": None,
    }  # fmt: skip
    identity: Json = {
        "id": view_id, "team_id": TEAM_ID, "app_id": APP_ID, "app_installed_team_id": TEAM_ID, "bot_id": BOT_ID,
        "root_view_id": view_id, "previous_view_id": None, **places,
        "hash": secrets.token_hex(8), "state": {"values": initial_state(view["blocks"], kept=kept_values)},
    }  # fmt: skip
    return defaults | view | identity
