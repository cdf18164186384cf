"""Commands that are carried out when something happens: a new dataset version, a result, a failure, an alert."""

from __future__ import annotations

import difflib
import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from runner.checkpoints import measured
from runner.entities import Event, Place, Run
from runner.errors import RequestError
from runner.service.alerts import rules
from runner.service.house import House, Requester, role_of
from runner.settings import Role
from runner.specs import Kind, ModelSpec, TrainSpec
from runner.states import State
from runner.store import events, outbox, past_runs, progress, runs, triggers
from runner.store.triggers import Outcome, Trigger, TriggerFiring
from runner.trigger_words import Happening, When, parse_when

__all__ = ["NAMES", "Outcome", "Trigger", "TriggerFiring", "add", "all_triggers", "look", "pause", "ready", "remove", "requester", "take"]

DOOR = "trigger"
TERMINAL_PREFIX = "terminal:"
NAMES = ("run", "data", "alert", "host")
"""What ``{…}`` in a command may name, of what happened."""
ALERT_EVENT = "alert"
_CURSOR = "triggers"
log = logging.getLogger(__name__)
_MOST_EVENTS = 200
_FARTHEST = 20
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that triggers may wait for. ``key`` tells it from all others; ``run`` is whose doing it was, None of an alert about
    no run."""

    key: str
    because: str
    names: Mapping[str, str]
    run: Run | None = None
    ap: float | None = None
    dropped: float = 0.0
    alert: str = ""
    dataset: str = ""
    """The dataset of which there is a new version."""


def add(house: House, who: Requester, *, words: str, command: str, cooldown: timedelta, dry_run: bool = False) -> Trigger:
    """Keep a trigger that carries out ``command`` as the person. RequestError for words that are not understood, an alert that no rule
    makes, or no command."""
    who.must_be(Role.MEMBER, "add triggers")
    _check_alert(house, parse_when(words))
    line = _checked(command)
    with house.store.writing() as db:
        added = triggers.add(
            db, words=" ".join(words.split()), command=line, owner=who.person, channel=who.place.channel, cooldown=cooldown,
            dry_run=dry_run, now=house.now(),
        )
        _record(house, who, added, "added")
    return added


def all_triggers(house: House) -> list[tuple[Trigger, list[TriggerFiring]]]:
    """Every trigger with its last firings, oldest first."""
    db = house.store.reading()
    return [(each, triggers.firings(db, each.id, limit=_SHOWN)) for each in triggers.all_triggers(db)]


def pause(house: House, who: Requester, trigger_id: str, *, paused: bool = True) -> Trigger:
    """Let a trigger pass over what happens, or not any more."""
    with house.store.writing() as db:
        trigger = _own(house, who, trigger_id, "pause" if paused else "resume")
        triggers.pause(db, trigger.id, paused=paused)
        _record(house, who, trigger, "paused" if paused else "resumed")
        return triggers.get(db, trigger.id)


def remove(house: House, who: Requester, trigger_id: str) -> Trigger:
    """Forget a trigger."""
    with house.store.writing() as db:
        trigger = _own(house, who, trigger_id, "remove")
        triggers.remove(db, trigger.id)
        _record(house, who, trigger, "removed")
        return trigger


def look(house: House) -> int:
    """Note for every event not yet looked at which triggers it fires, and which not and why; returns how many events that were."""
    if not events.after(house.store.reading(), outbox.cursor(house.store.reading(), _CURSOR), limit=1):
        return 0
    with house.store.writing() as db:
        unread = events.after(db, outbox.cursor(db, _CURSOR), limit=_MOST_EVENTS)
        waiting = [(each, parse_when(each.words)) for each in triggers.all_triggers(db) if not each.paused]
        for event in unread if waiting else ():
            try:
                _look_at(house, event, waiting)
            except Exception:  # one odd event must not stop all that come after it
                log.exception("The event %s fires no trigger: it cannot be read.", event.id)
        outbox.move_cursor(db, _CURSOR, unread[-1].id)
        return len(unread)


def _look_at(house: House, event: Event, waiting: Sequence[tuple[Trigger, When]]) -> None:
    for happened in _happened(house, event):
        for trigger, when in waiting:
            if event.id > trigger.after_event and _matches(when, happened):
                _fire(house, trigger, happened)


def ready(house: House) -> list[tuple[Trigger, TriggerFiring]]:
    """What fired and has to be carried out, oldest first."""
    return triggers.untaken(house.store.reading())


def take(house: House, firing: TriggerFiring) -> None:
    """Note that a firing's command was carried out. Inside the transaction that carries it out, it happens once."""
    with house.store.writing() as db:
        triggers.take(db, firing, now=house.now())


def requester(house: House, trigger: Trigger, firing: TriggerFiring) -> Requester:
    """Who asks when a trigger fires: its owner, with the role they have now; the same firing always has the same request id."""
    role = Role.ADMIN if trigger.owner.startswith(TERMINAL_PREFIX) else role_of(house, trigger.owner, trigger.channel)
    return Requester(trigger.owner, role, DOOR, f"{_requests_of(trigger)}{firing.key}", Place(channel=trigger.channel))


