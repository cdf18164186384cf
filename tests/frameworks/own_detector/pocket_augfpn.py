"""A neck of one's own, after AugFPN: a feature pyramid whose top map gets the context that pooling to few cells keeps."""


from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import nn
from torch.nn import functional


@MODELS.register_module()
class PocketAugFPN(BaseModule):
    """As many maps as come in, each of ``out_channels``."""

    def __init__(self, in_channels, out_channels, norm_cfg=None, init_cfg=None):
        super().__init__(init_cfg or {"type": "Xavier", "layer": "Conv2d"})
        self.lateral = nn.ModuleList(ConvModule(count, out_channels, 1, norm_cfg=norm_cfg) for count in in_channels)
        self.smooth = nn.ModuleList(ConvModule(out_channels, out_channels, 3, padding=1, norm_cfg=norm_cfg) for _ in in_channels)
        self.context = nn.Conv2d(in_channels[-1], out_channels, 1)

    def forward(self, maps):
        made = [convolve(x) for convolve, x in zip(self.lateral, maps, strict=True)]
        pooled = self.context(functional.adaptive_avg_pool2d(maps[-1], 2))
        made[-1] = made[-1] + functional.interpolate(pooled, size=made[-1].shape[-2:], mode="bilinear")
        for lower in range(len(made) - 1, 0, -1):
            made[lower - 1] = made[lower - 1] + functional.interpolate(made[lower], size=made[lower - 1].shape[-2:])
        return tuple(convolve(x) for convolve, x in zip(self.smooth, made, strict=True))
