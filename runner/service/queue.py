"""What people ask of the queue: who waits for what and until when; and to hold, move, lock and drain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlite_utils import Database

from runner.approving import unapproved
from runner.decisions import Eligible, HostFacts, decide_pending
from runner.entities import Host, Run
from runner.errors import RequestError
from runner.kinds import all_kinds
from runner.queue_scene import Candidate, Found, Past, surroundings, turn_of, waiting
from runner.queueing.decide import Decisions, decide
from runner.queueing.facts import Lock, Scene, Waiting
from runner.queueing.forecast import Opening, forecast
from runner.queueing.order import goes_first, ordered
from runner.queueing.policy import Policy
from runner.service.house import House, Requester
from runner.service.present import book_of, facts_now, foreseen
from runner.service.runs import find
from runner.settings import Role
from runner.states import Reason, State
from runner.store import events, hosts, locks, runs

LONGEST_LOCK = timedelta(days=14)
GUESSED = 200
"""Of so many that stand first it is guessed when they start."""


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a run stands in the queue, counted from 1; ``starts_at`` is a guess by measured epochs, None where nobody knows.

    ``host`` and ``devices`` are where it will probably be, with ``further`` hosts where it trains on several. ``goes_first`` says in a
    sentence why another run stands before it. ``locks`` are those on hosts that it could run on.
    """

    position: int
    why: str
    starts_at: datetime | None
    reason: Reason = Reason.WAITING_FOR_GPU
    host: str = ""
    devices: tuple[str, ...] = ()
    goes_first: str = ""
    locks: tuple[Lock, ...] = ()
    further: tuple[str, ...] = ()


def live_runs(house: House) -> Mapping[str, Run]:
    """Every run that has not ended, by id, oldest first."""
    book = book_of(house)
    with book.asking:
        return book.live.look(house.store)


def ends(house: House) -> Mapping[str, datetime]:
    """When the runs that hold devices will be done, by id, where anybody knows."""
    book = book_of(house)
    with house.store.snapshot() as db, book.asking:
        found = book.scenes.running(house, hosts.leases(db), book.live.look(house.store), now=house.now())
    return {each.id: until for each in found if (until := each.ends_at or each.at_most_until)}


def places(house: House) -> Mapping[str, QueuePlace]:
    """The place of every run that waits for its turn, in the order of the queue. What waits for something else has none."""
    with house.store.snapshot() as db:
        scene = scene_now(house, db)
    return places_in(scene, house.settings.queue)[0]


def places_in(scene: Scene, policy: Policy) -> tuple[Mapping[str, QueuePlace], Decisions]:
    """The places in a scene, and the decision that they come from."""
    queue = ordered(scene, policy)
    decisions = decide(scene, policy, lambda *_: queue)
    return _Places(scene, policy, queue, decisions), decisions


class _Places(Mapping[str, QueuePlace]):
    """Says of each of many what it is asked for, and when it is asked."""

    def __init__(self, scene: Scene, policy: Policy, queue: Sequence[Waiting], decisions: Decisions) -> None:
        self._scene, self._policy = scene, policy
        self._openings, self._guesses = forecast(scene, policy, queue), dict[str, Opening | None]()
        self._at = {run.id: (position, run) for position, run in enumerate(queue, start=1)}
        self._waits = {wait.run_id: wait for wait in decisions.waits}
        self._told: dict[tuple[object, ...], str] = {}
        self._starts = {start.run_id: start for start in decisions.starts}

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._at

    def __getitem__(self, run_id: str) -> QueuePlace:
        (position, run), scene, wait = self._at[run_id], self._scene, self._waits.get(run_id)
        if wait is None:
            start = self._starts[run_id]
            others = tuple(each.host for each in start.further)
            return QueuePlace(position, "It starts now.", scene.now, host=start.host, devices=start.devices, further=others)
        guess = self._guess(run_id, position) if wait.reason is not Reason.WAITING_FOR_HOST else None
        _, first = self._at.get(wait.after, (0, None))
        return QueuePlace(
            position, wait.why, wait.starts_at or (guess.at if guess else None), wait.reason, guess.host if guess else "",
            guess.devices if guess else (), _goes_first(first, run, scene, self._policy, self._told) if first else "",
            tuple(lock for lock in scene.locks if lock.host in run.hosts and wait.reason is Reason.WAITING_FOR_GPU) if scene.locks else (),
            tuple(host for host, _ in guess.further) if guess else (),
        )

    def _guess(self, run_id: str, position: int) -> Opening | None:
        """Those that stand before are guessed first, and those behind not at all."""
        while len(self._guesses) < min(position, GUESSED):
            following, opening = next(self._openings)
            self._guesses[following] = opening
        return self._guesses.get(run_id)


