"""What has been told of alerts, as one value that the runner alone writes; and what people mute: silences and acknowledgements."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from pydantic import TypeAdapter
from sqlite_utils import Database

from runner.alerts.matching import matcher
from runner.alerts.routing import Silence, State
from runner.alerts.rules import RuleChange
from runner.store.connection import required_time, to_text

_STATE: TypeAdapter[State] = TypeAdapter(State)


def state(db: Database) -> State:
    """What was known and told at the last look of the runner."""
    row = db.conn.execute("SELECT state FROM alert_state").fetchone()
    return State() if row is None else _STATE.validate_json(row["state"])


def keep_state(db: Database, value: State) -> None:
    """Note what is known and told now."""
    db.conn.execute("INSERT OR REPLACE INTO alert_state (id, state) VALUES (1, ?)", (_STATE.dump_json(value).decode(),))


def said_of_rules(db: Database) -> dict[str, RuleChange]:
    """What people changed of which rule."""
    return {row["name"]: RuleChange.model_validate_json(row["change"]) for row in db.conn.execute("SELECT name, change FROM rules")}


def put_rule(db: Database, name: str, change: RuleChange, *, person: str, now: datetime) -> None:
    """Keep what somebody changed of a rule."""
    said = change.model_dump_json(by_alias=True, exclude_none=True)
    db.conn.execute("INSERT OR REPLACE INTO rules (name, change, person, at) VALUES (?, ?, ?, ?)", (name, said, person, to_text(now)))


def forget_rule(db: Database, name: str) -> None:
    """Forget what people changed of a rule."""
    db.conn.execute("DELETE FROM rules WHERE name = ?", (name,))


def who_changed_rules(db: Database) -> dict[str, tuple[str, datetime]]:
    """Who changed a rule last, and when, by the rule's name."""
    return {row["name"]: (row["person"], required_time(row["at"])) for row in db.conn.execute("SELECT name, person, at FROM rules")}


def silences(db: Database, *, now: datetime) -> list[Silence]:
    """The silences that hold now, oldest first."""
    rows = db.conn.execute("SELECT * FROM silences WHERE ends_at > ? ORDER BY starts_at, id", (to_text(now),))
    return [
        Silence(row["id"], tuple(map(matcher, json.loads(row["matchers"]))), required_time(row["starts_at"]), required_time(row["ends_at"]),
                row["creator"], row["reason"])
        for row in rows
    ]


def put_silence(db: Database, silence: Silence) -> None:
    """Keep a new silence, or when it ends now."""
    db.conn.execute(
        "INSERT OR REPLACE INTO silences (id, matchers, starts_at, ends_at, creator, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (silence.id, json.dumps([str(each) for each in silence.matchers]), to_text(silence.starts_at), to_text(silence.ends_at),
         silence.creator, silence.reason),
    )


def acks(db: Database) -> dict[str, str]:
    """Who acknowledged which alert, by its fingerprint."""
    return {row["alert"]: row["person"] for row in db.conn.execute("SELECT alert, person FROM acks")}


def ack(db: Database, alerts: Iterable[str], *, person: str, now: datetime) -> None:
    """Note that a person knows of alerts."""
    rows = [(each, person, to_text(now)) for each in alerts]
    db.conn.executemany("INSERT OR REPLACE INTO acks (alert, person, at) VALUES (?, ?, ?)", rows)


def forget_acks(db: Database, alerts: Iterable[str]) -> None:
    """What has ended and comes again is new."""
    db.conn.executemany("DELETE FROM acks WHERE alert = ?", [(each,) for each in alerts])


def end_silence(db: Database, silence_id: str, *, now: datetime) -> None:
    """Let a silence end now."""
    db.conn.execute("UPDATE silences SET ends_at = ? WHERE id = ?", (to_text(now), silence_id))
