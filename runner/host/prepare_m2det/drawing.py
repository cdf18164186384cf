"""The verb ``draw``: a trained M2Det on pictures, a split of a dataset or videos; demo.py knows only COCO's names and fails where it
finds nothing.

The net, its priors and the detections of one picture are the checkout's own (utils/core.py: init_net, image_forward, nms_process), in
the order of its test.py. Leaves results/predictions.json (COCO's result list; classes count from 1), and as wanted results/pictures,
results/video.mp4 and results/predictions.pkl (boxes of each class of each picture, as test.py keeps them).
"""

import colorsys
import json
import os
import pickle
import time

from .datasets import RESULTS, lay
from .errors import BadSpecError
from .launching import enter

TOLD_EVERY_S = 1.0
PICTURES, PICKLE = "pictures", "pickle"


def draw(plan, _arguments):
    """``plan`` is m2det.json: {code, config, checkpoint, classes, source, inputs, score, results}."""
    if plan["source"]:
        lay(plan["source"])
    else:
        os.makedirs(RESULTS, exist_ok=True)
    enter(plan["code"], ["test.py"])
    detect, given = detector(plan), list(pictures_of(plan))
    with open(RESULTS + "/predictions.json", "w", encoding="utf-8") as file:
        output = Output(file, plan["classes"], plan["score"], plan["results"])
        for number, (image_id, name, path) in enumerate(given, 1):
            output.take(image_id, name, path, detect)
            output.tell(number, len(given))
        output.finish()


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
    elif plan["source"]["kind"] == "VOC":
        listing, _ = plan["source"]["sets"]["eval"]
        tree = "VOCdevkit/VOC%s/JPEGImages" % plan["source"]["year"]
        with open(listing, encoding="utf-8") as file:
            stems = [line.strip() for line in file]
        for number, stem in enumerate(stems, 1):
            yield number, stem + ".jpg", "%s/%s.jpg" % (tree, stem)
    else:
        listing, images = plan["source"]["sets"]["eval"]
        with open(listing, encoding="utf-8") as file:
            records = json.load(file)["images"]
        for record in records:
            yield record["id"], record["file_name"], os.path.join(images, record["file_name"])


class Output:
    """What is found, written down as it comes: nothing but the boxes for a pickle stays in memory."""

    def __init__(self, file, classes, score, wanted):
        self.file = file
        self.classes, self.score, self.wanted = classes, score, set(wanted)
        self.images = self.boxes = self.videos = 0
        self.unread, self.kept, self.told = [], [], 0.0
        self.file.write("[")

    def take(self, image_id, name, path, detect):
        """One picture, or all frames of one video."""
        import cv2

        image = cv2.imread(path)
        if image is not None:
            self.note(image_id, name, detect(image), image)
            if PICTURES in self.wanted:
                self.picture(name, image)
        elif not self.video(image_id, name, path, detect):
            self.unread.append(name)
            print("signalbox: %s is neither a picture nor a video that OpenCV reads" % name, flush=True)

    def note(self, image_id, name, found, image):
        """Write the boxes down and draw those of enough score on the picture."""
        self.images += 1
        if PICKLE in self.wanted:
            self.kept.append(found)
        for number, boxes in enumerate(found[1:], 1):
            for x1, y1, x2, y2, score in [[float(value) for value in box] for box in boxes]:
                box = [x1, y1, x2 - x1, y2 - y1]
                entry = {"image_id": image_id, "category_id": number, "bbox": [round(value, 3) for value in box], "score": round(score, 6)}
                entry.update(file_name=name, category=self.classes[number - 1])
                self.file.write((",\n" if self.boxes else "\n") + json.dumps(entry))
                self.boxes += 1
                if score >= self.score:
                    frame(image, (x1, y1, x2, y2), "%s %.2f" % (self.classes[number - 1], score), color(number, len(self.classes)))

    def picture(self, name, image):
        """A drawn picture; folders in a name become part of it."""
        import cv2

        os.makedirs(RESULTS + "/pictures", exist_ok=True)
        cv2.imwrite("%s/pictures/%s.jpg" % (RESULTS, os.path.splitext(name)[0].replace("/", "_")), image)

    def video(self, image_id, name, path, detect):
        """Whether it is a video; its frames drawn, as long as the given one."""
        import cv2

        capture, writer, frames = cv2.VideoCapture(path), None, 0
        try:
            while True:
                there, image = capture.read()
                if not there:
                    return frames > 0
                frames += 1
                self.note(image_id, "%s#%d" % (name, frames), detect(image), image)
                if PICTURES in self.wanted:
                    writer = writer or self.writer(capture, image)
                    writer.write(image)
                self.tell(frames, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) or None, "frames of %s" % name)
        finally:
            capture.release()
            if writer is not None:
                writer.release()

    def writer(self, capture, image):
        """A video of the same speed and size."""
        import cv2

        self.videos += 1
        name = "video.mp4" if self.videos == 1 else "video_%d.mp4" % self.videos
        rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
        return cv2.VideoWriter("%s/%s" % (RESULTS, name), cv2.VideoWriter_fourcc(*"mp4v"), rate, (image.shape[1], image.shape[0]))

    def tell(self, done, total, phase="pictures"):
        """A line for the card, once a second."""
        now = time.time()
        if now - self.told >= TOLD_EVERY_S or done == total:
            self.told = now
            print(json.dumps({"signalbox": "step", "phase": phase, "done": done, "total": total}), flush=True)

    def finish(self):
        """End what was written and say what it is."""
        self.file.write("\n]\n")
        if not self.images:
            raise BadSpecError("None of the %d given files can be read" % len(self.unread), "files")
        if PICKLE in self.wanted:
            by_class = [[found[number] for found in self.kept] for number in range(len(self.classes) + 1)]
            with open(RESULTS + "/predictions.pkl", "wb") as file:
                pickle.dump(by_class, file, pickle.HIGHEST_PROTOCOL)
        summary = {"images": self.images, "boxes": self.boxes, "unread": self.unread[:20]}
        print(json.dumps({"signalbox": "result", "summary": summary}), flush=True)


def color(number, classes):
    """A color of its own for each class, BGR."""
    red, green, blue = colorsys.hsv_to_rgb(number / (classes + 1.0), 0.9, 1.0)
    return int(255 * blue), int(255 * green), int(255 * red)


def frame(image, box, words, hue):
    """Draw a box and what it is."""
    import cv2

    left, top, right, bottom = [round(value) for value in box]
    thick = max(1, sum(image.shape[:2]) // 600)
    cv2.rectangle(image, (left, top), (right, bottom), hue, thick)
    cv2.putText(image, words, (left, max(12, top - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thick + 0.1, hue, thick)