def _goes_first(first: Waiting, run: Waiting, scene: Scene, policy: Policy, told: dict[tuple[object, ...], str]) -> str:
    """Why somebody else's run stands before; ``told`` keeps it, for thousands may stand behind one."""
    if first.owner == run.owner:
        return ""
    key = (first.id, run.owner, run.priority, run.place, first.submitted_at < run.submitted_at)
    if key not in told:
        told[key] = f"{first.id} of {first.owner} goes first: {goes_first(first, run, scene, policy)}."
    return told[key]


def hold(house: House, who: Requester, run_id: str) -> Run:
    """Keep a waiting run from starting, until it is released."""
    return _change(house, who, run_id, "hold", lambda db, run: runs.hold(db, run, who.person, now=house.now(), actor=who.person))


def release(house: House, who: Requester, run_id: str) -> Run:
    """Let a held run go on. Who holds a run of somebody else is an operator, and so is who releases that."""
    run = _waiting(house, run_id, "release")
    if run.held_by is None:
        raise RequestError(f"{run.id} is not held; {run.reason.in_words}.")
    if run.held_by != who.person:
        who.must_be(Role.OPERATOR, f"release what {run.held_by} holds")
    return _change(house, who, run_id, "release", lambda db, run: runs.hold(db, run, None, now=house.now(), actor=who.person))


def move(house: House, who: Requester, run_id: str, *, to_front: bool = False, priority: int | None = None) -> Run:
    """Put a run before all else of its priority, or give it another: operators; one's own may be moved back by anybody."""
    run = _waiting(house, run_id, "move")
    if to_front or (priority is not None and priority > run.priority):
        who.must_be(Role.OPERATOR, "move runs before those of others")

    def change(db: Database, run: Run) -> None:
        place = runs.front(db) if to_front else run.queue_place
        runs.move(db, run, priority=run.priority if priority is None else priority, queue_place=place, now=house.now(), actor=who.person)

    return _change(house, who, run_id, "move", change)


def lock(house: House, who: Requester, *, host: str, devices: tuple[str, ...], lasts: timedelta, reason: str) -> list[Lock]:
    """Keep a host, or some of its devices, for something of one's own; what runs there goes on. RequestError for a lock of others."""
    who.must_be(Role.MEMBER, "lock devices")
    if not timedelta() < lasts <= LONGEST_LOCK:
        raise RequestError(f"A lock holds for {LONGEST_LOCK.days} days at most; `lock {host} --for 4h` is usual.")
    now = house.now()
    with house.store.writing() as db:
        hosts.get(db, host)
        for other in locks.all_locks(db, now=now):
            if other.host == host and other.owner != who.person and (other.device is None or not devices or other.device in devices):
                raise RequestError(f"{other.place} is locked by {other.owner} until {other.until:%d %b %H:%M} UTC: {other.reason or '–'}.")
        for device in devices or (None,):
            place = who.place
            locks.put(db, Lock(host, device, who.person, now + lasts, reason, None, place.channel, place.thread), now=now)
        made = [each for each in locks.all_locks(db, now=now) if each.host == host and each.device in (devices or (None,))]
        for each in made:
            events.record(db, "locked", at=now, run_id=None, actor=who.person, payload={"lock": each.place, "reason": reason})
    return made


def unlock(house: House, who: Requester, *, host: str, devices: tuple[str, ...] = ()) -> list[Lock]:
    """Give back what one locked; an operator may break the lock of another. Returns what was locked."""
    with house.store.writing() as db:
        held = unlockable(house, who, host=host, devices=devices)
        for each in held:
            locks.remove(db, each.host, each.device)
            events.record(db, "unlocked", at=house.now(), run_id=None, actor=who.person, payload=_told(each))
    return held


