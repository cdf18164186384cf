"""What people ask of datasets. The catalog on disk is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from recipes.catalog.catalog import Catalog
from recipes.catalog.versions import DatasetVersion
from recipes.errors import DatasetError
from recipes.recipe import library, load_recipe
from runner.entities import Run
from runner.errors import RequestError
from runner.service.house import House, Requester
from runner.settings import Role
from runner.specs import ConvertSpec, DatasetRef, Kind, ModelSpec, TrainSpec, VersionsSpec
from runner.store import runs


def find_version(house: House, text: str) -> DatasetVersion:
    """``fish`` (the newest) or ``fish@2``; RequestError with the nearest name or what there is."""
    try:
        return house.catalog.get(text)
    except DatasetError as error:
        raise RequestError(str(error)) from error


def newest_versions(house: House) -> list[tuple[DatasetVersion, int]]:
    """The newest version of every dataset, without its list of files, and how many versions there are.

    A manifest can be long, and never changes: each is read once.
    """
    known = [(name, house.catalog.numbers(name)) for name in house.catalog.names()]
    return [(_outline(house.catalog, f"{name}@{numbers[-1]}"), len(numbers)) for name, numbers in known if numbers]


@lru_cache(maxsize=2000)
def _outline(catalog: Catalog, reference: str) -> DatasetVersion:
    return replace(catalog.get(reference), files={})


def submit_diff(house: House, who: Requester, old: str, new: str) -> Run:
    """Queue the comparison of two versions, image by image and box by box."""
    return _submit(house, who, VersionsSpec(kind=Kind.DIFF, versions=(_free(house, old), _free(house, new))))


def submit_verify(house: House, who: Requester, dataset: str | None = None) -> Run:
    """Queue the reading of every content again, of one version or of all."""
    versions = (reference(find_version(house, dataset)),) if dataset else ()
    return _submit(house, who, VersionsSpec(kind=Kind.VERIFY, versions=versions))


def submit_removal(house: House, who: Requester, dataset: str) -> Run:
    """Queue the removal of ``fish@2``, or of every version of ``fish``. RequestError names the runs that depend on it."""
    versions = doomed(house, who, dataset)
    return _submit(house, who, VersionsSpec(kind=Kind.REMOVE, versions=tuple(map(reference, versions))))


def doomed(house: House, who: Requester, dataset: str) -> list[DatasetVersion]:
    """The versions that removing ``fish@2`` or ``fish`` means, if this person may and no run that has not ended depends on them."""
    newest = find_version(house, dataset)
    versions = [newest] if "@" in dataset else [*house.catalog.versions(newest.name)]
    if any(version.lineage.created_by != who.person for version in versions):
        who.must_be(Role.OPERATOR, f"remove what somebody else made ({dataset})")
    require_unused(house, [version.reference for version in versions])
    return versions


def require_unused(house: House, references: Sequence[str]) -> None:
    """RequestError where a run that has not ended reads one of these versions."""
    users = [run for run in runs.live(house.store.reading()) if run.kind is not Kind.REMOVE and _read_by(run) & {*references}]
    if users:
        named = ", ".join(f"{run.id} ({run.kind.value} on {', '.join(sorted(_read_by(run)))}, {run.reason.in_words})" for run in users[:5])
        more = f" and {len(users) - 5} more" if len(users) > 5 else ""
        raise RequestError(f"It cannot be removed while it is needed by {named}{more}. Stop that first, or wait for its end.")


def trainings_on(house: House, references: Sequence[str]) -> int:
    """How many of the newest thousand runs trained on one of these versions."""
    newest = runs.newest(house.store.reading(), limit=1000)
    return sum(run.kind is Kind.TRAIN and bool(_read_by(run) & {*references}) for run in newest)


def _read_by(run: Run) -> frozenset[str]:
    match run.spec:
        case TrainSpec() as spec:
            return frozenset({str(spec.dataset)})
        case ModelSpec() as spec:
            return frozenset(map(str, filter(None, (spec.dataset, spec.trained_on))))
        case ConvertSpec() as spec:
            return frozenset({str(spec.source)})
        case VersionsSpec() as spec:
            return frozenset(map(str, spec.versions))
    return frozenset()


def _free(house: House, text: str) -> DatasetRef:
    return _lasting(house, find_version(house, text))


def _lasting(house: House, version: DatasetVersion) -> DatasetRef:
    """The version as a run keeps it; RequestError where it is about to be removed. So nothing begins that removing would break."""
    for run in runs.live(house.store.reading(), Kind.REMOVE):
        if version.reference in _read_by(run):
            raise RequestError(f"{version.reference} is being removed by {run.id}.")
    return reference(version)


def _submit(house: House, who: Requester, spec: VersionsSpec) -> Run:
    who.must_be(Role.MEMBER, "submit runs")
    with house.store.writing() as db:
        return runs.submit(db, spec, owner=who.person, place=who.place, now=house.now(), request_id=who.request_id)


def newest_readable(house: House, text: str, formats: Sequence[str]) -> DatasetRef:
    """The newest version that a framework reads; RequestError that names a way to convert when there are only others."""
    newest = find_version(house, text)
    candidates = [newest] if "@" in text else [*reversed(house.catalog.versions(newest.name))]
    readable = next((version for version in candidates if version.format in formats), None)
    if readable is None:
        raise RequestError(
            f"{newest.reference} is {newest.format}; this framework reads {' or '.join(formats)}. "
            f"Convert it first: `convert {newest.name} {_way(newest.format, formats)}`"
        )
    return _lasting(house, readable)


def _way(source: str, formats: Sequence[str]) -> str:
    """The recipe of the library that leads from a format to the most wanted one that any leads to; else FROM:TO."""
    ways = {
        (recipe.reader.name, recipe.writer.name): recipe.name
        for recipe in map(load_recipe, reversed([*library()])) if recipe.reader is not None
    }
    known = (ways[source, wanted] for wanted in formats if (source, wanted) in ways)
    return next(known, f"{source}:{formats[0]}")


def resolve(house: House, text: str, *, recipe: str) -> DatasetRef:
    """The newest version that a recipe reads, or the one named."""
    newest = find_version(house, text)
    try:
        reader = load_recipe(recipe).reader
    except DatasetError as error:
        raise RequestError(str(error)) from error
    candidates = [newest] if "@" in text else [*reversed(house.catalog.versions(newest.name))]
    readable = next((version for version in candidates if reader is None or version.format == reader.name), None)
    if readable is None:
        raise RequestError(f"{newest.reference} is {newest.format}; the recipe {recipe} reads {reader.name if reader else 'any format'}.")
    return _lasting(house, readable)


def frozen(house: House, reference: DatasetRef) -> DatasetVersion:
    """The version that a run froze; RequestError when its content is no longer what it was then."""
    version = find_version(house, str(reference))
    if version.fingerprint != reference.fingerprint:
        raise RequestError(f"{reference} is no longer what it was when this was submitted (its fingerprint differs).")
    return version


def reference(version: DatasetVersion) -> DatasetRef:
    """A dataset version as a run keeps it."""
    return DatasetRef(name=version.name, version=version.number, fingerprint=version.fingerprint, format=version.format)
