"""The champions: for each preset and dataset the run whose model is the best known; and the retrainings that challenge them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.judging import Rule, Verdict
from runner.store.connection import required_time, to_text, to_time


@dataclass(frozen=True, slots=True)
class Champion:
    """A run that became champion at a time, by a person or by winning; ``withdrawn_at`` where that was taken back."""

    preset: str
    dataset: str
    run_id: str
    at: datetime
    by: str
    why: str
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Retraining:
    """A training (``run_id``) that challenges the champion of its preset and dataset, measured on ``split`` of the version ``test``.

    ``inputs`` is a fingerprint of all that it was made from. ``eval_id`` and ``champion_eval_id`` are the runs that measure both;
    ``export_id`` is the run that makes it the start of the preset ``publish``, where that was asked for and it was promoted.
    """

    run_id: str
    preset: str
    dataset: str
    inputs: str
    test: str
    split: str | None
    rule: Rule
    champion_id: str | None = None
    eval_id: str | None = None
    champion_eval_id: str | None = None
    verdict: Verdict | None = None
    why: str = ""
    settled_at: datetime | None = None
    publish: str | None = None
    export_id: str | None = None


def crown(db: Database, champion: Champion) -> None:
    """Add to the history; the newest that was not withdrawn is the champion."""
    db.conn.execute(
        "INSERT INTO champions (preset, dataset, run_id, at, by, why) VALUES (?, ?, ?, ?, ?, ?)",
        (champion.preset, champion.dataset, champion.run_id, to_text(champion.at), champion.by, champion.why),
    )


def withdraw(db: Database, champion: Champion, *, now: datetime) -> None:
    """Take a championship back; the one before it holds again."""
    db.conn.execute(
        "UPDATE champions SET withdrawn_at = ? WHERE preset = ? AND dataset = ? AND at = ? AND withdrawn_at IS NULL",
        (to_text(now), champion.preset, champion.dataset, to_text(champion.at)),
    )


def history(db: Database, preset: str, dataset: str) -> list[Champion]:
    """Everything that was champion of a preset on a dataset, the newest first, what was withdrawn included."""
    rows = db.conn.execute("SELECT * FROM champions WHERE preset = ? AND dataset = ? ORDER BY id DESC", (preset, dataset))
    return [_champion(row) for row in rows]


def current(db: Database) -> list[Champion]:
    """The champion of each preset and dataset."""
    rows = db.conn.execute(
        "SELECT * FROM champions WHERE id IN (SELECT max(id) FROM champions WHERE withdrawn_at IS NULL GROUP BY preset, dataset)"
        " ORDER BY preset, dataset"
    )
    return [_champion(row) for row in rows]


def champion_of(db: Database, preset: str, dataset: str) -> Champion | None:
    """The champion of a preset on a dataset."""
    return next((each for each in history(db, preset, dataset) if each.withdrawn_at is None), None)


def keep_retraining(db: Database, retraining: Retraining) -> None:
    """Write a retraining as it is now."""
    db.conn.execute(
        "INSERT OR REPLACE INTO retrainings (run_id, preset, dataset, inputs, test, split, rule, champion_id, eval_id, champion_eval_id,"
        " verdict, why, settled_at, publish, export_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (retraining.run_id, retraining.preset, retraining.dataset, retraining.inputs, retraining.test, retraining.split,
         retraining.rule.model_dump_json(), retraining.champion_id, retraining.eval_id, retraining.champion_eval_id,
         retraining.verdict, retraining.why, to_text(retraining.settled_at), retraining.publish, retraining.export_id),
    )


def unsettled(db: Database) -> list[Retraining]:
    """Every retraining without a verdict, oldest first."""
    return [_retraining(row) for row in db.conn.execute("SELECT * FROM retrainings WHERE settled_at IS NULL ORDER BY rowid")]


def retrainings(db: Database, preset: str, dataset: str) -> list[Retraining]:
    """Every retraining of a preset on a dataset, the newest first."""
    rows = db.conn.execute("SELECT * FROM retrainings WHERE preset = ? AND dataset = ? ORDER BY rowid DESC", (preset, dataset))
    return [_retraining(row) for row in rows]


def retraining_with(db: Database, run_id: str) -> Retraining | None:
    """The retraining that a run is part of, as its training or as one of its evaluations."""
    row = db.conn.execute(
        "SELECT * FROM retrainings WHERE ? IN (run_id, eval_id, champion_eval_id) ORDER BY rowid DESC LIMIT 1", (run_id,)
    ).fetchone()
    return None if row is None else _retraining(row)


def evaluations_at(db: Database, champion_id: str, test: str, split: str | None) -> list[str]:
    """The evaluations of a champion on a split that retrainings asked for, in no order."""
    rows = db.conn.execute(
        "SELECT champion_eval_id AS eval_id FROM retrainings WHERE champion_id = ? AND test = ? AND split IS ?"
        " UNION SELECT eval_id FROM retrainings WHERE run_id = ? AND test = ? AND split IS ?", (champion_id, test, split) * 2,
    )
    return [row["eval_id"] for row in rows if row["eval_id"]]


def _champion(row: Row) -> Champion:
    return Champion(
        row["preset"], row["dataset"], row["run_id"], required_time(row["at"]), row["by"], row["why"], to_time(row["withdrawn_at"])
    )


def _retraining(row: Row) -> Retraining:
    return Retraining(
        row["run_id"], row["preset"], row["dataset"], row["inputs"], row["test"], row["split"], Rule.model_validate_json(row["rule"]),
        row["champion_id"], row["eval_id"], row["champion_eval_id"], Verdict(row["verdict"]) if row["verdict"] else None, row["why"],
        to_time(row["settled_at"]), row["publish"], row["export_id"],
    )
