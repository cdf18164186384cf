"""Whether a newly trained model takes the champion's place: a pure function of what both reached on the same split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from runner.entities import Evaluation


class Rule(BaseModel):
    """What a challenger has to reach: so much more mAP than the champion, and no class may lose more than ``most_loss``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_gain: float = Field(default=0.002, ge=0, le=1)
    most_loss: float = Field(default=0.05, ge=0, le=1)


class Verdict(StrEnum):
    """How a retraining ended."""

    PROMOTED = "promoted"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict and its reason in a sentence; ``losses`` are the classes that lost, the worst first."""

    verdict: Verdict
    why: str
    losses: Sequence[tuple[str, float]] = ()


def judge(challenger: Evaluation, champion: Sequence[Evaluation], rule: Rule) -> Judgement:
    """Compare on one task and one split. ``champion`` are all its evaluations there, the newest last: how much they differ among each
    other is the noise that a gain has to exceed. None of it, and the challenger is the first."""
    if challenger.ap is None:
        return Judgement(Verdict.FAILED, "The evaluation found no object to measure against, so there is no mAP.")
    known = [each.ap for each in champion if each.ap is not None]
    if not known:
        return Judgement(Verdict.PROMOTED, f"It is the first: mAP {challenger.ap:.3f}.")
    gain, noise = challenger.ap - known[-1], max(known) - min(known)
    losses = _losses(challenger, champion[-1])
    said = f"mAP {challenger.ap:.3f} against {known[-1]:.3f} ({gain:+.3f})"
    if losses and losses[0][1] < -rule.most_loss:
        name, loss = losses[0]
        return Judgement(Verdict.KEPT, f"{said}, but {name} lost {-loss:.3f} (at most {rule.most_loss:g} may be lost).", losses)
    if gain <= max(noise, rule.least_gain):
        bar = f"the noise of repeated evaluation, {noise:.3f}" if noise > rule.least_gain else f"{rule.least_gain:g}"
        return Judgement(Verdict.KEPT, f"{said}: not more than {bar}.", losses)
    return Judgement(Verdict.PROMOTED, f"{said}, and no class lost more than {rule.most_loss:g}.", losses)


def _losses(challenger: Evaluation, champion: Evaluation) -> list[tuple[str, float]]:
    """Per class, the worst first. A class that the champion found and the challenger does not know any more has lost all."""
    changes = {
        name: (challenger.per_class.get(name) or 0.0) - before for name, before in champion.per_class.items() if before is not None
    }
    return sorted(((name, change) for name, change in changes.items() if change < 0), key=lambda item: item[1])
