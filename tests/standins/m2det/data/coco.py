"""Stands in for M2Det's reader of COCO: the names it makes up, its cache below HOME, and the table at its end."""

import json
import os
import pickle

import cv2

ROWS = (
    ("0.50:0.95", "   all", 100), ("0.50     ", "   all", 100), ("0.75     ", "   all", 100),
    ("0.50:0.95", " small", 100), ("0.50:0.95", "medium", 100), ("0.50:0.95", " large", 100),
)


class COCODetection:
    def __init__(self, root, image_sets, preproc=None):
        self.root, self.ids, self.annotations = root, [], []
        cache_path = os.path.join(os.path.join(os.path.expanduser("~"), "data"), "coco_cache")
        for year, image_set in image_sets:
            self.coco_name = image_set + year
            prefix = "instances" if "test" not in self.coco_name else "image_info"
            with open(os.path.join(root, "annotations", prefix + "_" + self.coco_name + ".json")) as file:
                content = json.load(file)
            self.image_indexes = [image["id"] for image in content["images"]]
            self.categories = [category["id"] for category in content["categories"]]
            self.ids += [self.image_path_from_index(self.coco_name, index) for index in self.image_indexes]
            if "test" in image_set:
                print("test set will not load annotations!")
                continue
            boxes = [[each["bbox"] for each in content["annotations"] if each["image_id"] == index] for index in self.image_indexes]
            cache_file = os.path.join(cache_path, self.coco_name + "_gt_roidb.pkl")
            with open(cache_file, "wb") as file:
                pickle.dump(boxes, file)
            print("wrote gt roidb to {}".format(cache_file))
            self.annotations += boxes

    def image_path_from_index(self, name, index):
        path = os.path.join(self.root, "images", name, "COCO_" + name + "_" + str(index).zfill(12) + ".jpg")
        assert os.path.exists(path), "Path does not exist: {}".format(path)
        return path

    def __getitem__(self, index):
        height, width, _ = self.pull_image(index).shape
        return self.annotations[index], (height, width)

    def __len__(self):
        return len(self.ids)

    def pull_image(self, index):
        return cv2.imread(self.ids[index], cv2.IMREAD_COLOR)

    def evaluate_detections(self, all_boxes, output_dir):
        found = [
            {"image_id": index, "category_id": category, "bbox": [float(v) for v in box[:4]], "score": float(box[4])}
            for number, category in enumerate(self.categories, 1)
            for index, boxes in zip(self.image_indexes, all_boxes[number]) for box in boxes
        ]
        path = os.path.join(output_dir, "detections_" + self.coco_name + "_results.json")
        print("Collecting Results......\nWriting results json to {}".format(path))
        with open(path, "w") as file:
            json.dump(found, file)
        if "test" in self.coco_name:
            return
        ap = 0.5 if found else 0.0
        print("~~~~ Mean and per-category AP @ IoU=[0.50,0.95] ~~~~\n{:.1f}\n~~~~ Summary metrics ~~~~".format(100 * ap))
        for overlap, area, most in ROWS:
            print(" Average Precision  (AP) @[ IoU={} | area={} | maxDets={:>3d} ] = {:.3f}".format(overlap, area, most, ap))
        print("Wrote COCO eval results to: {}".format(os.path.join(output_dir, "detection_results.pkl")))
