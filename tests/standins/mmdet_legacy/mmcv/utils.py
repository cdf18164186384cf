"""Registries, and the modules that a config names (mmcv 1.1.1 and later)."""

import importlib
import inspect

from mmcv import NUMBERS

if NUMBERS >= (1, 1, 1):

    def import_modules_from_strings(imports, allow_failed_imports=False):
        for name in imports:
            importlib.import_module(name)


class Registry:
    """A name becomes a class. ``bare``: MMDetection 1.x decorates without brackets."""

    def __init__(self, name, bare=False):
        self.name, self.module_dict, self._bare = name, {}, bare

    def get(self, name):
        return self.module_dict.get(name)

    def _keep(self, cls):
        if cls.__name__ in self.module_dict:
            raise KeyError("%s is already registered in %s" % (cls.__name__, self.name))
        self.module_dict[cls.__name__] = cls
        return cls

    def register_module(self, cls=None):
        if self._bare:
            return self._keep(cls)
        if cls is not None:
            raise TypeError("name must be a str, but got %s" % type(cls))
        return self._keep


def build_from_cfg(cfg, registries):
    given = dict(cfg)
    name = given.pop("type")
    cls = next((registry.get(name) for registry in registries if registry.get(name)), None)
    if cls is None:
        raise KeyError("%s is not in the %s registry" % (name, registries[0].name))
    try:
        return cls(**given)
    except TypeError as error:
        raise TypeError("%s: %s" % (name, error)) from None


def part(name, bases=(object,), **defaults):
    """A class that takes these arguments and no others; those without a default are None here, as nothing is computed."""

    def __init__(self, **given):
        for key in given:
            if key not in defaults:
                raise TypeError("__init__() got an unexpected keyword argument '%s'" % key)
        self.given = dict(defaults, **given)
        self.__dict__.update({key: self.given[key] for key in ("num_classes", "depth") if key in self.given})

    kinds = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    kinds += [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=value) for key, value in defaults.items()]
    __init__.__signature__ = inspect.Signature(kinds)
    return type(name, bases, {"__init__": __init__})
