"""What would become of a training that nobody has asked for yet, from the queue's own decision: where, when, for what, at whose cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.decisions import Eligible, Move
from runner.entities import Gpu, Run
from runner.queue_scene import turn_of
from runner.service.house import House, Requester
from runner.service.present import facts_now, foreseen, nobodys_run, past_now
from runner.service.queue import places_in, scene_now
from runner.service.room import OnHost, on_hosts
from runner.specs import TrainSpec
from runner.store import hosts


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would become of a run. ``position`` of ``queued`` counts from 1; None: it waits for something else than its turn first.

    ``gpus`` of ``host`` (and as many of each of its ``further`` hosts) are those that it would get, ``why`` what it would wait for first
    (empty: nothing), ``goes_first`` why a run of somebody else stands before it. ``memory_mib`` of each GPU was asked for or learned, as
    ``memory_asked`` says; None: nobody knows. ``preempts`` are running trainings that would give way.
    """

    position: int | None
    queued: int
    host: str
    gpus: tuple[Gpu, ...]
    starts_at: datetime | None
    ends_at: datetime | None
    why: str
    goes_first: str = ""
    memory_mib: int | None = None
    memory_asked: bool = False
    preempts: tuple[str, ...] = ()
    disks: tuple[OnHost, ...] = ()
    further: tuple[str, ...] = ()


def foresee(house: House, who: Requester, spec: TrainSpec) -> Foreseen:
    """As it would be if this were submitted now."""
    return foresee_run(house, nobodys_run(house, who, spec))


def foresee_run(house: House, run: Run) -> Foreseen:
    """As it will be with a run that is not prepared yet."""
    policy, now = house.settings.queue, house.now()
    with house.store.snapshot() as db:
        scene = scene_now(house, db, also=run)
        learned = past_now(house).learned
        decision = foreseen(house, db, run, facts_now(db))
        disks = on_hosts(house, db, run, decision.hosts) if isinstance(decision, Eligible) else ()
        memory, asked = learned.memory_mib(run), turn_of(run).memory_mib is not None
        lasts_s = learned.lasts_s(run) or turn_of(run).limit_s
        places, decisions = places_in(scene, policy)
        place = places.get(run.id)
        if place is None:
            why = decision.detail if isinstance(decision, Move) else "A server that fits is being connected to."
            return Foreseen(None, len(places), "", (), None, None, why, memory_mib=memory, memory_asked=asked)
        gpus = {gpu.uuid: gpu for gpu in hosts.devices(db, hosts.get(db, place.host))} if place.host else {}
    return Foreseen(
        place.position, len(places), place.host, tuple(gpus[device] for device in place.devices if device in gpus), place.starts_at,
        place.starts_at + timedelta(seconds=lasts_s) if place.starts_at and lasts_s else None,
        "" if place.starts_at == now else place.why, place.goes_first, memory, asked,
        tuple(each.run_id for each in decisions.preempts if each.for_run == run.id), disks, place.further,
    )
