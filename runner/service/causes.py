"""What a trigger may wait for. A cause is one class, and whatever may fire a trigger, but for files, is an event first.

To add a cause: record an event where it happens, write its class here, and put it into :data:`Cause` and :data:`CAUSES`. A class has
``WORDS``, with a group for each of its fields, ``EXAMPLES`` of them, ``NAMES`` that ``{…}`` in a command may be (ANY: also others, not
known beforehand), ``check``, which raises RequestError for what can never happen here, and ``look``, which yields what of an event it
waits for.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlite_utils import Database

from runner.alerts.matching import Matcher, all_match, matcher
from runner.checkpoints import measured
from runner.entities import Event, Run
from runner.errors import RequestError
from runner.service import presets
from runner.service.alerts import rules
from runner.service.hooks import EVENT as HOOK_EVENT
from runner.service.house import House, Requester
from runner.settings import Role
from runner.specs import Kind, ModelSpec, TrainSpec
from runner.states import State
from runner.store import hosts, past_runs, progress, runs

MAX_LETTERS = 200
ALERT_EVENT = "alert"
ANY = "…"
_NAME = r"[\w.-]+"
_WHOSE = rf"(?: of (?P<preset>{_NAME}))?(?: on (?P<dataset>{_NAME}))?"


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that a trigger waited for. ``key`` tells it from all others, ``because`` says it in a sentence, ``names`` stand for
    ``{…}`` in the command; ``run`` is whose doing it was, None where it was none's. ``unsafe``: nobody could type them."""

    key: str
    because: str
    names: Mapping[str, str]
    run: Run | None = None
    unsafe: bool = False


@dataclass(frozen=True, slots=True)
class NewData:
    """An import or a conversion made a version of a dataset."""

    WORDS = re.compile(rf"new (?:data|version)(?: (?:of|in))? (?P<dataset>{_NAME})", re.IGNORECASE)
    EXAMPLES = ("new data fish",)
    NAMES = ("run", "data")
    dataset: str

    def check(self, _house: House, _who: Requester) -> None:
        """Its first version may be still to come."""

    def look(self, db: Database, event: Event) -> Iterator[Happened]:
        run = _ended(db, event)
        if run is not None and run.state is State.SUCCEEDED and run.kind in (Kind.INGEST, Kind.CONVERT):
            reference = str(runs.result(db, run.id).get("reference", ""))
            if reference.partition("@")[0] == self.dataset:
                yield Happened(f"event:{event.id}", f"{run.id} made {reference}", {"run": run.id, "data": reference}, run)


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run with a model succeeded or failed. ``preset`` and ``dataset`` None mean any."""

    WORDS = re.compile(rf"(?P<how>success|failure){_WHOSE}", re.IGNORECASE)
    EXAMPLES = ("success of rtmdet-nano on fish", "failure on fish")
    NAMES = ("run", "data")
    how: str
    preset: str | None = None
    dataset: str | None = None

    def check(self, house: House, _who: Requester) -> None:
        _check_whose(house, self.preset, self.dataset)

    def look(self, db: Database, event: Event) -> Iterator[Happened]:
        run = _ended_with(db, event, self.preset, self.dataset)
        if run is not None and run.state is (State.SUCCEEDED if self.how.lower() == "success" else State.FAILED):
            yield _ran(event, run, run.reason.in_words)


@dataclass(frozen=True, slots=True)
class Result:
    """The mAP of a run, a training's best or an evaluation's, is too low or high enough, or dropped against that of the run's parent."""

    WORDS = re.compile(rf"map (?P<how>below|above|dropped by) (?P<value>0?\.\d+|[01](?:\.\d+)?){_WHOSE}", re.IGNORECASE)
    EXAMPLES = ("mAP below 0.5 of rtmdet-nano on fish", "mAP above 0.8 on fish", "mAP dropped by 0.02 on fish")
    NAMES = ("run", "data")
    how: str
    value: str
    preset: str | None = None
    dataset: str | None = None

    def check(self, house: House, _who: Requester) -> None:
        _check_whose(house, self.preset, self.dataset)

    def look(self, db: Database, event: Event) -> Iterator[Happened]:
        run = _ended_with(db, event, self.preset, self.dataset)
        ap = _best_ap(db, run.id) if run is not None and run.state is State.SUCCEEDED else None
        if run is None or ap is None:
            return
        bound, before = float(self.value), _best_ap(db, run.parent_id)
        match self.how.lower():
            case "below" if ap < bound:
                yield _ran(event, run, f"{run.reason.in_words}, mAP {ap:.3f}")
            case "above" if ap > bound:
                yield _ran(event, run, f"{run.reason.in_words}, mAP {ap:.3f}")
            case "dropped by" if before is not None and before - ap >= bound and before > ap:
                yield _ran(event, run, f"{run.reason.in_words}, mAP {ap:.3f} after {before:.3f} of {run.parent_id}")


