"""VoTT's JSON files: a project (.vott) with a file for each tagged asset, or the one file of a JSON export.

Format: microsoft/VoTT at 47f5e00, models/applicationState.ts, services/assetService.ts, providers/export/vottJson.ts. The
project's index has no regions; an asset without a tagged region has no file of its own. Sizes and states are the assets'.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from recipes.effort import Effort
from recipes.errors import FormatError, Where
from recipes.folder import Folder
from recipes.masks.regions import finite, head, home_of, split_of
from recipes.streams.file_names import FileNames
from recipes.streams.json_sections import sections
from recipes.streams.spooled_entries import SpooledEntries

PROJECT = ".vott"
ASSET = "-asset.json"
EXPORT = re.compile(rb'"assets"\s*:\s*\{|"videoSettings"\s*:|"lastVisitedAssetId"\s*:')
ASSET_FORM = re.compile(rb'"(asset|boundingBox|regions)"\s*:')
FIRST_KEYS = ("asset", "regions", "version", "format", "id", "name", "path", "size", "state", "type")
SNIFFED_FILES = 50
PROGRESS_STEP = 1000
FRAME_RATE = 15.0
"""VoTT's own where a project does not say how many frames of a second it takes."""
TAGGED = 2
LARGEST_ASSET = 1 << 26


@dataclass(frozen=True, slots=True)
class Project:
    """What a project file or an export says beside its assets. home: the folder it rules, with '/'."""

    file: str
    home: str
    tags: tuple[str, ...] = ()
    frame_rate: float = FRAME_RATE


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset with the file that tells it; raw is the object with ``asset`` and ``regions``, None where it is still to be read."""

    file: str
    key: str
    split: str | None
    raw: Mapping[str, Any] | None


@dataclass(frozen=True)
class Documents:
    """Everything that is to be read. assets are those of the files, then those that only the index of a project knows.

    repeated are hashes of the names that several projects or exports have; listed are hashes of the ids that projects list, by folder.
    """

    projects: Sequence[Project]
    assets: Sequence[Asset]
    repeated: frozenset[int]
    listed: Mapping[str, Collection[int]]
    notes: tuple[str, ...] = ()


def find_files(folder: Folder, *, at_most: int | None = None) -> tuple[Sequence[str], Sequence[str], list[str]]:
    """(projects, asset files, exports); no more than so many files are looked into for exports."""
    projects = folder.with_suffix(PROJECT)
    json_files = folder.with_suffix(".json")
    assets = FileNames(name for name in json_files if name.endswith(ASSET))
    if assets and not ASSET_FORM.search(head(folder.path(assets[0]))):
        assets = FileNames()
    others = (name for name in json_files if not name.endswith(ASSET))
    exports = [name for name, _ in zip(others, range(at_most or len(json_files)), strict=False) if _looks_like_export(folder, name)]
    return projects, assets, exports


def _looks_like_export(folder: Folder, name: str) -> bool:
    data = head(folder.path(name))
    return data.startswith(b"{") and b'"tags"' in data and EXPORT.search(data) is not None


def load(folder: Folder, effort: Effort) -> Documents:
    """Read projects and exports; asset files are read one by one later. FormatError where a file has not the form."""
    projects, asset_files, exports = find_files(folder)
    by_project = bool(asset_files) or (bool(projects) and not exports)
    names = projects if by_project else exports
    if not names and not asset_files:
        raise FormatError("There is no project and no JSON export of VoTT here.", where=Where(str(folder.root)))
    entries = SpooledEntries(Asset, effort.scratch)
    found: list[Project] = []
    counts: Counter[int] = Counter()
    listed: defaultdict[str, set[int]] = defaultdict(set)
    for name in names:
        called: set[int] = set()
        split = split_of(name, alone=by_project or len(names) == 1)
        for key, raw in _assets(folder, name, found):
            called.add(hash(_called(raw if by_project else raw.get("asset"))))
            if not by_project:
                entries.add((name, key, split, raw))
            elif f"{home_of(name)}{key}{ASSET}" not in asset_files:
                entries.add((name, key, split, {"asset": raw, "regions": None if raw.get("state") == TAGGED else []}))
            if by_project:
                listed[home_of(name)].add(hash(key))
            if len(called) % PROGRESS_STEP == 0:
                effort.progress(len(called), 0, "reading assets")
        counts.update(called)
    entries.settle()
    notes = tuple(f"{name} is an export of the project and is left alone." for name in exports) if by_project else ()
    repeated = frozenset(name for name, count in counts.items() if count > 1)
    return Documents(found, _Assets(asset_files, entries) if by_project else entries, repeated, listed, notes)


def _assets(folder: Folder, name: str, found: list[Project]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The assets of a project or an export by id; what it says besides is added to found."""
    tags: list[Any] = []
    settings: Any = None
    for key, value in sections(folder.path(name), name, objects={"assets": FIRST_KEYS}):
        if key == "assets":
            if not isinstance(value, dict):
                raise FormatError("The assets must be an object, with an asset for each id.", where=Where(name, key="assets"))
            for identity, raw in value.items():
                yield identity, raw if isinstance(raw, dict) else {}
        elif key == "tags" and isinstance(value, list):
            tags += value
        elif key == "videoSettings":
            settings = value
    if not all(isinstance(tag, dict) and isinstance(tag.get("name"), str) for tag in tags):
        raise FormatError("The tags must be a list of objects, each with a name.", where=Where(name, key="tags"))
    rate = finite(settings.get("frameExtractionRate")) if isinstance(settings, dict) else None
    found.append(Project(name, home_of(name), tuple(tag["name"] for tag in tags), rate if rate and rate > 0 else FRAME_RATE))


def _called(asset: object) -> str:
    name = asset.get("name") if isinstance(asset, dict) else None
    return name if isinstance(name, str) else ""


class _Assets(Sequence[Asset]):
    """The assets of asset files, made when they are asked for, then those of the index."""

    def __init__(self, files: Sequence[str], indexed: Sequence[Asset]) -> None:
        self._files, self._indexed = files, indexed

    def __len__(self) -> int:
        return len(self._files) + len(self._indexed)

    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, slice):
            return self[place : place + 1][0]
        start, stop, _ = place.indices(len(self))
        names = [self._files[number] for number in range(start, min(stop, len(self._files)))]
        assets = [Asset(name, name.rpartition("/")[2].removesuffix(ASSET), split_of(name, alone=True), None) for name in names]
        return [*assets, *self._indexed[max(0, start - len(self._files)) : max(0, stop - len(self._files))]]


def read_asset(folder: Folder, name: str) -> dict[str, Any]:
    """The JSON object of an asset file. FormatError names the line where it is none."""
    path = folder.path(name)
    if path.stat().st_size > LARGEST_ASSET:
        raise FormatError(f"The file has more than {LARGEST_ASSET:,} bytes, which is refused.", where=Where(name))
    try:
        document = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise FormatError(f"This is not JSON: {error.msg}.", where=Where(name, error.lineno)) from error
    if not isinstance(document, dict):
        raise FormatError("The file holds no JSON object.", where=Where(name))
    return document
