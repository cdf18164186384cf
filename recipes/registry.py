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


def scan(package: ModuleType, *, attribute: str, kind: type[Member]) -> Mapping[str, Member]:
    """Import every module of a package and return its members by name; anything amiss stops loudly (RegistryError)."""
    members: dict[str, Member] = {}
    homes: dict[str, str] = {}
    for module_name in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        full_name = f"{package.__name__}.{module_name}"
        try:
            module = importlib.import_module(full_name)
        except Exception as error:
            raise RegistryError(f"{full_name} does not import: {error}.") from error
        member = getattr(module, attribute, None)
        if not isinstance(member, kind):
            raise RegistryError(f"{full_name} defines no {attribute} of type {kind.__name__}.")
        if member.name in members:
            raise RegistryError(f"{full_name} and {homes[member.name]} are both called {member.name!r}.")
        members[member.name] = member
        homes[member.name] = full_name
    return MappingProxyType(members)
