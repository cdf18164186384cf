"""The shortest straightforward way from VOC to COCO: no check of anything. Arguments: the folder with Annotations/, the JSON file."""

# pathlib would be slower:
# ruff: noqa: PTH123, PTH208
import json
import os
import sys
from xml.etree import ElementTree

source, target = sys.argv[1:]
names, images, annotations = {}, [], []
for image_id, name in enumerate(sorted(os.listdir(f"{source}/Annotations")), start=1):
    root = ElementTree.parse(f"{source}/Annotations/{name}").getroot()
    size = root.find("size")
    width, height = int(size.findtext("width")), int(size.findtext("height"))
    images.append({"id": image_id, "file_name": root.findtext("filename"), "width": width, "height": height})
    for item in root.findall("object"):
        box = item.find("bndbox")
        x, y = float(box.findtext("xmin")) - 1, float(box.findtext("ymin")) - 1
        w, h = float(box.findtext("xmax")) - x, float(box.findtext("ymax")) - y
        label = names.setdefault(item.findtext("name"), len(names) + 1)
        annotations.append(
            {"id": len(annotations) + 1, "image_id": image_id, "category_id": label, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0}
        )
categories = [{"id": number, "name": name} for name, number in names.items()]
with open(target, "w") as file:
    file.write(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
