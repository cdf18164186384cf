"""Who may do what, beyond what the settings say: roles of people, of user groups, and of whoever speaks in a channel."""

from __future__ import annotations

from collections.abc import Sequence

from runner.errors import RequestError
from runner.service.house import House, Requester, role_of, roles
from runner.settings import Role
from runner.store import events, people


def grant(house: House, who: Requester, *, to: str, role: Role) -> Role:
    """Give a person, a user group or a channel a role; returns what that has now: the higher of this and what the settings give."""
    who.must_be(Role.ADMIN, "grant roles")
    if to == who.person and role < Role.ADMIN:
        raise RequestError("You cannot take the admin role from yourself; another admin can.")
    with house.store.writing() as db:
        people.grant(db, to, role.name.lower(), by=who.person, now=house.now())
        events.record(db, "audit", at=house.now(), actor=who.person, payload={"granted": role.name.lower(), "to": to})
        return roles(house)[to]


def who_may(house: House, role: Role, *, channel: str | None = None) -> Sequence[str]:
    """The people in Slack who are known to have at least this role in a channel, by themselves or by a group of theirs."""
    db, given = house.store.reading(), roles(house)
    named = {each for each in given if not is_group(each)}
    named |= {person for each in given if is_group(each) for person in people.members_of(db, each)}
    return sorted(each for each in named if each.startswith(("U", "W")) and role_of(house, each, channel) >= role)


def is_group(each: str) -> bool:
    """Whether an id is a user group's."""
    return each.startswith("S")


def wanted_groups(house: House) -> Sequence[str]:
    """The user groups that have a role, and whose members have to be known therefore."""
    return sorted(each for each, role in roles(house).items() if is_group(each) and role > Role.STRANGER)


def keep_group(house: House, group: str, members: Sequence[str]) -> None:
    """Note who is in a user group now."""
    db = house.store.reading()
    if sorted(set(members)) != people.members_of(db, group):
        with house.store.writing() as db:
            people.keep_group(db, group, members)
