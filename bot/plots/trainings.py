"""Pictures of trainings: the loss falls, mAP rises; the learning rate; several trainings over each other; their classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from bot.plots.canvas import THEMES, Colours, Theme, bare, cut, figure, frame, plain, png
from runner.entities import Evaluation, Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_POINTS = 2000
_SHOWN_CLASSES = 12
_LABELS_A_ROW = 3
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_HEADROOM = 1.04
_ROUND = (1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0)


def curve(progress: Sequence[Progress], evaluations: Sequence[Evaluation], *, title: str, theme: Theme = "light") -> bytes:
    """A PNG of 1000 x 750 pixels: training loss (left axis), AP and AP50 of each evaluation (right axis), the best epoch marked."""
    colours = THEMES[theme]
    drawn = figure(theme)
    axes = drawn.add_subplot()
    frame(axes, colours, title)
    epochs, losses = _losses(progress)
    shown = _bbox_first(evaluations)
    last_epoch = max([1.0, *epochs, *(each.epoch for each in shown)])
    axes.set_xlim(0, last_epoch * 1.02)
    if losses:
        _draw_loss(axes, epochs, losses, colours)
    if shown:
        right = axes.twinx()
        _draw_ap(right, shown, colours)
        _draw_masks(right, evaluations, colours)
    if not losses:
        axes.set_yticks([])
        if not shown:
            axes.text(0.5, 0.5, "no progress yet", transform=axes.transAxes, ha="center", va="center", color=colours.loss, fontsize=11)
            axes.set_xticks([])
    return png(drawn)


def _losses(progress: Sequence[Progress]) -> tuple[list[float], list[float]]:
    """Finite losses over the fractional number of epochs done; thinned evenly where there are more than a picture can show."""
    points = [
        (_epoch(each), each.loss)
        for each in progress
        if each.loss is not None and math.isfinite(each.loss)
    ]
    points.sort(key=lambda point: point[0])
    step = max(1, math.ceil(len(points) / _MOST_POINTS))
    kept = points[::step]
    return [epoch for epoch, _ in kept], [loss for _, loss in kept]


def _draw_loss(axes: Axes, epochs: Sequence[float], losses: Sequence[float], colours: Colours) -> None:
    marker = "o" if len(losses) == 1 else ""
    axes.plot(epochs, losses, color=colours.loss, linewidth=0.8, alpha=0.35, marker=marker, markersize=4)
    axes.plot(epochs, _smoothed(losses), color=colours.loss, linewidth=1.6, solid_capstyle="round")
    # Early losses may be a hundred times the rest; what matters is below. The grid is one with that of AP: round quarters.
    ordered = sorted(losses)
    top = _round_up(ordered[int(0.98 * (len(ordered) - 1))])
    axes.set_ylim(min(0.0, ordered[0]), top * _HEADROOM)
    axes.set_yticks([top * quarter for quarter in _QUARTERS])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axes.text(0, 1.03, "— loss", transform=axes.transAxes, color=colours.loss, fontsize=9, fontweight="bold", va="bottom")


def _round_up(value: float) -> float:
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return power * next((step for step in _ROUND if step * power >= value), 10.0)


def _smoothed(losses: Sequence[float]) -> list[float]:
    """The mean around each point over about a twentieth of the run."""
    half = len(losses) // 40
    sums = [0.0, *accumulate(losses)]
    ends = [(max(0, at - half), min(len(losses), at + half + 1)) for at in range(len(losses))]
    return [(sums[end] - sums[start]) / (end - start) for start, end in ends]


def _bbox_first(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The evaluations of one task with a defined AP, one an epoch (the last counts), bounding boxes where there are any."""
    tasks = {each.task for each in evaluations}
    return _of_task(evaluations, "bbox" if "bbox" in tasks else min(tasks, default=""))


def _of_task(evaluations: Sequence[Evaluation], task: str) -> list[Evaluation]:
    by_epoch = {each.epoch: each for each in evaluations if each.task == task and each.ap is not None and math.isfinite(each.ap)}
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def _draw_masks(axes: Axes, evaluations: Sequence[Evaluation], colours: Colours) -> None:
    """AP of masks beside that of boxes, dashed and named at its end."""
    line = [(each.epoch, each.ap) for each in _of_task(evaluations, "segm") if each.ap is not None]
    if not line or not _of_task(evaluations, "bbox"):
        return
    axes.plot(*zip(*line, strict=True), color=colours.ap, linewidth=1.4, linestyle=(0, (4, 2)))
    axes.annotate("masks", line[-1], xytext=(0, -11), textcoords="offset points", color=colours.ap, fontsize=8, ha="right")


def _draw_ap(axes: Axes, shown: Sequence[Evaluation], colours: Colours) -> None:
    plain(axes, colours)
    line = [(each.epoch, each.ap) for each in shown if each.ap is not None]
    halves = [(each.epoch, each.ap50) for each in shown if each.ap50 is not None and math.isfinite(each.ap50)]
    epoch, ap = max(line, key=lambda point: point[1])
    size = 4 if len(shown) <= 25 else 0
    axes.plot(*zip(*line, strict=True), color=colours.ap, linewidth=2, marker="o", markersize=size, solid_capstyle="round")
    axes.plot([epoch], [ap], marker="o", markersize=9, markerfacecolor="none", markeredgecolor=colours.ap, markeredgewidth=1.6)
    axes.set_ylim(0, _HEADROOM)
    axes.set_yticks(_QUARTERS)
    _legend(axes, 0.79, f"— AP, best {ap:.3f} at epoch {epoch}", colours.ap)
    if halves:
        axes.plot(*zip(*halves, strict=True), color=colours.ap50, linewidth=1.4, marker="o", markersize=size * 0.7)
        _legend(axes, 1.0, "— AP50", colours.ap50)


