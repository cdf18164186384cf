"""Checkpoint files: which are whole, what they hold, and how a new one is written."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import BadSpecError, first_line
from .foreign import load_weights


def verify(request: Mapping[str, Any]) -> dict[str, Any]:
    """{"paths": [...]} to {"checkpoints": [{path, whole, why, epoch, size_bytes}]}."""
    answers = []
    for path in request["paths"]:
        checkpoint, why = load_whole(path)
        size = os.path.getsize(path) if os.path.isfile(path) else None
        epoch = finished_epochs(checkpoint) if checkpoint else None
        answers.append({"path": path, "whole": checkpoint is not None, "why": why, "epoch": epoch, "size_bytes": size})
    return {"checkpoints": answers}


def load_whole(path: str, *, own: bool = True) -> tuple[dict[str, Any] | None, str]:
    """(checkpoint, "") of a file proved whole by loading all of it on the CPU; else (None, why not).

    One that a run of ours wrote (``own``) is unpickled without restriction, as mmengine's checkpoints hold objects of its own.
    """
    import torch

    if not os.path.isfile(path):
        return None, "there is no such file"
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    if size == 0 or (is_zip and not zipfile.is_zipfile(path)):
        return None, "the file is truncated: its %s bytes end before the archive does" % format(size, ",")
    try:
        if is_zip:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged:
                return None, "its part %s is damaged" % damaged
        checkpoint = torch.load(path, map_location="cpu", weights_only=False) if own else load_weights(path)
    except Exception as error:
        return None, "it cannot be loaded: %s" % first_line(error)
    if os.path.getsize(path) != size:
        return None, "it is still being written"
    return checked_content(checkpoint)


def checked_content(checkpoint: Any) -> tuple[dict[str, Any] | None, str]:
    """(checkpoint, "") of one that holds finite weights; else (None, why not)."""
    import torch

    weights = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not weights:
        return None, "it holds no weights (no state_dict)"
    for name, value in weights.items():
        if torch.is_tensor(value) and value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return None, "its weights are not finite numbers (%s)" % name
    return checkpoint, ""


def finished_epochs(checkpoint: Mapping[str, Any]) -> int | None:
    """Epochs that a checkpoint holds; None for published weights."""
    epoch = (checkpoint.get("meta") or {}).get("epoch")
    return epoch if isinstance(epoch, int) else None


def newest_whole(paths: Iterable[str], *, resumable: bool, own: bool = True) -> tuple[str, dict[str, Any], list[tuple[str, str]]]:
    """(path, checkpoint, refused): the first whole one, and the broken ones before it with the reason.

    mmengine's best_*.pth hold weights alone: a resume passes over them, and they are no less whole for that.
    """
    refused, passed = [], []
    for path in paths:
        checkpoint, why = load_whole(path, own=own)
        if checkpoint is None:
            refused.append((path, why))
        elif resumable and (finished_epochs(checkpoint) is None or "optimizer" not in checkpoint):
            passed.append((path, "it holds weights only, no optimizer to resume"))
        else:
            return path, checkpoint, refused
    reasons = "; ".join("%s: %s" % (os.path.basename(path), why) for path, why in refused + passed) or "there is none"
    raise BadSpecError("No checkpoint can be used (%s)." % reasons, "checkpoints")


def save(checkpoint: Mapping[str, Any], path: str) -> None:
    """Write whole or not at all."""
    import torch

    temporary = path + ".part"
    with open(temporary, "wb") as file:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
