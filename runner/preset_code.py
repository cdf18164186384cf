"""A preset's own modules and config as they lie on this machine: small text files, each Python file parsed before any is taken."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from recipes.errors import Defects, Where
from recipes.names import unsafe_path
from runner.errors import RequestError

MOST_FILES = 300
MOST_BYTES = 4_000_000
"""Of all files together: they travel with every attempt, and with every request to prepare one."""
INIT = "__init__.py"


@dataclass(frozen=True, slots=True)
class PresetCode:
    """What a preset brings along: texts by their paths below ``code/``, the config among them or of the framework's own collection,
    the modules to import, and what of the folder stays here (caches, hidden files)."""

    config: str
    texts: Mapping[str, bytes] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def read_code(config: str, folder: str | None) -> PresetCode:
    """Read a config and a folder of modules. ``config`` is a file of this machine, inside the folder or not; a name that is no file
    here is one of the framework's own collection.

    RequestError where there is no such folder or file; FormatError names every defect: links, files that are no text or too large,
    Python that does not parse (with its line).
    """
    root = None if folder is None else _real(folder)
    if root is not None and not root.is_dir():
        raise RequestError(f"{folder} is no folder on the machine where Signalbox runs.")
    own = _config_file(config)
    defects, left_out = Defects(), list[str]()
    paths = {} if root is None else dict(_walk(root, left_out))
    name = _config_name(config, own, paths)
    if own is not None:
        paths.setdefault(name, own)
    texts = _texts(paths, defects)
    defects.raise_if_any("The preset's code", remedy="Mend it, then add the preset again.")
    return PresetCode(name, texts, _top_modules(texts, name), tuple(left_out))


def _real(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _config_file(config: str) -> Path | None:
    """The config's file here; None for a name of the framework's collection. Whoever writes a path means one."""
    path = _real(config)
    if path.is_file():
        return path
    if config.startswith(("/", "~", "./", "../")):
        raise RequestError(f"There is no file {config} on the machine where Signalbox runs.")
    return None


def _config_name(config: str, own: Path | None, paths: Mapping[str, Path]) -> str:
    """As the preset names it: its path in the folder where it lies there, else its file's name; as it is where it is no file here."""
    if own is None:
        return config
    inside = next((name for name, path in paths.items() if path == own), None)
    if inside is None and own.name in paths:
        raise RequestError(f"The folder has another file {own.name}; give the config another name, or name the one in the folder.")
    return inside or own.name


def _walk(root: Path, left_out: list[str]) -> Iterator[tuple[str, Path]]:
    """(path below ``code/``, file), in order. A folder that is a package itself is imported by its own name."""
    prefix = PurePosixPath(root.name if (root / INIT).is_file() else "")
    found = 0
    for at, folders, files in os.walk(root):
        here = Path(at)
        hidden = [name for name in folders if name.startswith(".") or name == "__pycache__"]
        folders[:] = sorted(set(folders) - set(hidden))
        linked = [name for name in folders if (here / name).is_symlink()]
        kept_back = [name for name in files if name.startswith(".") or name.endswith((".pyc", ".pyo"))]
        left_out += [str((here / name).relative_to(root)) for name in sorted([*hidden, *kept_back])]
        for name in sorted([*set(files) - set(kept_back), *linked]):
            found += 1
            if found > MOST_FILES:
                raise RequestError(f"{root} has more than {MOST_FILES} files; a preset's code is its own modules, not data or a checkout.")
            yield str(prefix / (here / name).relative_to(root).as_posix()), here / name


def _texts(paths: Mapping[str, Path], defects: Defects) -> dict[str, bytes]:
    texts: dict[str, bytes] = {}
    total = 0
    for name, path in paths.items():
        if path.is_symlink() or not path.is_file():
            defects.add("It is a link or no plain file; a preset's code holds files alone.", Where(str(path)))
            continue
        if total + path.stat().st_size > MOST_BYTES:
            limit = f"{MOST_BYTES / 1e6:.0f} MB"
            raise RequestError(f"The code takes more than {limit} with {path}; weights belong into the preset's start checkpoint.")
        try:
            content = path.read_bytes()
        except OSError as error:
            defects.add(f"It cannot be read: {error.strerror}.", Where(str(path)))
            continue
        total += len(content)
        _check(name, path, content, defects)
        texts[name] = content
    return texts


def _check(name: str, path: Path, content: bytes, defects: Defects) -> None:
    if why := unsafe_path(name):
        defects.add(f"It cannot be called so: {why}.", Where(str(path)))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        defects.add("It is not UTF-8 text; only Python files and small text files travel with a preset.", Where(str(path), line))
        return
    if path.suffix == ".py":
        _parse(text, path, defects)


def _parse(text: str, path: Path, defects: Defects) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in strings: not ours to mend
            ast.parse(text, filename=str(path))
    except SyntaxError as error:
        defects.add(f"This is not Python: {error.msg}.", Where(str(path), error.lineno))
    except (ValueError, RecursionError, MemoryError) as error:
        defects.add(f"This is not Python: {error or type(error).__name__}.", Where(str(path)))


def _top_modules(texts: Mapping[str, bytes], config: str) -> tuple[str, ...]:
    """The modules and packages at the top of the code, but for the config; a folder without ``__init__.py`` is imported by whom it may."""
    modules = [name.removesuffix(".py") for name in texts if "/" not in name and name.endswith(".py") and name != config]
    packages = [name.removesuffix(f"/{INIT}") for name in texts if name.count("/") == 1 and name.endswith(f"/{INIT}")]
    return tuple(sorted(name for name in {*modules, *packages} if name.isidentifier()))
