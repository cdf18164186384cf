"""Commands that are carried out when something happens: a new dataset version, a result, a failure, an alert."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Mapping
from datetime import timedelta

from runner.entities import Run
from runner.errors import RequestError
from runner.service import standing_orders
from runner.service.causes import NAMES, Happened, parse_cause
from runner.service.house import House, Requester
from runner.service.standing_orders import TRIGGERS
from runner.settings import Role
from runner.store import events, outbox, past_runs, runs, triggers
from runner.store.triggers import Outcome, Trigger, TriggerFiring

__all__ = ["Outcome", "Trigger", "TriggerFiring", "add", "all_triggers", "look", "ready", "take"]

_CURSOR = "triggers"
_NAMED = re.compile(r"\{(\w+)\}")
_OPTION = re.compile(r"-|[\w-]+=")
"""What a command would read as an option of its own."""
log = logging.getLogger(__name__)
_MOST_EVENTS = 200
_FARTHEST = 20
_SHOWN = 3


def add(house: House, who: Requester, *, words: str, command: str, cooldown: timedelta, dry_run: bool = False) -> Trigger:
    """Keep a trigger that carries out ``command`` as the person. RequestError for words that are not understood, for what can never
    happen, and for no command or one that names what this cause does not know."""
    who.must_be(Role.MEMBER, "add triggers")
    cause = parse_cause(words)
    cause.check(house)
    line = standing_orders.checked(TRIGGERS, command, example='"new data fish" retrain rtmdet-nano on fish')
    unknown = [f"{{{name}}}" for name in NAMES if f"{{{name}}}" in line and name not in cause.NAMES]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in cause.NAMES)
        raise RequestError(f"What “{words}” waits for has no {', '.join(unknown)}; its command may name {known}.")
    with house.store.writing() as db:
        added = triggers.add(
            db, words=" ".join(words.split()), command=line, owner=who.person, channel=who.place.channel, cooldown=cooldown,
            dry_run=dry_run, now=house.now(),
        )
        standing_orders.record(house, who, TRIGGERS, added, "added")
    return added


def all_triggers(house: House) -> list[tuple[Trigger, list[TriggerFiring]]]:
    """Every trigger with its last firings, oldest first."""
    db = house.store.reading()
    return [(each, triggers.firings(db, each.id, limit=_SHOWN)) for each in TRIGGERS.all(db)]


def look(house: House) -> int:
    """Note for every event not yet looked at which triggers it fires, and which not and why; returns how many events that were."""
    if not events.after(house.store.reading(), outbox.cursor(house.store.reading(), _CURSOR), limit=1):
        return 0
    with house.store.writing() as db:
        unread = events.after(db, outbox.cursor(db, _CURSOR), limit=_MOST_EVENTS)
        waiting = [(each, parse_cause(each.words)) for each in TRIGGERS.all(db) if not each.paused]
        for event in unread:
            for trigger, cause in waiting:
                if event.id > trigger.after_event:
                    try:
                        for happened in cause.look(db, event):
                            _fire(house, trigger, happened)
                    except Exception:  # one odd event must not stop all that come after it
                        log.exception("The event %s does not fire %s: it cannot be read.", event.id, trigger.id)
        outbox.move_cursor(db, _CURSOR, unread[-1].id)
        return len(unread)


def ready(house: House) -> list[tuple[Trigger, TriggerFiring]]:
    """What fired and has to be carried out, oldest first."""
    return triggers.untaken(house.store.reading())


def take(house: House, firing: TriggerFiring) -> None:
    """Note that a firing's command was carried out. Inside the transaction that carries it out, it happens once."""
    with house.store.writing() as db:
        triggers.take(db, firing, now=house.now())


def _fire(house: House, trigger: Trigger, happened: Happened) -> None:
    db, now = house.store.reading(), house.now()
    fired = triggers.last_fired(db, trigger.id)
    outcome = Outcome.DRY_RUN if trigger.dry_run else Outcome.FIRED
    if happened.run is not None and _is_product(house, happened.run, trigger):
        outcome = Outcome.OWN_PRODUCT
    elif any(_OPTION.match(value) for value in happened.names.values()):
        outcome = Outcome.UNSAFE
    elif fired is not None and now - fired < trigger.cooldown:
        outcome = Outcome.COOLING
    command = _filled(trigger.command, happened.names)
    with house.store.writing() as db:
        triggers.keep_firing(db, TriggerFiring(trigger.id, happened.key, now, outcome, command, happened.because))


def _filled(command: str, names: Mapping[str, str]) -> str:
    """The command with ``{…}`` filled in: whatever a name holds, it stays inside its word."""
    return shlex.join(_NAMED.sub(lambda found: names.get(found[1], found[0]), word) for word in shlex.split(command))


def _is_product(house: House, run: Run, trigger: Trigger) -> bool:
    """Whether a run came, over however many others, of this trigger: it must not fire again for what it made itself."""
    db = house.store.reading()
    for _ in range(_FARTHEST):
        request = past_runs.request_of(db, run.id)
        if request.startswith(standing_orders.requests_of(TRIGGERS, trigger)):
            return True
        cause = events.run_of(db, int(event)) if (event := request.partition(":event:")[2]) else run.parent_id
        if cause is None:
            return False
        run = runs.get(db, cause)
    return True  # a chain as long as that goes in a circle, or soon will
