"""Who wants to hear of which runs, and the hours of each place: when it is quiet, and when its digest comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from sqlite3 import Row
from zoneinfo import ZoneInfo

from sqlite_utils import Database

from runner.store.connection import to_text


@dataclass(frozen=True, slots=True)
class Subscription:
    """A place (a person's or a channel's id) hears of ``what`` (a run, preset, dataset, or ``all``) at these levels; none: of nothing."""

    place: str
    what: str
    levels: frozenset[str]
    made_by: str


@dataclass(frozen=True, slots=True)
class Hours:
    """When a place is quiet, and when its morning digest comes, in its own zone. ``digest_on`` is the day of the last one."""

    place: str
    zone: str
    quiet_from: time | None = None
    quiet_until: time | None = None
    digest_at: time | None = None
    digest_on: date | None = None

    def quiet(self, now: datetime) -> bool:
        """Whether it is quiet there now; hours may go over midnight."""
        if self.quiet_from is None or self.quiet_until is None:
            return False
        at = now.astimezone(ZoneInfo(self.zone)).time()
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= at < self.quiet_until
        return at >= self.quiet_from or at < self.quiet_until

    def digest_due(self, now: datetime) -> bool:
        """Whether today's digest is still to come and its time has."""
        local = now.astimezone(ZoneInfo(self.zone))
        return self.digest_at is not None and self.digest_on != local.date() and local.time() >= self.digest_at


def put(db: Database, new: Subscription, *, now: datetime) -> None:
    """Note a subscription, instead of what that place wanted of the same before."""
    db.conn.execute(
        "INSERT OR REPLACE INTO subscriptions (place, what, levels, made_by, at) VALUES (?, ?, ?, ?, ?)",
        (new.place, new.what, ",".join(sorted(new.levels)), new.made_by, to_text(now)),
    )


def drop(db: Database, place: str, what: str | None) -> int:
    """Forget what a place wanted to hear, of one thing or of everything; returns how many that were."""
    return db.conn.execute("DELETE FROM subscriptions WHERE place = ? AND (? IS NULL OR what = ?)", (place, what, what)).rowcount


def subscriptions(db: Database, *, place: str | None = None, of: Iterable[str] | None = None) -> list[Subscription]:
    """All of them, those of a place, or those to any of these things."""
    rows = [_subscription(row) for row in db.conn.execute("SELECT * FROM subscriptions ORDER BY place, what")]
    wanted = None if of is None else set(of)
    return [each for each in rows if place in (None, each.place) and (wanted is None or each.what in wanted)]


def hours(db: Database) -> dict[str, Hours]:
    """The hours of every place that has any."""
    return {row["place"]: _hours(row) for row in db.conn.execute("SELECT * FROM hours")}


def put_hours(db: Database, new: Hours) -> None:
    """Note the hours of a place."""
    moments = (new.quiet_from, new.quiet_until, new.digest_at, new.digest_on)
    db.conn.execute(
        "INSERT OR REPLACE INTO hours (place, zone, quiet_from, quiet_until, digest_at, digest_on) VALUES (?, ?, ?, ?, ?, ?)",
        (new.place, new.zone, *(None if each is None else each.isoformat() for each in moments)),
    )


def _subscription(row: Row) -> Subscription:
    return Subscription(row["place"], row["what"], frozenset(filter(None, row["levels"].split(","))), row["made_by"])


def _hours(row: Row) -> Hours:
    def moment(key: str) -> time | None:
        return time.fromisoformat(row[key]) if row[key] else None

    digest_on = date.fromisoformat(row["digest_on"]) if row["digest_on"] else None
    return Hours(row["place"], row["zone"], moment("quiet_from"), moment("quiet_until"), moment("digest_at"), digest_on)
