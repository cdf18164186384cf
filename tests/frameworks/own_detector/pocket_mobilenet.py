"""A backbone of one's own: MobileNet's depthwise separable convolutions, small enough for a pocket."""

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import nn


def separable(channels, wanted, stride):
    """A convolution in space and one across channels, each with a norm."""
    in_space = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    across = nn.Conv2d(channels, wanted, 1, bias=False)
    return nn.Sequential(in_space, nn.BatchNorm2d(channels), nn.ReLU(), across, nn.BatchNorm2d(wanted), nn.ReLU())


@MODELS.register_module()
class PocketMobileNet(BaseModule):
    """(N, 3, H, W) to three maps of ``channels`` at an eighth, a sixteenth and a thirty-second of the size."""

    def __init__(self, channels=(16, 32, 64), init_cfg=None):
        super().__init__(init_cfg)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), separable(8, 8, 2))
        widths = (8, *channels)
        self.stages = nn.ModuleList(separable(before, after, 2) for before, after in zip(widths[:-1], channels, strict=True))

    def forward(self, image):
        x, maps = self.stem(image), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)
