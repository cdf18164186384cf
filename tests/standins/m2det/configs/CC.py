"""Stands in for M2Det's config reader, as it is changed for newer Pythons: the original imports Iterable from collections."""

import os.path as osp
import sys
from collections.abc import Iterable  # noqa: F401 - the line that people change
from importlib import import_module

from addict import Dict


class Config:
    def __init__(self, values):
        self.values = Dict(values)

    @staticmethod
    def fromfile(filename):
        filename = osp.abspath(osp.expanduser(filename))
        if not osp.isfile(filename):
            raise FileNotFoundError('file "{}" does not exist'.format(filename))
        name = osp.basename(filename)[:-3]
        if "." in name:
            raise ValueError("Dots are not allowed in config file path.")
        sys.path.insert(0, osp.dirname(filename))
        module = import_module(name)
        sys.path.pop(0)
        return Config({key: value for key, value in vars(module).items() if not key.startswith("__")})

    def __getattr__(self, name):
        return getattr(self.values, name)
