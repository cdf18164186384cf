"""What people see of runs: everything a card, a list or a log command shows, read in one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlite_utils import Database

from runner.entities import Attempt, Checkpoint, Diagnosis, Evaluation, Event, Host, Lease, Progress, Remedy, Run, WorkStep, numbered
from runner.errors import RequestError
from runner.learning_rate import LearningRate, scaled
from runner.service.house import House
from runner.specs import StartMode, TrainSpec
from runner.states import Reason, State
from runner.store import attempts, events, hosts, people, progress, runs
from runner.time_left import EpochSeen, TimeLeft, time_left

RUNNER_SILENT_AFTER = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as a card shows it. ``last_seen`` is when its host last spoke; ``epochs`` the target, once prepared.

    An entry of a list has nothing of what follows ``ranks``: for a hundred runs that would be most of the work.
    """

    run: Run
    progress: Progress | None
    epochs: int | None
    work: WorkStep | None
    evaluations: Sequence[Evaluation] = ()
    ranks: Sequence[Attempt] = ()
    """The newest attempt on each of its hosts."""
    attempt: Attempt | None = None
    epoch_ends: Sequence[Progress] = ()
    checkpoints: Sequence[tuple[int, Checkpoint]] = ()
    result: Mapping[str, object] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    devices: Sequence[Lease] = ()
    last_seen: datetime | None = None
    epochs_seen: Sequence[EpochSeen] = ()
    host: Host | None = None
    device_names: Sequence[str] = ()
    """What it holds as people number it: ``GPU 0``, ``CPU slot 1``."""

    @property
    def hosts(self) -> Sequence[str]:
        """Where it is or was, the host that leads first; none before it started."""
        return [rank.host for rank in self.ranks] or ([self.run.host] if self.run.host else [])

    @property
    def tasks(self) -> Sequence[str]:
        """What was evaluated, bounding boxes first."""
        return sorted({evaluation.task for evaluation in self.evaluations}, key=lambda task: (task != "bbox", task))

    @property
    def best(self) -> Evaluation | None:
        """The evaluation of the first task with the highest mAP."""
        return self.best_of(self.tasks[0]) if self.tasks else None

    def best_of(self, task: str) -> Evaluation | None:
        """The evaluation of a task with the highest mAP."""
        known = [evaluation for evaluation in self.evaluations if evaluation.task == task and evaluation.ap is not None]
        return max(known, key=lambda evaluation: evaluation.ap or 0.0, default=None)

    @property
    def rate(self) -> LearningRate | None:
        """The learning rate and its why, where a fresh training's is scaled from the preset's own."""
        spec = self.run.spec
        if not isinstance(spec, TrainSpec) or spec.start.mode is StartMode.RESUME or spec.overrides.lr is not None:
            return None
        rate = scaled(spec)
        return rate if rate.lr != spec.preset.lr else None

    @property
    def stale(self) -> bool:
        """Whether the numbers may be old: the host does not answer."""
        return self.run.reason in (Reason.UNREACHABLE, Reason.UNCLEAR)

    @property
    def time_left(self) -> TimeLeft | None:
        """Time left, from how long its epochs took; of work without epochs, of what it does just now."""
        if self.run.state is not State.RUNNING:
            return None
        if self.work is not None and self.work.rate and self.work.total:
            return TimeLeft(timedelta(seconds=max(0, self.work.total - self.work.done) / self.work.rate), timedelta(0))
        return None if self.progress is None or not self.epochs else time_left(self.epochs_seen, self.progress, self.epochs)

    @property
    def eta(self) -> timedelta | None:
        """Time left, without how sure that is."""
        known = self.time_left
        return known.left if known else None


def view(house: House, run_id: str) -> RunView:
    """Everything a card shows of a run."""
    with house.store.snapshot() as db:
        return _view(db, runs.get(db, run_id))


def entries(house: House, listed: Iterable[Run]) -> list[RunView]:
    """What lists show of these runs, in one moment."""
    with house.store.snapshot() as db:
        return [_entry(db, run) for run in listed]


def entries_on_hosts(house: House, live: Mapping[str, Run]) -> dict[str, RunView]:
    """Those of the live runs that hold devices, by id: how far they are, and nothing else."""
    with house.store.snapshot() as db:
        return {run_id: _how_far(db, live[run_id]) for run_id in {lease.run_id for lease in hosts.leases(db)} if run_id in live}


def newest_runs(house: House, *, limit: int = 20, owner: str | None = None) -> list[Run]:
    """The newest runs, newest first."""
    return runs.newest(house.store.reading(), limit=limit, owner=owner)


def newest_ended(house: House, *, limit: int, owner: str | None = None) -> list[RunView]:
    """Of the runs that have ended those submitted last, of one owner where given."""
    with house.store.snapshot() as db:
        return [_entry(db, run) for run in runs.newest_ended(db, limit=limit, owner=owner)]


