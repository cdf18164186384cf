"""What every verb of the service needs, and who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from recipes.catalog.catalog import Catalog
from runner.entities import Place, Run
from runner.errors import NotAllowedError
from runner.settings import Role, Settings
from runner.store import people
from runner.store.connection import DatabaseError, Store

__all__ = ["DatabaseError", "House", "Requester", "open_house", "role_of", "roles", "utc_now"]


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class House:
    """Settings, database, datasets and clock of one installation."""

    settings: Settings
    store: Store
    catalog: Catalog
    now: Callable[[], datetime] = field(default=utc_now)


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, through which door (slash, mention, button, modal, terminal, schedule, upload), and where to answer.

    ``request_id`` is the id that the door gave the request; the same id never acts twice.
    """

    person: str
    role: Role
    door: str
    request_id: str
    place: Place = field(default_factory=Place)

    def must_be(self, role: Role, what: str) -> None:
        """NotAllowedError unless the person has the role."""
        if self.role < role:
            raise NotAllowedError(
                f"To {what} one must be {role.name.lower()}; you are {self.role.name.lower()}. An admin can `grant` it."
            )

    def must_own(self, run: Run, what: str) -> None:
        """NotAllowedError unless it is the person's own run, or the person is an operator."""
        if run.owner != self.person:
            self.must_be(Role.OPERATOR, f"{what} somebody else's run ({run.id} is {run.owner}'s)")


def open_house(settings: Settings) -> House:
    """Open an installation: its folders, its database (brought up to date) and its datasets."""
    for folder in (settings.state, settings.inbox, settings.logs, settings.results):
        folder.mkdir(parents=True, exist_ok=True)
    return House(settings, Store(settings.database), Catalog(settings.catalog))


def roles(house: House) -> Mapping[str, Role]:
    """The higher of what the settings say and what was granted, by the id of a person, a user group or a channel."""
    given = dict(house.settings.access.listed)
    for each, granted in people.granted(house.store.reading()).items():
        given[each] = max(given.get(each, Role.STRANGER), Role[granted.upper()])
    return given


def role_of(house: House, person: str, channel: str | None = None) -> Role:
    """A person's role in a channel: the highest that they have themselves, that a group of theirs has, or that the channel gives."""
    given = roles(house)
    return max(given.get(each or "", Role.STRANGER) for each in (person, channel, *people.groups_of(house.store.reading(), person)))
