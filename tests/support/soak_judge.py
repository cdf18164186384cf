"""Judges what a storm left: what hosts and programs wrote against what the database says. Every sentence is a defect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from runner.entities import Attempt, Event, Run
from runner.service.house import House
from runner.service.models import results_of
from runner.states import Reason, State
from runner.store import attempts, events, hosts, runs


@dataclass
class Plan:
    """What was asked for, and what its end may be. ``epochs`` 0: no training. ``cuts``: how often its power was cut; ``followed``: a
    resume was asked for."""

    run_id: str
    kind: str
    expected: frozenset[Reason]
    epochs: int = 0
    iterations: int = 0
    stop_asked: bool = False
    cuts: int = 0
    followed: bool = False


def judge(house: House, plans: dict[str, Plan], *, presence: Path, roots: Sequence[Path]) -> list[str]:
    """All defects, in words."""
    db = house.store.reading()
    found = [f"{run.id} is known, and nobody asked for it" for run in runs.newest(db, limit=10**6) if run.id not in plans]
    found += [f"{lease.device} on {lease.host} is still leased to {lease.run_id}" for lease in hosts.leases(db)]
    for plan in plans.values():
        run = runs.get(db, plan.run_id)
        found += [f"{run.id} ({plan.kind}, {run.reason}): {sentence}" for sentence in _of_run(house, run, plan)]
    known = {attempt.marker: attempt for plan in plans.values() for attempt in attempts.of(db, plan.run_id)}
    return [*found, *_of_presence(presence, known), *_of_directories(roots, known), *orphans([*roots, presence])]


def _of_presence(presence: Path, known: dict[str, Attempt]) -> Iterator[str]:
    """What the programs themselves noted."""
    starts = Counter(line.split()[0] for line in _lines(presence / "starts"))
    yield from (f"{marker} started {count} times" for marker, count in starts.items() if count > 1)
    yield from (f"{marker} started, and no attempt is known of it" for marker in starts if marker not in known)
    yield from (f"two at once: {line}" for line in _lines(presence / "collisions"))


def _of_directories(roots: Sequence[Path], known: dict[str, Attempt]) -> Iterator[str]:
    directories = {attempt.directory for attempt in known.values()}
    for path in (path for root in roots for path in root.glob("runs/*/[0-9]*")):
        marker = f"{path.parent.name}/{path.name}"
        claimed = path.joinpath("claim").is_symlink()
        if str(path) not in directories:
            yield f"{marker} was claimed, and no attempt is known of it" if claimed else f"{marker} was laid ahead, and never cleared away"
        if path.joinpath("iterations.txt").exists() and not claimed:
            yield f"{marker} ran without a claim"


def _of_run(house: House, run: Run, plan: Plan) -> Iterator[str]:
    db = house.store.reading()
    if not run.state.final:
        yield f"is lost: {run.detail or 'it says nothing'}"
        return
    tries, told = attempts.of(db, run.id), events.of_run(db, run.id)
    expected = frozenset({Reason.BY_USER}) if plan.stop_asked else plan.expected
    if len(tries) > 1 and plan.expected == {Reason.CODE_ERROR}:
        expected |= {Reason.COMPLETED}  # it fails only where it begins
    if run.reason not in expected:
        yield f"ended otherwise than asked ({', '.join(sorted(expected))}): {run.detail}"
    yield from _of_story(run, plan, tries, told)
    for attempt in tries:
        yield from _of_attempt(run, attempt)
    if run.reason is Reason.COMPLETED:
        yield from _of_completed(house, run, plan, tries)


def _of_story(run: Run, plan: Plan, tries: Sequence[Attempt], told: Sequence[Event]) -> Iterator[str]:
    reasons = [Reason(str(event.payload["reason"])) for event in told if event.kind == "state"]
    ends = [reason for reason in reasons if reason.state.final]
    if len(ends) != 1:
        yield f"its end was told {len(ends)} times"
    again = Counter(reason for before, reason in pairwise(reasons) if reason is not before)
    retried, gave_way = again[Reason.RETRYING], again[Reason.PREEMPTED]
    if retried > plan.cuts:
        yield f"was tried again {retried} times, and its power was cut {plan.cuts} times"
    if len(tries) > 1 + retried + gave_way:
        yield f"had {len(tries)} attempts, tried again {retried} times, gave way {gave_way} times"
    asked = Counter(str(event.actor) for event in told if event.kind == "stop_requested")
    if run.reason is Reason.TIME_LIMIT and not asked["signalbox"]:
        yield "was ended by a limit that nobody enforced"
    if run.reason is Reason.BY_USER and not plan.stop_asked:
        yield "was stopped, and nobody asked"


def _of_attempt(run: Run, attempt: Attempt) -> Iterator[str]:
    directory = Path(attempt.directory)
    claim = str(directory.joinpath("claim").readlink()) if directory.joinpath("claim").is_symlink() else ""
    ended = _lines(directory / "exit")
    code = int(ended[0].split()[0]) if ended else None
    if attempt.claimed_at is not None and not claim.startswith(f"{run.nonce}:{attempt.pid}:"):
        yield f"attempt {attempt.number} counts as claimed by {attempt.pid}, and its claim is {claim or 'none'}"
    if attempt.claimed_at is None and claim.startswith(f"{run.nonce}:"):
        yield f"attempt {attempt.number} was claimed, and that was never seen"
    if not claim:
        yield f"attempt {attempt.number} has no claim, so it may still start"
    if attempt.ended_at is not None and attempt.exit_code != code:
        yield f"attempt {attempt.number} counts as ended with {attempt.exit_code}, and its exit says {code}"
    done = _points(directory)
    if len({pid for *_, pid in done}) > 1:
        yield f"attempt {attempt.number} was run by several processes"
    if [point[:2] for point in done] != sorted({point[:2] for point in done}):
        yield f"attempt {attempt.number} did something twice, or in disorder"


def _of_completed(house: House, run: Run, plan: Plan, tries: Sequence[Attempt]) -> Iterator[str]:
    last = tries[-1]
    if last.exit_code != 0 or run.state is not State.SUCCEEDED:
        yield f"its last attempt ended with {last.exit_code}"
    copy = house.settings.logs / f"{run.id}-{last.number}.log"
    copied, said = copy.read_bytes() if copy.exists() else b"", Path(last.directory, "log").read_bytes()
    if copied != said:
        at = next((at for at, pair in enumerate(zip(copied, said, strict=False)) if pair[0] != pair[1]), min(len(copied), len(said)))
        yield f"the copy of its log has {len(copied)} bytes of {len(said)}, and differs from byte {at} on"
    if not plan.epochs:
        if not results_of(house, run.id):
            yield "what it made is not here"
        return
    line = [*(attempts.of(house.store.reading(), run.parent_id) if run.parent_id else ()), *tries]
    done = {point[:2] for attempt in line for point in _points(Path(attempt.directory))}
    missing = {(epoch, iteration) for epoch in range(1, plan.epochs + 1) for iteration in range(1, plan.iterations + 1)} - done
    if missing:
        yield f"{len(missing)} iterations were never done, the first in epoch {min(missing)[0]}"


def _points(directory: Path) -> list[tuple[int, int, int]]:
    """Epoch, iteration and process of every step that a training noted."""
    lines = [line.split() for line in _lines(directory / "iterations.txt")]
    return [(int(line[0]), int(line[1]), int(line[2])) for line in lines if len(line) == 3]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def orphans(folders: Sequence[Path]) -> list[str]:
    """Processes that work in, or were started with a path of, one of these folders; their sshds are not meant."""
    wanted = [str(folder).encode() for folder in folders]
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = entry.joinpath("cmdline").read_bytes()
            words = [str(entry.joinpath("cwd").readlink()).encode(), command, entry.joinpath("environ").read_bytes()]
        except OSError:
            continue
        if any(folder in text for folder in wanted for text in words):
            found.append(f"process {entry.name} is left: {command.replace(bytes(1), b' ').decode('utf-8', 'replace')[:200]}")
    return found
