"""The linear scaling rule: a learning rate belongs to a number of images a step, and grows with it."""

from __future__ import annotations

from dataclasses import dataclass

from runner.specs import TrainSpec


@dataclass(frozen=True, slots=True)
class LearningRate:
    """A learning rate and, in one sentence, where it comes from."""

    lr: float
    why: str


def scaled(spec: TrainSpec) -> LearningRate:
    """The rate of a fresh training: ``--lr`` as it was given, else the preset's times GPUs x images per GPU over the preset's own.

    The rule and its name: Goyal et al., Accurate, Large Minibatch SGD (2017), section 2.1.
    """
    preset, given = spec.preset, spec.overrides
    images, reference = (given.batch or preset.batch) * max(1, spec.gpus), preset.batch * preset.gpus
    if given.lr is not None:
        return LearningRate(given.lr, f"{given.lr:g} as asked; no scaling.")
    if images == reference:
        return LearningRate(preset.lr, f"{preset.lr:g}, the preset's own for {reference} images a step.")
    lr = preset.lr * images / reference
    return LearningRate(lr, f"{lr:.4g} for {images} images a step: the preset's {preset.lr:g} belongs to {reference} (linear scaling).")
