"""Starts acts on a host: gathers from the database what each needs, then hands it to the host's threads (acts.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import wait
from dataclasses import replace
from datetime import timedelta
from functools import partial

from runner import acts
from runner.acts import Outcome
from runner.ahead import Basis, Laid, Wanted
from runner.allotting import allotment_of, is_cluster
from runner.crash_points import crash_point
from runner.decisions import Collect, HostFacts, Launch, Meet, Stage, Stop, environment_on
from runner.entities import Attempt, Environment, Host, Run
from runner.errors import BadSpecError, UnreachableError
from runner.executors.base import LaunchOrder
from runner.kinds import all_kinds
from runner.kinds.base import Work
from runner.links import HostLink
from runner.prepare_requests import framework_of, prepare_request
from runner.publishing import exported
from runner.ranks import copy_of, lies_on
from runner.service.detections import FOUND
from runner.service.house import House
from runner.specs import Kind, ModelSpec, TrainSpec
from runner.start_checkpoints import start_checkpoints
from runner.states import State
from runner.store import attempts, hosts, laid
from runner.transports.sending import Progress

FIRST_PORT, PORTS = 20_000, 12_000
"""Where the hosts of a run meet: below the ports that kernels give to outgoing connections."""
FOUND_WITHIN = timedelta(minutes=10)
"""After its end a training's images may still be drawn; later nobody looks for them."""
START_FIRST = timedelta(seconds=0.5)
"""A program that starts on a host has it to itself for so long."""


def prepare(house: House, link: HostLink, run: Run, environment: Environment) -> None:
    """Resolve a run's spec on a host."""
    assert isinstance(run.spec, TrainSpec | ModelSpec)
    program = framework_of(house, run.spec).prepare_program
    request = prepare_request(
        house, run, folder=f"{link.host.root}/runs/{run.id}-{run.nonce}/prepared", code_folder=environment.code
    )
    link.act(run.id, "prepare", lambda: acts.prepare(
        link.transport, environment, program, request, run_id=run.id, root=link.host.root,
        starts=start_checkpoints(house), progress=_told(link, run, "start checkpoint"),
    ))


def act(house: House, links: Mapping[str, HostLink], run: Run, decision: Meet | Stage | Launch | Stop | Collect) -> None:
    """What is done with a run's current attempt, or with its rank on a further host."""
    ranks = attempts.ranks(house.store.reading(), run.id, run.attempt)
    attempt = ranks[0 if isinstance(decision, Collect) else decision.rank]
    link = links[attempt.host]
    match decision:
        case Meet():
            _meet(house, link, run)
        case Stop():
            grace_s = house.settings.limits.stop_grace_s
            if len(ranks) > 1:
                _note_stopped(house, link, run, attempt)
            link.act(run.id, "stop", lambda: acts.stop(link.transport, link.executor, run=run, attempt=attempt, grace_s=grace_s))
        case Collect():
            _collect(house, link, run, attempt)
        case Stage():
            _stage(house, links, run, attempt)
        case Launch():
            _launch(house, link, run, attempt)


def _launch(house: House, link: HostLink, run: Run, attempt: Attempt) -> None:
    laid = link.ahead.take(run.id)
    if laid is None:
        order, again = _ordered(house, link, run, attempt)[1], attempt.directory not in link.staged
    else:
        order, again = replace(laid.result().order, devices=acts.visible(_leased(house, run, link.host))), False
    link.staged.discard(attempt.directory)
    link.launched[attempt.directory] = house.now()
    root = link.host.root
    link.act(run.id, "launch", lambda: acts.launch(link.transport, link.executor, order, run=run, root=root, again=again))


def lay_ahead(house: House, links: Mapping[str, HostLink], host: str, run: Run) -> None:
    """Have a waiting run's next attempt laid where it will probably run, so that its start takes one call. A cluster holds the queue of
    its own that an attempt is handed to at once."""
    link, just_now = links[host], house.now() - START_FIRST
    if link.connected and not is_cluster(link.host) and all(at < just_now for at in link.launched.values()):
        link.ahead.lay(run, partial(_laid, house, links, host, run))


def lies_ready(house: House, link: HostLink, run: Run) -> bool:
    """Whether a run's next attempt lies on a host as it would be laid now."""
    laid = link.ahead.ready(run)
    return laid is not None and laid.basis == _basis(house, link.host, run)


def _laid(house: House, links: Mapping[str, HostLink], host: str, run: Run, wanted: Wanted) -> Laid:
    """In a thread of the host's."""
    link = links[host]
    basis = _basis(house, link.host, run)
    attempt = attempts.on(run, number=basis.number, host=link.host.name, root=link.host.root, now=house.now())
    work, order = _ordered(house, link, replace(run, attempt=attempt.number), attempt)
    with house.store.writing() as db:
        laid.note(db, attempt)
    _bring_checkpoint(house, links, run, attempt)
    acts.stage(
        link.transport, link.executor, work, order, run=replace(run, attempt=attempt.number), host=link.host, tell=link.tell, wanted=wanted
    )
    return Laid(basis, order)


def _basis(house: House, host: Host, run: Run) -> Basis:
    return Basis(run.attempt + 1, run.prepared, _environment(house, run, host), (host.root, host.python, host.peer_interface))


