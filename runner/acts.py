"""What the runner does on hosts, in threads: each act has deadlines and ends in one outcome; nothing here touches the database's states."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from runner.collecting import Brought, bring
from runner.crash_points import crash_point
from runner.entities import Attempt, Environment, Host, Run, WorkStep
from runner.errors import HostError, UnreachableError
from runner.executors.base import Allotment, Executor, Fence, LaunchOrder
from runner.frameworks.base import Prepared, PrepareRequest
from runner.kinds.base import Work
from runner.preparing import as_bytes, read_answer
from runner.service.detections import FOUND
from runner.specs import Kind, TrainSpec
from runner.start_checkpoints import StartCheckpoints
from runner.transports.base import Transport
from runner.transports.sending import Progress

log = logging.getLogger(__name__)

PREPARE_TIMEOUT_S = 300.0
SEND_TIMEOUT_S = 6 * 3600.0
LAUNCH_TIMEOUT_S = 30.0
TOLD_EVERY_S = 1.0
RESULTS = "results"
FOUND_BOXES = Path(str(resources.files("runner.host") / "found_boxes.py"))
FOUND_TIMEOUT_S = 600.0
FOUND_BYTES = 16 * 1024 * 1024
_PART = re.compile(r"|\.index|\.data-\d{5}-of-\d{5}")
"""Behind the name of a checkpoint: nothing, or what TensorFlow's files of one are called."""
FREE_PORT = Path(str(resources.files("runner.host") / "free_port.py"))


@dataclass(frozen=True, slots=True)
class PreparedOutcome:
    """A spec was resolved, in the environment of that fingerprint. The ``host`` of every outcome is where it came about."""

    run_id: str
    prepared: Prepared
    environment: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class MetOutcome:
    """A port of the host where the hosts of an attempt can meet: nobody uses it."""

    run_id: str
    attempt: int
    port: int
    host: str = ""


@dataclass(frozen=True, slots=True)
class SendingStep:
    """How far the dataset of an attempt is on its way to the host."""

    run_id: str
    attempt: int
    step: WorkStep


@dataclass(frozen=True, slots=True)
class StagedOutcome:
    """An attempt's directory is laid; so many of its data's links had to be symbolic."""

    run_id: str
    attempt: int
    symbolic: int = 0
    host: str = ""


@dataclass(frozen=True, slots=True)
class LaunchedOutcome:
    """The host accepted the launch; the claim will say that it runs."""

    run_id: str
    attempt: int
    host: str = ""


@dataclass(frozen=True, slots=True)
class StoppedOutcome:
    """What stopping found."""

    run_id: str
    attempt: int
    fence: Fence
    host: str = ""


@dataclass(frozen=True, slots=True)
class CollectedOutcome:
    """What an attempt made is here; ``made`` says what it is, beside its files, as plain values."""

    run_id: str
    attempt: int
    brought: Brought
    made: Mapping[str, object]
    host: str = ""


@dataclass(frozen=True, slots=True)
class FailedOutcome:
    """An act did not come through. ``passing``: the host did not answer, trying again may help."""

    run_id: str
    act: str
    error: Exception
    host: str = ""

    @property
    def passing(self) -> bool:
        """Whether trying again may help."""
        return isinstance(self.error, UnreachableError)


Outcome = PreparedOutcome | MetOutcome | StagedOutcome | LaunchedOutcome | StoppedOutcome | CollectedOutcome | FailedOutcome


def prepare(
    transport: Transport, environment: Environment, program: Path, request: PrepareRequest, *, run_id: str, root: str,
    starts: StartCheckpoints, progress: Progress,
) -> PreparedOutcome:
    """Resolve a spec in the framework's own Python, once its start checkpoint is there; BadSpecError carries the framework's words
    made readable."""
    made = transport.shell(f"mkdir -p -- {shlex.quote(request.folder)}", timeout_s=LAUNCH_TIMEOUT_S)
    if made.exit_code:
        raise HostError(f"The folder {request.folder} cannot be made: {made.stderr.decode('utf-8', 'replace').strip()}")
    there = [starts.on_host(transport, each, root=root, folder=request.folder, progress=progress) for each in request.checkpoints]
    setup = (*(f"export {name}={shlex.quote(value)}" for name, value in environment.variables.items()), *environment.setup)
    finished = transport.python(
        environment.python, program, arguments=("prepare",), setup=setup, timeout_s=PREPARE_TIMEOUT_S,
        stdin=as_bytes(replace(request, checkpoints=tuple(there))),
    )
    crash_point("runner.after_prepared")
    return PreparedOutcome(run_id, read_answer(finished), environment.fingerprint)


