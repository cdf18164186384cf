"""What to do next for one run: pure functions from what is known to one decision. "Give me one good reason not to start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.entities import Attempt, Environment, Host, Run
from runner.environments import advice
from runner.kinds.base import Needs
from runner.states import Reason

CLAIM_PATIENCE = timedelta(seconds=10)
"""How long after a launch without a claim the session is started again (harmless: one claim wins)."""
GOING_DOWN = timedelta(seconds=20)
"""A host that shuts down asks its programs to end, and falls silent a moment later."""
_ASKED_TO_END = (129, 143)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host as the runner sees it now. ``trouble`` says why it does not answer; ``building`` what is being built on it."""

    host: Host
    connected: bool
    trouble: str = ""
    environments: Sequence[Environment] = ()
    building: str = ""


@dataclass(frozen=True, slots=True)
class Nothing:
    """All is well, or something is under way."""


@dataclass(frozen=True, slots=True)
class Move:
    """Go to another reason."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Resolve the spec on a host."""

    host: str
    environment: Environment


@dataclass(frozen=True, slots=True)
class Eligible:
    """May start on any of these hosts as soon as devices are free."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meet:
    """Find a free port on the first of several hosts."""

    rank: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """Lay the current attempt's directory, on the host of that rank."""

    rank: int = 0


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the current attempt's session (again: one claim wins)."""

    rank: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """Fence the current attempt."""

    rank: int = 0


@dataclass(frozen=True, slots=True)
class Collect:
    """Bring here what the current attempt made; that it ended well is known."""


@dataclass(frozen=True, slots=True)
class Conclude:
    """The current attempt has ended: say what that means."""


@dataclass(frozen=True, slots=True)
class Several:
    """What a run on several hosts does on them at once."""

    decisions: tuple[Move | Meet | Stage | Launch | Stop, ...]


Decision = Nothing | Move | Prepare | Eligible | Meet | Stage | Launch | Stop | Collect | Conclude | Several


def decide_pending(
    run: Run, needs: Needs, hosts: Sequence[HostFacts], *, acting: bool, now: datetime, awaited: Sequence[Run] = (),
    unapproved: str = "",
) -> Decision:
    """What a waiting run does next. ``acting``: something remote is under way for it; ``awaited`` are the runs that have to succeed first
    and have not yet; ``unapproved`` says why somebody has to approve it first."""
    if run.stop_requested_by is not None:
        again = "the next attempt" if run.attempt else "it"
        return Move(Reason.BY_USER, f"Cancelled by {run.stop_requested_by} before {again} started.")
    if acting:
        return Nothing()
    kept = _kept(run, awaited, now, unapproved)
    if kept is not None:
        return kept
    fitting = [facts for facts in hosts if _fits(facts.host, needs)]
    if not _enough(fitting, needs):
        return Move(Reason.WAITING_FOR_HOST, _no_host(needs, [facts.host for facts in hosts], fitting))
    equipped = [facts for facts in fitting if needs.framework is None or environment_on(facts, needs) is not None]
    if not _enough(equipped, needs):
        lacking = _lacking(fitting, equipped, needs)
        if all(facts.trouble for facts in lacking):  # nothing can be built on a host that cannot be reached
            return Move(Reason.WAITING_FOR_HOST, _out_of_reach(lacking))
        return Move(Reason.WAITING_FOR_ENVIRONMENT, _no_environment(needs, lacking))
    answering = [facts for facts in equipped if facts.connected]
    if not _enough(answering, needs):
        silent = _lacking(equipped, answering, needs)
        if any(not facts.trouble for facts in silent):
            return Nothing()  # still connecting
        return Move(Reason.WAITING_FOR_HOST, _out_of_reach(silent))
    if needs.prepares and (run.prepared is None or run.prepared.get("recheck") or _lost(run, answering)):
        leading = next((facts for facts in answering if facts.host.name == needs.first), answering[0])
        environment = environment_on(leading, needs)
        assert environment is not None
        return Prepare(leading.host.name, environment)
    unchanged = [facts for facts in answering if not needs.prepares or environment_on(facts, needs, _prepared_with(run)) is not None]
    if not _enough(unchanged, needs):
        changed = " and ".join(facts.host.name for facts in _lacking(answering, unchanged, needs)[: needs.hosts])
        same = f", and a run on {needs.hosts} hosts needs the same on each" if needs.hosts > 1 else "; submit it again to use the new one"
        return Move(Reason.BAD_SPEC, f"The {needs.framework} environment on {changed} is not the one this run was prepared with{same}.")
    return Eligible(tuple(facts.host.name for facts in unchanged))


