"""Turns VoTT's assets into images with annotations.

Format: microsoft/VoTT at 47f5e00, models/applicationState.ts (IAsset, IRegion, AssetState, AssetType). Coordinates are 0-based
continuous pixels of asset.size; a region has a box and points; one with several tags is an object of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

from recipes.dataset import Annotation, ImageRecord, Polygons
from recipes.errors import FormatError, Where
from recipes.folder import Folder, is_image
from recipes.masks.regions import Box, Outline, Pictures, area, bounds, finite, home_of
from recipes.names import unsafe_path
from recipes.streams.spool import Reading
from recipes.vott.documents import FRAME_RATE, TAGGED, Asset, Documents, read_asset

STEP = "read vott"
UNVISITED, VISITED = 0, 1
IMAGE, VIDEO, FRAME = 1, 2, 3
FRAME_NAME = re.compile(r"(.+)#t=(\d+(?:\.\d+)?)(?:\.jpe?g)?")
EXPORTS = ("vott-json-export", "vott-csv-export")
SHAPES = ("RECTANGLE", "SQUARE", "POLYGON", "POLYLINE", "POINT")
States: TypeAlias = Literal["all", "visited", "tagged"]


@dataclass(frozen=True)
class AssetReader:
    """Reads one asset at a time. states: which assets are images of the dataset; pictures None: sizes are the assets' own.

    frame_rates are those of the documents' projects by folder.
    """

    folder: Folder
    pictures: Pictures | None
    states: States
    documents: Documents
    frame_rates: Mapping[str, float]

    def record(self, asset: Asset, reading: Reading) -> ImageRecord | None:
        """The image of an asset; None where it is none, or is left out. FormatError where it is not there."""
        raw = read_asset(self.folder, asset.file) if asset.raw is None else asset.raw
        head = raw.get("asset")
        if not isinstance(head, dict) or not isinstance(head.get("name"), str) or not head["name"]:
            raise FormatError("An asset must be an object with a name.", where=Where(asset.file, key=f"asset {asset.key[:80]}"))
        where = Where(asset.file, key=head["name"])
        if head.get("type") == VIDEO:
            reading.counts["videos"] += 1
            return None
        if raw.get("regions") is None and head.get("state") == TAGGED:
            message = f"The project says that this asset is tagged, but {asset.key}-asset.json is not here."
            raise FormatError(message, where=where, remedy="Send the project with all its asset files, or its JSON export.")
        regions = raw.get("regions")
        if not isinstance(regions, list):
            raise FormatError("The regions must be a list.", where=where)
        size = _size(head.get("size"), where)
        annotations = tuple(self._annotations(regions, where, reading))
        reason = self._reason_against(asset, head.get("state"), boxless=not regions)
        if reason:
            record = ImageRecord(head["name"], None, *(size or (0, 0)), annotations, source_file=asset.file, origin_is_line=False)
            reading.ledger.drop_image(STEP, reason, record)
            return None
        return self._image(asset, head, size, annotations, where)

    def _reason_against(self, asset: Asset, state: object, *, boxless: bool) -> str:
        """Why an asset is left out; empty where it is not."""
        listed = self.documents.listed.get(home_of(asset.file))
        if asset.raw is None and listed and hash(asset.key) not in listed:
            return "asset that its project does not list any more"
        if boxless and self.states != "all" and state == UNVISITED:
            return "never visited in VoTT"
        return "not tagged in VoTT" if boxless and self.states == "tagged" and state == VISITED else ""

    def _image(
        self, asset: Asset, head: Mapping[str, Any], size: tuple[int, int] | None, annotations: tuple[Annotation, ...], where: Where
    ) -> ImageRecord:
        video, frame = _video(head, self.frame_rates.get(home_of(asset.file), FRAME_RATE))
        names = _names(head, is_frame=video is not None, where=where)
        if self.pictures is None:
            name, path = next(iter(names.values())), None
            if size is None:
                raise FormatError("The asset has no size.", where=where)
        else:
            looked_for, file = self.pictures.find(list(names), beside=asset.file, split=asset.split, where=where)
            name, path = names[looked_for], Path(self.pictures.path(file))
            size = self.pictures.size(file, said=size, where=where)
        if hash(head["name"]) in self.documents.repeated:
            name = f"{asset.split or home_of(asset.file).rstrip('/') or PurePosixPath(asset.file).stem}/{name}"
        return ImageRecord(name, path, *size, annotations, asset.split, video, frame, asset.file, origin_is_line=False)

    def _annotations(self, regions: list[Any], where: Where, reading: Reading) -> Iterator[Annotation]:
        for number, region in enumerate(regions):
            drawn = _drawn(region)
            if isinstance(drawn, str):
                reading.defects.add(drawn, _place(number, where))
            elif region["type"] == "POINT":
                reading.ledger.drop_row(STEP, "a point, which has no extent", str(_place(number, where)))
            elif not region["tags"]:
                reading.ledger.drop_row(STEP, "region without a tag", str(_place(number, where)))
            else:
                (x, y, w, h), outline = drawn
                if len(region["tags"]) > 1:
                    reading.counts["several tags"] += 1
                if region["type"] == "POLYLINE":
                    reading.counts["polyline"] += 1
                mask, mask_area = (Polygons((outline,)), area(outline)) if outline else (None, None)
                for tag in region["tags"]:
                    yield Annotation(tag, x, y, w, h, mask=mask, mask_area=mask_area, origin=number)


def _place(number: int, where: Where) -> Where:
    return Where(where.file, key=f"region {number} of {where.key}")


def _drawn(region: Any) -> tuple[Box, Outline | None] | str:
    """The box of a region, and its outline where it has one; or what is wrong with it."""
    if not isinstance(region, dict):
        return "A region must be an object."
    kind, tags, bounding = region.get("type"), region.get("tags"), region.get("boundingBox")
    if kind not in SHAPES:
        return f"The region's type is {str(kind)[:40]!r}; VoTT knows {', '.join(SHAPES)}."
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.strip() for tag in tags):
        return "The region's tags must be a list of texts."
    outline = None
    if bounding is None or kind.startswith("POLY"):  # a rectangle's points say its box once more
        outline = _outline(region.get("points") or [])
        if outline is None:
            return "The region's points must be a list of objects, each with two numbers x and y."
    box = _box(bounding) if bounding is not None else bounds(outline) if outline else None
    if box is None and bounding is None:
        return "The region has neither a boundingBox nor points."
    if box is None:
        return "The region's boundingBox must have four numbers: left, top, width, height."
    return box, outline if outline and kind.startswith("POLY") and len(outline) >= 6 else None


def _outline(points: Any) -> Outline | None:
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        return None
    numbers = [finite(point.get(axis)) for point in points for axis in ("x", "y")]
    outline = tuple(number for number in numbers if number is not None)
    return outline if len(outline) == len(numbers) else None


def _box(box: Any) -> Box | None:
    if not isinstance(box, dict):
        return None
    x, y, w, h = finite(box.get("left")), finite(box.get("top")), finite(box.get("width")), finite(box.get("height"))
    return None if x is None or y is None or w is None or h is None else (x, y, w, h)


def _size(size: Any, where: Where) -> tuple[int, int] | None:
    """asset.size, which VoTT learns when an asset is first shown."""
    if size is None:
        return None
    width, height = (finite(size.get("width")), finite(size.get("height"))) if isinstance(size, dict) else (None, None)
    if not width or not height or min(width, height) < 1 or width % 1 or height % 1:
        raise FormatError("The asset's size must have a width and a height in whole pixels.", where=where)
    return int(width), int(height)


def _video(head: Mapping[str, Any], frame_rate: float) -> tuple[str | None, int | None]:
    """The video an asset is a frame of, and its number there at the project's frame rate."""
    match = FRAME_NAME.fullmatch(unquote(head["name"]))
    if head.get("type") != FRAME and match is None:
        return None, None
    parent = head.get("parent")
    video = parent.get("name") if isinstance(parent, dict) else None
    seconds = finite(head.get("timestamp"))
    if match is not None:
        video = video if isinstance(video, str) and video else match[1]
        seconds = finite(float(match[2])) if seconds is None else seconds
    if not isinstance(video, str) or not video or seconds is None or seconds < 0:
        return None, None
    return unquote(video), round(seconds * frame_rate)


