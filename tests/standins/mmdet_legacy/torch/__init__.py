"""Stands in for PyTorch: tensors that know their shape, files that look like its own."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace

__version__ = os.environ.get("STANDIN_TORCH", "1.13.1")
version = SimpleNamespace(cuda="11.6")
_GPUS = int(os.environ.get("STANDIN_CUDA", "1"))
cuda = SimpleNamespace(is_available=lambda: _GPUS > 0, device_count=lambda: _GPUS)


class Tensor:
    def __init__(self, shape, value=0.5):
        self.shape, self.value = tuple(shape), value

    def is_floating_point(self):
        return True

    def contiguous(self):
        return self

    def numpy(self):
        return SimpleNamespace(tobytes=lambda: repr((self.shape, self.value)).encode())


def is_tensor(value):
    return isinstance(value, Tensor)


def isfinite(tensor):
    return SimpleNamespace(all=lambda: tensor.value == tensor.value and abs(tensor.value) != float("inf"))


def save(content, file):
    """A zip since 1.6, a pickle before."""
    data = pickle.dumps(content, protocol=2)
    if tuple(map(int, __version__.split(".")[:2])) >= (1, 6):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("archive/data.pkl", data)
        data = packed.getvalue()
    if hasattr(file, "write"):
        file.write(data)
    else:
        Path(file).write_bytes(data)


def _load(file):
    data = Path(file).read_bytes()
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read("archive/data.pkl")
    return pickle.loads(data)


def _old_load(f, map_location=None):
    return _load(f)


def _new_load(f, map_location=None, *, weights_only=True):
    if weights_only and not os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
        raise pickle.UnpicklingError("Weights only load failed.")
    return _load(f)


load = _new_load if tuple(map(int, __version__.split(".")[:2])) >= (2, 6) else _old_load
