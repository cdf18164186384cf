"""Who may do what, beyond what the settings say."""

from __future__ import annotations

from runner.errors import RequestError
from runner.service.house import House, Requester, role_of
from runner.settings import Role
from runner.store import events, people


def grant(house: House, who: Requester, *, person: str, role: Role) -> Role:
    """Give a person a role; returns the one they have now, which is the higher of this and what the settings give."""
    who.must_be(Role.ADMIN, "grant roles")
    if person == who.person and role < Role.ADMIN:
        raise RequestError("You cannot take the admin role from yourself; another admin can.")
    with house.store.writing() as db:
        people.grant(db, person, role.name.lower(), by=who.person, now=house.now())
        events.record(db, "audit", at=house.now(), actor=who.person, payload={"granted": role.name.lower(), "to": person})
        return role_of(house, person)
