"""What every picture here has: the size of a phone's width, light or dark colours, and a frame without ink that says nothing.

matplotlib is imported when the first picture is drawn, never when the bot starts, and without its global state.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Theme = Literal["light", "dark"]

_INCHES = (5.0, 3.75)
_DPI = 200
_LONGEST_TITLE = 48


@dataclass(frozen=True, slots=True)
class Colours:
    paper: str
    ink: str
    faint: str
    loss: str
    ap: str
    ap50: str
    splits: tuple[str, ...]
    heat: tuple[str, ...]


THEMES: dict[Theme, Colours] = {
    "light": Colours(
        paper="#ffffff", ink="#1d1c1d", faint="#dddddd", loss="#8a8f98", ap="#1264a3", ap50="#2f9e77",
        splits=("#1264a3", "#2f9e77", "#d98e04", "#8a5aa8"), heat=("#d3e6f5", "#5b9fd0", "#1264a3", "#0a2f52"),
    ),
    "dark": Colours(
        paper="#1a1d21", ink="#e8e8e8", faint="#3a3d42", loss="#9aa0a8", ap="#5bb5f0", ap50="#5fd0a5",
        splits=("#5bb5f0", "#5fd0a5", "#f0b64a", "#c39be0"), heat=("#1f3a52", "#2f72a8", "#5bb5f0", "#d9f0ff"),
    ),
}


def figure(theme: Theme) -> Figure:
    """An empty picture of 1000 x 750 pixels."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    return Figure(figsize=_INCHES, dpi=_DPI, facecolor=THEMES[theme].paper, layout=layout)


def png(figure: Figure) -> bytes:
    """Its bytes."""
    picture = BytesIO()
    # Without software and date, the same training gives the same bytes.
    figure.savefig(picture, format="png", dpi=_DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return picture.getvalue()


def frame(axes: Axes, colours: Colours, title: str) -> None:
    """A frame whose horizontal axis counts epochs."""
    from matplotlib.ticker import MaxNLocator

    bare(axes, colours, title)
    axes.set_xlabel("epoch", color=colours.ink, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(visible=True, axis="y", color=colours.faint, linewidth=0.6)


def plain(axes: Axes, colours: Colours) -> None:
    """No lines but the one below."""
    axes.set_axisbelow(True)
    axes.tick_params(colors=colours.ink, labelsize=9, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(colours.faint)


def bare(axes: Axes, colours: Colours, title: str) -> None:
    """A frame with nothing but its title."""
    if title:
        # parse_math: a dollar sign in a run's name is a dollar sign.
        axes.set_title(cut(title, _LONGEST_TITLE), loc="left", color=colours.ink, fontsize=10, fontweight="bold", pad=22, parse_math=False)
    axes.set_facecolor(colours.paper)
    plain(axes, colours)


def cut(text: str, longest: int) -> str:
    """The text in one line, its end left out where it is too long."""
    plain = " ".join(text.split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


