"""Checkpoint files: which are whole, how many epochs they hold, and what of them fits a model.

M2Det writes a bare ``state_dict`` without optimizer or epoch: the name alone tells the epoch. ``..._epochN.pth`` is written when epoch
N + 1 begins and holds N finished epochs; ``Final_*.pth`` holds all of them.
"""

import hashlib
import math
import os
import re
import zipfile

from .errors import BadSpecError, first_line

NUMBERED = re.compile(r"M2Det_.*_epoch(\d{1,9})\.pth")
FINAL = re.compile(r"Final_M2Det_.*\.pth")
HEAD = re.compile(r"conf\.\d+\.(?:weight|bias)")
PARALLEL = "module."
ANCHORS = 6  # of each place, in m2det.py; a head has so many rows for each class


def verify(request):
    """{"paths": [...]} to {"checkpoints": [{path, whole, why, epoch, size_bytes}]}."""
    answers = []
    for path in request["paths"]:
        state, why = load_whole(path)
        size = os.path.getsize(path) if os.path.isfile(path) else None
        answers.append({"path": path, "whole": state is not None, "why": why, "epoch": finished_epochs(path, None), "size_bytes": size})
    return {"checkpoints": answers}


def load_whole(path):
    """(state_dict, "") of a file proved whole by loading all of it on the CPU; else (None, why not)."""
    import torch

    if not os.path.isfile(path):
        return None, "there is no such file"
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    if size == 0 or (is_zip and not zipfile.is_zipfile(path)):
        return None, "the file is truncated: its %s bytes end before the archive does" % format(size, ",")
    try:
        state = torch.load(path, map_location="cpu")
    except Exception as error:
        return None, "it cannot be loaded: %s" % first_line(error)
    if os.path.getsize(path) != size:
        return None, "it is still being written"
    tensors = state if isinstance(state, dict) else {}
    if not tensors or not all(map(torch.is_tensor, tensors.values())):
        return None, "it holds no weights alone, as M2Det's checkpoints do"
    for name, value in tensors.items():
        if not math.isfinite(value.double().sum().item()):
            return None, "its weights are not finite numbers (%s)" % name
    return state, ""


def finished_epochs(path, all_epochs):
    """Epochs that a checkpoint of M2Det holds, by its name; None where that tells nothing."""
    name = os.path.basename(path)
    numbered = NUMBERED.fullmatch(name)
    if numbered:
        return int(numbered.group(1))
    return all_epochs if FINAL.fullmatch(name) else None


def newest_whole(paths, all_epochs, resumable):
    """(path, state_dict, refused): the first whole one, and the broken ones before it with the reason."""
    refused = []
    for path in paths:
        state, why = load_whole(path)
        if state is not None and resumable and finished_epochs(path, all_epochs) is None:
            why = "its name does not tell its epoch"
        if not why:
            return path, state, refused
        refused.append((path, why))
    reasons = "; ".join("%s: %s" % (os.path.basename(path), why) for path, why in refused) or "there is none"
    raise BadSpecError("No checkpoint can be used (%s)." % reasons, "checkpoints")


def plain(name):
    """The name of a weight, whether one GPU trained it or several."""
    return name[len(PARALLEL) :] if name.startswith(PARALLEL) else name


def misfits(state, shapes):
    """The names of weights that have another shape in the model: M2Det's loading fails on them."""
    return [name for name, value in state.items() if tuple(value.shape) != shapes.get(plain(name), tuple(value.shape))]


def require_fit(path, state, shapes, advice=""):
    """Refuse a checkpoint of another model: of one that lacks weights, M2Det would leave the rest as chance made them."""
    name, wrong, held = os.path.basename(path), misfits(state, shapes), {plain(each) for each in state}
    heads = [each for each in wrong if HEAD.fullmatch(plain(each))]
    if heads:
        there, here = (rows // ANCHORS - 1 for rows in (state[heads[0]].shape[0], shapes[plain(heads[0])][0]))
        raise BadSpecError("%s tells %d classes apart and this model %d%s." % (name, there, here, advice), "checkpoints")
    lacking = [each for each in shapes if each not in held]
    if wrong or lacking:
        which = (wrong or lacking)[0]
        sentence = "%s is of another model: %s %s%s." % (name, which, "has another shape" if wrong else "is not in it", advice)
        raise BadSpecError(sentence, "checkpoints")


def taken_over(path, state, shapes, folder):
    """(file to start from, what a Prepared says of it): all that fits; the rest of the model begins anew.

    ``--resume_net`` accepts a file that lacks weights, not one whose weights have another shape: so what fits is written anew.
    """
    wrong = misfits(state, shapes)
    taken = [name for name in sorted(state) if name not in wrong and plain(name) in shapes]
    if not taken:
        raise BadSpecError("Nothing of %s fits this model." % os.path.basename(path), "checkpoints")
    digest, held = hashlib.sha256(), {plain(name) for name in taken}
    for name in taken:
        digest.update(plain(name).encode() + b"\0" + state[name].contiguous().numpy().tobytes())
    if wrong:
        path = os.path.join(folder, "finetune_%s" % os.path.basename(path))
        save(type(state)((name, value) for name, value in state.items() if name not in wrong), path)
    new = [name for name in shapes if name not in held]
    return path, {"taken_parameters": len(taken), "taken_sha256": digest.hexdigest(), "new_parameters": new}


def save(state, path):
    """Write whole or not at all."""
    import torch

    with open(path + ".part", "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".part", path)