def _happened(house: House, event: Event) -> Iterator[Happened]:
    db = house.store.reading()
    if event.kind == ALERT_EVENT:
        firing = event.payload.get("firing")
        for alert in firing if isinstance(firing, list) else ():
            labels = alert["labels"]
            name, run_id, host = (str(labels.get(key, "")) for key in ("alertname", "run", "host"))
            names, about = {"alert": name, "run": run_id, "host": host}, f" for {run_id}" if run_id else ""
            run = runs.find(db, run_id)
            yield Happened(f"alert:{alert['id']}:{alert['since']}", f"the alert {name} fires{about}", names, run, alert=name)
    elif event.kind == "state" and event.run_id is not None and event.payload.get("state") in (State.SUCCEEDED, State.FAILED):
        run = runs.get(db, event.run_id)
        reference = str(runs.result(db, run.id).get("reference", "")) if run.kind in (Kind.INGEST, Kind.CONVERT) else ""
        ap, dropped = _measured(house, run)
        made = f"{run.id} made {reference}" if reference else f"{run.id} {run.reason.in_words}"
        yield Happened(
            f"event:{event.id}", f"{made}{f', mAP {ap:.3f}' if ap is not None else ''}", {"run": run.id, "data": reference or _data(run)},
            run, ap, dropped, dataset=reference.partition("@")[0],
        )


def _measured(house: House, run: Run) -> tuple[float | None, float]:
    """(best mAP of a training or an evaluation, how much less that is than its parent's)."""
    if run.kind not in (Kind.TRAIN, Kind.EVAL) or run.state is not State.SUCCEEDED:
        return None, 0.0
    db = house.store.reading()
    mine, before = (
        max(measured(progress.evaluations(db, each)).values(), default=None) if each else None for each in (run.id, run.parent_id)
    )
    return mine, before - mine if mine is not None and before is not None else 0.0


def _matches(when: When, happened: Happened) -> bool:
    run = happened.run
    match when.happening:
        case Happening.ALERT:
            return happened.alert.lower() == when.alert.lower()
        case Happening.DATA:
            return happened.dataset == when.dataset
    if run is None or not isinstance(run.spec, TrainSpec | ModelSpec) or run.spec.dataset is None:
        return False
    if when.preset not in (None, run.spec.preset.name) or when.dataset not in (None, run.spec.dataset.name):
        return False
    match when.happening:
        case Happening.SUCCESS | Happening.FAILURE:
            return run.state is (State.SUCCEEDED if when.happening is Happening.SUCCESS else State.FAILED)
        case Happening.BELOW:
            return happened.ap is not None and happened.ap < when.value
        case Happening.ABOVE:
            return happened.ap is not None and happened.ap > when.value
        case _:
            return happened.dropped > 0 and happened.dropped >= when.value


def _fire(house: House, trigger: Trigger, happened: Happened) -> None:
    db, now = house.store.reading(), house.now()
    fired = triggers.last_fired(db, trigger.id)
    outcome = Outcome.DRY_RUN if trigger.dry_run else Outcome.FIRED
    if happened.run is not None and _is_product(house, happened.run, trigger):
        outcome = Outcome.OWN_PRODUCT
    elif fired is not None and now - fired < trigger.cooldown:
        outcome = Outcome.COOLING
    command = trigger.command
    for name in NAMES:
        command = command.replace(f"{{{name}}}", shlex.quote(happened.names.get(name, "")))
    with house.store.writing() as db:
        triggers.keep_firing(db, TriggerFiring(trigger.id, happened.key, now, outcome, command, happened.because))


def _is_product(house: House, run: Run, trigger: Trigger) -> bool:
    """Whether a run came, over however many others, of this trigger: it must not fire again for what it made itself."""
    db = house.store.reading()
    for _ in range(_FARTHEST):
        request = past_runs.request_of(db, run.id)
        if request.startswith(_requests_of(trigger)):
            return True
        cause = events.run_of(db, int(event)) if (event := request.partition(":event:")[2]) else run.parent_id
        if cause is None:
            return False
        run = runs.get(db, cause)
    return True  # a chain as long as that goes in a circle, or soon will


def _data(run: Run) -> str:
    dataset = run.spec.dataset if isinstance(run.spec, TrainSpec | ModelSpec) else None
    return str(dataset) if dataset else ""


def _requests_of(trigger: Trigger) -> str:
    return f"{DOOR}:{trigger.id}:"


def _check_alert(house: House, when: When) -> None:
    known = {rule.name.lower(): rule.name for rule in rules(house).values()}
    if when.happening is Happening.ALERT and when.alert.lower() not in known:
        near = difflib.get_close_matches(when.alert.lower(), known, n=1)
        hint = f" Did you mean {known[near[0]]}?" if near else ""
        raise RequestError(f"No rule makes an alert {when.alert}.{hint} There are: {', '.join(sorted(known.values()))}.")


def _own(house: House, who: Requester, trigger_id: str, what: str) -> Trigger:
    wanted = trigger_id.strip().lower()
    trigger = triggers.get(house.store.reading(), wanted if wanted.startswith("t-") else f"t-{wanted}")
    if trigger.owner != who.person:
        who.must_be(Role.OPERATOR, f"{what} somebody else's trigger ({trigger.id} is {trigger.owner}'s)")
    return trigger


def _checked(command: str) -> str:
    line = command.strip()
    example = 'For example `trigger add "new data fish" retrain rtmdet-nano on fish`.'
    if not line:
        raise RequestError(f"A trigger needs a command to carry out. {example}")
    if line.split()[0].lower() in (DOOR, "schedule"):
        raise RequestError(f"A trigger cannot change triggers or schedules. {example}")
    return line


def _record(house: House, who: Requester, trigger: Trigger, what: str) -> None:
    payload = {"trigger": trigger.id, "what": what, "words": trigger.words, "command": trigger.command}
    with house.store.writing() as db:
        events.record(db, "trigger", at=house.now(), actor=who.person, payload=payload)
