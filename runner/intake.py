"""Takes in whatever arrives: what hosts say of themselves and of attempts, and how acts on them came out."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from runner.acts import FailedOutcome, LaunchedOutcome, Outcome, PreparedOutcome, StagedOutcome, StoppedOutcome
from runner.attempt_intake import AttemptIntake
from runner.conclusions import conclude
from runner.entities import Run, TrainSpec
from runner.errors import BadSpecError, RequestError
from runner.evidence import Connected, Disconnected, Evidence, Heartbeat, Resources
from runner.links import HostLink
from runner.preparing import as_values
from runner.service.house import House
from runner.states import Reason, State
from runner.store import events, hosts, runs

log = logging.getLogger(__name__)


class Intake:
    """Turns arrivals into rows."""

    def __init__(self, house: House, links: Mapping[str, HostLink]) -> None:
        self.house = house
        self._links = links
        self._attempts = AttemptIntake(house)

    def take(self, arrival: Evidence | Outcome) -> None:
        """Apply one arrival. What a host says counts only while it is the machine that it was."""
        match arrival:
            case Connected() | Disconnected() | Heartbeat() | Resources():
                self._take_host(arrival)
            case PreparedOutcome() | StagedOutcome() | LaunchedOutcome() | StoppedOutcome() | FailedOutcome():
                self._take_outcome(arrival)
            case _:
                link = self._links.get(arrival.host)
                if link is not None and link.connected:
                    self._attempts.take(arrival)

    def _take_host(self, evidence: Connected | Disconnected | Heartbeat | Resources) -> None:
        link = self._links.get(evidence.host)
        if link is None:
            return
        now = self.house.now()
        with self.house.store.writing() as db:
            match evidence:
                case Connected():
                    self._take_connected(link, evidence)
                case Disconnected():
                    link.note(evidence)
                    hosts.note_trouble(db, evidence.host, evidence.why)
                case Heartbeat() if link.connected:
                    hosts.note_seen(db, evidence.host, now=now)
                case Resources() if link.connected:
                    hosts.note_resources(db, evidence)

    def _take_connected(self, link: HostLink, evidence: Connected) -> None:
        db = self.house.store.reading()
        known = hosts.get(db, evidence.host)
        seen = evidence.identity
        if known.machine_id is not None and (known.machine_id, known.host_name) != (seen.machine_id, seen.host_name):
            why = (
                f"Another machine answers at {known.name} (machine-id {seen.machine_id[:8]}…, was {known.machine_id[:8]}…). "
                f"Nothing it says counts. If that is intended, `host remove {known.name}` and add it again."
            )
            link.note(Disconnected(evidence.host, why, permanent=True))
            hosts.note_trouble(db, evidence.host, why)
            for run in runs.live(db):
                if run.host == evidence.host and run.state is State.RUNNING and run.reason is not Reason.UNCLEAR:
                    runs.transition(db, run, Reason.UNCLEAR, now=self.house.now(), detail=why)
            return
        link.note(evidence)
        hosts.note_identity(db, evidence.host, seen, now=self.house.now())

    def _take_outcome(self, outcome: Outcome) -> None:
        db = self.house.store.reading()
        run = runs.get(db, outcome.run_id)
        for link in self._links.values():
            link.done(run.id)
        if run.state.final:
            return
        match outcome:
            case PreparedOutcome():
                self._keep_prepared(run, outcome)
            case StagedOutcome():
                with self.house.store.writing() as writing:
                    runs.note_staged(writing, run.id, outcome.attempt)
                    self._links[run.host or ""].staged.add(runs.attempt(writing, run.id, outcome.attempt).directory)
                    if run.reason is Reason.STAGING:
                        runs.transition(writing, run, Reason.LAUNCHING, now=self.house.now())
            case LaunchedOutcome():
                pass
            case StoppedOutcome():
                self._take_fence(run, outcome)
            case FailedOutcome():
                self._take_failure(run, outcome)

    def _keep_prepared(self, run: Run, outcome: PreparedOutcome) -> None:
        values = as_values(outcome.prepared)
        if run.prepared is not None:
            kept = {key: run.prepared[key] for key in run.prepared if key != "recheck"}
            values = kept | {key: values[key] for key in ("checkpoint", "checkpoint_epoch", "refused")}
        else:
            values["environment"] = self._preparing_fingerprint(run)
        prepared, now = outcome.prepared, self.house.now()
        with self.house.store.writing() as db:
            runs.keep_prepared(db, run.id, values)
            for path, why in prepared.refused:
                payload = {"checkpoint": path.rsplit("/", 1)[-1], "why": why}
                events.record(db, "refused_checkpoint", at=now, run_id=run.id, payload=payload)
            if prepared.checkpoint is not None:
                events.record(db, "starts_from", at=now, run_id=run.id, payload={
                    "checkpoint": prepared.checkpoint.rsplit("/", 1)[-1], "epoch": prepared.checkpoint_epoch,
                    "taken_parameters": prepared.taken_parameters, "new_parameters": list(prepared.new_parameters),
                })

    def _preparing_fingerprint(self, run: Run) -> str:
        assert isinstance(run.spec, TrainSpec)
        found = hosts.environments(self.house.store.reading(), framework=run.spec.preset.framework, host=run.host)
        return found[0].fingerprint if found else ""

    def _take_fence(self, run: Run, outcome: StoppedOutcome) -> None:
        fence = outcome.fence
        if not fence.done:
            return  # somebody survived KILL, or the deadline cut it short: the next pass stops again
        with self.house.store.writing() as db:
            attempt = runs.attempt(db, run.id, outcome.attempt)
            runs.note_fence(db, attempt)
            link = self._links.get(run.host or "")
            broken = link.broken.pop(run.id, None) if link else None
            if run.stop_requested_by is not None and not fence.exited:
                conclude(self.house, run, attempt)
            elif broken is not None:
                runs.transition(db, run, Reason.ENVIRONMENT_ERROR, now=self.house.now(), detail=str(broken))

    def _take_failure(self, run: Run, outcome: FailedOutcome) -> None:
        if outcome.passing:
            log.warning("%s of %s did not come through: %s", outcome.act, run.id, outcome.error)
            return
        bad_spec = isinstance(outcome.error, BadSpecError | RequestError)
        if outcome.act == "prepare":
            reason = Reason.BAD_SPEC if bad_spec else Reason.ENVIRONMENT_ERROR
            with self.house.store.writing() as db:
                runs.transition(db, run, reason, now=self.house.now(), detail=str(outcome.error))
        else:
            self._links[run.host or ""].broken[run.id] = outcome.error