def points(house: House, run_id: str) -> list[Progress]:
    """Every point of a run, for a plot."""
    return progress.points(house.store.reading(), run_id)


def history(house: House, run_id: str) -> list[Event]:
    """What happened to a run, oldest first."""
    return events.of_run(house.store.reading(), run_id)


def log_tail(house: House, run_id: str, *, lines: int = 50, limit_bytes: int = 256_000, rank: int = 0) -> list[str]:
    """The last lines of the newest attempt's log, as far as the runner has read it; of a run on several hosts, the one of that rank.

    RequestError where the run has no such rank.
    """
    db = house.store.reading()
    run = runs.get(db, run_id)
    ranks = attempts.ranks(db, run.id, run.attempt)
    if rank and rank >= len(ranks):
        on = ", ".join(f"{each.rank} on {each.host}" for each in ranks) or "none yet"
        raise RequestError(f"{run.id} has no rank {rank}; its ranks are: {on}.")
    path = house.settings.logs / f"{run.id}-{numbered(run.attempt, rank)}.log"
    if not path.exists():
        return []
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - limit_bytes))
        return log.read().decode("utf-8", "replace").splitlines()[-lines:]


def runner_silent_since(house: House) -> datetime | None:
    """When the runner last said that it lives, if that is too long ago; None while all is well."""
    last = people.last_beat(house.store.reading(), "runner")
    if last is None:
        return datetime.fromtimestamp(0, tz=house.now().tzinfo)
    return last if house.now() - last > RUNNER_SILENT_AFTER else None


def all_hosts(house: House) -> list[tuple[Host, Mapping[str, object], Sequence[Lease]]]:
    """Every host with what it last said of itself and who holds its devices."""
    with house.store.snapshot() as db:
        held = hosts.leases(db)
        return [
            (host, hosts.resources(db, host.name), [lease for lease in held if lease.host == host.name])
            for host in hosts.all_hosts(db)
        ]


def _how_far(db: Database, run: Run) -> RunView:
    target = (run.prepared or {}).get("epochs") if isinstance(run.spec, TrainSpec) else None
    if not isinstance(target, int) and isinstance(run.spec, TrainSpec):
        resumes = run.spec.start.mode is StartMode.RESUME  # whose checkpoint says how many, once it is read
        target = run.spec.overrides.epochs or (None if resumes else run.spec.preset.epochs)
    epochs = target if isinstance(target, int) else None
    return RunView(run, progress.latest(db, run.id), epochs, progress.work_step(db, run.id))


def _entry(db: Database, run: Run) -> RunView:
    ranks = attempts.ranks(db, run.id, run.attempt) if run.attempt else ()
    return replace(_how_far(db, run), evaluations=progress.evaluations(db, run.id), ranks=ranks)


def _view(db: Database, run: Run) -> RunView:
    attempt = attempts.get(db, run.id, run.attempt) if run.attempt else None
    held = hosts.leases(db, run.id)
    host = hosts.find(db, run.host) if run.host else None
    spoken = runs.diagnosis(db, run.id)
    return replace(
        _entry(db, run), attempt=attempt, epoch_ends=progress.epoch_ends(db, run.id), checkpoints=progress.checkpoints(db, run.id),
        result=runs.result(db, run.id), diagnosis=diagnosis_from(spoken) if spoken else None, devices=held,
        last_seen=host.seen_at if host else None, host=host, device_names=_names(db, host, held) if host and held else (),
        epochs_seen=progress.epochs_seen(db, attempt) if attempt and run.state is State.RUNNING else (),
    )


def _names(db: Database, host: Host, held: Sequence[Lease]) -> list[str]:
    """A cluster's devices have no numbers of their own; those of several hosts are told apart."""
    there = {name: hosts.get(db, name) for name in {lease.host for lease in held}}
    known = {(name, gpu.uuid): gpu for name, each in there.items() for gpu in hosts.devices(db, each)}
    found = ((lease, known.get((lease.host, lease.device))) for lease in held)
    return [
        (f"GPU {gpu.index}" if gpu and gpu.memory_mib else lease.device.replace("cpu:", "CPU slot "))
        + (f" of {lease.host}" if len(there) > 1 or lease.host != host.name else "")
        for lease, gpu in found
    ]


def diagnosis_from(value: Mapping[str, object]) -> Diagnosis:
    """A diagnosis from the plain values it is stored as."""
    tail = value.get("tail")
    return Diagnosis(
        reason=Reason(str(value["reason"])), sentence=str(value["sentence"]), remedy=str(value["remedy"]),
        tail=tuple(str(line) for line in tail) if isinstance(tail, list) else (),
        action=Remedy(str(value["action"])) if value.get("action") else None,
    )