def _legend(axes: Axes, right: float, text: str, colour: str) -> None:
    axes.text(right, 1.03, text, transform=axes.transAxes, color=colour, fontsize=9, fontweight="bold", ha="right", va="bottom")




def rates(progress: Sequence[Progress], *, title: str, theme: Theme = "light") -> bytes:
    """A PNG of 1000 x 750 pixels: the learning rate over the epochs."""
    colours, drawn = THEMES[theme], figure(theme)
    axes = drawn.add_subplot()
    frame(axes, colours, title)
    points = [(_epoch(each), each.lr) for each in progress if each.lr is not None and math.isfinite(each.lr)]
    if not points:
        return png(_nothing(drawn, axes, colours))
    points.sort(key=lambda point: point[0])
    axes.plot(*zip(*points, strict=True), color=colours.ap, linewidth=1.8)
    axes.set_ylim(0, max(lr for _, lr in points) * _HEADROOM or 1.0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axes.text(0, 1.03, "— learning rate", transform=axes.transAxes, color=colours.ap, fontsize=9, fontweight="bold", va="bottom")
    return png(drawn)


Training = tuple[str, Sequence[Progress], Sequence[Evaluation]]
"""A training as a picture shows it: what it is called, its points and its evaluations."""


def overlay(runs: Sequence[Training], *, title: str, theme: Theme = "light") -> bytes:
    """A PNG of 1000 x 750 pixels: mAP of several trainings (at most 6) above, their smoothed losses below, a colour for each."""
    colours, drawn = THEMES[theme], figure(theme)
    above, below = drawn.subplots(2, 1, height_ratios=(1.6, 1), sharex=True)
    frame(above, colours, title)
    frame(below, colours, "")
    above.set_xlabel("")
    above.set_ylabel("mAP", color=colours.ink, fontsize=9)
    below.set_ylabel("loss", color=colours.ink, fontsize=9)
    lines = [[(each.epoch, each.ap) for each in _bbox_first(evaluations) if each.ap is not None] for _, _, evaluations in runs]
    losses = [_losses(progress) for _, progress, _ in runs]
    for place, ((label, _, _), line, (epochs, values)) in enumerate(zip(runs, lines, losses, strict=True)):
        colour = colours.splits[place % len(colours.splits)]
        style = "-" if place < len(colours.splits) else (0, (4, 2))
        above.plot(*(zip(*line, strict=True) if line else ([], [])), color=colour, linewidth=1.8, linestyle=style)
        below.plot(epochs, _smoothed(values), color=colour, linewidth=1.6, linestyle=style)
        text = f"— {label}" + (f"  {max(ap for _, ap in line):.3f}" if line else "")
        row = 1.1 if place < _LABELS_A_ROW < len(runs) else 1.02
        above.text(
            0.34 * (place % _LABELS_A_ROW), row, text, transform=above.transAxes, color=colour, fontsize=9, fontweight="bold", va="bottom",
            parse_math=False,
        )
    above.set_ylim(0, min(1.0, _round_up(max((ap for line in lines for _, ap in line), default=1.0))) * _HEADROOM)
    if ordered := sorted(value for _, values in losses for value in values):
        below.set_ylim(min(0.0, ordered[0]), _round_up(ordered[int(0.98 * (len(ordered) - 1))]) * _HEADROOM)
    return png(drawn)


def class_aps(runs: Sequence[tuple[str, Mapping[str, float | None]]], *, title: str, theme: Theme = "light") -> bytes:
    """A PNG of 1000 x 750 pixels: AP of every class (at most 12, the best first), a bar for each training."""
    colours, drawn = THEMES[theme], figure(theme)
    axes = drawn.add_subplot()
    bare(axes, colours, title)
    known = {label: [aps.get(label) or 0.0 for _, aps in runs] for _, aps in runs for label, ap in aps.items() if ap is not None}
    ranked = sorted(known, key=lambda label: -max(known[label]))
    shown = ranked[:_SHOWN_CLASSES]
    height = 0.8 / max(1, len(runs))
    for place, (run_id, _) in enumerate(runs):
        colour = colours.splits[place % len(colours.splits)]
        rows = [row - 0.4 + height * (place + 0.5) for row in range(len(shown))]
        axes.barh(rows, [known[label][place] for label in shown], height=height * 0.9, color=colour)
        for row, label in zip(rows, shown, strict=True):
            axes.text(known[label][place] + 0.01, row, f"{known[label][place]:.3f}", color=colours.ink, fontsize=7, va="center")
        axes.text(0.2 * place, 1.03, f"■ {run_id}", transform=axes.transAxes, color=colour, fontsize=9, fontweight="bold", parse_math=False)
    axes.set_xlim(0, 1.1)
    axes.set_ylim(max(len(shown), 3) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [cut(label, 22) for label in shown], parse_math=False)
    axes.set_xticks([])
    if len(ranked) > len(shown):
        axes.set_xlabel(f"and {len(ranked) - len(shown)} more classes", color=colours.ink, fontsize=9)
    return png(drawn)


def _epoch(at: Progress) -> float:
    """How many epochs are done."""
    return at.epoch - 1 + at.iteration / max(1, at.iterations)


def _nothing(drawn: Figure, axes: Axes, colours: Colours) -> Figure:
    axes.text(0.5, 0.5, "no progress yet", transform=axes.transAxes, ha="center", va="center", color=colours.loss, fontsize=11)
    axes.set_xticks([])
    axes.set_yticks([])
    return drawn
