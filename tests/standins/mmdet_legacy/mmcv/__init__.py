"""Stands in for mmcv 0.2 to 1.7: Config.fromfile with inheritance, as the release that STANDIN_MMDET needs."""

import os
import runpy
from pathlib import Path

MMDET = os.environ["STANDIN_MMDET"]
_NUMBERS = tuple(map(int, MMDET.split(".")))
_NEEDED = (
    ((2, 28), "1.7.1"), ((2, 25), "1.5.3"), ((2, 20), "1.4.4"), ((2, 13), "1.3.3"), ((2, 7), "1.2.4"), ((2, 3), "1.0.5"), ((2, 1), "0.6.1"),
    ((2, 0), "0.5.8"), ((1, 1), "0.4.3"), ((1, 0), "0.2.16"),
)
__version__ = next(mmcv for since, mmcv in _NEEDED if since <= _NUMBERS)
NUMBERS = tuple(int(part) for part in __version__.split("."))


class ConfigDict(dict):
    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError("'ConfigDict' object has no attribute '%s'" % name) from None


def _wrapped(value):
    if isinstance(value, dict):
        return ConfigDict({key: _wrapped(item) for key, item in value.items()})
    return type(value)(_wrapped(item) for item in value) if isinstance(value, (list, tuple)) else value


def _merged(own, base):
    made = dict(base)
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(made.get(key), dict) and not value.get("_delete_"):
            made[key] = _merged(value, made[key])
        else:
            made[key] = {name: item for name, item in value.items() if name != "_delete_"} if isinstance(value, dict) else value
    return made


def _read(path):
    if not Path(path).is_file():
        raise FileNotFoundError('file "%s" does not exist' % path)
    content = {key: value for key, value in runpy.run_path(str(path)).items() if not key.startswith("__")}
    bases, found = content.pop("_base_", []), {}
    for base in [bases] if isinstance(bases, str) else bases:
        found.update(_read(Path(path).parent / base))
    return _merged(content, found)


class Config:
    def __init__(self, content):
        object.__setattr__(self, "_cfg_dict", _wrapped(content))

    @staticmethod
    def fromfile(path):
        cfg = Config(_read(path))
        if NUMBERS >= (1, 1, 1) and cfg.get("custom_imports"):
            from mmcv.utils import import_modules_from_strings

            import_modules_from_strings(**cfg.custom_imports)
        return cfg

    def __getattr__(self, name):
        return getattr(self._cfg_dict, name)

    def __contains__(self, name):
        return name in self._cfg_dict

    def __getitem__(self, name):
        return self._cfg_dict[name]
