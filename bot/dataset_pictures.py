"""The pictures of a dataset: annotated samples, boxes by class, boxes by size. From what was counted when the version was made."""

from __future__ import annotations

from bot.message import Picture
from recipes.catalog.versions import DatasetVersion
from runner.service import outbox
from runner.service.house import House, Requester
from runner.service.outbox import NewDelivery

_TITLES = {"samples": "Samples of", "classes": "Boxes by class of", "sizes": "Box sizes of"}


def owe_pictures(house: House, who: Requester, version: DatasetVersion) -> None:
    """Owe what there is to show of a version to whoever asked, where they asked; nothing outside a channel."""
    channel = who.place.channel
    for part in _parts(version) if channel else ():
        assert channel is not None
        body = {"reference": version.reference, "part": part, "person": who.person, "thread": who.place.thread}
        outbox.add(house, NewDelivery(f"show:{who.request_id}:{part}", channel, "dataset_picture", body))


def dataset_picture(house: House, version: DatasetVersion, part: str, *, name: str) -> Picture:
    """One picture of a version, drawn when it is sent. ``part``: samples, classes or sizes."""
    title = f"{_TITLES[part]} {version.reference}"

    def draw() -> bytes | None:
        from bot.plots.datasets import box_size_map, class_bars  # matplotlib takes a second to load: only once something is drawn

        summary = version.summary
        if part == "classes":
            return class_bars(summary.classes, summary.splits, title=title)
        if part == "sizes":
            return box_size_map(summary.box_sizes, title=title) if summary.box_sizes else None
        path = house.catalog.preview_path(version)
        return path.read_bytes() if path else None

    return Picture(f"{name}-{version.reference}", title, draw)


def _parts(version: DatasetVersion) -> list[str]:
    """Versions made before something was counted have no picture of it."""
    sizes = version.summary.box_sizes
    there = {"samples": version.preview is not None, "classes": version.summary.boxes > 0, "sizes": sizes is not None and sizes.boxes > 0}
    return [part for part, is_there in there.items() if is_there]
