"""Everything that a prediction makes, a picture at a time, and its sum at the end."""

from __future__ import annotations

import heapq
import os
from collections.abc import Mapping
from typing import Any

from .drawing import drawn
from .files import JsonList, PickleList, VideoFile, box_entry, category_ids, coco_entry, write_cityscapes, write_jpeg
from .model import Detection, detections
from .sources import Frame, Names

RESULTS = "results"
SHOWN = 10
MOST_NAMED = 100


class Results:
    """The files below ``results/``. A video is always drawn as a video; ``pictures`` asks for drawn pictures, of a video one a second."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._request, self._classes, self._wanted = request, request["classes"], set(request["results"])
        for folder in [""] + [name for name in ("pictures", "cityscapes") if name in self._wanted]:
            os.makedirs(os.path.join(RESULTS, folder), exist_ok=True)
        self._names, self._video, self._videos = Names(), None, 0
        self._all = JsonList("%s/predictions.json" % RESULTS)
        self._pickle = _Pickle("%s/predictions.pkl" % RESULTS) if "pickle" in self._wanted else None
        self._coco = _Coco(request) if "coco" in self._wanted else None
        self._counts, self._images, self._frames = dict.fromkeys(self._classes, 0), 0, 0
        self._best: list[tuple[float, int, dict[str, Any]]] = []
        self._left_out: list[dict[str, str]] = []
        self._left_out_count = 0

    def leave_out(self, name: str, why: str) -> None:
        """A picture that could not be read."""
        self._left_out_count += 1
        if len(self._left_out) < MOST_NAMED:
            self._left_out.append({"name": name, "why": why})

    def add(self, frame: Frame, sample: Any) -> None:
        """All that is wanted of one picture."""
        found, name = detections(sample), self._names.of(frame)
        for item in found:
            self._all.add(box_entry(frame, item, self._classes))
        if self._coco:
            self._coco.add(frame, found)
        if self._pickle:
            self._pickle.add(sample)
        if "cityscapes" in self._wanted:
            write_cityscapes("%s/cityscapes" % RESULTS, name, found, self._classes, self._request["cityscapes"])
        self._show(frame, name, [item for item in found if item.score >= self._request["score"]])

    def _show(self, frame: Frame, name: str, seen: list[Detection]) -> None:
        self._images += 1
        self._frames += frame.video is not None
        for item in seen:
            self._counts[self._classes[item.label]] += 1
        kept = "pictures" in self._wanted and (frame.video is None or (frame.number - 1) % max(1, round(frame.video.fps)) == 0)
        picture = drawn(frame.pixels, seen, self._classes) if kept or frame.video else None
        if frame.video:
            self._add_to_video(frame, picture)
        if kept:
            self._keep(name, picture, seen)

    def _keep(self, name: str, picture: Any, seen: list[Detection]) -> None:
        path = "pictures/%s.jpg" % name
        write_jpeg("%s/%s" % (RESULTS, path), picture)
        # The counter keeps pictures of the same score in their order, and dictionaries from being compared.
        entry = (seen[0].score if seen else 0.0, -self._images, {"picture": path, "boxes": len(seen)})
        (heapq.heappush if len(self._best) < SHOWN else heapq.heappushpop)(self._best, entry)

    def _add_to_video(self, frame: Frame, picture: Any) -> None:
        if self._video is None or frame.number == 1:
            self._end_video()
            self._videos += 1
            name = "video.mp4" if self._videos == 1 else "video_%d.mp4" % self._videos
            self._video = VideoFile(RESULTS, name, frame.video, (picture.shape[1], picture.shape[0]))
        self._video.add(picture)

    def _end_video(self) -> None:
        if self._video:
            self._video.close()
            self._video = None

    def close(self) -> None:
        """Every file is whole after this."""
        self._end_video()
        for file in (self._all, self._coco, self._pickle):
            if file:
                file.close()

    def summary(self) -> dict[str, Any]:
        """In numbers: pictures (frames among them), boxes of at least the score, of each class, and the pictures to show, best first."""
        shown = [dict(entry, score=round(score, 4)) for score, _, entry in sorted(self._best, reverse=True)]
        return {
            "images": self._images, "frames": self._frames, "boxes": sum(self._counts.values()), "score": self._request["score"],
            "classes": self._counts, "shown": shown, "left_out": self._left_out, "left_out_count": self._left_out_count,
        }  # fmt: skip


class _Coco:
    """``coco.bbox.json`` and, once there are masks, ``coco.segm.json``."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._ids = category_ids(request["listing"], request["classes"])
        self._files = {"bbox": JsonList("%s/coco.bbox.json" % RESULTS)}

    def add(self, frame: Frame, found: list[Detection]) -> None:
        if "segm" not in self._files and any(item.mask is not None for item in found):
            self._files["segm"] = JsonList("%s/coco.segm.json" % RESULTS)
        for kind, file in self._files.items():
            for item in found:
                file.add(coco_entry(frame, item, self._ids, with_mask=kind == "segm"))

    def close(self) -> None:
        for file in self._files.values():
            file.close()


class _Pickle:
    """``predictions.pkl``: a list of what tools/test.py --out writes of each picture, by mmdet's own DumpDetResults."""

    def __init__(self, path: str) -> None:
        from mmdet.evaluation import DumpDetResults

        self._dump = DumpDetResults(out_file_path=path)
        self._file = PickleList(path)

    def add(self, sample: Any) -> None:
        self._dump.process({}, [sample.to_dict()])
        self._file.add(self._dump.results.pop())

    def close(self) -> None:
        self._file.close()
