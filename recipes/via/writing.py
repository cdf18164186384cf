"""VIA 2 projects and annotation files, image by image. Format: ox-vgg/via at aa9b87f, via-2.x.y, project_save_confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import orjson

from recipes.dataset import Annotation, Flag, ImageRecord, Polygons
from recipes.masks.regions import bounds
from recipes.via.reading import FILE_ATTRIBUTES, FLAGS
from recipes.via.shapes import BOX_KEYS

VERSION = "2.0.10"
CLASS = "class"
EXACT = 1e-9
SETTINGS: dict[str, Any] = {
    "ui": {
        "annotation_editor_height": 25,
        "annotation_editor_fontsize": 0.8,
        "leftsidebar_width": 18,
        "image_grid": {
            "img_height": 80,
            "rshape_fill": "none",
            "rshape_fill_opacity": 0.3,
            "rshape_stroke": "yellow",
            "rshape_stroke_width": 2,
            "show_region_shape": True,
            "show_image_policy": "all",
        },
        "image": {
            "region_label": CLASS,
            "region_color": CLASS,
            "region_label_font": "10px Sans",
            "on_image_annotation_editor_placement": "NEAR_REGION",
        },
    },
    "core": {"buffer_size": 18, "filepath": {}, "default_filepath": ""},
    "project": {"name": "via_project"},
}


@dataclass(slots=True)
class Encoded:
    """The images of a chunk that go into one file: their keys and entries, the attributes they have, what is not held."""

    keys: list[str] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    attributes: dict[str, None] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)

    def add(self, record: ImageRecord, size_bytes: int) -> None:
        """Add one image; its file has so many bytes, -1 where there is none, as VIA says for images of the web."""
        regions = [self._region(annotation) for annotation in record.annotations]
        of_file = record.annotations[0].attributes if record.annotations else None
        entry = {
            "filename": record.name,
            "size": size_bytes,
            "regions": regions,
            FILE_ATTRIBUTES: (of_file or {}).get(FILE_ATTRIBUTES, {}),
        }
        key = f"{record.name}{size_bytes}"
        self.keys.append(key)
        self.entries.append(orjson.dumps(key) + b":" + orjson.dumps(entry))

    def _region(self, annotation: Annotation) -> dict[str, Any]:
        attributes = {key: value for key, value in (annotation.attributes or {}).items() if key != FILE_ATTRIBUTES}
        self.lost["attributes"] += len(attributes.keys() & {CLASS, FLAGS})
        own = {CLASS: annotation.label, **{key: value for key, value in attributes.items() if key not in (CLASS, FLAGS)}}
        if annotation.flags:
            own[FLAGS] = {flag.value: True for flag in Flag if flag in annotation.flags}
        self.attributes |= dict.fromkeys(own)
        return {"shape_attributes": self._shape(annotation), "region_attributes": own}

    def _shape(self, annotation: Annotation) -> dict[str, Any]:
        box = annotation.x, annotation.y, annotation.w, annotation.h
        rectangle = dict(zip(BOX_KEYS, box, strict=True))
        if not isinstance(annotation.mask, Polygons):
            return {"name": "rect", **rectangle}
        if len(annotation.mask.parts) != 1:
            self.lost["parts"] += 1
            return {"name": "rect", **rectangle}
        outline = annotation.mask.parts[0]
        polygon = {"name": "polygon", "all_points_x": outline[::2], "all_points_y": outline[1::2]}
        # A polygon of VIA has no box; one that is not the outline's own is kept in keys that VIA leaves alone.
        agrees = all(abs(one - other) <= EXACT for one, other in zip(bounds(outline), box, strict=True))
        return polygon if agrees else polygon | rectangle


class ProjectFile:
    """One file as it grows; bare: the annotations alone, without what makes them a project."""

    def __init__(self, out: IO[bytes], classes: Sequence[str], *, bare: bool) -> None:
        self._out, self._classes, self._bare = out, classes, bare
        self._keys: list[bytes] = []
        self._attributes: dict[str, None] = {}
        out.write(b"{" if bare else b'{"_via_settings":' + orjson.dumps(SETTINGS) + b',"_via_img_metadata":{')

    def add(self, encoded: Encoded) -> None:
        """Add a chunk of images."""
        self._out.write((b",\n" if self._keys else b"\n") + b",\n".join(encoded.entries))
        self._keys.append(orjson.dumps(encoded.keys)[1:-1])
        self._attributes |= encoded.attributes

    def finish(self) -> None:
        """Write what follows the images."""
        self._out.write(b"\n}")
        if self._bare:
            return
        text = {"type": "text", "description": "", "default_value": ""}
        known = {CLASS: _choice("dropdown", self._classes), FLAGS: _choice("checkbox", [flag.value for flag in Flag])}
        region = {name: known.get(name, text) for name in (CLASS, *self._attributes)}
        definitions = orjson.dumps({"region": region, "file": {}})
        keys = b",".join(self._keys)
        self._out.write(
            b',"_via_attributes":%b,"_via_data_format_version":%b,"_via_image_id_list":[%b]}' % (definitions, orjson.dumps(VERSION), keys)
        )


def _choice(kind: str, options: Sequence[str]) -> dict[str, Any]:
    return {"type": kind, "description": "", "options": {name: name for name in options}, "default_options": {}}
