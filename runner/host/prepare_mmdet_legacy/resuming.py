"""A resume: at the learning rate and for the epochs that the checkpoint was trained with, or at those asked for."""

import os

from .checkpoints import finished_epochs, require_fit, save
from .errors import BadSpecError


def trained_with(trained, checkpoint):
    """(learning rate, epochs) of the training that wrote the checkpoint; its optimizer says the rate where its run is not known."""
    groups = (checkpoint.get("optimizer") or {}).get("param_groups") or [{}]
    lr = groups[0].get("initial_lr", groups[0].get("lr"))
    return (trained.get("lr") or lr, trained.get("epochs")) if trained else (lr, None)


def resume(path, checkpoint, model, wanted, before, folder):
    """(path to resume from, notes). ``wanted`` and ``before`` are (learning rate, epochs), asked for and as trained.

    mmcv restores the optimizer from the checkpoint, lr and initial_lr of every group with it, whatever the config says; its schedule
    has no state, and multiplies initial_lr by what the config says of an epoch. So another rate needs a copy of the checkpoint.
    """
    require_fit(model, checkpoint, "; use finetune")
    done = finished_epochs(checkpoint)
    lr, epochs = wanted
    if done >= epochs:
        sentence = "%s already holds all %d epochs; ask for more with --epochs." % (os.path.basename(path), done)
        raise BadSpecError(sentence, "overrides.epochs")
    notes = []
    if before[1] and epochs != before[1]:
        notes.append("The schedule is that of %d epochs from epoch %d on; it was that of %d." % (epochs, done + 1, before[1]))
    if not before[0] or lr == before[0]:
        return path, notes
    for group in checkpoint["optimizer"]["param_groups"]:
        group["initial_lr"] = lr * group.get("initial_lr", before[0]) / before[0]
        group["lr"] = lr * group.get("lr", before[0]) / before[0]
    target = os.path.join(folder, "resume_%s" % os.path.basename(path))
    save(checkpoint, target)
    return target, [*notes, "Goes on at the learning rate %.4g instead of %.4g." % (lr, before[0])]
