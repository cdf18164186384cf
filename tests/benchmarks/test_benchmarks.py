"""``make bench``: takes every figure and prints them. Nothing here judges a time: a busy machine is no broken one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.benchmarks import acks, alarms, answers, cards, conversions, handover, idle_gap, logs, scale, shifting, transfer, watching
from tests.benchmarks.conversions import Comparison
from tests.benchmarks.figures import Figure, table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def figures() -> Iterator[list[Figure]]:
    """What was measured; shown as one table at the end."""
    taken: list[Figure] = []
    yield taken
    print(f"\n\n{table(taken)}\n")


COMPARED_WITH_RSYNC = pytest.mark.skipif(
    shutil.which("rsync") is None, reason="rsync is not installed, so there is nothing to compare with: apt-get install rsync"
)


@pytest.mark.parametrize(
    "measure",
    [
        pytest.param(acks.measure, id="acks"),
        pytest.param(answers.measure, id="answers"),
        pytest.param(alarms.measure, id="alarms"),
        pytest.param(cards.measure, id="cards"),
        pytest.param(handover.measure, id="handover"),
        pytest.param(logs.measure, id="logs"),
        pytest.param(scale.measure, id="scale"),
        pytest.param(transfer.measure, id="transfer", marks=COMPARED_WITH_RSYNC),
    ],
)
def test_every_figure_can_be_taken(measure: Callable[[], list[Figure]], figures: list[Figure]) -> None:
    taken = measure()
    figures += taken
    assert taken
    assert all(figure.seconds and min(figure.seconds) > 0 for figure in taken)


@pytest.mark.skipif(bool(idle_gap.why_not()), reason=idle_gap.why_not())
def test_the_idle_gap_beside_others_can_be_taken(figures: list[Figure]) -> None:
    taken = idle_gap.measure()
    figures += taken
    print(f"\n{idle_gap.ratios(taken)}")
    assert all(len(figure.seconds) == idle_gap.ROUNDS * idle_gap.GAPS_A_ROUND and min(figure.seconds) > 0 for figure in taken)


@pytest.mark.parametrize(
    ("measure", "images"),
    [
        pytest.param(conversions.measure, 20_000, id="conversions"),
        pytest.param(lambda images: [shifting.measure(images)], 600, id="shifting"),
    ],
)
def test_every_comparison_can_be_taken(measure: Callable[[int], list[Comparison]], images: int) -> None:
    for comparison in measure(images):
        print("\n".join(["", *comparison.lines(images)]))
        assert all(cost.cpu_s > 0 for costs in comparison.costs.values() for cost in costs)


def test_what_watching_costs_can_be_taken() -> None:
    watched = watching.measure()
    print("\n".join(["", *watched.lines()]))
    assert watched.runner > 0
    assert min(watched.watchers.values()) > 0
