"""Stands in for M2Det's reader of Pascal VOC: twenty names, a table made once, lower-case names, whole coordinates, a number for a year."""

import os
import xml.etree.ElementTree as ET

import cv2

from .voc_eval import voc_eval

VOC_CLASSES = (
    "__background__", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)


class AnnotationTransform:
    def __init__(self):
        self.class_to_ind = dict(zip(VOC_CLASSES, range(len(VOC_CLASSES))))

    def __call__(self, target):
        found = []
        for obj in target.iter("object"):
            int(obj.find("difficult").text)
            name = obj.find("name").text.lower().strip()
            box = [int(obj.find("bndbox").find(each).text) - 1 for each in ("xmin", "ymin", "xmax", "ymax")]
            found.append(box + [self.class_to_ind[name]])
        return found


class VOCDetection:
    def __init__(self, root, image_sets, preproc=None, target_transform=AnnotationTransform()):
        self.root, self.image_set, self.target_transform, self.ids = root, image_sets, target_transform, []
        for year, name in image_sets:
            self._year = year
            rootpath = os.path.join(self.root, "VOC" + year)
            for line in open(os.path.join(rootpath, "ImageSets", "Main", name + ".txt")):
                self.ids.append((rootpath, line.strip()))

    def __getitem__(self, index):
        root, name = self.ids[index]
        target = ET.parse(os.path.join(root, "Annotations", name + ".xml")).getroot()
        height, width, _ = self.pull_image(index).shape
        return self.target_transform(target), (height, width)

    def __len__(self):
        return len(self.ids)

    def pull_image(self, index):
        root, name = self.ids[index]
        return cv2.imread(os.path.join(root, "JPEGImages", name + ".jpg"), cv2.IMREAD_COLOR)

    def evaluate_detections(self, all_boxes, output_dir=None):
        for number, cls in enumerate(VOC_CLASSES):
            if cls != "__background__":
                print("Writing {} VOC results file".format(cls))
                self._write(self._results_file(cls), all_boxes[number])
        self._do_python_eval(output_dir)

    def _results_file(self, cls):
        folder = os.path.join(self.root, "results", "VOC" + self._year, "Main")
        if not os.path.exists(folder):
            os.makedirs(folder)
        return os.path.join(folder, "comp4_det_test_{:s}.txt".format(cls))

    def _write(self, path, boxes_of_images):
        with open(path, "wt") as file:
            for (_, name), boxes in zip(self.ids, boxes_of_images):
                for box in boxes:
                    file.write("{:s} {:.3f} {:.1f} {:.1f} {:.1f} {:.1f}\n".format(name, box[4], *[value + 1 for value in box[:4]]))

    def _do_python_eval(self, output_dir="output"):
        folder = os.path.join(self.root, "VOC" + self._year)
        annotations = os.path.join(folder, "Annotations", "{:s}.xml")
        listing = os.path.join(folder, "ImageSets", "Main", self.image_set[0][1] + ".txt")
        cache = os.path.join(self.root, "annotations_cache")
        use_07_metric = int(self._year) < 2010
        print("VOC07 metric? " + ("Yes" if use_07_metric else "No"))
        aps = []
        for cls in VOC_CLASSES:
            if cls == "__background__":
                continue
            _, _, ap = voc_eval(self._results_file(cls), annotations, listing, cls, cache, ovthresh=0.5, use_07_metric=use_07_metric)
            aps.append(ap)
            print("AP for {} = {:.4f}".format(cls, ap))
        print("Mean AP = {:.4f}".format(sum(aps) / len(aps)))
        print("~~~~~~~~\nResults:")
        for ap in aps:
            print("{:.3f}".format(ap))
        print("{:.3f}\n~~~~~~~~\n".format(sum(aps) / len(aps)))
        print("-" * 62 + "\n-- Thanks, The Management\n" + "-" * 62)
