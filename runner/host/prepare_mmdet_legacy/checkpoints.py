"""Checkpoint files: which are whole, what they hold, and how a new one is written.

mmcv's hold {meta: {epoch, iter, ...}, state_dict, optimizer}; ``epoch`` counts finished epochs. Its ``best_*.pth`` hold the optimizer too.
"""

import hashlib
import inspect
import os
import re
import zipfile

from .errors import BadSpecError, first_line

PICKLE = b"\x80"


def verify(request):
    """{"paths": [...]} to {"checkpoints": [{path, whole, why, epoch, size_bytes}]}."""
    answers = []
    for path in request["paths"]:
        checkpoint, why = load_whole(path)
        size = os.path.getsize(path) if os.path.isfile(path) else None
        epoch = finished_epochs(checkpoint) if checkpoint else None
        answers.append({"path": path, "whole": checkpoint is not None, "why": why, "epoch": epoch, "size_bytes": size})
    return {"checkpoints": answers}


def load_whole(path):
    """(checkpoint, "") of a file proved whole by loading all of it on the CPU; else (None, why not)."""
    if not os.path.isfile(path):
        return None, "there is no such file"
    size = os.path.getsize(path)
    why = broken(path, size)
    if why:
        return None, why
    try:
        checkpoint = loaded(path)
    except Exception as error:
        return None, "it cannot be loaded: %s" % first_line(error)
    if os.path.getsize(path) != size:
        return None, "it is still being written"
    return checked_content(checkpoint)


def broken(path, size):
    """What the file's own form says against it: torch 1.6 and later write a zip, the ones before a pickle and the tensors behind it."""
    with open(path, "rb") as file:
        head = file.read(2)
    if size == 0 or (head == b"PK" and not zipfile.is_zipfile(path)):
        return "the file is truncated: its %s bytes end before the archive does" % format(size, ",")
    if head != b"PK" and not head.startswith(PICKLE):
        return "it is no checkpoint of PyTorch"
    if head != b"PK":
        return ""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    return "its part %s is damaged" % damaged if damaged else ""


def loaded(path):
    """What torch reads. mmcv's checkpoints hold more than tensors, and its own load_checkpoint unpickles them all the same."""
    import torch

    refusing = "weights_only" in inspect.signature(torch.load).parameters
    return torch.load(path, map_location="cpu", **({"weights_only": False} if refusing else {}))


def checked_content(checkpoint):
    """(checkpoint, "") of one that holds finite weights; else (None, why not)."""
    import torch

    weights = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not weights and isinstance(checkpoint, dict) and checkpoint and all(map(torch.is_tensor, checkpoint.values())):
        checkpoint = {"state_dict": checkpoint}
        weights = checkpoint["state_dict"]
    if not weights:
        return None, "it holds no weights (no state_dict)"
    for name, value in weights.items():
        if torch.is_tensor(value) and value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return None, "its weights are not finite numbers (%s)" % name
    return checkpoint, ""


def finished_epochs(checkpoint):
    """Epochs that a checkpoint holds; None for published weights."""
    epoch = (checkpoint.get("meta") or {}).get("epoch")
    return epoch if isinstance(epoch, int) else None


def newest_whole(paths, resumable):
    """(path, checkpoint, refused): the first whole one, and the broken ones before it with the reason."""
    refused, passed = [], []
    for path in paths:
        checkpoint, why = load_whole(path)
        if checkpoint is None:
            refused.append((path, why))
        elif resumable and (finished_epochs(checkpoint) is None or "optimizer" not in checkpoint):
            passed.append((path, "it holds weights only, no optimizer to resume"))
        else:
            return path, checkpoint, refused
    reasons = "; ".join("%s: %s" % (os.path.basename(path), why) for path, why in refused + passed) or "there is none"
    raise BadSpecError("No checkpoint can be used (%s)." % reasons, "checkpoints")


def weights_of(checkpoint):
    """The weights by the names that the model knows them by."""
    return {re.sub(r"^module\.", "", name): value for name, value in checkpoint["state_dict"].items()}


def require_fit(model, checkpoint, advice):
    """Refuse a checkpoint of another model."""
    held = weights_of(checkpoint)
    for name, value in model.state_dict().items():
        if name not in held or tuple(held[name].shape) != tuple(value.shape):
            shape = tuple(held[name].shape) if name in held else "nothing"
            sentence = "The checkpoint is of another model: %s is %s there and %s here%s." % (name, shape, tuple(value.shape), advice)
            raise BadSpecError(sentence, "checkpoints")


def taken_over(model, checkpoint):
    """What a fine-tune takes over, as mmcv's load_from does it: whatever has the same name and shape; the rest begins anew."""
    held, digest, taken, new = weights_of(checkpoint), hashlib.sha256(), [], []
    for name, value in sorted(model.state_dict().items()):
        if name in held and tuple(held[name].shape) == tuple(value.shape):
            digest.update(name.encode() + b"\0" + held[name].contiguous().numpy().tobytes())
            taken.append(name)
        else:
            new.append(name)
    if not taken:
        raise BadSpecError("Nothing of the checkpoint fits this model.", "checkpoints")
    return {"taken_parameters": len(taken), "taken_sha256": digest.hexdigest(), "new_parameters": new}


def save(checkpoint, path):
    """Write whole or not at all."""
    import torch

    with open(path + ".part", "wb") as file:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".part", path)
