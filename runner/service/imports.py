"""Datasets from elsewhere: a URL, or a folder of a host. What is asked for is judged here; fetching it is the run's work."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from functools import cache

from recipes.arriving.fetching import is_sha256
from recipes.arriving.web import is_url, require_url, shown
from recipes.errors import DatasetError
from recipes.formats import formats
from recipes.names import is_dataset_name
from runner.entities import Run
from runner.errors import RequestError
from runner.service.house import House, Requester
from runner.service.runs import submit_ingest
from runner.settings import Role
from runner.specs import IngestSpec, Origin
from runner.store import hosts

_ON_HOST = re.compile(r"(?P<host>[a-z0-9][a-z0-9._-]{0,39}):(?P<path>.+)", re.IGNORECASE | re.DOTALL)


def submit_import(
    house: House, who: Requester, *, dataset: str, source: str, sha256: str | None = None, format_name: str | None = None
) -> Run:
    """Queue the import of ``https://…/fish.zip`` or ``gpu-1:/data/fish``; RequestError says what is wrong with either."""
    require_dataset_name(dataset)
    if is_url(source):
        spec = _from_url(source, dataset, sha256)
    elif found := _ON_HOST.fullmatch(source):
        who.must_be(Role.OPERATOR, "read folders of hosts")
        if sha256 is not None:
            raise RequestError("`--sha256` is for a URL: a folder has no sum of its own.")
        spec = _from_host(house, found["host"].lower(), found["path"], dataset)
    else:
        raise RequestError(f"{source!r} is neither a URL (https://…/fish.zip) nor a folder of a host (gpu-1:/data/fish, local:/data/fish).")
    return submit_ingest(house, who, spec.model_copy(update={"format": format_name}))


@cache
def readable_formats() -> Mapping[str, str]:
    """The formats that can be named for an import, and what people call them."""
    return {name: entry.title for name, entry in formats().items() if entry.read is not None}


def require_dataset_name(name: str) -> None:
    """RequestError where a dataset cannot be called so."""
    if not is_dataset_name(name):
        raise RequestError(f"{name!r} cannot name a dataset: lower-case letters, digits, dash and underscore, at most 63.")


def _from_url(url: str, dataset: str, sha256: str | None) -> IngestSpec:
    try:
        require_url(url)
    except DatasetError as error:
        raise RequestError(str(error)) from error
    if sha256 is not None and not is_sha256(sha256):
        raise RequestError(f"{sha256!r} is no SHA-256: that has 64 hexadecimal digits; `sha256sum FILE` prints it.")
    return IngestSpec(archive=url, dataset=dataset, file_name=shown(url), origin=Origin.URL, sha256=sha256)


def _from_host(house: House, host: str, path: str, dataset: str) -> IngestSpec:
    hosts.get(house.store.reading(), host)
    plain = posixpath.normpath(path)
    if not path.startswith("/") or ".." in path.split("/") or not path.isprintable() or plain.strip("/") == "":
        raise RequestError(f"{path!r} is no folder that can be imported: give its absolute path, without `..`, as in {host}:/data/fish.")
    plain = f"/{plain.lstrip('/')}"
    return IngestSpec(archive=plain, dataset=dataset, file_name=f"{host}:{plain}", origin=Origin.HOST, host=host)
