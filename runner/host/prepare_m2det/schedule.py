"""M2Det's learning rate over the epochs, for another number of epochs and another rate.

``utils/core.py`` warms up during the first five epochs whatever ``warmup`` says, then takes ``lr[i]`` for the first i with
``step_lr.COCO[i] >= epoch``: the COCO list even for VOC. Behind its last entry there is no rate (NameError). The list of the data
set at hand only says how many epochs there are.
"""

from .errors import BadSpecError

WARM_UP_EPOCHS = 5


def set_schedule(train_cfg, epochs, lr, first_epoch, asked):
    """Stretch the steps to the epochs and multiply the rates; returns (the rate of the first epoch to come, sentences for people).

    ``lr`` is the rate after the warm-up, or where ``asked`` by a person that of the first epoch to come; None leaves the rates.
    """
    steps, rates = train_cfg["step_lr"]["COCO"], train_cfg["lr"]
    check(steps, rates)
    if first_epoch > epochs:
        raise BadSpecError(
            "The training would go on at epoch %d and ends at epoch %d: beyond its steps M2Det has no learning rate; ask for more "
            "epochs with --epochs, or start at an earlier epoch." % (first_epoch, epochs), "train_cfg.step_lr",
        )
    scaled = [max(1, round(step * epochs / steps[-1])) for step in steps]
    at = index_of(scaled, first_epoch)
    factor = lr / rates[at if asked else 0] if lr else 1
    train_cfg["step_lr"] = {name: list(scaled) for name in ("COCO", "VOC")}
    train_cfg["lr"] = [rate * factor for rate in rates]
    return train_cfg["lr"][at], notes(train_cfg["lr"][at], epochs, first_epoch)


def check(steps, rates):
    """Refuse lists that end the training in an error."""
    if not steps or any(not isinstance(step, int) or step < 1 for step in steps) or list(steps) != sorted(steps):
        sentence = "The steps of the learning rate have to be epochs in ascending order, not %s." % (steps,)
        raise BadSpecError(sentence, "train_cfg.step_lr.COCO")
    if not rates or any(not isinstance(rate, (int, float)) or rate <= 0 for rate in rates):
        raise BadSpecError("The learning rates have to be positive numbers, not %s." % (rates,), "train_cfg.lr")
    if len(steps) > len(rates):
        sentence = "There are %d steps and %d learning rates: M2Det fails where these end; give a rate for each step."
        raise BadSpecError(sentence % (len(steps), len(rates)), "train_cfg.lr")


def index_of(steps, epoch):
    """Which rate holds in an epoch; the first one during the warm-up."""
    return 0 if epoch <= WARM_UP_EPOCHS else next(index for index, step in enumerate(steps) if step >= epoch)


def notes(rate, epochs, first_epoch):
    """What the schedule means for this training, where it is not plain."""
    if epochs <= WARM_UP_EPOCHS:
        return ["M2Det warms up for %d epochs, so this training of %d never reaches its learning rate." % (WARM_UP_EPOCHS, epochs)]
    if 1 < first_epoch <= WARM_UP_EPOCHS:
        return ["M2Det goes on warming up until epoch %d, to learning rate %.4g." % (WARM_UP_EPOCHS, rate)]
    return ["Epoch %d begins at learning rate %.4g." % (first_epoch, rate)] if first_epoch > 1 else []
