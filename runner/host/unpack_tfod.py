"""``python unpack_tfod.py <glob> <folder> <label map>``: the pictures of TFRecords as files, with a COCO listing that names them.

Runs in the training environment's Python. An image's id is its record's number, from 1; its name is the record's own, behind that number
where another one has it.
"""

import glob
import json
import os
import sys

LONGEST_NAME = 200


def main() -> None:
    """Every record's picture becomes a file of the folder; ``listing.json`` there tells which."""
    pattern, folder, label_map = sys.argv[1:]
    import tensorflow as tf
    from object_detection.utils import label_map_util

    os.makedirs(folder, exist_ok=True)
    images, used = [], set()
    for path in sorted(glob.glob(pattern)):
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            name = own_name(features)
            if not name or name.lower() in used:
                name = "%06d_%s" % (len(images) + 1, name)
            used.add(name.lower())
            with open(os.path.join(folder, name), "wb") as file:
                file.write(b"".join(features["image/encoded"].bytes_list.value))
            images.append({"id": len(images) + 1, "file_name": name})
    if not images:
        sys.exit("No record matches %s." % pattern)
    categories = [{"id": number, "name": name} for name, number in label_map_util.get_label_map_dict(label_map).items()]
    with open(os.path.join(folder, "listing.json"), "w", encoding="utf-8") as file:
        json.dump({"images": images, "annotations": [], "categories": categories}, file)


def own_name(features) -> str:
    """The record's name for its picture, without folders and what no file may be called."""
    text = b"".join(features["image/filename"].bytes_list.value).decode("utf-8", "replace").replace("\\", "/")
    name = "".join(letter for letter in text.rpartition("/")[2] if letter.isprintable()).lstrip(".")
    return name.encode()[-LONGEST_NAME:].decode("utf-8", "ignore")


if __name__ == "__main__":
    main()
