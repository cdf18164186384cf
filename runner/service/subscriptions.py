"""What people ask about hearing of runs: of which, where, when not, and all at once in the morning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import time
from zoneinfo import ZoneInfo

from runner.entities import Run
from runner.errors import RequestError
from runner.service.house import House, Requester, role_of
from runner.service.presets import all_presets
from runner.settings import Role
from runner.specs import ConvertSpec, IngestSpec, ModelSpec, TrainSpec
from runner.store import runs, subscriptions
from runner.store.subscriptions import Hours, Subscription

__all__ = [
    "ALL", "LEVELS", "Hours", "Subscription", "hours_of", "listed", "place_of", "set_digest", "set_quiet", "subscribe", "unsubscribe",
    "wanted_by",
]

ALL = "all"
LEVELS = ("started", "epochs", "results", "failures")


def place_of(who: Requester, *, channel: bool) -> str:
    """Whom it is about: the channel that somebody speaks in, which takes a member, or themselves."""
    if channel:
        who.must_be(Role.MEMBER, "say what a channel hears")
        if who.place.channel is None:
            raise RequestError("There is no channel here; say it in the channel.")
        return who.place.channel
    if not who.person.startswith(("U", "W")):
        raise RequestError("Slack does not know you by this name, so nobody could write to you; say it in Slack.")
    return who.person


def subscribe(house: House, who: Requester, *, what: str, levels: frozenset[str], channel: bool) -> Subscription:
    """Hear of a run, a preset, a dataset or everything, at these levels (none of them: of nothing there); the last word counts."""
    new = Subscription(place_of(who, channel=channel), _known(house, what), levels, who.person)
    with house.store.writing() as db:
        subscriptions.put(db, new, now=house.now())
    return new


def unsubscribe(house: House, who: Requester, *, what: str | None, channel: bool) -> int:
    """Forget a subscription, or all of them; returns how many. RequestError where there was none."""
    place = place_of(who, channel=channel)
    with house.store.writing() as db:
        found = subscriptions.drop(db, place, what.lower() if what else None)
    if not found:
        raise RequestError(f"There is no subscription{f' to {what}' if what else ''} to end; `subscribe` lists them.")
    return found


def listed(house: House, place: str) -> Sequence[Subscription]:
    """What a place hears of."""
    return subscriptions.subscriptions(house.store.reading(), place=place)


def wanted_by(house: House, run: Run) -> Mapping[str, frozenset[str]]:
    """The levels at which each place wants to hear of a run: of the run itself before its preset and dataset, and these before ``all``.

    Who may not look any more hears of nothing.
    """
    subjects = _subjects(run)
    found = subscriptions.subscriptions(house.store.reading(), of=[run.id, *subjects, ALL])
    wanted: dict[str, frozenset[str]] = {}
    for place in {each.place for each in found if _may_hear(house, each.place)}:
        here = {each.what: each.levels for each in found if each.place == place}
        narrow = [here[each] for each in subjects if each in here]
        wanted[place] = here[run.id] if run.id in here else frozenset().union(*narrow) if narrow else here[ALL]
    return wanted


def hours_of(house: House, place: str) -> Hours:
    """The hours of a place; none set: it is never quiet, and has no digest."""
    return subscriptions.hours(house.store.reading()).get(place) or Hours(place, house.settings.zone)


def set_quiet(house: House, who: Requester, span: tuple[time, time] | None, *, zone: str | None, channel: bool) -> Hours:
    """Hold back what is not urgent between two times of each day, or (None) never."""
    hours = hours_of(house, place_of(who, channel=channel))
    begin, end = span or (None, None)
    return _keep(house, replace(hours, zone=zone or hours.zone, quiet_from=begin, quiet_until=end))


def set_digest(house: House, who: Requester, at: time | None, *, zone: str | None, channel: bool) -> Hours:
    """Send the morning digest at this time of each day, the first time it comes; None: no more."""
    hours = hours_of(house, place_of(who, channel=channel))
    chosen = zone or hours.zone
    local = house.now().astimezone(ZoneInfo(chosen))
    passed = local.date() if at is not None and local.time() >= at else None
    return _keep(house, replace(hours, zone=chosen, digest_at=at, digest_on=passed))


def _keep(house: House, hours: Hours) -> Hours:
    with house.store.writing() as db:
        subscriptions.put_hours(db, hours)
    return hours


def _may_hear(house: House, place: str) -> bool:
    return place in house.settings.access.channels or role_of(house, place) >= Role.VIEWER


def _subjects(run: Run) -> Sequence[str]:
    """The preset and the dataset that a run is about."""
    match run.spec:
        case TrainSpec() as spec:
            return [spec.preset.name, spec.dataset.name]
        case ModelSpec() as spec:
            return [spec.preset.name, (spec.dataset or spec.trained_on).name]
        case ConvertSpec() | IngestSpec() as spec:
            return [spec.dataset]
    return []


def _known(house: House, what: str) -> str:
    name = what.lower()
    if name == ALL or name in all_presets(house) or name in house.catalog.names():
        return name
    run_id = name if name.startswith("r-") else f"r-{name}"
    try:
        return runs.get(house.store.reading(), run_id).id
    except RequestError:
        raise RequestError(f"There is no run, preset or dataset {what!r}; `subscribe all` hears of everything.") from None