def meet(transport: Transport, *, run: Run, host: Host, first: int, taken: Sequence[int]) -> MetOutcome:
    """Find a free port on the first host of an attempt, beginning with the port ``first``."""
    arguments = (str(first), *map(str, taken))
    found = transport.python(host.python or "python3", FREE_PORT, arguments=arguments, timeout_s=LAUNCH_TIMEOUT_S)
    said = found.stdout.decode("utf-8", "replace").strip()
    if not said.isdigit():
        why = found.stderr.decode("utf-8", "replace").strip()[-300:] or f"its search ended with code {found.exit_code}"
        raise HostError(f"{host.name} has no free port where the hosts of the run could meet: {why}")
    crash_point("runner.after_met")
    return MetOutcome(run.id, run.attempt, int(said))


def pass_on(
    source: Transport, target: Transport, path: str, copy: str, *, store: str, scratch: Path, known: Path, progress: Progress
) -> None:
    """Copy a checkpoint, which may be a prefix of files, from one host to another by way of this machine, whole or not at all. ``known``
    is where the object lies here that it is by its name, if it is one."""
    folder, _, name = copy.rpartition("/")
    if target.shell(f"[ -d {shlex.quote(folder)} ]", timeout_s=LAUNCH_TIMEOUT_S).exit_code == 0:
        return
    if known.is_file():
        target.put_objects(store, [(name, known)], timeout_s=SEND_TIMEOUT_S, progress=progress)
        target.link_tree(store, folder, {name: name}, timeout_s=LAUNCH_TIMEOUT_S)
        return
    found = source.shell(f"for file in {shlex.quote(path)}*; do printf '%s\\0' \"$file\"; done", timeout_s=LAUNCH_TIMEOUT_S)
    said = found.stdout.decode("utf-8", "surrogateescape").split("\0")
    parts = [each for each in said if each.startswith(path) and _PART.fullmatch(each.removeprefix(path))]
    sent: dict[str, str] = {}
    for number, part in enumerate(parts):
        here = scratch / str(number)
        with here.open("w+b") as file:
            source.get(part, file, limit_bytes=shutil.disk_usage(scratch).free // 2, timeout_s=SEND_TIMEOUT_S)
            file.seek(0)
            sent[name + part.removeprefix(path)] = digest = hashlib.file_digest(file, "sha256").hexdigest()
        target.put_objects(store, [(digest, here)], timeout_s=SEND_TIMEOUT_S, progress=progress)
        here.unlink()
    if not sent:
        raise HostError(f"The checkpoint {path} is no longer there.")
    target.link_tree(store, folder, sent, timeout_s=LAUNCH_TIMEOUT_S)


def order_for(
    work: Work, *, run: Run, attempt: Attempt, devices: tuple[str, ...], allotment: Allotment = Allotment()
) -> LaunchOrder:
    """Everything the attempt needs to start."""
    return LaunchOrder(
        directory=attempt.directory, nonce=run.nonce, session=attempt.session, marker=attempt.marker, plan=work.plan,
        spec_json=run.spec.model_dump_json(indent=1).encode(), devices=visible(devices), dataset_manifest=work.manifest,
        allotment=allotment,
    )


def visible(devices: tuple[str, ...]) -> tuple[str, ...]:
    """The GPUs among leased devices."""
    return tuple(device for device in devices if not device.startswith("cpu:"))


def stage(
    transport: Transport, executor: Executor, work: Work, order: LaunchOrder, *, run: Run, host: Host,
    tell: Callable[[SendingStep], None], wanted: Callable[[], bool],
) -> StagedOutcome:
    """Send what the host lacks, as long as that is ``wanted``, and lay the attempt's directory."""
    if work.objects:
        name = str(run.spec.dataset) if isinstance(run.spec, TrainSpec) else "files"
        transport.put_objects(
            f"{host.root}/objects", work.objects.items(), timeout_s=SEND_TIMEOUT_S, progress=sending(run, name, tell, wanted)
        )
    symbolic = executor.stage(transport, order, root=host.root)
    crash_point("runner.after_staged")
    return StagedOutcome(run.id, run.attempt, symbolic)


def sending(run: Run, name: str, tell: Callable[[SendingStep], None], wanted: Callable[[], bool]) -> Progress:
    """Tells how far it is, once in a while; what is not wanted any more is broken off, and would go on where it was."""
    began = told_at = time.monotonic()

    def progress(sent: int, total: int) -> None:
        nonlocal told_at
        if not wanted():
            raise UnreachableError(f"{name} was not sent to its end: {run.id} was stopped.")
        now = time.monotonic()
        if now - told_at >= TOLD_EVERY_S:
            told_at = now
            tell(SendingStep(run.id, run.attempt, WorkStep(name, sent, total, "bytes", sent / (now - began))))

    return progress


def launch(transport: Transport, executor: Executor, order: LaunchOrder, *, run: Run, root: str, again: bool) -> LaunchedOutcome:
    """Start the session; ``again`` lays the directory anew first, since nobody claimed what was laid before."""
    if again:
        executor.stage(transport, order, root=root)
    if not executor.launch(transport, order):  # it was laid ahead, and somebody cleared it away since
        executor.stage(transport, order, root=root)
        executor.launch(transport, order)
    crash_point("runner.after_launched")
    return LaunchedOutcome(run.id, run.attempt)


def stop(transport: Transport, executor: Executor, *, run: Run, attempt: Attempt, grace_s: float) -> StoppedOutcome:
    """Take the claim if it is free, else end every process of the attempt."""
    fence = executor.stop(transport, directory=attempt.directory, nonce=run.nonce, marker=attempt.marker, grace_s=grace_s)
    crash_point("runner.after_stop_sent")
    return StoppedOutcome(run.id, attempt.number, fence)


def collect(
    transport: Transport, *, run: Run, attempt: Attempt, host: Host, place: Path, limit_bytes: int, progress: Progress,
    exported: Callable[[Path], Mapping[str, object]],
) -> CollectedOutcome:
    """Bring here what an attempt that ended well left below ``results/``, and find out what it is."""
    if run.kind is Kind.EVAL:
        _make_smaller(transport, host, attempt)
    brought = bring(transport, host, f"{attempt.directory}/{RESULTS}", place, limit_bytes=limit_bytes, progress=progress)
    made = exported(place)
    crash_point("runner.after_collected")
    return CollectedOutcome(run.id, attempt.number, brought, made)


def bring_found(transport: Transport, *, run: Run, attempt: Attempt, host: Host, place: Path) -> CollectedOutcome:
    """Bring here what a training that has ended found at last, for pictures of it."""
    if not _make_smaller(transport, host, attempt):
        return CollectedOutcome(run.id, attempt.number, Brought(), {})
    here = io.BytesIO()
    size = transport.get(f"{attempt.directory}/{RESULTS}/{FOUND}", here, limit_bytes=FOUND_BYTES, timeout_s=FOUND_TIMEOUT_S)
    place.mkdir(exist_ok=True)
    (place / FOUND).write_bytes(here.getvalue())
    return CollectedOutcome(run.id, attempt.number, Brought(((FOUND, size),)), {})


def _make_smaller(transport: Transport, host: Host, attempt: Attempt) -> bool:
    """Whether what an evaluation found can be sent, for pictures of it. Without these it is one all the same, so only silence stops it."""
    done = transport.python(host.python or "python3", FOUND_BOXES, arguments=(attempt.directory,), timeout_s=FOUND_TIMEOUT_S)
    if done.exit_code:
        log.warning("What %s found cannot be drawn: %s", attempt.marker, done.stderr.decode("utf-8", "replace").strip()[-300:])
    return not (done.exit_code or done.stdout.strip())
