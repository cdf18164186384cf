"""Environments that people declared on hosts, and the run that looked at each last."""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from runner.specs import DeclaredEnvironment


@dataclass(frozen=True, slots=True)
class Declaration:
    """What somebody said of an environment."""

    name: str
    declared: DeclaredEnvironment
    run_id: str


def put(db: Database, host: str, name: str, declared: DeclaredEnvironment, *, run_id: str) -> None:
    """Keep a declaration; an earlier one of that name on the host is replaced."""
    db.conn.execute(
        "INSERT OR REPLACE INTO declarations (host, name, declared, run_id) VALUES (?, ?, ?, ?)",
        (host, name, declared.model_dump_json(), run_id),
    )


def on_host(db: Database, host: str) -> list[Declaration]:
    """Those of a host, by name."""
    rows = db.conn.execute("SELECT * FROM declarations WHERE host = ? ORDER BY name", (host,))
    return [Declaration(row["name"], DeclaredEnvironment.model_validate_json(row["declared"]), row["run_id"]) for row in rows]


def remove(db: Database, host: str, name: str) -> None:
    """Forget one."""
    db.conn.execute("DELETE FROM declarations WHERE host = ? AND name = ?", (host, name))