def _meet(house: House, link: HostLink, run: Run) -> None:
    """Where to look first differs from attempt to attempt: who asked before for the same may be about to listen there."""
    digest = hashlib.sha256(f"{run.nonce}/{run.attempt}".encode()).digest()
    first = FIRST_PORT + int.from_bytes(digest[:4], "big") % PORTS
    taken = sorted(attempts.ports_in_use(house.store.reading(), link.host.name))
    link.act(run.id, "meet", lambda: acts.meet(link.transport, run=run, host=link.host, first=first, taken=taken))


def _note_stopped(house: House, link: HostLink, run: Run, attempt: Attempt) -> None:
    """Of several ranks, those that we end say nothing of the cause."""
    if attempt.ended_at is None and not attempt.stopped and not link.busy(run.id):
        with house.store.writing() as db:
            attempts.note_stopped(db, attempt)


def _stage(house: House, links: Mapping[str, HostLink], run: Run, attempt: Attempt) -> None:
    link = links[attempt.host]
    work, order = _ordered(house, link, run, attempt)
    laying = link.ahead.take(run.id)

    def staged() -> Outcome:
        if laying is not None:  # not two at once in one directory, where one might already start what the other still lays
            wait([laying])
        _bring_checkpoint(house, links, run, attempt)
        return acts.stage(
            link.transport, link.executor, work, order, run=run, host=link.host, tell=link.tell, wanted=lambda: link.wants(run.id)
        )

    link.act(run.id, "stage", staged)


def _bring_checkpoint(house: House, links: Mapping[str, HostLink], run: Run, attempt: Attempt) -> None:
    """What a run starts from lies on the host where it was proved; on any other it has to be brought from there."""
    copy, source = copy_of(run, attempt), links.get(lies_on(run))
    if copy is None or run.prepared is None:
        return
    if source is None:
        raise UnreachableError(f"{lies_on(run)}, where the start checkpoint of {run.id} lies, was removed.")
    link, path = links[attempt.host], str(run.prepared["checkpoint"])
    with house.catalog.staging() as scratch:
        acts.pass_on(
            source.transport, link.transport, path, copy, store=f"{link.host.root}/objects", scratch=scratch,
            known=house.catalog.objects.path(path.rpartition("/")[2]), progress=_told(link, run, "start checkpoint"),
        )


def _collect(house: House, link: HostLink, run: Run, attempt: Attempt) -> None:
    """Its devices are given back before: nothing of it runs any more, and to bring much here takes its time."""
    with house.store.writing() as db:
        hosts.release(db, run.id)
    crash_point("runner.after_devices_given_back")
    link.act(run.id, "collect", lambda: acts.collect(
        link.transport, run=run, attempt=attempt, host=link.host, place=house.settings.results / run.id,
        limit_bytes=house.settings.limits.result_bytes, progress=_told(link, run, "results"), exported=partial(exported, house, run),
    ))


def tidy_after(house: House, links: Mapping[str, HostLink], run: Run) -> None:
    """What is left to do for a run whose end is committed. The pictures of a training come when they can, and nothing waits for them."""
    all_kinds()[run.kind].afterwards(house, run)
    link = links.get(run.host or "")
    fresh = run.ended_at is not None and house.now() - run.ended_at < FOUND_WITHIN
    if run.kind is Kind.TRAIN and run.state is State.SUCCEEDED and fresh and link is not None and link.connected:
        attempt, place = attempts.get(house.store.reading(), run.id, run.attempt), house.settings.results / run.id
        if not (place / FOUND).exists():
            link.act(run.id, "collect", lambda: acts.bring_found(link.transport, run=run, attempt=attempt, host=link.host, place=place))


def _ordered(house: House, link: HostLink, run: Run, attempt: Attempt) -> tuple[Work, LaunchOrder]:
    work = all_kinds()[run.kind].work(house, run, host=link.host, environment=_environment(house, run, link.host))
    db = house.store.reading()
    devices = _leased(house, run, link.host)
    allotment = allotment_of(db, link.host, run, devices)
    return work, acts.order_for(work, run=run, attempt=attempt, devices=devices, allotment=allotment)


def _leased(house: House, run: Run, host: Host) -> tuple[str, ...]:
    return tuple(lease.device for lease in hosts.leases(house.store.reading(), run.id) if lease.host == host.name)


def _environment(house: House, run: Run, host: Host) -> Environment | None:
    """The environment that the run needs, the very one it was prepared with; BadSpecError when it is there no more."""
    needs = all_kinds()[run.kind].needs(run)
    if needs.framework is None:
        return None
    facts = HostFacts(host, connected=True, environments=hosts.environments(house.store.reading(), host=host.name))
    prepared_with = str((run.prepared or {}).get("environment", "")) if needs.prepares else None
    environment = environment_on(facts, needs, prepared_with)
    if environment is None:
        was = f"The {needs.framework} environment that {run.id} was prepared with" if needs.prepares else f"A {needs.framework} environment"
        raise BadSpecError(f"{was} is no longer on {host.name}; submit it again.")
    return environment


def _told(link: HostLink, run: Run, name: str) -> Progress:
    return acts.sending(run, name, link.tell, lambda: link.wants(run.id))
