"""VoTT's JSON files: a project (.vott) with a file for each tagged asset, or the one file of a JSON export.

Format: microsoft/VoTT at 47f5e00, models/applicationState.ts, services/assetService.ts, providers/export/vottJson.ts. The
project's index has no regions; an asset without a tagged region has no file of its own. Sizes and states are the assets'.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from recipes.errors import FormatError, Where
from recipes.file_names import FileNames
from recipes.folder import Folder
from recipes.regions import LARGEST_FILE, finite, head, home_of, split_of

PROJECT = ".vott"
ASSET = "-asset.json"
EXPORT = re.compile(rb'"assets"\s*:\s*\{|"videoSettings"\s*:|"lastVisitedAssetId"\s*:')
ASSET_FORM = re.compile(rb'"(asset|boundingBox|regions)"\s*:')
SNIFFED_FILES = 50
FRAME_RATE = 15.0
"""VoTT's own where a project does not say how many frames of a second it takes."""
TAGGED = 2


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
    frame_rate: float
    raw: Mapping[str, Any] | None


@dataclass(frozen=True)
class Documents:
    """Everything that is to be read. assets are those of the files, then those that only the index of a project knows.

    repeated are the names that several projects or exports have.
    """

    projects: tuple[Project, ...]
    assets: Sequence[Asset]
    repeated: frozenset[str]
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


def load(folder: Folder) -> Documents:
    """Read projects and exports; asset files are read one by one later. FormatError where a file has not the form."""
    projects, asset_files, exports = find_files(folder)
    if asset_files or (projects and not exports):
        left_alone = tuple(f"{name} is an export of the project and is left alone." for name in exports)
        return _of_projects(folder, projects, asset_files, left_alone)
    if not exports:
        raise FormatError("There is no project and no JSON export of VoTT here.", where=Where(str(folder.root)))
    found: list[Project] = []
    assets: list[Asset] = []
    names: Counter[str] = Counter()
    for name in exports:
        document = read_object(folder, name)
        project = _project(name, document)
        found.append(project)
        split = split_of(name, alone=len(exports) == 1)
        own = [Asset(name, key, split, project.frame_rate, raw) for key, raw in _index(name, document)]
        names.update({_name(asset.raw and asset.raw.get("asset")) for asset in own})
        assets += own
    return Documents(tuple(found), assets, _repeated(names))


def _of_projects(folder: Folder, names: Sequence[str], asset_files: Sequence[str], notes: tuple[str, ...]) -> Documents:
    projects: list[Project] = []
    indexed: list[Asset] = []
    called: Counter[str] = Counter()
    for name in names:
        document = read_object(folder, name)
        project = _project(name, document)
        projects.append(project)
        called.update({_name(raw) for _, raw in _index(name, document)})
        for key, raw in _index(name, document):
            if f"{project.home}{key}{ASSET}" not in asset_files:
                whole: dict[str, Any] = {"asset": raw, "regions": None if raw.get("state") == TAGGED else []}
                indexed.append(Asset(name, key, split_of(name, alone=True), project.frame_rate, whole))
    rates = {project.home: project.frame_rate for project in projects}
    return Documents(tuple(projects), _Assets(asset_files, rates, indexed), _repeated(called), notes)


def _name(asset: object) -> str:
    name = asset.get("name") if isinstance(asset, dict) else None
    return name if isinstance(name, str) else ""


def _repeated(names: Counter[str]) -> frozenset[str]:
    return frozenset(name for name, count in names.items() if count > 1)


class _Assets(Sequence[Asset]):
    """The assets of asset files, made when they are asked for, then those of the index."""

    def __init__(self, files: Sequence[str], rates: Mapping[str, float], indexed: Sequence[Asset]) -> None:
        self._files, self._rates, self._indexed = files, rates, indexed

    def __len__(self) -> int:
        return len(self._files) + len(self._indexed)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if place >= len(self._files):
            return self._indexed[place - len(self._files)]
        name = self._files[place]
        rate = self._rates.get(home_of(name), FRAME_RATE)
        return Asset(name, name.rpartition("/")[2].removesuffix(ASSET), split_of(name, alone=True), rate, None)


def read_object(folder: Folder, name: str) -> dict[str, Any]:
    """The JSON object of a file. FormatError names the line where it is none."""
    path = folder.path(name)
    if path.stat().st_size > LARGEST_FILE:
        raise FormatError(f"The file has more than {LARGEST_FILE:,} bytes.", where=Where(name), remedy="Send it in parts.")
    try:
        document = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise FormatError(f"This is not JSON: {error.msg}.", where=Where(name, error.lineno)) from error
    if not isinstance(document, dict):
        raise FormatError("The file holds no JSON object.", where=Where(name))
    return document


def _project(name: str, document: Mapping[str, Any]) -> Project:
    tags = document.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, dict) and isinstance(tag.get("name"), str) for tag in tags):
        raise FormatError("The tags must be a list of objects, each with a name.", where=Where(name, key="tags"))
    settings = document.get("videoSettings")
    rate = finite(settings.get("frameExtractionRate")) if isinstance(settings, dict) else None
    return Project(name, home_of(name), tuple(tag["name"] for tag in tags), rate if rate and rate > 0 else FRAME_RATE)


def _index(name: str, document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The assets of a project or an export by id."""
    assets = document.get("assets") or {}
    if not isinstance(assets, dict):
        raise FormatError("The assets must be an object, with an asset for each id.", where=Where(name, key="assets"))
    for key, raw in assets.items():
        yield key, raw if isinstance(raw, dict) else {}