def _names(head: Mapping[str, Any], *, is_frame: bool, where: Where) -> dict[str, str]:
    """Where the file may be, likeliest first, with the name that the image then has in the dataset.

    VoTT encodes names as in addresses, and exports files under these names; the original has its own. An exported frame
    gets the suffix .jpg (htmlFileReader.ts, getAssetFrameImage).
    """
    said = head["name"]
    problem = unsafe_path(said)
    if problem:
        raise FormatError(f"The name is refused: {problem}.", where=where)
    path = head.get("path")
    folder = path.replace("\\", "/").split("/")[-2:-1] if isinstance(path, str) else []
    names: dict[str, str] = {}
    for name in dict.fromkeys((said, unquote(said))):
        own = f"{name}.jpg" if is_frame and not is_image(name) else name
        for looked_for in (own, name, *(f"{unquote(part)}/{name}" for part in (*folder, *EXPORTS) if part)):
            if not unsafe_path(looked_for):
                names.setdefault(looked_for, own)
    return names


def sentences(counts: Mapping[str, int]) -> list[str]:
    """What a person should know of the reading, from its counts."""
    words = {
        "videos": "{} videos are no images; those of their frames that are assets are.",
        "several tags": "{} regions have several tags: there is a box for each.",
        "polyline": "{} polylines are taken for closed outlines.",
    }
    return [sentence.format(f"{counts[key]:,}") for key, sentence in words.items() if counts.get(key)]
