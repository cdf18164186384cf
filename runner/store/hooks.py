"""What was told through the hooks already."""

from __future__ import annotations

from datetime import datetime

from sqlite_utils import Database

from runner.store.connection import to_text


def keep(db: Database, key: str, *, now: datetime) -> bool:
    """Note that something was told; False where it was before."""
    known = db.conn.execute("UPDATE hook_calls SET told_at = ? WHERE key = ?", (to_text(now), key)).rowcount
    if not known:
        db.conn.execute("INSERT INTO hook_calls (key, told_at) VALUES (?, ?)", (key, to_text(now)))
    return not known


def forget(db: Database, *, before: datetime) -> None:
    """Forget what was told last before a moment."""
    db.conn.execute("DELETE FROM hook_calls WHERE told_at < ?", (to_text(before),))
