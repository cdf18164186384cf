"""What schedules and triggers both are in the database: a command that is kept, and carried out later in its owner's name."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Row
from typing import Generic, Protocol, TypeVar

from sqlite_utils import Database

from runner.errors import RequestError


class StandingOrder(Protocol):
    """A schedule or a trigger. ``words`` are what the person typed, of when it is carried out."""

    @property
    def id(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def command(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def channel(self) -> str | None: ...
    @property
    def paused(self) -> bool: ...


Order = TypeVar("Order", bound=StandingOrder)


@dataclass(frozen=True, slots=True)
class Book(Generic[Order]):
    """The table of one kind of standing order, named for its ``noun``, the table of its firings, and how a row of the former reads."""

    noun: str
    firings: str
    read: Callable[[Row], Order]

    def new_id(self) -> str:
        """An id that no other has."""
        return self.full_id(secrets.token_hex(2))

    def full_id(self, typed: str) -> str:
        """An id as it is kept, typed with or without its letter."""
        return f"{self.noun[0]}-{typed.strip().lower().removeprefix(f'{self.noun[0]}-')}"

    def find(self, db: Database, order_id: str) -> Order | None:
        """The one of that id."""
        row = db.conn.execute(f"SELECT * FROM {self.noun}s WHERE id = ?", (order_id,)).fetchone()  # noqa: S608
        return row and self.read(row)

    def get(self, db: Database, order_id: str) -> Order:
        """The one of that id; RequestError where there is none."""
        found = self.find(db, order_id)
        if found is None:
            raise RequestError(f"There is no {self.noun} {order_id}. `{self.noun} list` shows them.")
        return found

    def all(self, db: Database) -> list[Order]:
        """Every one, oldest first."""
        return [self.read(row) for row in db.conn.execute(f"SELECT * FROM {self.noun}s ORDER BY created_at")]  # noqa: S608

    def pause(self, db: Database, order_id: str, *, paused: bool) -> None:
        """Stop one from firing, or let it fire again."""
        db.conn.execute(f"UPDATE {self.noun}s SET paused = ? WHERE id = ?", (int(paused), order_id))  # noqa: S608

    def remove(self, db: Database, order_id: str) -> None:
        """Forget one and its firings."""
        db.conn.execute(f"DELETE FROM {self.firings} WHERE {self.noun}_id = ?", (order_id,))  # noqa: S608
        db.conn.execute(f"DELETE FROM {self.noun}s WHERE id = ?", (order_id,))  # noqa: S608