def decide_running(
    run: Run, attempt: Attempt, *, connected: bool, trouble: str, acting: bool, launched_at: datetime | None, now: datetime,
    collects: bool = False,
) -> Decision:
    """What a run with an attempt on a host does next. Silence never ends it; only evidence does. ``collects``: its kind brings here
    what it made before it counts as done."""
    over = _over(run, attempt)
    collecting = over and collects and attempt.exit_code == 0 and run.stop_requested_by is None
    if over and not collecting:
        return Conclude()
    if run.reason is Reason.UNCLEAR:
        return Stop() if run.stop_requested_by and connected and not acting else Nothing()
    if not connected:
        return Nothing() if run.reason is Reason.UNREACHABLE or not trouble else Move(Reason.UNREACHABLE, trouble)
    if collecting and run.reason is Reason.UNREACHABLE:
        return Move(Reason.WORKING)
    if attempt.ended_at is not None:
        return Nothing() if acting else (Collect() if collecting else Stop())
    if run.stop_requested_by is not None:
        if run.reason is not Reason.STOPPING:
            return Move(Reason.STOPPING, f"Asked by {run.stop_requested_by}.")
        return Nothing() if acting else Stop()
    if attempt.claimed_at is not None:
        return Nothing() if run.reason is Reason.WORKING else Move(Reason.WORKING)
    if run.reason is Reason.UNREACHABLE:
        return Move(Reason.LAUNCHING if attempt.staged else Reason.STAGING)
    if acting:
        return Nothing()
    if not attempt.staged:
        return Stage()
    return Launch() if launched_at is None or now - launched_at > CLAIM_PATIENCE else Nothing()


def may_be_going_down(run: Run, attempt: Attempt, *, boot_id: str | None, now: datetime) -> bool:
    """Whether it may be the host that asked a program to end, on its way down (``boot_id`` is the host's): a moment later it is known."""
    if attempt.exit_code not in _ASKED_TO_END or attempt.ended_at is None or run.stop_requested_by is not None or attempt.fenced:
        return False
    return attempt.boot_id == boot_id and timedelta() <= now - attempt.ended_at < GOING_DOWN


def _over(run: Run, attempt: Attempt) -> bool:
    """Whether nothing of an attempt is left. Where it was stopped or failed, processes may outlive the exit (the other ranks of a
    training, in sessions of their own) and hold the devices: these are swept first."""
    if attempt.ended_at is None:  # fenced before anybody claimed, by a runner that died before it could say why
        return attempt.fenced and attempt.claimed_at is None and run.stop_requested_by is None
    return attempt.fenced or attempt.exit_code is None or (attempt.exit_code == 0 and run.stop_requested_by is None)


def _kept(run: Run, awaited: Sequence[Run], now: datetime, unapproved: str) -> Decision | None:
    """What keeps a run waiting whatever the hosts say."""
    if run.held_by is not None:
        return Move(Reason.HELD, f"Held by {run.held_by}; `release {run.id}` lets it go on.")
    if unapproved:
        return Move(Reason.WAITING_FOR_APPROVAL, unapproved)
    if run.retry_at is not None and now < run.retry_at:
        return Nothing()
    return Move(Reason.WAITING_FOR_RUN, " ".join(map(_awaits, awaited))) if awaited else None