def unlockable(house: House, who: Requester, *, host: str, devices: tuple[str, ...] = ()) -> list[Lock]:
    """The locks there, which this person may end; NotAllowedError where one is another's, but for operators."""
    found = locks.all_locks(house.store.reading(), now=house.now())
    held = [each for each in found if each.host == host and (not devices or each.device in devices)]
    if not held:
        raise RequestError(f"Nothing of {host} is locked.")
    for owner in sorted({each.owner for each in held} - {who.person}):
        who.must_be(Role.OPERATOR, f"break the lock of {owner}")
    return held


def end_locks(house: House) -> None:
    """Forget the locks that hold no more; their owners are told."""
    if not locks.expired(house.store.reading(), now=house.now()):
        return
    with house.store.writing() as db:
        for each in locks.expired(db, now=house.now()):
            locks.remove(db, each.host, each.device)
            events.record(db, "lock_expired", at=house.now(), run_id=None, payload=_told(each))


def _told(lock: Lock) -> dict[str, object]:
    return {"lock": lock.place, "owner": lock.owner, "reason": lock.reason, "channel": lock.channel, "thread": lock.thread}


def drain(house: House, who: Requester, host: str, *, drained: bool) -> Host:
    """Let nothing new start on a host, or let it again. What runs there goes on."""
    who.must_be(Role.OPERATOR, "drain hosts")
    with house.store.writing() as db:
        hosts.get(db, host)
        hosts.drain(db, host, by=who.person if drained else None, now=house.now())
        events.record(db, "drained" if drained else "undrained", at=house.now(), run_id=None, actor=who.person, payload={"host": host})
        return hosts.get(db, host)


def scene_now(house: House, db: Database, *, also: Run | None = None) -> Scene:
    """As the runner sees it, or nearly: whether a host answers is what it last wrote down. ``also`` is a run that nobody has asked
    for yet, or that is not prepared yet: it stands in the queue as if it were."""
    book, now, facts = book_of(house), house.now(), facts_now(db)
    with book.asking:
        live, past = book.live.look(house.store), book.scenes.past(house)
        candidates = book.candidates.among(live.values(), facts, lambda run: _look_at(house, db, run, facts, past))
        around = surroundings(db, hosts.all_hosts(db), now=now)
        scene = book.scenes.scene(house, candidates, around, live, now=now)
    if also is None:
        return scene
    others = tuple(each for each in scene.waiting if each.id != also.id)
    if isinstance(decision := foreseen(house, db, also, facts), Eligible):
        others += (waiting(Candidate(also, decision.hosts, all_kinds()[also.kind].needs(also)), past),)
    return replace(scene, waiting=others)


def _look_at(house: House, db: Database, run: Run, facts: Sequence[HostFacts], past: Past) -> Found:
    if run.state is not State.PENDING or run.held_by is not None:
        return Found(holds=True)
    needs, turn = all_kinds()[run.kind].needs(run), turn_of(run)
    costs = unapproved(run, house.settings.queue, lambda: past.learned)
    awaited = runs.awaited(db, turn.after)
    decision = decide_pending(run, needs, facts, acting=False, now=house.now(), awaited=awaited, unapproved=costs)
    if isinstance(decision, Eligible):
        return Found(Candidate(run, decision.hosts, needs), holds=True)
    return Found(holds=run.retry_at is None and not turn.after and not costs)


def _waiting(house: House, run_id: str, what: str) -> Run:
    run = find(house, run_id)
    if run.state is not State.PENDING:
        raise RequestError(f"{run.id} does not wait any more ({run.reason.in_words}), so there is nothing to {what}.")
    return run


def _change(house: House, who: Requester, run_id: str, what: str, change: Callable[[Database, Run], None]) -> Run:
    with house.store.writing() as db:
        run = _waiting(house, run_id, what)
        who.must_own(run, what)
        change(db, run)
        return runs.get(db, run.id)