@dataclass(frozen=True, slots=True)
class AlertFires:
    """A rule's alert fires; each of a group's, and each once however often the group is told of."""

    WORDS = re.compile(rf"alert (?P<alert>{_NAME})", re.IGNORECASE)
    EXAMPLES = ("alert stalled",)
    NAMES = ("alert", "run", "host")
    alert: str

    def check(self, house: House, _who: Requester) -> None:
        _check_known("alert", self.alert.lower(), {name.lower() for name in rules(house)})

    def look(self, db: Database, event: Event) -> Iterator[Happened]:
        firing = event.payload.get("all_new") or event.payload.get("firing") if event.kind == ALERT_EVENT else None
        for alert in firing if isinstance(firing, list) else ():
            name, run, host = (str(alert["labels"].get(label, "")) for label in ("alertname", "run", "host"))
            if name.lower() == self.alert.lower():
                because = f"the alert {name} fires{f' for {run}' if run else ''}"
                yield Happened(
                    f"alert:{alert['id']}:{alert['since']}", because, {"alert": name, "run": run, "host": host}, runs.find(db, run)
                )


@dataclass(frozen=True, slots=True)
class FileAppears:
    """A file comes into a folder of a host. No event tells of it: the runner looks there (runner.file_looks)."""

    WORDS = re.compile(rf"(?:on )?(?:new )?file (?P<host>{_NAME}):(?P<path>/.*)", re.IGNORECASE)
    EXAMPLES = ("file gpu-1:/data/incoming/*.zip",)
    NAMES = ("file", "host")
    host: str
    path: str

    @property
    def folder(self) -> str:
        """Where it looks."""
        return posixpath.dirname(self.path).rstrip("/")

    @property
    def pattern(self) -> str:
        """How the files are named, as find(1) has it."""
        return posixpath.basename(self.path)

    def check(self, house: House, who: Requester) -> None:
        who.must_be(Role.OPERATOR, "look into folders of hosts")
        known = {host.name: host for host in hosts.all_hosts(house.store.reading())}
        _check_known("host", self.host, known)
        folder = self.folder
        if not self.pattern or not folder or ".." in folder.split("/") or any(mark in folder for mark in "*?["):
            raise RequestError(f"{self.path!r} names no files of one folder; write {self.EXAMPLES[0]}, with stars in the last part only.")
        if not self.path.isprintable() or f"{posixpath.normpath(folder)}/".startswith(f"{known[self.host].root}/"):
            raise RequestError(f"{folder!r} is Signalbox's own folder, or has letters that cannot be typed. Choose another.")

    def look(self, _db: Database, _event: Event) -> Iterator[Happened]:
        yield from ()

    def key(self, name: str, size_bytes: int, written: str) -> str:
        """What replaces a file is another."""
        return f"file:{name}:{size_bytes}:{written}"

    def happened(self, house: House, name: str, size_bytes: int, written: str, *, at: datetime) -> Happened:
        """That a file came. Whose doing it may be: a run that was at work on the host, and was told of the folder."""
        file = f"{self.host}:{self.folder}/{name}"
        makers = past_runs.told_of(house.store.reading(), self.folder, host=self.host, at=at)
        return Happened(
            self.key(name, size_bytes, written), f"{file} came ({size_bytes:,} bytes)", {"file": file, "host": self.host},
            makers[0] if makers else None, unsafe=not name.isprintable() or "\ufffd" in name,
        )