def _awaits(run: Run) -> str:
    if run.state.final:
        return f"{run.id} has to succeed first, and ended: {run.reason.in_words}. Resume that, or stop this."
    return f"{run.id} has to succeed first ({run.reason.in_words})."


def environment_on(facts: HostFacts, needs: Needs, fingerprint: str | None = None) -> Environment | None:
    """The environment on a host that serves these needs; the one of that fingerprint where given."""
    for environment in facts.environments:
        serves = needs.framework == environment.framework and needs.environment in (None, environment.name)
        if serves and fingerprint in (None, environment.fingerprint):
            return environment
    return None


def _enough(found: Sequence[HostFacts], needs: Needs) -> bool:
    """Whether these are as many hosts as a run needs, the one that has to lead among them."""
    return len(found) >= needs.hosts and needs.first in (None, *(facts.host.name for facts in found))


def _lacking(found: Sequence[HostFacts], kept: Sequence[HostFacts], needs: Needs) -> Sequence[HostFacts]:
    """Which of those found are not among those kept: the one that has to lead, if it is one of them."""
    lost = [facts for facts in found if facts not in kept]
    return [facts for facts in lost if facts.host.name == needs.first] or lost


def _fits(host: Host, needs: Needs) -> bool:
    """Drained is drained also for who names the host; what takes no device (its environment is built, files are fetched) still may."""
    if needs.hosts > 1:  # a cluster spreads its runs itself
        named = needs.among or ((needs.host,) if needs.host else ())
        usable = host.executor == "screen" and not host.drained
        return usable and (host.name in named or (not needs.among and host.name != "local"))
    if needs.host is not None:
        return host.name == needs.host and not (host.drained and needs.devices)
    return not host.drained and host.name != "local"


def _lost(run: Run, answering: Sequence[HostFacts]) -> bool:
    """Whether nobody can be asked any more for the checkpoint that a run starts from: what proves it next has it."""
    prepared = run.prepared or {}
    proved_on = prepared.get("host") if prepared.get("checkpoint") else None
    return proved_on is not None and all(facts.host.name != proved_on for facts in answering)


def _prepared_with(run: Run) -> str:
    return str((run.prepared or {}).get("environment", ""))


def _no_host(needs: Needs, hosts: Sequence[Host], fitting: Sequence[HostFacts]) -> str:
    if needs.hosts > 1:
        there = ", ".join(facts.host.name for facts in fitting) or "none"
        led = f", {needs.host} among them" if needs.host else ""
        closed = ", ".join(host.name for host in hosts if host.drained)
        but = f" Drained, so nothing new starts there: {closed}." if closed else ""
        return f"It runs on {needs.hosts} servers at once{led}; of those that it may use, these are there and take runs: {there}.{but}"
    drained = [host for host in hosts if host.drained and needs.host in (None, host.name)]
    if drained:
        named = ", ".join(f"{host.name} is drained{f' by {host.drained_by}' if host.drained_by else ''}" for host in drained)
        return f"{named}: nothing new starts there until somebody says `host resume {drained[0].name}`."
    if needs.host is not None:
        return f"There is no host {needs.host} any more."
    return "There is no GPU server yet. `host add gpu-1 user@address` adds one."


def _no_environment(needs: Needs, fitting: Sequence[HostFacts]) -> str:
    building = next((facts.building for facts in fitting if facts.building), "")
    if building:
        return building
    names = ", ".join(facts.host.name for facts in fitting)
    called = f"{needs.framework} environment" + (f" called {needs.environment}" if needs.environment else "")
    return f"No {called} on {names}. {advice(needs.framework or '', fitting[0].host.name)}"


def _out_of_reach(hosts: Sequence[HostFacts]) -> str:
    return " ".join(f"{facts.host.name} cannot be reached: {facts.trouble}" for facts in hosts)

