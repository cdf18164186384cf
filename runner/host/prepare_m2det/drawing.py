"""The verb ``draw``: a trained M2Det on pictures, a split of a dataset or videos; demo.py knows only COCO's names and fails where it
finds nothing.

The net, its priors and the detections of one picture are the checkout's own (utils/core.py: init_net, image_forward, nms_process), in
the order of its test.py.
"""

import json
import os
import time

from .datasets import RESULTS, VOC_ROOT, lay
from .launching import enter
from .output import Output

TOLD_EVERY_S = 1.0
LONGEST_REASON = 300


def draw(plan, _arguments):
    """``plan`` is m2det.json: {code, config, checkpoint, classes, source, inputs, score, results}."""
    if plan["source"]:
        lay(plan["source"])
    os.makedirs(RESULTS + "/pictures", exist_ok=True)
    enter(plan["code"], ["test.py"])
    detect, told, output, given = detector(plan), 0.0, Output(plan), list(pictures_of(plan))
    for done, (image_id, name, path) in enumerate(given, 1):
        output.take(image_id, name, path, detect)
        if time.time() - told >= TOLD_EVERY_S or done == len(given):
            told = time.time()
            say(signalbox="step", phase="predicting", done=done, total=len(given))
    summary = output.finish()
    if not summary["images"]:
        first = ", ".join("%(name)s (%(why)s)" % each for each in summary["left_out"][:3]) or "there was none"
        raise SystemExit("failed to load image: %s" % first[:LONGEST_REASON])
    say(signalbox="result", summary=summary)


def say(**content):
    """A line of ours in the log."""
    print(json.dumps(content), flush=True)


def detector(plan):
    """A function from a picture (height x width x 3, BGR) to the boxes of each class, background first: n x (x1, y1, x2, y2, score)."""
    import torch
    from configs.CC import Config
    from data import BaseTransform
    from layers.functions import Detect, PriorBox
    from m2det import build_net
    from utils.core import anchors, image_forward, init_net, nms_process

    cfg = Config.fromfile(plan["config"])
    cuda, classes = cfg.test_cfg.cuda, cfg.model.m2det_config.num_classes
    net = build_net("test", size=cfg.model.input_size, config=cfg.model.m2det_config)
    init_net(net, cfg, plan["checkpoint"])
    net.eval()
    with torch.no_grad():
        priors = PriorBox(anchors(cfg)).forward()
    net, priors = (net.cuda(), priors.cuda()) if cuda else (net, priors)
    decode = Detect(classes, cfg.loss.bkg_label, anchors(cfg))
    transform = BaseTransform(cfg.model.input_size, cfg.model.rgb_means, (2, 0, 1))

    def detect(image):
        with torch.no_grad():
            boxes, scores = image_forward(image, net, cuda, priors, decode, transform)
        found = [[[]] for _ in range(classes)]
        nms_process(classes, 0, scores, boxes, cfg, cfg.test_cfg.score_threshold, found, cfg.test_cfg.topk)
        return [each[0] for each in found]

    return detect


def pictures_of(plan):
    """(id, name, path) of everything to look at; videos are among the given files."""
    if plan["source"] is None:
        for number, name in enumerate(plan["inputs"], 1):
            yield number, name, os.path.join("data", "inputs", name)
        return
    listing, images = plan["source"]["sets"]["eval"]
    with open(listing, encoding="utf-8") as file:
        if plan["source"]["kind"] == "VOC":
            tree = "%s/VOC%s/JPEGImages" % (VOC_ROOT, plan["source"]["year"])
            for number, stem in enumerate(map(str.strip, file), 1):
                yield number, stem + ".jpg", "%s/%s.jpg" % (tree, stem)
        else:
            for record in json.load(file)["images"]:
                yield record["id"], record["file_name"], os.path.join(images, record["file_name"])
