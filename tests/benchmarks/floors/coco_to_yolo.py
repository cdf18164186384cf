"""The shortest straightforward way from COCO to YOLO: no check of anything. Arguments: the JSON file, its images, a fresh folder."""

# pathlib would be slower:
# ruff: noqa: PTH103, PTH122, PTH123
import json
import os
import sys

source, pictures, target = sys.argv[1:]
with open(source) as file:
    data = json.load(file)
ids = {category["id"]: number for number, category in enumerate(data["categories"])}
boxes = {image["id"]: [] for image in data["images"]}
for annotation in data["annotations"]:
    boxes[annotation["image_id"]].append(annotation)
os.makedirs(f"{target}/images")
os.makedirs(f"{target}/labels")
for image in data["images"]:
    width, height = image["width"], image["height"]
    lines = []
    for annotation in boxes[image["id"]]:
        x, y, w, h = annotation["bbox"]
        numbers = f"{(x + w / 2) / width:.6f} {(y + h / 2) / height:.6f} {w / width:.6f} {h / height:.6f}"
        lines.append(f"{ids[annotation['category_id']]} {numbers}\n")
    os.link(f"{pictures}/{image['file_name']}", f"{target}/images/{image['file_name']}")
    with open(f"{target}/labels/{os.path.splitext(image['file_name'])[0]}.txt", "w") as file:
        file.write("".join(lines))
