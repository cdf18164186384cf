"""Starts acts on a host: gathers from the database what each needs, then hands it to the host's threads (acts.py)."""

from __future__ import annotations

from functools import partial

from runner import acts
from runner.allotting import allotment_of
from runner.crash_points import crash_point
from runner.decisions import Collect, HostFacts, Launch, Stage, Stop, environment_on
from runner.entities import Attempt, Environment, Host, Run
from runner.errors import BadSpecError
from runner.executors.base import LaunchOrder
from runner.kinds import all_kinds
from runner.kinds.base import Work
from runner.links import HostLink
from runner.prepare_requests import framework_of, prepare_request
from runner.publishing import exported
from runner.service.house import House
from runner.specs import ModelSpec, TrainSpec
from runner.start_checkpoints import start_checkpoints
from runner.store import hosts, runs
from runner.transports.sending import Progress


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


def act(house: House, link: HostLink, run: Run, decision: Stage | Launch | Stop | Collect) -> None:
    """What is done with a run's current attempt."""
    attempt = runs.attempt(house.store.reading(), run.id, run.attempt)
    match decision:
        case Stop():
            grace_s = house.settings.limits.stop_grace_s
            link.act(run.id, "stop", lambda: acts.stop(link.transport, link.executor, run=run, attempt=attempt, grace_s=grace_s))
        case Collect():
            _collect(house, link, run, attempt)
        case Stage():
            work, order = _ordered(house, link, run, attempt)
            link.act(run.id, "stage", lambda: acts.stage(
                link.transport, link.executor, work, order, run=run, host=link.host, tell=link.tell, wanted=lambda: link.wants(run.id)
            ))
        case Launch():
            order = _ordered(house, link, run, attempt)[1]
            again = attempt.directory not in link.staged
            link.staged.discard(attempt.directory)
            link.launched[attempt.directory] = house.now()
            root = link.host.root
            link.act(run.id, "launch", lambda: acts.launch(link.transport, link.executor, order, run=run, root=root, again=again))


def _collect(house: House, link: HostLink, run: Run, attempt: Attempt) -> None:
    """Its devices are given back before: nothing of it runs any more, and to bring much here takes its time."""
    with house.store.writing() as db:
        hosts.release(db, run.id)
    crash_point("runner.after_devices_given_back")
    link.act(run.id, "collect", lambda: acts.collect(
        link.transport, run=run, attempt=attempt, host=link.host, place=house.settings.results / run.id,
        limit_bytes=house.settings.limits.result_bytes, progress=_told(link, run, "results"), exported=partial(exported, house, run),
    ))


def _ordered(house: House, link: HostLink, run: Run, attempt: Attempt) -> tuple[Work, LaunchOrder]:
    work = all_kinds()[run.kind].work(house, run, host=link.host, environment=_environment(house, run, link.host))
    db = house.store.reading()
    devices = tuple(lease.device for lease in hosts.leases(db, run.id))
    allotment = allotment_of(db, link.host, run, devices)
    return work, acts.order_for(work, run=run, attempt=attempt, devices=devices, allotment=allotment)


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
