"""Training systems by name, found by scanning this package and ``frameworks/`` of the extension folders."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from runner.errors import ConfigurationError, RequestError
from runner.frameworks.base import Framework


def find_framework(name: str, extensions: Iterable[Path] = ()) -> Framework:
    """The framework of that name; RequestError names those there are."""
    known = all_frameworks(tuple(extensions))
    if name not in known:
        raise RequestError(f"There is no framework {name!r}. There are: {', '.join(sorted(known))}.")
    return known[name]


@lru_cache
def all_frameworks(extensions: tuple[Path, ...] = ()) -> Mapping[str, Framework]:
    """Every framework by name. A module that does not import, defines no ``framework`` or repeats a name stops the start."""
    found: dict[str, Framework] = {}
    for path in _files(extensions):
        framework = getattr(_load(path), "framework", None)
        if framework is None:
            continue
        if framework.name in found:
            raise ConfigurationError(f"{path}: there is already a framework called {framework.name!r}.")
        found[framework.name] = framework
    return found


def _files(extensions: tuple[Path, ...]) -> list[Path]:
    own = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem not in ("__init__", "base")]
    return own + [path for folder in extensions for path in sorted((folder / "frameworks").glob("*.py"))]


def _load(path: Path) -> ModuleType:
    own = path.parent == Path(__file__).parent
    name = f"{__name__}.{path.stem}" if own else f"signalbox_extension_{path.stem}"
    if own or name in sys.modules:
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path}: this is not a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
