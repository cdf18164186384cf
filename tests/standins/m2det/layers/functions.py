"""Stands in for M2Det's priors and its decoding."""


class PriorBox:
    def __init__(self, cfg):
        self.cfg = cfg

    def forward(self):
        return self.cfg["feature_maps"]


class Detect:
    def __init__(self, num_classes, bkg_label, cfg):
        self.num_classes, self.background_label = num_classes, bkg_label
