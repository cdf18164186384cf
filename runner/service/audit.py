"""Who asked for what, when, through which door, and what came of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from runner.errors import RequestError
from runner.service.house import House, Requester
from runner.settings import Role
from runner.store import audit
from runner.store.audit import Act, Wanted

__all__ = ["FORMS", "Act", "Wanted", "acts", "as_text", "visible_to"]

MOST = 100_000
FORMS = ("csv", "json")
_COLUMNS = ("at", "person", "door", "line", "done", "said", "run_id")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible_to(who: Requester, wanted: Wanted) -> Wanted:
    """What somebody may see of that: operators all of it, everybody else what they did themselves."""
    if who.role >= Role.OPERATOR:
        return wanted
    if wanted.person not in (None, who.person):
        raise RequestError("The acts of others are for operators to read; leave --person out to see your own.")
    return replace(wanted, person=who.person)


def acts(house: House, wanted: Wanted, *, limit: int = MOST) -> Sequence[Act]:
    """The newest acts first."""
    return list(audit.acts(house.store.reading(), wanted, limit=limit))


def as_text(found: Sequence[Act], form: str) -> str:
    """The acts as a CSV or JSON document, the newest first; times in UTC. No cell is a formula for whoever opens the CSV."""
    rows = [{**asdict(act), "at": act.at.isoformat()} for act in found]
    if form == "json":
        return json.dumps(rows, indent=1, ensure_ascii=False)
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS)
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
