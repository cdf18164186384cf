"""What a prediction leaves below ``results/``: predictions.json (COCO's result list with names; classes count from 1), drawn videos, and
where asked for drawn pictures, coco.bbox.json and predictions.pkl (boxes of each class of each picture, as test.py keeps them)."""

import colorsys
import heapq
import json
import os
import pickle

from .datasets import RESULTS

SHOWN, MOST_NAMED = 10, 100
# Bytes; file systems end at 255, and numbers and an extension follow.
LONGEST_NAME = 200
CODEC, USUAL_RATE = "mp4v", 25.0


class JsonList:
    """A JSON array in a file, an item a line."""

    def __init__(self, name):
        self.file = open("%s/%s" % (RESULTS, name), "w", encoding="utf-8")  # noqa: SIM115  closed by close()
        self.before = "[\n"

    def add(self, item):
        self.file.write(self.before + json.dumps(item))
        self.before = ",\n"

    def close(self):
        self.file.write(("" if self.before.startswith(",") else "[") + "\n]\n")
        self.file.close()


class Output:
    """All that is made, written as it comes; only what a pickle holds stays in memory."""

    def __init__(self, plan):
        self.classes, self.score, self.wanted = plan["classes"], plan["score"], set(plan["results"])
        self.images = self.frames = self.videos = 0
        self.counts, self.best, self.left_out, self.kept = dict.fromkeys(self.classes, 0), [], [], []
        self.used = set()
        self.named = JsonList("predictions.json")
        self.bare = JsonList("coco.bbox.json") if "coco" in self.wanted else None

    def take(self, image_id, name, path, detect):
        """One picture, or all frames of one video."""
        import cv2

        image = cv2.imread(path)
        if image is not None:
            found = self.note(image_id, name, detect(image))
            if "pictures" in self.wanted:
                self.show(name, drawn(image, found, self.classes), found)
        elif not self.video(image_id, name, path, detect):
            why = "it is neither a picture nor a video that can be read" if os.path.isfile(path) else "the file is not there"
            self.left_out.append({"name": name, "why": why})
            print("left out: %s: %s" % (name, why), flush=True)

    def note(self, image_id, name, by_class):
        """Write the boxes down; returns those of enough score, as (score, class from 0, (x1, y1, x2, y2)), the best first."""
        self.images += 1
        if "pickle" in self.wanted:
            self.kept.append(by_class)
        found = [(float(box[4]), number, tuple(map(float, box[:4]))) for number, boxes in enumerate(by_class[1:]) for box in boxes]
        found.sort(reverse=True)
        for score, number, (x1, y1, x2, y2) in found:
            entry = {"image_id": image_id, "category_id": number + 1, "bbox": [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)]}
            entry["score"] = round(score, 4)
            if self.bare:
                self.bare.add(entry)
            self.named.add(dict(entry, file_name=name, category=self.classes[number]))
        seen = [each for each in found if each[0] >= self.score]
        for _, number, _ in seen:
            self.counts[self.classes[number]] += 1
        return seen

    def show(self, name, image, found, number=None):
        """A drawn picture, or the frame of this number."""
        import cv2

        path = "pictures/%s.jpg" % self.unused(name, number)
        cv2.imwrite("%s/%s" % (RESULTS, path), image)
        # The counter keeps pictures of the same score in their order, and dictionaries from being compared.
        entry = (found[0][0] if found else 0.0, -self.images, {"picture": path, "boxes": len(found)})
        (heapq.heappush if len(self.best) < SHOWN else heapq.heappushpop)(self.best, entry)

    def unused(self, name, number):
        """What a drawing is called: folders become part of the name, and of ``a.jpg`` and ``a.png`` the second gets a number."""
        stem = os.path.splitext(name)[0].replace("/", "_").encode("utf-8")[:LONGEST_NAME].decode("utf-8", "ignore")
        wanted = found = stem if number is None else "%s_%06d" % (stem, number)
        repeated = 1
        while found in self.used:
            repeated += 1
            found = "%s_%d" % (wanted, repeated)
        self.used.add(found)
        return found

    def video(self, image_id, name, path, detect):
        """Whether it is a video. Its frames are pictures of their own only where pictures are asked for."""
        import cv2

        if not is_video(path):
            return False
        capture, writer, number = cv2.VideoCapture(path), None, 0
        try:
            while True:
                there, image = capture.read()
                if not there:
                    return number > 0
                number += 1
                found = self.note(image_id, "%s#%d" % (name, number), detect(image))
                image = drawn(image, found, self.classes)
                writer = writer or self.writer(capture.get(cv2.CAP_PROP_FPS), image)
                writer.write(image)
                if "pictures" in self.wanted:
                    self.show(name, image, found, number)
        finally:
            self.frames += number
            capture.release()
            if writer is not None:
                writer.release()

    def writer(self, rate, image):
        """A video of the same speed and size."""
        import cv2

        self.videos += 1
        name = "video.mp4" if self.videos == 1 else "video_%d.mp4" % self.videos
        size = (image.shape[1], image.shape[0])
        return cv2.VideoWriter("%s/%s" % (RESULTS, name), cv2.VideoWriter_fourcc(*CODEC), rate if 0 < rate <= 240 else USUAL_RATE, size)

    def finish(self):
        """End what was written; returns all of it in numbers."""
        self.named.close()
        if self.bare:
            self.bare.close()
        if "pickle" in self.wanted:
            with open(RESULTS + "/predictions.pkl", "wb") as file:
                pickle.dump([[found[number] for found in self.kept] for number in range(len(self.classes) + 1)], file, 2)
        shown = [dict(entry, score=round(score, 4)) for score, _, entry in sorted(self.best, reverse=True)]
        return {
            "images": self.images, "frames": self.frames, "boxes": sum(self.counts.values()), "score": self.score, "classes": self.counts,
            "shown": shown, "left_out": self.left_out[:MOST_NAMED], "left_out_count": len(self.left_out),
        }  # fmt: skip


def is_video(path):
    """By its first bytes: ISO media (MP4, MOV), Matroska (MKV, WebM), AVI, Ogg, MPEG.

    The library is handed nothing else: it would take a text for a playlist, and open what that names.
    """
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(12)
    iso, riff = head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"), head[:4] == b"RIFF" and head[8:] == b"AVI "
    return iso or riff or head[:4] in (b"\x1aE\xdf\xa3", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3")


def drawn(image, found, classes):
    """The picture with its boxes, the weakest first, each with its name."""
    import cv2

    thick = max(1, sum(image.shape[:2]) // 600)
    for score, number, box in reversed(found):
        left, top, right, bottom = [round(value) for value in box]
        hue = color(number, len(classes))
        cv2.rectangle(image, (left, top), (right, bottom), hue, thick)
        words = "%s %.2f" % (classes[number], score)
        cv2.putText(image, words, (left, max(12, top - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thick + 0.1, hue, thick)
    return image


def color(number, classes):
    """A color of its own for each class, BGR."""
    red, green, blue = colorsys.hsv_to_rgb(number / max(1, classes), 0.9, 1.0)
    return int(255 * blue), int(255 * green), int(255 * red)
