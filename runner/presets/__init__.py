"""Presets: what people call "the model". One YAML file each, here or in ``presets/`` of an extension folder."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from recipes.yaml_lines import read_yaml
from runner.errors import ConfigurationError, RequestError
from runner.specs import Preset


def load_presets(extensions: Iterable[Path] = ()) -> dict[str, Preset]:
    """Every preset by name; ConfigurationError when two have one name or a file is not called like its preset.

    Raises recipes.errors.DocumentError for a malformed file, naming line and key.
    """
    presets: dict[str, Preset] = {}
    for folder in (Path(__file__).parent, *(extension / "presets" for extension in extensions)):
        for path in sorted(folder.glob("*.yaml")):
            written = path.stat()
            preset = _preset(path, written.st_mtime_ns, written.st_size)
            if preset.name != path.stem:
                raise ConfigurationError(f"{path}: the preset is called {preset.name!r}; its file must be {preset.name}.yaml.")
            if preset.name in presets:
                raise ConfigurationError(f"{path}: there is already a preset called {preset.name!r}.")
            presets[preset.name] = preset
    return presets


@lru_cache(maxsize=256)
def _preset(path: Path, _mtime_ns: int, _size: int) -> Preset:
    """Read once as long as nobody changes the file: every ``run`` looks for its preset while it holds the database's write lock."""
    return read_yaml(path).parse(Preset)


def find_preset(name: str, extensions: Iterable[Path] = ()) -> Preset:
    """The preset of that name that comes along or lies in an extension; RequestError with the nearest names."""
    return preset_named(name, load_presets(extensions))


def preset_named(name: str, presets: Mapping[str, Preset]) -> Preset:
    """One of these presets; RequestError with the nearest names."""
    if name in presets:
        return presets[name]
    near = difflib.get_close_matches(name, presets, n=1)
    hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(presets)}."
    raise RequestError(f"There is no preset {name!r}.{hint}")
