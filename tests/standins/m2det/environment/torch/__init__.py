"""Stands in for torch 0.4 where M2Det and what prepares it use it: weights in files, and their sums."""

import array
import json
import zipfile
from collections import OrderedDict
from contextlib import contextmanager

__version__ = "0.4.1"


class version:
    cuda = None


class cuda:
    @staticmethod
    def is_available():
        return False


class Tensor:
    def __init__(self, values):
        self.values = list(values)

    @property
    def shape(self):
        return (len(self.values),)

    def double(self):
        return self

    def sum(self):
        return Tensor([sum(self.values)])

    def item(self):
        return self.values[0]

    def contiguous(self):
        return self

    def numpy(self):
        return array.array("d", self.values)


def zeros(*shape):
    return Tensor([0.0])


def is_tensor(value):
    return isinstance(value, Tensor)


def save(state, file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.json", json.dumps([[name, value.values] for name, value in state.items()]))


def load(file, map_location=None):
    if file is None:
        raise AttributeError("'NoneType' object has no attribute 'seek'. You can only torch.load from a file that is seekable.")
    with zipfile.ZipFile(file) as archive:
        return OrderedDict((name, Tensor(values)) for name, values in json.loads(archive.read("data.json").decode()))


@contextmanager
def no_grad():
    yield
