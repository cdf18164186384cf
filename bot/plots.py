"""Pictures for a phone's width: of a training (the loss falls, mAP rises), of a dataset (boxes by class, boxes by size).

matplotlib is imported when the first picture is drawn, never when the bot starts, and without its global state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from recipes.checks.box_sizes import MEDIUM, SHARES, SIDES, SMALL, BoxSizes, edge
from recipes.observing import SplitCount
from runner.entities import Evaluation, Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import LayoutEngine

Theme = Literal["light", "dark"]

_INCHES = (5.0, 3.75)
_DPI = 200
_MOST_POINTS = 2000
_LONGEST_TITLE = 48
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_HEADROOM = 1.04
_ROUND = (1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class _Colours:
    paper: str
    ink: str
    faint: str
    loss: str
    ap: str
    ap50: str
    splits: tuple[str, ...]
    heat: tuple[str, ...]


_THEMES: dict[Theme, _Colours] = {
    "light": _Colours(
        paper="#ffffff", ink="#1d1c1d", faint="#dddddd", loss="#8a8f98", ap="#1264a3", ap50="#2f9e77",
        splits=("#1264a3", "#2f9e77", "#d98e04", "#8a5aa8"), heat=("#d3e6f5", "#5b9fd0", "#1264a3", "#0a2f52"),
    ),
    "dark": _Colours(
        paper="#1a1d21", ink="#e8e8e8", faint="#3a3d42", loss="#9aa0a8", ap="#5bb5f0", ap50="#5fd0a5",
        splits=("#5bb5f0", "#5fd0a5", "#f0b64a", "#c39be0"), heat=("#1f3a52", "#2f72a8", "#5bb5f0", "#d9f0ff"),
    ),
}
_SHOWN_CLASSES = 16
_LONGEST_CLASS = 22
_SPLIT_ORDER = ("train", "val", "test")


def curve(progress: Sequence[Progress], evaluations: Sequence[Evaluation], *, title: str, theme: Theme = "light") -> bytes:
    """A PNG of 1000 x 750 pixels: training loss (left axis), AP and AP50 of each evaluation (right axis), the best epoch marked."""
    from matplotlib.figure import Figure

    colours = _THEMES[theme]
    figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor=colours.paper, layout=_layout())
    axes = figure.add_subplot()
    _frame(axes, colours, title)
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
    return _png(figure)


def _layout() -> LayoutEngine:
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)


def _png(figure: Figure) -> bytes:
    picture = BytesIO()
    # Without software and date, the same training gives the same bytes.
    figure.savefig(picture, format="png", dpi=_DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return picture.getvalue()


def _frame(axes: Axes, colours: _Colours, title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    cut = title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"
    # parse_math: a dollar sign in a run's name is a dollar sign.
    axes.set_title(cut, loc="left", color=colours.ink, fontsize=10, fontweight="bold", pad=22, parse_math=False)
    axes.set_facecolor(colours.paper)
    axes.set_xlabel("epoch", color=colours.ink, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(visible=True, axis="y", color=colours.faint, linewidth=0.6)
    _plain(axes, colours)


def _plain(axes: Axes, colours: _Colours) -> None:
    axes.set_axisbelow(True)
    axes.tick_params(colors=colours.ink, labelsize=9, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(colours.faint)


def _losses(progress: Sequence[Progress]) -> tuple[list[float], list[float]]:
    """Finite losses over the fractional number of epochs done; thinned evenly where there are more than a picture can show."""
    points = [
        (each.epoch - 1 + each.iteration / max(1, each.iterations), each.loss)
        for each in progress
        if each.loss is not None and math.isfinite(each.loss)
    ]
    points.sort(key=lambda point: point[0])
    step = max(1, math.ceil(len(points) / _MOST_POINTS))
    kept = points[::step]
    return [epoch for epoch, _ in kept], [loss for _, loss in kept]


def _draw_loss(axes: Axes, epochs: Sequence[float], losses: Sequence[float], colours: _Colours) -> None:
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


def _draw_masks(axes: Axes, evaluations: Sequence[Evaluation], colours: _Colours) -> None:
    """AP of masks beside that of boxes, dashed and named at its end."""
    line = [(each.epoch, each.ap) for each in _of_task(evaluations, "segm") if each.ap is not None]
    if not line or not _of_task(evaluations, "bbox"):
        return
    axes.plot(*zip(*line, strict=True), color=colours.ap, linewidth=1.4, linestyle=(0, (4, 2)))
    axes.annotate("masks", line[-1], xytext=(0, -11), textcoords="offset points", color=colours.ap, fontsize=8, ha="right")


def _draw_ap(axes: Axes, shown: Sequence[Evaluation], colours: _Colours) -> None:
    _plain(axes, colours)
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


def class_bars(classes: Mapping[str, int], splits: Mapping[str, SplitCount], *, title: str, theme: Theme = "light") -> bytes:
    """A PNG of 1000 x 750 pixels: the boxes of every class, the most first, each bar in the colours of the splits they are in."""
    from matplotlib.figure import Figure

    colours = _THEMES[theme]
    figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor=colours.paper, layout=_layout())
    axes = figure.add_subplot()
    _bare(axes, colours, title)
    shown = sorted(classes.items(), key=lambda item: -item[1])[:_SHOWN_CLASSES]
    order = sorted(splits, key=lambda split: _SPLIT_ORDER.index(split) if split in _SPLIT_ORDER else len(_SPLIT_ORDER))
    parts = {split: splits[split].classes for split in order} or {"": dict(classes)}
    _stack(axes, [label for label, _ in shown], parts, colours)
    most = max([1, *classes.values()])
    for place, (_, number) in enumerate(shown):
        axes.text(number + most * 0.015, place, f"{number:,}", color=colours.ink, fontsize=8, va="center")
    axes.set_xlim(0, most * 1.16)
    axes.set_ylim(max(len(shown), 5) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [_cut(label, _LONGEST_CLASS) for label, _ in shown], parse_math=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    if len(classes) > len(shown):
        rest = sum(classes.values()) - sum(number for _, number in shown)
        axes.set_xlabel(f"and {len(classes) - len(shown)} more classes with {rest:,} boxes", color=colours.ink, fontsize=9)
    return _png(figure)


def box_size_map(sizes: BoxSizes, *, title: str, theme: Theme = "light") -> bytes:
    """A PNG of 1000 x 750 pixels: how many boxes have which width and height, both in doublings, and COCO's small, medium and large areas.

    Below it, how large the boxes are in relation to their images.
    """
    from matplotlib.figure import Figure

    colours = _THEMES[theme]
    figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor=colours.paper, layout=_layout())
    above, below = figure.subplots(2, 1, height_ratios=(3.4, 1))
    _bare(above, colours, title)
    _draw_sizes(above, sizes, colours)
    _bare(below, colours, "")
    _draw_shares(below, sizes, colours)
    return _png(figure)


def _bare(axes: Axes, colours: _Colours, title: str) -> None:
    if title:
        axes.set_title(_cut(title, _LONGEST_TITLE), loc="left", color=colours.ink, fontsize=10, fontweight="bold", pad=22, parse_math=False)
    axes.set_facecolor(colours.paper)
    _plain(axes, colours)


def _cut(text: str, longest: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def _stack(axes: Axes, labels: Sequence[str], parts: Mapping[str, Mapping[str, int]], colours: _Colours) -> None:
    left = [0] * len(labels)
    for place, (split, counts) in enumerate(parts.items()):
        widths = [counts.get(label, 0) for label in labels]
        colour = colours.splits[place % len(colours.splits)]
        axes.barh(range(len(labels)), widths, left=left, height=0.72, color=colour)
        left = [before + width for before, width in zip(left, widths, strict=True)]
        if split and place < len(colours.splits):
            text = f"■ {_cut(split, 12)}"
            axes.text(0.2 * place, 1.03, text, transform=axes.transAxes, color=colour, fontsize=9, fontweight="bold", parse_math=False)


def _draw_sizes(axes: Axes, sizes: BoxSizes, colours: _Colours) -> None:
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, LogNorm
    from matplotlib.ticker import FixedLocator, NullLocator

    counts = np.zeros((SIDES, SIDES))
    for column, row, number in sizes.cells:
        counts[max(1, row), max(1, column)] += number  # what is smaller than a pixel is drawn as one pixel
    rows, columns = (np.flatnonzero(counts.any(axis=axis)) for axis in (1, 0))
    low = min([rows.min(), columns.min()]) if rows.size else 1
    high = max([rows.max(), columns.max()]) if rows.size else 28
    low, high = max(1, int(low) - 2), min(SIDES - 1, max(int(high) + 3, int(low) + 16))
    edges = [edge(number) for number in range(SIDES + 1)]
    heat = LinearSegmentedColormap.from_list("boxes", list(colours.heat))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    shown = np.ma.masked_less(counts[1:, 1:], 1)
    axes.pcolormesh(edges[1:], edges[1:], shown, cmap=heat, norm=LogNorm(1, max(2.0, counts.max())), linewidth=0, antialiased=False)
    axes.set_xlim(edges[low], edges[high])
    axes.set_ylim(edges[low], edges[high])
    doublings = [2.0**power for power in range(14) if edges[low] <= 2.0**power <= edges[high]]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(doublings))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(visible=True, color=colours.faint, linewidth=0.5)
    axes.set_ylabel("height, px", color=colours.ink, fontsize=9)
    axes.set_xlabel("width, px", color=colours.ink, fontsize=9)
    _draw_areas(axes, sizes, colours)


def _draw_areas(axes: Axes, sizes: BoxSizes, colours: _Colours) -> None:
    """COCO's borders are lines of one area; how much lies on either side is said above."""
    left, right = axes.get_xlim()
    for area in (SMALL, MEDIUM):
        axes.plot([left, right], [area / left, area / right], color=colours.ink, linewidth=1.1, linestyle=(0, (4, 3)))
    total = max(1, sizes.boxes)
    for place, (what, number) in enumerate((("small", sizes.small), ("medium", sizes.medium), ("large", sizes.large))):
        text = f"{what} {number / total:.0%}"
        axes.text(place * 0.5, 1.04, text, transform=axes.transAxes, color=colours.ap, fontsize=9, fontweight="bold",
                  ha=("left", "center", "right")[place])


def _draw_shares(axes: Axes, sizes: BoxSizes, colours: _Colours) -> None:
    counts = sizes.shares
    axes.bar(range(len(counts)), counts, width=0.86, color=colours.ap50)
    axes.set_yticks([])
    shares = [f"{share:.1%}" if share < 0.01 else f"{share:.0%}" for share in SHARES[::4]]
    axes.set_xticks([place + 0.5 for place in range(0, len(SHARES), 4)], shares)
    axes.set_xlabel("side of the box in relation to the image's", color=colours.ink, fontsize=9)
