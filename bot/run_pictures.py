"""The pictures of trainings that people ask for: curves, learning rates, classes; of one, or of several over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bot.message import Picture
from runner.service import outbox
from runner.service.house import House, Requester
from runner.service.outbox import NewDelivery
from runner.service.views import points, view

SUBJECTS = ("loss", "lr", "classes")
_TITLES = {"loss": "Loss and mAP of", "lr": "Learning rate of", "classes": "AP by class of"}


def owe_picture(house: House, who: Requester, run_ids: Sequence[str], subject: str, theme: str) -> bool:
    """Owe a picture to whoever asked, where they asked; whether there is a place for it."""
    channel = who.place.channel
    if channel is None:
        return False
    body = {"runs": list(run_ids), "subject": subject, "theme": theme, "person": who.person, "thread": who.place.thread}
    outbox.add(house, NewDelivery(f"plot:{who.request_id}:{subject}", channel, "plot", body))
    return True


def run_picture(house: House, run_ids: Sequence[str], subject: str, theme: str, *, name: str) -> Picture:
    """A picture that is drawn when it is sent. ``subject``: loss (with mAP), lr or classes; of several runs lr shows the first."""
    title = f"{_TITLES[subject]} {', '.join(run_ids)}"
    return Picture(f"{name}-{subject}", title, lambda: drawn(house, run_ids, subject, theme, title=title))


def drawn(house: House, run_ids: Sequence[str], subject: str, theme: str, *, title: str) -> bytes | None:
    """The PNG; None where there is nothing to draw yet."""
    from bot.plots.trainings import class_aps, curve, overlay, rates  # matplotlib takes a second to load: only once something is drawn

    colours: Literal["light", "dark"] = "dark" if theme == "dark" else "light"
    if subject == "classes":
        best = [(run_id, view(house, run_id).best) for run_id in run_ids]
        measured = [(run_id, found.per_class) for run_id, found in best if found is not None and found.per_class]
        return class_aps(measured, title=title, theme=colours) if measured else None
    shown = [(run_id, points(house, run_id), view(house, run_id).evaluations) for run_id in run_ids]
    if not any(progress or evaluations for _, progress, evaluations in shown):
        return None
    if subject == "lr":
        return rates(shown[0][1], title=title, theme=colours)
    if len(shown) > 1:
        return overlay(shown, title=title, theme=colours)
    return curve(*shown[0][1:], title=title, theme=colours)


def write_picture(house: House, run_ids: Sequence[str], subject: str, theme: str, *, to: Path) -> bool:
    """Draw into a file; False where there is nothing to draw."""
    png = drawn(house, run_ids, subject, theme, title=f"{_TITLES[subject]} {', '.join(run_ids)}")
    if png is not None:
        to.write_bytes(png)
    return png is not None
