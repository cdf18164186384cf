"""Takes in what hosts say of attempts: log bytes are parsed and kept with their offset in one transaction; ends are concluded."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

from runner.crash_points import crash_point
from runner.entities import Attempt, Evaluation, Record, Run
from runner.errors import ConflictError
from runner.evidence import ClaimSeen, DirectoryGone, ExitSeen, LogBytes, OfAttempt, Queued, Vanished
from runner.frameworks.base import LogParser
from runner.kinds import all_kinds
from runner.service.house import House
from runner.slurm_words import why_it_waits
from runner.specs import Kind
from runner.states import Reason, State
from runner.store import attempts, events, progress, runs
from runner.store.progress import LogPosition

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Reading:
    """How far one log was fed to its parser."""

    parser: LogParser
    generation: int
    fed: int


class Unread:
    """The reader of a further host's log: of several ranks the first one tells how the training goes, or all of it would count twice."""

    pending_bytes = 0

    def feed(self, _data: bytes) -> Sequence[Record]:
        """Nothing."""
        return ()


class AttemptIntake:
    """Turns evidence of attempts into rows. Holds a parser per log being read; all else is in the database."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._readings: dict[str, _Reading] = {}

    def forget(self, directory: str) -> None:
        """Let go of the parser of a log: whoever reads it next goes on from what is committed."""
        self._readings.pop(directory, None)

    def take(self, evidence: OfAttempt) -> None:
        """Apply one piece of evidence, or raise: then nothing of it is kept, and it has to be told again."""
        db = self._house.store.reading()
        attempt = attempts.in_directory(db, evidence.directory)
        if attempt is None or attempt.host != evidence.host:
            return
        run = runs.get(db, attempt.run_id)
        match evidence:
            case ClaimSeen():
                self._claim(run, attempt, evidence)
            case LogBytes():
                self._log(run, attempt, evidence)
            case ExitSeen():
                self._ended(run, attempt, code=evidence.code, evidence=evidence)
            case Vanished():
                self._ended(run, attempt, code=None, evidence=evidence)
            case Queued():
                self._queued(run, attempt, evidence)
            case DirectoryGone():
                self._contradict(run, attempt, "has vanished while the run was live")

    def _claim(self, run: Run, attempt: Attempt, evidence: ClaimSeen) -> None:
        nonce, _, rest = evidence.text.partition(":")
        fields = rest.split(":")
        if run.state.final:
            return
        if attempt.claimed_at is not None:
            same = (nonce, fields) == (run.nonce, [str(attempt.pid), attempt.process_start, attempt.boot_id])
            if same and run.reason is Reason.UNCLEAR:
                self._move(run, Reason.WORKING)  # what was unclear is answered: the claim is where and what it was
            elif not same and attempt.ended_at is None:
                self._contradict(run, attempt, f"has another claim than before ({evidence.text[:80]})")
            return
        with self._house.store.writing() as db:
            if nonce == "cancelled":
                attempts.note_fence(db, attempt)
                return
            if nonce != run.nonce or len(fields) != 3 or not fields[0].isdigit():
                self._contradict(run, attempt, f"has a strange claim ({evidence.text[:80]})")
                return
            attempts.note_claim(db, attempt, pid=int(fields[0]), process_start=fields[1], boot_id=fields[2], now=self._house.now())
            events.record(db, "claimed", at=self._house.now(), run_id=run.id, payload={"attempt": attempt.number, "pid": int(fields[0])})
            all_here = all(rank.claimed_at for rank in attempts.ranks(db, run.id, attempt.number))
            if all_here and run.state is State.RUNNING and run.reason in (Reason.STAGING, Reason.LAUNCHING):
                self._move(run, Reason.WORKING)
        crash_point("runner.after_claim_seen")

    def _queued(self, run: Run, attempt: Attempt, evidence: Queued) -> None:
        """The cluster's own reason why an attempt has not begun."""
        why = why_it_waits(evidence)
        if run.attempt == attempt.number and attempt.claimed_at is None and run.reason is Reason.LAUNCHING and run.detail != why:
            self._move(run, Reason.LAUNCHING, why)

    def _log(self, run: Run, attempt: Attempt, evidence: LogBytes) -> None:
        reading = self._reading(run, attempt, evidence)
        skip = reading.fed - evidence.offset
        if skip < 0:
            raise ConflictError(f"{evidence.host} sent the log of {run.id} from byte {evidence.offset}; {reading.fed} was next.")
        data = evidence.data[skip:]
        if not data:
            return  # told before
        self._mirror(attempt, reading.fed, data)
        records = self._parsed(run, attempt, reading, data)
        reading.fed += len(data)
        reached = LogPosition(
            offset=reading.fed - reading.parser.pending_bytes, generation=evidence.generation, inode=evidence.inode,
            grown_at=evidence.grown_at,
        )
        with self._house.store.writing() as db:
            self._record_evaluations(run, attempt, records)
            progress.keep(db, attempt, records, reached, now=self._house.now())
        crash_point("runner.after_log_committed")

    def _reading(self, run: Run, attempt: Attempt, evidence: LogBytes) -> _Reading:
        known = self._readings.get(evidence.directory)
        if known is not None and known.generation == evidence.generation:
            return known
        kept = progress.position(self._house.store.reading(), attempt)
        start = kept.offset if kept.generation == evidence.generation else 0
        reading = _Reading(self._parser(run, attempt), evidence.generation, start)
        self._readings[evidence.directory] = reading
        return reading

    def _parser(self, run: Run, attempt: Attempt) -> LogParser:
        return all_kinds()[run.kind].log_parser(self._house, run) if attempt.rank == 0 else Unread()

    def _parsed(self, run: Run, attempt: Attempt, reading: _Reading, data: bytes) -> Sequence[Record]:
        try:
            return reading.parser.feed(data)
        except Exception:  # a defect in reading a log costs numbers, and neither the run nor the log
            log.exception("The log of %s could not be read; it goes on behind what broke the parser", run.id)
            reading.parser = self._parser(run, attempt)
            return ()

    def _mirror(self, attempt: Attempt, offset: int, data: bytes) -> None:
        path = self._house.settings.logs / attempt.log_name
        anew = os.O_TRUNC if offset == 0 else 0  # a new generation is a new log
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | anew, 0o600)
        try:
            os.pwrite(descriptor, data, offset)
        finally:
            os.close(descriptor)

    def _record_evaluations(self, run: Run, attempt: Attempt, records: Sequence[Record]) -> None:
        trains = run.kind is Kind.TRAIN  # to measure a model again makes none better
        with self._house.store.writing() as db:
            best = max((item.ap or 0.0 for item in progress.evaluations(db, run.id)), default=None)
            for record in records:
                if not isinstance(record, Evaluation):
                    continue
                first_or_better = trains and record.ap is not None and (best is None or record.ap > best)
                best = max(best or 0.0, record.ap or 0.0)
                events.record(db, "evaluation", at=self._house.now(), run_id=run.id, payload={
                    "attempt": attempt.number, "epoch": record.epoch, "task": record.task, "ap": record.ap, "ap50": record.ap50,
                    "best": first_or_better,
                })

    def _ended(self, run: Run, attempt: Attempt, *, code: int | None, evidence: ExitSeen | Vanished) -> None:
        if attempt.claimed_at is None:  # an end counts only for who was seen to claim
            self._contradict(run, attempt, "has an exit and no claim")
            return
        if run.state is not State.RUNNING or run.attempt != attempt.number or run.reason is Reason.UNCLEAR:
            return  # what is unclear is told again once its claim is
        self._require_whole_log(attempt, evidence)
        ended_at = evidence.ended_at if isinstance(evidence, ExitSeen) else self._house.now()
        with self._house.store.writing() as db:
            attempts.note_exit(db, attempt, code=code, ended_at=ended_at, oom_kills=evidence.oom_kills)
        self.forget(evidence.directory)
        crash_point("runner.after_exit_seen")

    def _require_whole_log(self, attempt: Attempt, evidence: ExitSeen | Vanished) -> None:
        """ConflictError where bytes were sent that never came here: a stream that broke in between may tell the end alone."""
        kept, reading = progress.position(self._house.store.reading(), attempt), self._readings.get(evidence.directory)
        generation, fed = (reading.generation, reading.fed) if reading else (kept.generation, kept.offset)
        if generation == evidence.log_generation and fed < evidence.log_offset:
            raise ConflictError(f"{evidence.host} told the end of {attempt.run_id}, whose log has {evidence.log_offset - fed} bytes more.")

    def _contradict(self, run: Run, attempt: Attempt, what: str) -> None:
        """What cannot be explained blocks, and asks a person."""
        if run.state is State.RUNNING and run.attempt == attempt.number and run.reason is not Reason.UNCLEAR:
            self._move(run, Reason.UNCLEAR, (
                f"The directory {attempt.directory} on {attempt.host} {what}. Nothing is done until somebody looks: "
                f"`stop {run.id}` ends it for good."
            ))

    def _move(self, run: Run, reason: Reason, detail: str = "") -> None:
        with self._house.store.writing() as db:
            try:
                runs.transition(db, run, reason, now=self._house.now(), detail=detail)
            except ConflictError:
                return
