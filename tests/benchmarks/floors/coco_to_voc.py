"""The shortest straightforward way from COCO to VOC: no check of anything. Arguments: the JSON file, its images, a fresh folder."""

# pathlib would be slower:
# ruff: noqa: PTH103, PTH122, PTH123
import json
import math
import os
import sys
from xml.sax.saxutils import escape

source, pictures, target = sys.argv[1:]
with open(source) as file:
    data = json.load(file)
names = {category["id"]: escape(category["name"]) for category in data["categories"]}
boxes = {image["id"]: [] for image in data["images"]}
for annotation in data["annotations"]:
    boxes[annotation["image_id"]].append(annotation)
os.makedirs(f"{target}/JPEGImages")
os.makedirs(f"{target}/Annotations")
for image in data["images"]:
    width, height = image["width"], image["height"]
    objects = []
    for annotation in boxes[image["id"]]:
        x, y, w, h = annotation["bbox"]
        objects.append(f"""  <object>
    <name>{names[annotation["category_id"]]}</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>0</difficult>
    <bndbox>
      <xmin>{math.floor(x) + 1}</xmin>
      <ymin>{math.floor(y) + 1}</ymin>
      <xmax>{min(math.ceil(x + w), width)}</xmax>
      <ymax>{min(math.ceil(y + h), height)}</ymax>
    </bndbox>
  </object>
""")
    text = f"""<annotation>
  <folder>JPEGImages</folder>
  <filename>{escape(image["file_name"])}</filename>
  <size>
    <width>{width}</width>
    <height>{height}</height>
    <depth>3</depth>
  </size>
  <segmented>0</segmented>
{"".join(objects)}</annotation>
"""
    os.link(f"{pictures}/{image['file_name']}", f"{target}/JPEGImages/{image['file_name']}")
    with open(f"{target}/Annotations/{os.path.splitext(image['file_name'])[0]}.xml", "w") as file:
        file.write(text)
