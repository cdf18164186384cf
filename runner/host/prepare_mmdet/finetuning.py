"""A fine-tune: a new training whose weights begin as another's, wherever they fit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import BadSpecError

if TYPE_CHECKING:
    from torch.nn import Module


def take_over(model: Module, checkpoint: Mapping[str, Any]) -> tuple[list[str], str, list[str]]:
    """Load what fits into the model, as mmengine's load_from does; (names taken, their sha256, names that stay new)."""
    import torch
    from mmengine.runner.checkpoint import load_state_dict

    held = {re.sub(r"^module\.", "", name): value for name, value in checkpoint["state_dict"].items()}
    load_state_dict(model, held, strict=False)
    digest, taken, new = hashlib.sha256(), [], []
    for name, value in sorted(model.state_dict().items()):
        if name in held and held[name].shape == value.shape and torch.equal(held[name], value):
            digest.update(name.encode() + b"\0" + value.contiguous().numpy().tobytes())
            taken.append(name)
        else:
            new.append(name)
    if not taken:
        raise BadSpecError("Nothing of the checkpoint fits this model.", "checkpoints")
    return taken, digest.hexdigest(), new
