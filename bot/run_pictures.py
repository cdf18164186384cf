"""The pictures of trainings and evaluations: curves, learning rates, classes, of one or of several over each other; and detections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bot.message import Picture
from runner.service import outbox
from runner.service.detections import is_drawable, newest_drawable, regressions, worst_and_best
from runner.service.house import House, Requester
from runner.service.outbox import NewDelivery
from runner.service.retraining import Retraining
from runner.service.views import points, view

DETECTIONS = "detections"
SUBJECTS = ("loss", "lr", "classes", DETECTIONS)
MOST_IMAGES = 2
"""Of the worst, and of the best. A taller picture is shown narrower, and then no box of it can be seen."""
MOST_WORSE = 3
_TITLES = {"loss": "Loss and mAP of", "lr": "Learning rate of", "classes": "AP by class of", DETECTIONS: "Worst and best images of"}


def owe_picture(house: House, who: Requester, run_ids: Sequence[str], subject: str, theme: str) -> bool:
    """Owe a picture to whoever asked, where they asked; whether there is a place for it."""
    channel = who.place.channel
    if channel is None:
        return False
    body = {"runs": list(run_ids), "subject": subject, "theme": theme, "person": who.person, "thread": who.place.thread}
    outbox.add(house, NewDelivery(f"plot:{who.request_id}:{subject}", channel, "plot", body))
    return True


def run_picture(house: House, run_ids: Sequence[str], subject: str, theme: str, *, name: str) -> Picture:
    """A picture that is drawn when it is sent. ``subject``: loss (with mAP), lr, classes, or detections of the newest evaluation; of
    several runs lr and detections show the first."""
    title = f"{_TITLES[subject]} {', '.join(run_ids)}"
    return Picture(f"{name}-{subject}", title, lambda: drawn(house, run_ids, subject, theme, title=title))


def drawn(house: House, run_ids: Sequence[str], subject: str, theme: str, *, title: str) -> bytes | None:
    """The PNG; None where there is nothing to draw yet."""
    from bot.plots.trainings import class_aps, curve, overlay, rates  # matplotlib takes a second to load: only once something is drawn

    colours: Literal["light", "dark"] = "dark" if theme == "dark" else "light"
    if subject == DETECTIONS:
        return _worst_and_best(house, newest_drawable(house, run_ids[0]))
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


def detections(house: House, run_id: str) -> Sequence[Picture]:
    """The worst and the best images of an evaluation; none where it brought nothing to draw."""
    return [run_picture(house, [run_id], DETECTIONS, "light", name=f"found-{run_id}")] if is_drawable(house, run_id) else []


def worse_than_champion(house: House, settled: Retraining) -> Sequence[Picture]:
    """The images in which a challenger has more errors than the champion had; none where there is nothing to compare."""
    new, old = settled.eval_id, settled.champion_eval_id
    if new is None or old is None or not (is_drawable(house, new) and is_drawable(house, old)):
        return []

    def draw() -> bytes | None:
        from bot.plots import detections as sheets

        pairs = regressions(house, new, old, most=MOST_WORSE)
        return sheets.regressions(pairs, champion=settled.champion_id or "", new=settled.run_id) if pairs else None

    return [Picture(f"worse-{settled.run_id}", f"Images in which {settled.run_id} is worse than the champion {settled.champion_id}", draw)]


def _worst_and_best(house: House, eval_id: str | None) -> bytes | None:
    from bot.plots import detections as sheets

    worst, best = worst_and_best(house, eval_id, most=MOST_IMAGES) if eval_id else ((), ())
    return sheets.worst_and_best(worst, best) if worst or best else None


def write_picture(house: House, run_ids: Sequence[str], subject: str, theme: str, *, to: Path) -> bool:
    """Draw into a file; False where there is nothing to draw."""
    png = drawn(house, run_ids, subject, theme, title=f"{_TITLES[subject]} {', '.join(run_ids)}")
    if png is not None:
        to.write_bytes(png)
    return png is not None
