"""Presets that people added. A version never changes; adding one of the same name makes the next."""

from __future__ import annotations

from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.entities import StoredPreset
from runner.specs import Preset
from runner.store.connection import required_time, to_text


def put(db: Database, preset: Preset, *, by: str, now: datetime) -> StoredPreset:
    """Keep a preset as the next version of its name; numbers of removed ones are not given again."""
    row = db.conn.execute("SELECT coalesce(max(version), 0) + 1 AS next FROM presets WHERE name = ?", (preset.name,)).fetchone()
    stored = StoredPreset(preset, int(row["next"]), by, now)
    db.conn.execute(
        "INSERT INTO presets (name, version, preset, made_by, made_at) VALUES (?, ?, ?, ?, ?)",
        (preset.name, stored.version, preset.model_dump_json(), by, to_text(now)),
    )
    return stored


def newest(db: Database) -> list[StoredPreset]:
    """The newest version of every preset that is there, by name."""
    rows = db.conn.execute(
        "SELECT *, max(version) FROM presets WHERE removed_at IS NULL GROUP BY name ORDER BY name"
    )  # of a bare column beside max(), SQLite takes the row of the maximum
    return [_stored(row) for row in rows]


def versions(db: Database, name: str) -> list[StoredPreset]:
    """Every version of a preset that is there, the newest first."""
    rows = db.conn.execute("SELECT * FROM presets WHERE name = ? AND removed_at IS NULL ORDER BY version DESC", (name,))
    return [_stored(row) for row in rows]


def remove(db: Database, name: str, *, now: datetime) -> None:
    """Take a preset away, with all its versions; runs that froze one keep it."""
    db.conn.execute("UPDATE presets SET removed_at = ? WHERE name = ? AND removed_at IS NULL", (to_text(now), name))


def _stored(row: Row) -> StoredPreset:
    return StoredPreset(Preset.model_validate_json(row["preset"]), row["version"], row["made_by"], required_time(row["made_at"]))