@dataclass(frozen=True, slots=True)
class HookTold:
    """A hook was told of it: an alert of Alertmanager's or Grafana's by its alertname, anything else by its name. Its labels are names.
    What is over counts only where the words ask for it."""

    WORDS = re.compile(rf"hook (?P<hook>{_NAME})(?P<resolved> resolved)?(?: where (?P<where>.+))?", re.IGNORECASE)
    EXAMPLES = ("hook DiskFailing", "hook DiskFailing resolved where severity=critical and host!=gpu1")
    NAMES = ("host", "run", "data", ANY)
    hook: str
    resolved: str | None = None
    where: str | None = None

    def check(self, _house: House, _who: Requester) -> None:
        try:
            matchers = self._matchers()
        except ValueError as error:
            raise RequestError(f"{error} (between them: and)") from error
        if any("~" in each.operator for each in matchers):  # a pattern of a person's over a text of anybody's may take for ever
            raise RequestError("What a hook tells is compared with = or !=; there are no patterns here.")

    def look(self, db: Database, event: Event) -> Iterator[Happened]:
        said = event.payload
        if event.kind != HOOK_EVENT or str(said["name"]).lower() != self.hook.lower() or bool(said["resolved"]) != bool(self.resolved):
            return
        labels = {str(name): str(value) for name, value in dict[str, object](said["labels"]).items()}  # type: ignore[call-overload]
        if all_match(self._matchers(), labels):
            because = f"a hook was told of {said['name']}{', which is over' if self.resolved else ''}"
            yield Happened(f"hook:{said['key']}", because, labels, runs.find(db, labels.get("run", "")))

    def _matchers(self) -> list[Matcher]:
        return [matcher(each) for each in re.split(r"\s+and\s+", self.where or "", flags=re.IGNORECASE) if each]


Cause = NewData | Result | RunEnded | AlertFires | FileAppears | HookTold
CAUSES: tuple[type[Cause], ...] = (NewData, Result, RunEnded, AlertFires, FileAppears, HookTold)
EXAMPLES = tuple(example for cause in CAUSES for example in cause.EXAMPLES)


def parse_cause(text: str) -> Cause:
    """Understand one of :data:`EXAMPLES`; RequestError shows them."""
    words = " ".join(text.split())
    if len(words) <= MAX_LETTERS:
        for cause in CAUSES:
            if found := cause.WORDS.fullmatch(words):
                return cause(**found.groupdict())
    shown = words if len(words) <= MAX_LETTERS else f"{words[:MAX_LETTERS]}…"
    raise RequestError(f"“{shown}” is nothing that a trigger can wait for. Lines that work: {' · '.join(f'`{line}`' for line in EXAMPLES)}")


def _check_whose(house: House, preset: str | None, dataset: str | None) -> None:
    if preset is not None:
        _check_known("preset", preset, presets.all_presets(house))
    if dataset is not None:
        _check_known("dataset", dataset, house.catalog.names())


def _check_known(what: str, typed: str, names: Iterable[str]) -> None:
    known = sorted(names)
    if typed not in known:
        near = difflib.get_close_matches(typed, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise RequestError(f"There is no {what} {typed}.{hint} There are: {', '.join(known) or 'none yet'}.")


def _ended(db: Database, event: Event) -> Run | None:
    ended = event.kind == "state" and event.run_id is not None and event.payload.get("state") in (State.SUCCEEDED, State.FAILED)
    return runs.get(db, event.run_id) if ended and event.run_id else None


def _ended_with(db: Database, event: Event, preset: str | None, dataset: str | None) -> Run | None:
    """The run with a model that ended, if it is of that preset and on that dataset."""
    run = _ended(db, event)
    if run is None or not isinstance(run.spec, TrainSpec | ModelSpec) or run.spec.dataset is None:
        return None
    return run if preset in (None, run.spec.preset.name) and dataset in (None, run.spec.dataset.name) else None


def _ran(event: Event, run: Run, how: str) -> Happened:
    dataset = run.spec.dataset if isinstance(run.spec, TrainSpec | ModelSpec) else None
    return Happened(f"event:{event.id}", f"{run.id} {how}", {"run": run.id, "data": str(dataset or "")}, run)


def _best_ap(db: Database, run_id: str | None) -> float | None:
    run = runs.find(db, run_id) if run_id else None
    if run is None or run.kind not in (Kind.TRAIN, Kind.EVAL):
        return None
    return max(measured(progress.evaluations(db, run.id)).values(), default=None)
