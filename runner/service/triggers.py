"""Commands that are carried out when something happens: a new dataset version, a result, a failure, an alert, a file."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Mapping
from datetime import timedelta

from runner.entities import Run
from runner.errors import RequestError
from runner.service import standing_orders
from runner.service.causes import ANY, Cause, FileAppears, Happened, parse_cause
from runner.service.house import House, Requester
from runner.service.standing_orders import TRIGGERS
from runner.settings import Role
from runner.store import events, observations, outbox, past_runs, runs, triggers
from runner.store.triggers import Outcome, Trigger, TriggerFiring

__all__ = [
    "Outcome", "Trigger", "TriggerFiring", "add", "all_triggers", "fire", "keys", "look", "note_trouble", "ready", "take",
    "waiting_for_files",
]

COOLDOWN = timedelta(minutes=10)
_HOUR = timedelta(hours=1)
_CURSOR = "triggers"
_NAMED = re.compile(r"\{(\w+)\}")
_OPTION = re.compile(r"-|[\w.-]*=")
"""What a command would read as an option of its own."""
log = logging.getLogger(__name__)
_MOST_EVENTS = 200
_FARTHEST = 20
_SHOWN = 3


def add(
    house: House, who: Requester, *, words: str, command: str, cooldown: timedelta | None = None, most: int | None = None,
    dry_run: bool = False,
) -> Trigger:
    """Keep a trigger that carries out ``command`` as the person, ``most`` times an hour; ``cooldown`` None: 10 minutes, or none where
    there is a most, and for files. RequestError for words that are not understood, for what can never happen, and for no command or one
    that names what this cause does not know."""
    who.must_be(Role.MEMBER, "add triggers")
    cause = parse_cause(words)
    cause.check(house, who)
    line = standing_orders.checked(TRIGGERS, command, example='"new data fish" retrain rtmdet-nano on fish')
    unknown = [f"{{{name}}}" for name in _NAMED.findall(line) if name not in cause.NAMES]
    if unknown and ANY not in cause.NAMES:
        known = ", ".join(f"{{{name}}}" for name in cause.NAMES)
        raise RequestError(f"What “{words}” waits for has no {', '.join(unknown)}; its command may name {known}.")
    usual = timedelta() if most or isinstance(cause, FileAppears) else COOLDOWN
    with house.store.writing() as db:
        added = Trigger(
            TRIGGERS.new_id(), " ".join(words.split()), line, who.person, who.place.channel, house.now(),
            usual if cooldown is None else cooldown, most, dry_run,
            paused=False, after_event=observations.newest_event(db),
        )
        triggers.add(db, added)
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
        waiting, unknown = _waiting(house)
        for trigger in unknown:
            note_trouble(house, trigger, f"“{trigger.words}” is not understood any more; remove it and add it anew")
        for event in unread:
            for trigger, cause in waiting:
                if event.id > trigger.after_event:
                    try:
                        for happened in cause.look(db, event):
                            fire(house, trigger, happened)
                    except Exception:  # one odd event must not stop all that come after it
                        log.exception("The event %s does not fire %s: it cannot be read.", event.id, trigger.id)
        outbox.move_cursor(db, _CURSOR, unread[-1].id)
        return len(unread)


def waiting_for_files(house: House) -> list[tuple[Trigger, FileAppears]]:
    """The triggers that wait for files, and where."""
    return [(trigger, cause) for trigger, cause in _waiting(house)[0] if isinstance(cause, FileAppears)]


def keys(house: House, trigger: Trigger) -> set[str]:
    """The key of everything that ever happened to a trigger."""
    return triggers.keys(house.store.reading(), trigger.id)


def fire(house: House, trigger: Trigger, happened: Happened) -> None:
    """Note what comes of a happening that a trigger waits for; once, by its key."""
    db, now = house.store.reading(), house.now()
    fired = triggers.last_fired(db, trigger.id)
    named = [happened.names.get(name, "") for name in _NAMED.findall(trigger.command)]
    outcome = Outcome.DRY_RUN if trigger.dry_run else Outcome.FIRED
    if happened.run is not None and _is_product(house, happened.run, trigger):
        outcome = Outcome.OWN_PRODUCT
    elif happened.unsafe or any(_OPTION.match(value) or not value.isprintable() for value in named):
        outcome = Outcome.UNSAFE
    elif fired is not None and now - fired < trigger.cooldown:
        outcome = Outcome.COOLING
    elif trigger.most is not None and triggers.fired_since(db, trigger.id, now - _HOUR) >= trigger.most:
        outcome = Outcome.TOO_OFTEN
    command = _filled(trigger.command, happened.names)
    with house.store.writing() as db:
        triggers.keep_firing(db, TriggerFiring(trigger.id, happened.key, now, outcome, command, happened.because))


def note_trouble(house: House, trigger: Trigger, why: str) -> bool:
    """Note why it cannot be seen whether a trigger fires; False where that reason was noted before."""
    with house.store.writing() as db:
        return triggers.keep_firing(db, TriggerFiring(trigger.id, f"trouble:{why}", house.now(), Outcome.BLIND, trigger.command, why))


def ready(house: House) -> list[tuple[Trigger, TriggerFiring]]:
    """What fired and has to be carried out, oldest first."""
    return triggers.untaken(house.store.reading())


def take(house: House, firing: TriggerFiring) -> None:
    """Note that a firing's command was carried out. Inside the transaction that carries it out, it happens once."""
    with house.store.writing() as db:
        triggers.take(db, firing, now=house.now())


def _waiting(house: House) -> tuple[list[tuple[Trigger, Cause]], list[Trigger]]:
    """The triggers that are not paused, with what they wait for; and those of an earlier release whose words mean nothing now."""
    known, unknown = [], []
    for trigger in TRIGGERS.all(house.store.reading()):
        if not trigger.paused:
            try:
                known.append((trigger, parse_cause(trigger.words)))
            except RequestError:
                unknown.append(trigger)
    return known, unknown


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
