"""Pictures of datasets: boxes by class, boxes by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bot.plots.canvas import THEMES, Colours, Theme, bare, cut, figure, png
from recipes.checks.box_sizes import MEDIUM, SHARES, SIDES, SMALL, BoxSizes, edge
from recipes.observing import SplitCount

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN_CLASSES = 16
_LONGEST_CLASS = 22
_SPLIT_ORDER = ("train", "val", "test")


def class_bars(classes: Mapping[str, int], splits: Mapping[str, SplitCount], *, title: str, theme: Theme = "light") -> bytes:
    """A PNG of 1000 x 750 pixels: the boxes of every class, the most first, each bar in the colours of the splits they are in."""
    colours = THEMES[theme]
    drawn = figure(theme)
    axes = drawn.add_subplot()
    bare(axes, colours, title)
    shown = sorted(classes.items(), key=lambda item: -item[1])[:_SHOWN_CLASSES]
    order = sorted(splits, key=lambda split: _SPLIT_ORDER.index(split) if split in _SPLIT_ORDER else len(_SPLIT_ORDER))
    parts = {split: splits[split].classes for split in order} or {"": dict(classes)}
    _stack(axes, [label for label, _ in shown], parts, colours)
    most = max([1, *classes.values()])
    for place, (_, number) in enumerate(shown):
        axes.text(number + most * 0.015, place, f"{number:,}", color=colours.ink, fontsize=8, va="center")
    axes.set_xlim(0, most * 1.16)
    axes.set_ylim(max(len(shown), 5) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [cut(label, _LONGEST_CLASS) for label, _ in shown], parse_math=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    if len(classes) > len(shown):
        rest = sum(classes.values()) - sum(number for _, number in shown)
        axes.set_xlabel(f"and {len(classes) - len(shown)} more classes with {rest:,} boxes", color=colours.ink, fontsize=9)
    return png(drawn)


def box_size_map(sizes: BoxSizes, *, title: str, theme: Theme = "light") -> bytes:
    """A PNG of 1000 x 750 pixels: how many boxes have which width and height, both in doublings, and COCO's small, medium and large areas.

    Below it, how large the boxes are in relation to their images.
    """
    colours = THEMES[theme]
    drawn = figure(theme)
    above, below = drawn.subplots(2, 1, height_ratios=(3.4, 1))
    bare(above, colours, title)
    _draw_sizes(above, sizes, colours)
    bare(below, colours, "")
    _draw_shares(below, sizes, colours)
    return png(drawn)


def _stack(axes: Axes, labels: Sequence[str], parts: Mapping[str, Mapping[str, int]], colours: Colours) -> None:
    left = [0] * len(labels)
    for place, (split, counts) in enumerate(parts.items()):
        widths = [counts.get(label, 0) for label in labels]
        colour = colours.splits[place % len(colours.splits)]
        axes.barh(range(len(labels)), widths, left=left, height=0.72, color=colour)
        left = [before + width for before, width in zip(left, widths, strict=True)]
        if split and place < len(colours.splits):
            text = f"■ {cut(split, 12)}"
            axes.text(0.2 * place, 1.03, text, transform=axes.transAxes, color=colour, fontsize=9, fontweight="bold", parse_math=False)


def _draw_sizes(axes: Axes, sizes: BoxSizes, colours: Colours) -> None:
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


def _draw_areas(axes: Axes, sizes: BoxSizes, colours: Colours) -> None:
    """COCO's borders are lines of one area; how much lies on either side is said above."""
    left, right = axes.get_xlim()
    for area in (SMALL, MEDIUM):
        axes.plot([left, right], [area / left, area / right], color=colours.ink, linewidth=1.1, linestyle=(0, (4, 3)))
    total = max(1, sizes.boxes)
    for place, (what, number) in enumerate((("small", sizes.small), ("medium", sizes.medium), ("large", sizes.large))):
        text = f"{what} {number / total:.0%}"
        axes.text(place * 0.5, 1.04, text, transform=axes.transAxes, color=colours.ap, fontsize=9, fontweight="bold",
                  ha=("left", "center", "right")[place])


def _draw_shares(axes: Axes, sizes: BoxSizes, colours: Colours) -> None:
    counts = sizes.shares
    axes.bar(range(len(counts)), counts, width=0.86, color=colours.ap50)
    axes.set_yticks([])
    shares = [f"{share:.1%}" if share < 0.01 else f"{share:.0%}" for share in SHARES[::4]]
    axes.set_xticks([place + 0.5 for place in range(0, len(SHARES), 4)], shares)
    axes.set_xlabel("side of the box in relation to the image's", color=colours.ink, fontsize=9)
