"""Proves a config before any GPU is taken: the checkout builds its net, and one empty picture goes through it on the CPU."""

from .config import base_config
from .errors import BadSpecError, first_line
from .identity import identify

SIDE = 320
"""The smallest size of M2Det's; its net is the same for all, and this one takes seconds."""
TRIED = "m2det320_vgg.py"


def prove(cfg):
    """The shapes of the net's weights by name, as train.py builds it. BadSpecError in the checkout's own words."""
    import torch
    from addict import Dict
    from m2det import build_net

    try:
        net = build_net("train", size=cfg["model"]["input_size"], config=Dict(cfg["model"]["m2det_config"]))
        net.eval()
        with torch.no_grad():
            net(torch.zeros(1, 3, SIDE, SIDE))
    except Exception as error:
        sentence = "M2Det cannot build the config's model: %s: %s" % (type(error).__name__, first_line(error))
        raise BadSpecError(sentence, "model") from error
    # Counted since torch 0.4.1 only, and of no use to anything here.
    return {name: tuple(value.shape) for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}


def smoke(request):
    """{"code": folder} to what ``identify`` says, once the checkout has built its smallest net and a picture went through it."""
    found = identify(request)
    shapes = prove(base_config({"config": TRIED}, {}, request["code"]))
    return dict(found, weights=len(shapes))
