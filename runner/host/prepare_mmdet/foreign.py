"""Checkpoints that no run of ours wrote: their weights are taken, and nothing else in them comes to life.

MMDetection's published checkpoints hold more than tensors (mmengine's HistoryBuffer, numpy values), which torch's own ``weights_only``
refuses whole. Here every class and function that no tensor needs is replaced by one that does nothing.
"""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

REBUILDS_TENSORS = {("torch._utils", name) for name in ("_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_parameter")}
PLAIN = {("collections", "OrderedDict"), ("torch", "Size"), ("torch", "device")}


class Inert:
    """Stands for whatever a checkpoint names: made, called and filled without an effect."""

    def __new__(cls, *_args: Any, **_named: Any) -> Inert:
        return object.__new__(cls)

    def __call__(self, *_args: Any, **_named: Any) -> Inert:
        return self

    def ignore(self, *_args: Any) -> None:
        """What unpickling does with an object."""

    __init__ = __setstate__ = __setitem__ = append = extend = ignore  # type: ignore[assignment]


class Unpickler(pickle.Unpickler):
    """Brings tensors and plain values to life."""

    def find_class(self, module: str, name: str) -> Any:
        """The thing itself where tensors need it, else :class:`Inert`."""
        import torch

        if (module, name) in REBUILDS_TENSORS | PLAIN:
            return super().find_class(module, name)
        dtype = getattr(torch, name, None) if module == "torch" else None
        return dtype if isinstance(dtype, torch.dtype) else Inert


def load(file: Any, **options: Any) -> Any:
    """As pickle.load."""
    return Unpickler(file, **options).load()


def is_plain(path: str) -> bool:
    """Whether torch loads it as weights alone: then it can be used where it lies."""
    import torch

    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return False
    return True


def load_weights(path: str) -> dict[str, Any]:
    """{"state_dict": …, "meta": {}} of a file that holds one, or is one. Raises what torch.load raises for a broken file."""
    import torch

    module = SimpleNamespace(__name__=__name__, Unpickler=Unpickler, load=load)
    content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=module)
    if isinstance(content, dict) and not isinstance(content.get("state_dict"), dict) and any(map(torch.is_tensor, content.values())):
        content = {"state_dict": content}
    weights = content.get("state_dict") if isinstance(content, dict) else None
    return {"state_dict": {str(name): value for name, value in (weights or {}).items() if torch.is_tensor(value)}, "meta": {}}
