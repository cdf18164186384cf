"""Who wins: by the gain, its noise, and what single classes lose."""

from __future__ import annotations

import pytest

from runner.entities import Evaluation
from runner.judging import Rule, Verdict, judge


def measured(ap: float | None, **classes: float | None) -> Evaluation:
    return Evaluation(0, "bbox", ap, None, None, None, None, None, dict(classes))


@pytest.mark.parametrize(
    ("challenger", "champion", "verdict", "says"),
    [
        (measured(0.5), [], Verdict.PROMOTED, "It is the first: mAP 0.500."),
        (measured(0.52, cod=0.5), [measured(0.5, cod=0.5)], Verdict.PROMOTED, "0.520 against 0.500 (+0.020)"),
        (measured(0.501), [measured(0.5)], Verdict.KEPT, "not more than 0.002"),
        (measured(0.4), [measured(0.5)], Verdict.KEPT, "(-0.100)"),
        # The champion itself was measured between 0.48 and 0.51: a gain of 0.02 over the newest says nothing.
        (measured(0.52), [measured(0.48), measured(0.51), measured(0.5)], Verdict.KEPT, "noise of repeated evaluation, 0.030"),
        (measured(0.54), [measured(0.48), measured(0.51), measured(0.5)], Verdict.PROMOTED, "+0.040"),
        (measured(0.6, cod=0.9, eel=0.3), [measured(0.5, cod=0.6, eel=0.4)], Verdict.KEPT, "but eel lost 0.100"),
        (measured(0.6, cod=0.9, eel=0.36), [measured(0.5, cod=0.6, eel=0.4)], Verdict.PROMOTED, "no class lost more than 0.05"),
        (measured(0.6, cod=0.9), [measured(0.5, cod=0.6, eel=0.4)], Verdict.KEPT, "but eel lost 0.400"),
        (measured(0.6, cod=0.9, eel=None), [measured(0.5, cod=0.6, eel=None)], Verdict.PROMOTED, "+0.100"),
        (measured(None), [measured(0.5)], Verdict.FAILED, "no object to measure"),
    ],
)
def test_the_better_one_wins_and_it_is_said_why(challenger: Evaluation, champion: list[Evaluation], verdict: Verdict, says: str) -> None:
    judged = judge(challenger, champion, Rule())
    assert judged.verdict is verdict
    assert says in judged.why


def test_the_classes_that_lost_come_worst_first() -> None:
    judged = judge(measured(0.6, cod=0.5, eel=0.3, ray=0.9), [measured(0.5, cod=0.52, eel=0.4, ray=0.1)], Rule(most_loss=0.2))
    assert [name for name, _ in judged.losses] == ["eel", "cod"]
