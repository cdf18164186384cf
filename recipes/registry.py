"""Finds the members of a kind: one file each in a package's folder. To extend Signalbox is to add one file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Protocol, TypeVar

from recipes.errors import RegistryError


class Named(Protocol):
    """A member: it has a name that people type."""

    @property
    def name(self) -> str: ...


Member = TypeVar("Member", bound=Named)


def module_names(package: ModuleType) -> list[str]:
    """The modules of a package, none of them imported."""
    return sorted(info.name for info in pkgutil.iter_modules(package.__path__))


def load(package: ModuleType, name: str, *, attribute: str, kind: type[Member]) -> Member:
    """The member whose file has that name, without importing the others. KeyError where there is no such file."""
    if name not in module_names(package):
        raise KeyError(name)
    return _member(f"{package.__name__}.{name}", attribute, kind)


def scan(package: ModuleType, *, attribute: str, kind: type[Member]) -> Mapping[str, Member]:
    """Import every module of a package and return its members by name; anything amiss stops loudly (RegistryError)."""
    members: dict[str, Member] = {}
    homes: dict[str, str] = {}
    for module_name in module_names(package):
        full_name = f"{package.__name__}.{module_name}"
        member = _member(full_name, attribute, kind)
        if member.name in members:
            raise RegistryError(f"{full_name} and {homes[member.name]} are both called {member.name!r}.")
        members[member.name] = member
        homes[member.name] = full_name
    return MappingProxyType(members)


def _member(full_name: str, attribute: str, kind: type[Member]) -> Member:
    try:
        module = importlib.import_module(full_name)
    except Exception as error:
        raise RegistryError(f"{full_name} does not import: {error}.") from error
    member = getattr(module, attribute, None)
    if not isinstance(member, kind):
        raise RegistryError(f"{full_name} defines no {attribute} of type {kind.__name__}.")
    return member
