"""The shortest way from YOLO to COCO: no check of anything. Arguments: the folder (images/, labels/), the JSON file."""

# pathlib would be slower:
# ruff: noqa: PTH123, PTH208
import json
import os
import sys


def jpeg_size(data):
    at = 2
    while not (0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC)):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")


source, target = sys.argv[1:]
with open(f"{source}/classes.txt") as file:
    names = file.read().split("\n")
images, annotations = [], []
for image_id, name in enumerate(sorted(os.listdir(f"{source}/images")), start=1):
    with open(f"{source}/images/{name}", "rb") as file:
        width, height = jpeg_size(file.read(4096))
    images.append({"id": image_id, "file_name": name, "width": width, "height": height})
    with open(f"{source}/labels/{name[:-4]}.txt") as file:
        for line in file:
            label, x, y, w, h = line.split()
            w, h = float(w) * width, float(h) * height
            box = [float(x) * width - w / 2, float(y) * height - h / 2, w, h]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image_id, "category_id": int(label) + 1, "bbox": box, "area": w * h, "iscrowd": 0}
            )
categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
with open(target, "w") as file:
    file.write(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
