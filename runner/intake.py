"""Takes in whatever arrives: what hosts say of themselves and of attempts, and how acts on them came out."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from runner import acts, neighbours
from runner.acts import (
    RESULTS,
    CollectedOutcome,
    FailedOutcome,
    LaunchedOutcome,
    MetOutcome,
    Outcome,
    PreparedOutcome,
    SendingStep,
    StagedOutcome,
    StoppedOutcome,
)
from runner.attempt_intake import AttemptIntake
from runner.collecting import Brought
from runner.conclusions import Made, conclude, refusal
from runner.crash_points import crash_point
from runner.entities import Host, Run
from runner.errors import HostError
from runner.evidence import Connected, Disconnected, Evidence, ExitSeen, Heartbeat, Identity, OfAttempt, Queued, Resources, Unstarted
from runner.links import HostLink
from runner.preparing import as_values, prepared_from
from runner.ranks import lies_on, with_checkpoint
from runner.service.house import House
from runner.slurm_words import why_never_begun
from runner.specs import ModelSpec, TrainSpec
from runner.states import Reason, State
from runner.store import attempts, events, hosts, progress, runs

log = logging.getLogger(__name__)

SYMBOLIC = "{host} makes no hard links there: {count} files of the dataset are symbolic links into its store, which has to stay."


class Intake:
    """Turns arrivals into rows."""

    def __init__(self, house: House, links: Mapping[str, HostLink]) -> None:
        self.house = house
        self._links = links
        self._attempts = AttemptIntake(house)

    def take(self, arrival: Evidence | Outcome | SendingStep) -> None:
        """Apply one arrival. What a host says counts only while it is the machine that it was."""
        if isinstance(arrival, Outcome):
            self._take_outcome(arrival)
            return
        match arrival:
            case Connected() | Disconnected() | Heartbeat() | Resources():
                self._take_host(arrival)
            case SendingStep():
                self._take_step(arrival)
            case _:
                link = self._links.get(arrival.host)
                if link is not None and link.connected and link.watches(arrival.directory):
                    self._take_of_attempt(link, arrival)

    def forget(self, directory: str) -> None:
        """An attempt has ended: nothing more is read of it."""
        self._attempts.forget(directory)

    def _take_of_attempt(self, link: HostLink, evidence: OfAttempt) -> None:
        """What could not be kept has to be told again, from what is committed: a host says everything only once."""
        if isinstance(evidence, ExitSeen) and evidence.code == 0 and evidence.left and self._sweep(link, evidence):
            self._attempts.forget(evidence.directory)
            link.reread(evidence.directory)
            return
        try:
            self._attempts.take(evidence)
            self._take_of_job(link, evidence)
        except BaseException:
            self._attempts.forget(evidence.directory)
            link.reread(evidence.directory)
            raise

    def _sweep(self, link: HostLink, evidence: ExitSeen) -> bool:
        """End what outlives a program that ended well: as long as it holds the devices, they are not free. The end is told again then."""
        attempt = attempts.in_directory(self.house.store.reading(), evidence.directory)
        if attempt is None or attempt.host != evidence.host or attempt.claimed_at is None or attempt.ended_at is not None:
            return False
        run, grace_s = runs.get(self.house.store.reading(), attempt.run_id), self.house.settings.limits.stop_grace_s
        if run.state is not State.RUNNING or run.reason is Reason.UNCLEAR:
            return False
        log.warning("%s ended well, and %d processes of it did not: they are ended", run.id, evidence.left)
        link.act(run.id, "stop", lambda: acts.stop(link.transport, link.executor, run=run, attempt=attempt, grace_s=grace_s))
        return True

    def _take_of_job(self, link: HostLink, evidence: OfAttempt) -> None:
        """What a cluster has in its own queue needs no second launch; what it will never begin is given up."""
        if isinstance(evidence, Queued):
            link.launched[evidence.directory] = self.house.now()
        elif isinstance(evidence, Unstarted) and (why := why_never_begun(evidence)):
            attempt = attempts.in_directory(self.house.store.reading(), evidence.directory)
            if attempt is not None and attempt.claimed_at is None:
                link.broken[attempt.run_id] = HostError(why)

    def _take_host(self, evidence: Connected | Disconnected | Heartbeat | Resources) -> None:
        link = self._links.get(evidence.host)
        if link is None:
            return
        if isinstance(evidence, Disconnected):
            link.note(evidence)
        try:
            with self.house.store.writing() as db:
                match evidence:
                    case Connected():
                        self._take_connected(link, evidence)
                    case Disconnected():
                        hosts.note_trouble(db, evidence.host, evidence.why)
                    case Heartbeat() if link.connected:
                        hosts.note_seen(db, evidence.host, now=self.house.now(), host_time=evidence.host_time)
                    case Resources() if link.connected:
                        neighbours.note(self.house, db, evidence)
                        link.looked = True
        except BaseException:
            if isinstance(evidence, Connected):
                link.reconnect()  # said once a connection, and nothing else counts before it
            raise

    def _take_connected(self, link: HostLink, evidence: Connected) -> None:
        db = self.house.store.reading()
        known, seen = hosts.get(db, evidence.host), evidence.identity
        if known.machine_id is not None and (known.machine_id, known.host_name) != (seen.machine_id, seen.host_name):
            self._refuse_machine(link, known, seen)
            return
        if known.boot_id not in (None, seen.boot_id):
            events.record(db, "rebooted", at=self.house.now(), payload={"host": known.name})
        hosts.note_identity(db, evidence.host, seen, now=self.house.now())
        link.note(evidence)

    def _refuse_machine(self, link: HostLink, known: Host, seen: Identity) -> None:
        was, now = f"{known.host_name}, machine-id {known.machine_id}", f"{seen.host_name}, machine-id {seen.machine_id}"
        why = (
            f"Another machine answers at {known.name} ({now}; it was {was}). Nothing it says counts. If that is intended, "
            f"stop what runs there, `host remove {known.name}` and add it again."
        )
        link.note(Disconnected(known.name, why, permanent=True))
        for directory in link.watched:
            self._attempts.forget(directory)
            link.reread(directory)
        with self.house.store.writing() as db:
            hosts.note_trouble(db, known.name, why)
            for run in runs.live(db):
                here = known.name in (rank.host for rank in attempts.ranks(db, run.id, run.attempt))
                if here and run.state is State.RUNNING and run.reason is not Reason.UNCLEAR:
                    runs.transition(db, run, Reason.UNCLEAR, now=self.house.now(), detail=why)

    def _take_outcome(self, outcome: Outcome) -> None:
        db = self.house.store.reading()
        run = runs.get(db, outcome.run_id)
        if link := self._links.get(outcome.host):
            link.done(run.id, rest=isinstance(outcome, FailedOutcome))
        if run.state.final:
            if isinstance(outcome, CollectedOutcome) and outcome.brought.files:
                with self.house.store.writing() as writing:
                    events.record(writing, "found", at=self.house.now(), run_id=run.id, payload={})
            return
        match outcome:
            case PreparedOutcome() if run.state is State.PENDING:
                self._keep_prepared(run, outcome)
            case StagedOutcome() if run.attempt == outcome.attempt:
                self._take_staged(run, outcome)
            case MetOutcome() if run.attempt == outcome.attempt:
                with self.house.store.writing() as writing:
                    attempts.note_port(writing, attempts.get(writing, run.id, outcome.attempt), outcome.port)
            case PreparedOutcome() | MetOutcome() | StagedOutcome() | LaunchedOutcome():
                pass
            case StoppedOutcome():
                self._take_fence(run, outcome)
            case CollectedOutcome():
                self._take_collected(run, outcome.attempt, Made(outcome.brought, outcome.made))
            case FailedOutcome():
                self._take_failure(run, outcome)

    def _take_step(self, arrival: SendingStep) -> None:
        run = runs.get(self.house.store.reading(), arrival.run_id)
        if run.reason in (Reason.PREPARING, Reason.STAGING, Reason.WORKING) and run.attempt == arrival.attempt:
            with self.house.store.writing() as db:
                progress.keep_step(db, run.id, arrival.step, now=self.house.now())

    def _take_staged(self, run: Run, outcome: StagedOutcome) -> None:
        link = self._links.get(outcome.host)
        note = SYMBOLIC.format(host=outcome.host, count=outcome.symbolic) if outcome.symbolic else ""
        with self.house.store.writing() as db:
            attempt = attempts.rank_on(db, run.id, outcome.attempt, outcome.host)
            progress.forget_step(db, run.id)
            attempts.note_staged(db, attempt)
            if isinstance(run.spec, TrainSpec | ModelSpec) and run.spec.dataset is not None:
                hosts.note_sent(db, outcome.host, str(run.spec.dataset))
            if run.reason is Reason.STAGING and all(rank.staged for rank in attempts.ranks(db, run.id, outcome.attempt)):
                runs.transition(db, run, Reason.LAUNCHING, now=self.house.now(), detail=note)
        crash_point("runner.after_staging_noted")
        if link is not None:
            link.staged.add(attempt.directory)

    def _keep_prepared(self, run: Run, outcome: PreparedOutcome) -> None:
        values = as_values(outcome.prepared)
        if run.prepared is not None:
            kept = {key: run.prepared[key] for key in run.prepared if key != "recheck"}
            if kept["checkpoint"] and outcome.prepared.checkpoint and outcome.host != lies_on(run):
                kept["config"] = with_checkpoint(prepared_from(kept), outcome.prepared.checkpoint).config
            values = kept | {key: values[key] for key in ("checkpoint", "checkpoint_epoch", "refused")}
        else:
            values["environment"] = outcome.environment
        values["host"] = outcome.host
        prepared, now = outcome.prepared, self.house.now()
        with self.house.store.writing() as db:
            progress.forget_step(db, run.id)
            runs.keep_prepared(db, run.id, values)
            for path, why in prepared.refused:
                payload = {"checkpoint": path.rsplit("/", 1)[-1], "why": why}
                events.record(db, "refused_checkpoint", at=now, run_id=run.id, payload=payload)
            if prepared.checkpoint is not None:
                events.record(db, "starts_from", at=now, run_id=run.id, payload={
                    "checkpoint": prepared.checkpoint.rsplit("/", 1)[-1], "epoch": prepared.checkpoint_epoch,
                    "taken_parameters": prepared.taken_parameters, "new_parameters": list(prepared.new_parameters),
                })

    def _take_fence(self, run: Run, outcome: StoppedOutcome) -> None:
        fence = outcome.fence
        with self.house.store.writing() as db:
            attempt = attempts.rank_on(db, run.id, outcome.attempt, outcome.host)
            failed_by_itself = attempt.ended_at is not None and run.stop_requested_by is None
            if not fence.done and not failed_by_itself:
                return  # somebody survived KILL, or the deadline cut it short: the next pass stops again
            attempts.note_fence(db, attempt)
            if run.spans > 1:  # concluded once all of them are over
                if not fence.exited and attempt.claimed_at is not None and attempt.ended_at is None:
                    attempts.note_exit(db, attempt, code=None, ended_at=self.house.now())
                return
            link = self._links.get(run.host or "")
            broken = link.broken.pop(run.id, None) if link else None
            # Whose exit it is, is told by its claim: without one, or where that is unclear, no exit will be taken in.
            unexplained = run.reason is Reason.UNCLEAR or fence.claim.startswith("cancelled:")
            if run.stop_requested_by is not None and (unexplained or not fence.exited):
                conclude(self.house, run, attempt)
            elif broken is not None:
                reason, sentence = refusal(broken)
                runs.transition(db, run, reason, now=self.house.now(), detail=sentence)
        crash_point("runner.after_fenced")

    def _take_collected(self, run: Run, number: int, made: Made) -> None:
        """What was made is here, so the run is done: unless somebody stopped it meanwhile."""
        if run.state is not State.RUNNING or run.attempt != number or run.stop_requested_by is not None:
            return
        with self.house.store.writing() as db:
            progress.forget_step(db, run.id)
            conclude(self.house, run, attempts.get(db, run.id, number), made)
        crash_point("runner.after_finished")

    def _take_failure(self, run: Run, outcome: FailedOutcome) -> None:
        if outcome.passing:
            log.warning("%s of %s did not come through: %s", outcome.act, run.id, outcome.error)
            return
        log.warning("%s of %s failed", outcome.act, run.id, exc_info=outcome.error)
        if outcome.act == "collect":
            where = f"{attempts.get(self.house.store.reading(), run.id, run.attempt).directory}/{RESULTS}"
            why = (str(outcome.error) or type(outcome.error).__name__).rstrip(".")
            left = f"What it made stays on {run.host} in {where}: {why}. `fetch {run.id} results` brings it."
            self._take_collected(run, run.attempt, Made(Brought(left=left)))
        elif outcome.act == "prepare":
            if run.state is State.PENDING:
                reason, sentence = refusal(outcome.error)
                with self.house.store.writing() as db:
                    progress.forget_step(db, run.id)
                    runs.transition(db, run, reason, now=self.house.now(), detail=sentence)
        elif outcome.act != "stop" and (link := self._links.get(outcome.host)):
            link.broken[run.id] = outcome.error
