"""Retraining by night: train anew when something changed, measure against the champion on the same split, and promote by a rule."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from runner.entities import Evaluation, Run
from runner.errors import RequestError, SignalboxError
from runner.judging import Judgement, Rule, Verdict, judge
from runner.service import models
from runner.service.datasets import find_version, newest_readable
from runner.service.hosts import Wish
from runner.service.house import House, Requester
from runner.service.leaks import leaks
from runner.service.models import split_to_read
from runner.service.presets import require_free_name
from runner.service.runs import find, training_spec
from runner.settings import Role
from runner.specs import DatasetRef, Kind, ModelSpec, Overrides, Start, StartMode, TrainSpec
from runner.states import State
from runner.store import champions, events, progress, runs
from runner.store.champions import Champion, Retraining

__all__ = [
    "Challenge", "Champion", "Retraining", "Rule", "Verdict", "advance", "all_champions", "history", "promote", "retrain",
    "retraining_with", "rollback",
]

DOOR = "retraining"
SHOWN_LEAKS = 3
log = logging.getLogger(__name__)
TASK_ORDER = ("segm", "bbox")
"""What a model is judged by, where it was measured by more than one: masks say more than boxes."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a retraining tries. ``scratch``: from the preset's own start instead of the champion's weights. ``test``: a dataset to measure
    on (None: what the last retraining was measured on, at first what is trained on); ``always``: even when nothing changed;
    ``despite_leaks``: even when images that it trains on are among those it is measured on; ``publish``: a preset that starts from it
    once it is champion."""

    scratch: bool = False
    test: str | None = None
    split: str | None = None
    rule: Rule = field(default_factory=Rule)
    always: bool = False
    despite_leaks: bool = False
    publish: str | None = None


def retrain(
    house: House, who: Requester, *, preset: str, dataset: str, challenge: Challenge, overrides: Overrides = Overrides(),
    wish: Wish = Wish(),
) -> tuple[Retraining, bool]:
    """Queue a training that challenges the champion; (the earlier one, False) where nothing changed since that began or succeeded.

    RequestError where the preset or the dataset cannot be used, or where it would be measured on what it has trained on.
    """
    who.must_be(Role.MEMBER, "submit runs")
    if challenge.publish is not None:
        who.must_be(Role.OPERATOR, "publish models")
        require_free_name(house, challenge.publish)
    db = house.store.reading()
    holder = champions.champion_of(db, preset, dataset.partition("@")[0])
    parent = runs.get(db, holder.run_id) if holder and not challenge.scratch else None
    if parent and wish.host is None:  # where its checkpoints lie
        wish = replace(wish, host=parent.host)
    spec = training_spec(house, who, preset=preset, dataset=dataset, overrides=overrides, wish=wish)
    inputs = _inputs(spec, scratch=challenge.scratch)
    if parent:
        spec = spec.model_copy(update={"start": Start(mode=StartMode.FINETUNE, run_id=parent.id)})
    with house.store.writing() as db:
        earlier = champions.retrainings(db, preset, spec.dataset.name)
        same = next((each for each in earlier if each.inputs == inputs and each.verdict is not Verdict.FAILED), None)
        if same is not None and not challenge.always:
            return same, False
        test, split = _measured_on(house, spec.dataset, challenge, earlier)
        if not challenge.despite_leaks:
            _require_no_leaks(house, str(spec.dataset), test, split)
        run = runs.submit(
            db, spec, owner=who.person, place=who.place, now=house.now(), parent_id=parent.id if parent else None, request_id=who.request_id
        )
        begun = Retraining(
            run.id, preset, spec.dataset.name, inputs, test, split, challenge.rule, holder.run_id if holder else None,
            publish=challenge.publish,
        )
        champions.keep_retraining(db, begun)
        return begun, True


def advance(house: House) -> int:
    """Take every retraining one step further that can go: queue its evaluations, or settle it; returns how many went."""
    went = 0
    for retraining in champions.unsettled(house.store.reading()):
        try:
            went += _step(house, retraining)
        except SignalboxError as error:
            _settle(house, retraining, Judgement(Verdict.FAILED, str(error)))
            went += 1
        except Exception:  # one bad retraining must not stop the others
            log.exception("The retraining %s cannot go on; it is tried again.", retraining.run_id)
    return went


def promote(house: House, who: Requester, run_id: str) -> Champion:
    """Make a training the champion of its preset and dataset."""
    who.must_be(Role.OPERATOR, "promote models")
    run = find(house, run_id)
    if not isinstance(run.spec, TrainSpec) or run.state is not State.SUCCEEDED:
        raise RequestError(f"Only a training that has succeeded can be champion; {run.id} is {run.kind.value}, {run.reason.in_words}.")
    with house.store.writing() as db:
        holds = champions.champion_of(db, run.spec.preset.name, run.spec.dataset.name)
        if holds is not None and holds.run_id == run.id:
            raise RequestError(f"{run.id} is the champion of {holds.preset} on {holds.dataset} already.")
        champion = Champion(run.spec.preset.name, run.spec.dataset.name, run.id, house.now(), who.person, "promoted by hand")
        champions.crown(db, champion)
        _record(house, who.person, champion, "promoted")
        return champion


def rollback(house: House, who: Requester, preset: str, dataset: str) -> tuple[Champion, Champion | None]:
    """Take the newest championship back; returns it and the one that holds again."""
    who.must_be(Role.OPERATOR, "roll back champions")
    with house.store.writing() as db:
        champion = champions.champion_of(db, preset, dataset)
        if champion is None:
            raise RequestError(f"{preset} on {dataset} has no champion. `champion` lists those there are.")
        champions.withdraw(db, champion, now=house.now())
        _record(house, who.person, champion, "withdrawn")
        return champion, champions.champion_of(db, preset, dataset)


def all_champions(house: House) -> list[Champion]:
    """The champion of each preset and dataset."""
    return champions.current(house.store.reading())


def champion_for(house: House, run: Run) -> Champion | None:
    """The champion that a training may be held against: of its preset, on any version of its dataset."""
    if not isinstance(run.spec, TrainSpec):
        return None
    return champions.champion_of(house.store.reading(), run.spec.preset.name, run.spec.dataset.name)


def history(house: House, preset: str, dataset: str) -> list[Champion]:
    """Everything that was champion, the newest first."""
    return champions.history(house.store.reading(), preset, dataset)


def retraining_with(house: House, run_id: str) -> Retraining | None:
    """The retraining that a run is part of."""
    return champions.retraining_with(house.store.reading(), run_id)


def _measured_on(house: House, trained_on: DatasetRef, challenge: Challenge, earlier: Sequence[Retraining]) -> tuple[str, str]:
    """(version, split): frozen as what the last retraining was measured on, unless another is asked for."""
    test, split = str(trained_on), challenge.split
    if challenge.test is not None:
        test = str(newest_readable(house, challenge.test, (trained_on.format,)))
    elif earlier and challenge.split in (None, earlier[0].split):
        test, split = earlier[0].test, earlier[0].split
    return test, split_to_read(find_version(house, test), split, Kind.EVAL)


def _require_no_leaks(house: House, trained_on: str, test: str, split: str) -> None:
    found = leaks(house, trained_on, test, split)
    if not found:
        return
    cases = ", ".join(mine if mine == other else f"{mine} (there {other})" for mine, other in found[:SHOWN_LEAKS])
    more = f" and {len(found) - SHOWN_LEAKS:,} more" if len(found) > SHOWN_LEAKS else ""
    many = "1 image is" if len(found) == 1 else f"{len(found):,} images are"
    raise RequestError(
        f"{many} both in what it would train on ({trained_on} train) and in what it would be measured on ({test} {split}): {cases}{more}. "
        "Its mAP would say too much, so nothing is trained. Take them out of the train split, or measure elsewhere with `--test` and "
        "`--split`; `--despite-leaks` trains all the same."
    )


def _step(house: House, retraining: Retraining) -> bool:
    db = house.store.reading()
    training = runs.get(db, retraining.run_id)
    if not training.state.final:
        return False
    if training.state is not State.SUCCEEDED:
        return _settle(house, retraining, Judgement(Verdict.FAILED, _end_of("training", training)))
    if retraining.eval_id is None:
        return _measure(house, retraining, training)
    measuring = [runs.get(db, each) for each in (retraining.eval_id, retraining.champion_eval_id) if each]
    if not all(run.state.final for run in measuring):
        return False
    failed = [run for run in measuring if run.state is not State.SUCCEEDED]
    if failed:
        return _settle(house, retraining, Judgement(Verdict.FAILED, _end_of(f"evaluation {failed[0].id}", failed[0])))
    return _settle(house, retraining, _judged(house, retraining))


def _end_of(what: str, run: Run) -> str:
    """Its cause is told by the card in the morning, for whoever has not seen its alert."""
    return " ".join(part for part in (f"The {what} ended: {run.reason.in_words}.", run.detail) if part)


def _measure(house: House, retraining: Retraining, training: Run) -> bool:
    """Both models on the same split, the champion each time anew: that is what tells the noise."""
    with house.store.writing() as db:

        def evaluation(run_id: str, split: str | None) -> Run:
            who = _on_behalf(training, Role.MEMBER, run_id)
            return models.submit_eval(house, who, run_id, dataset=retraining.test, split=split)

        mine = evaluation(training.id, retraining.split)
        assert isinstance(mine.spec, ModelSpec)
        other = evaluation(retraining.champion_id, mine.spec.split) if retraining.champion_id else None
        measured = replace(retraining, split=mine.spec.split, eval_id=mine.id, champion_eval_id=other.id if other else None)
        champions.keep_retraining(db, measured)
    return True


def _on_behalf(training: Run, role: Role, what: str) -> Requester:
    """Whoever asked for the retraining, with the right that was looked at then: what follows is part of it."""
    return Requester(training.owner, role, DOOR, f"{DOOR}:{training.id}:{what}", training.place)


def _judged(house: House, retraining: Retraining) -> Judgement:
    db = house.store.reading()
    assert retraining.eval_id is not None
    mine = progress.evaluations(db, retraining.eval_id)
    task = next((task for task in TASK_ORDER if any(each.task == task for each in mine)), None)
    if task is None:
        return Judgement(Verdict.FAILED, "The evaluation says nothing of boxes or masks.")
    newest = retraining.champion_eval_id
    ids = champions.evaluations_at(db, retraining.champion_id, retraining.test, retraining.split) if retraining.champion_id else []
    others = [progress.evaluations(db, each) for each in [*(each for each in ids if each != newest), *filter(None, [newest])]]
    return judge(_of_task(mine, task)[-1], [each for found in others for each in _of_task(found, task)], retraining.rule)


def _of_task(found: Sequence[Evaluation], task: str) -> list[Evaluation]:
    return [each for each in found if each.task == task]


def _settle(house: House, retraining: Retraining, judgement: Judgement) -> bool:
    now = house.now()
    with house.store.writing() as db:
        export_id, why = None, judgement.why
        if judgement.verdict is Verdict.PROMOTED:
            champions.crown(db, Champion(retraining.preset, retraining.dataset, retraining.run_id, now, DOOR, judgement.why))
            export_id, trouble = _published(house, retraining)
            why = f"{why} {trouble}".strip()
        settled = replace(retraining, verdict=judgement.verdict, why=why, settled_at=now, export_id=export_id)
        champions.keep_retraining(db, settled)
        payload = {"verdict": judgement.verdict.value, "why": judgement.why, "losses": list(judgement.losses)}
        events.record(db, "retraining_settled", at=now, run_id=retraining.run_id, actor=None, payload=payload)
    return True


def _published(house: House, retraining: Retraining) -> tuple[str | None, str]:
    """(the run that publishes a new champion where that was asked for, why it cannot be)."""
    if retraining.publish is None:
        return None, ""
    try:
        who = _on_behalf(runs.get(house.store.reading(), retraining.run_id), Role.OPERATOR, "publish")
        return models.submit_export(house, who, retraining.run_id, publish_as=retraining.publish).id, ""
    except SignalboxError as error:
        return None, f"It is not published as {retraining.publish}: {error}"


def _inputs(spec: TrainSpec, *, scratch: bool) -> str:
    """A fingerprint of data, preset with its own code, and what was changed; not of the champion, which changes by winning."""
    made_from = f"{spec.dataset.fingerprint}\n{spec.preset.model_dump_json()}\n{spec.overrides.model_dump_json()}\n{scratch}"
    return hashlib.sha256(made_from.encode()).hexdigest()


def _record(house: House, person: str, champion: Champion, what: str) -> None:
    payload = {"what": what, "preset": champion.preset, "dataset": champion.dataset}
    with house.store.writing() as db:
        events.record(db, "champion", at=house.now(), run_id=champion.run_id, actor=person, payload=payload)
