"""Stands in for M2Det's net: some weights, heads of six anchors for each class, and a memory of how many images it has seen."""

from collections import OrderedDict

import torch
from utils.core import print_info

ANCHORS, NORM = 6, 256 * 8


class M2Det:
    def __init__(self, phase, size, config):
        self.phase, self.size, self.classes, self.parallel = phase, size, config.num_classes, False
        self.channels = config.planes * config.num_levels
        print_info("===> Constructing M2Det model")
        rows = ANCHORS * config.num_classes
        self.weights = OrderedDict([
            ("base.0.weight", torch.Tensor([0.0] * 4)), ("unet1.seen", torch.Tensor([0.0])),
            ("conf.0.weight", torch.Tensor([0.5] * rows)), ("conf.0.bias", torch.Tensor([0.0] * rows)),
        ])

    def init_model(self, base_model_path):
        if isinstance(base_model_path, str):
            base = torch.load(base_model_path)
            print("Loading base network...")
            self.weights["base.0.weight"] = base["0.weight"]
        print("Initializing weights for [tums, reduce, up_reduce, leach, loc, conf]...")

    def load_state_dict(self, state, strict=True):
        wrong = [
            "size mismatch for {}: copying a param with shape {} from checkpoint, the shape in current model is {}.".format(
                name, state[name].shape, value.shape)
            for name, value in self.weights.items() if name in state and state[name].shape != value.shape
        ]
        if wrong:
            raise RuntimeError("Error(s) in loading state_dict for M2Det:\n\t" + "\n\t".join(wrong))
        self.weights.update((name, value) for name, value in state.items() if name in self.weights)

    def state_dict(self):
        before = "module." if self.parallel else ""
        return OrderedDict((before + name, value) for name, value in self.weights.items())

    def see(self, images):
        self.weights["unet1.seen"] = torch.Tensor([self.seen + images])

    def spoil(self):
        self.weights["conf.0.bias"] = torch.Tensor([float("nan")] * len(self.weights["conf.0.bias"].values))

    @property
    def seen(self):
        return self.weights["unet1.seen"].values[0]

    def eval(self):
        return self

    def __call__(self, pictures):
        if self.channels != NORM:
            raise RuntimeError("running_mean should contain {} elements not {}".format(self.channels, NORM))


def build_net(phase="train", size=320, config=None):
    if size not in [320, 512, 704, 800]:
        raise NotImplementedError("Error: Sorry only M2Det320,M2Det512 M2Det704 or M2Det800 are supported!")
    return M2Det(phase, size, config)
