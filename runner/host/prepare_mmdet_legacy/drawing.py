"""Drawings of detections: those of the framework where it made some (2.x), else our own; and videos of drawn frames."""

import colorsys
import os
import shutil

import cv2
import numpy

from .sources import FOLDER

RESULTS, PICTURES = "results", "pictures"
GOLDEN = 0.618033988749895
MASK_SHARE = 0.45
CODEC = "mp4v"


class Drawings:
    """``results/video.mp4``, and where pictures are asked for ``results/pictures/<name>.jpg``, of frames too."""

    def __init__(self, request):
        self.request, self.videos, self.now, self.writer = request, 0, None, None
        os.makedirs("%s/%s" % (RESULTS, PICTURES), exist_ok=True)

    def add(self, picture, found):
        """The path of a drawn picture below ``results/``; None where none is asked for."""
        kept = "pictures" in self.request["results"]
        if not (kept or picture.video):
            return None
        pixels = self.drawn(picture, found)
        if picture.video:
            self.add_frame(picture, pixels)
        if not kept:
            return None
        path = "%s/%s" % (PICTURES, picture.file)
        cv2.imwrite("%s/%s" % (RESULTS, path), pixels)
        return path

    def drawn(self, picture, found):
        """The framework's own drawing, else ours. It draws nothing of a picture without detections."""
        own = os.path.join(self.request["drawn"] or "", picture.file)
        pixels = cv2.imread(own) if self.request["drawn"] and os.path.isfile(own) else None
        if pixels is not None:
            return pixels
        return outlined(cv2.imread(os.path.join(FOLDER, picture.file)), found, self.request["classes"])

    def add_frame(self, picture, pixels):
        if picture.number == 1:
            self.close()
            self.videos += 1
            name = "video.mp4" if self.videos == 1 else "video_%d.mp4" % self.videos
            self.now = (picture.video.size[0] // 2 * 2, picture.video.size[1] // 2 * 2)  # an odd side is none for the codec
            self.writer = cv2.VideoWriter("%s/%s" % (RESULTS, name), cv2.VideoWriter_fourcc(*CODEC), picture.video.fps, self.now)
        if pixels.shape[1::-1] != picture.video.size:
            pixels = cv2.resize(pixels, picture.video.size)
        self.writer.write(numpy.ascontiguousarray(pixels[: self.now[1], : self.now[0]]))

    def close(self):
        """The video under way is whole after this."""
        if self.writer is not None:
            self.writer.release()
            self.writer = None

    def finish(self):
        """What was only on the way goes."""
        self.close()
        if self.request["drawn"]:
            shutil.rmtree(self.request["drawn"], ignore_errors=True)


def outlined(pixels, found, classes):
    """A picture with boxes, masks and names, the best on top."""
    line = max(1, max(pixels.shape[:2]) // 400)
    for label, score, box, mask in reversed(found):
        colour = colour_of(label)
        if mask is not None:
            fill(pixels, mask, colour)
        x1, y1, x2, y2 = (round(side) for side in box)
        cv2.rectangle(pixels, (x1, y1), (x2, y2), colour, line)
        text = "%s %.2f" % (classes[label], score)
        place = (max(0, x1), y1 - 3 if y1 > 12 else min(pixels.shape[0] - 3, y1 + 12))
        cv2.putText(pixels, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4 + line / 10, colour, line, cv2.LINE_AA)
    return pixels


def fill(pixels, mask, colour):
    """A mask over the picture; test.py keeps masks as run lengths."""
    if isinstance(mask, dict):
        from pycocotools.mask import decode

        mask = decode(mask)
    inside = numpy.asarray(mask).astype(bool)
    pixels[inside] = (pixels[inside] * (1 - MASK_SHARE) + numpy.array(colour) * MASK_SHARE).astype(numpy.uint8)


def colour_of(label):
    """BGR; neighbouring labels lie far apart on the colour wheel."""
    red, green, blue = colorsys.hsv_to_rgb((0.08 + label * GOLDEN) % 1.0, 0.85, 1.0)
    return int(blue * 255), int(green * 255), int(red * 255)
