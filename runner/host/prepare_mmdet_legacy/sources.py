"""What is predicted on, laid out in one folder as test.py wants it: pictures of a dataset, given pictures, and the frames of videos."""

import collections
import json
import os

import cv2

LISTING, FOLDER = "predicting.json", "predicting"
# Bytes; file systems end at 255, and numbers and an extension follow.
LONGEST_NAME = 200
FRAME_QUALITY = 95

# A picture as it lies in the folder: ``file`` its name there, ``name`` what people call it, ``video`` and ``number`` (from 1) of a frame.
Picture = collections.namedtuple("Picture", "image_id file name width height video number")
Video = collections.namedtuple("Video", "name fps size")


def lay_out(request):
    """(pictures, left out): links and frames in FOLDER, and a COCO listing without annotations."""
    os.makedirs(FOLDER)
    pictures, left_out, names = [], [], Names()
    for name, path, image_id in wanted(request):
        found = list(pictures_of(name, path, names, left_out))
        pictures += [picture._replace(image_id=image_id or len(pictures) + at + 1) for at, picture in enumerate(found)]
    images = [{"id": each.image_id, "file_name": each.file, "width": each.width, "height": each.height} for each in pictures]
    categories = [{"id": at + 1, "name": name} for at, name in enumerate(request["classes"])]
    with open(LISTING, "w", encoding="utf-8") as file:
        json.dump({"images": images, "annotations": [], "categories": categories}, file)
    return pictures, left_out


def wanted(request):
    """(name, path, image id or None) of every picture of the listing, which keep their ids where nothing else comes, then what is given."""
    given = [(item["name"], item["path"], None) for item in request["files"]]
    listing, folder = request["listing"], request["images"]
    if not listing:
        return given
    with open(listing, encoding="utf-8") as file:
        if not listing.endswith(".json"):
            stems = [line.split()[0] for line in file if line.strip()]
            return [(stem + ".jpg", os.path.join(folder, stem + ".jpg"), None) for stem in stems] + given
        images = json.load(file)["images"]
    return [(item["file_name"], os.path.join(folder, item["file_name"]), None if given else item["id"]) for item in images] + given


def pictures_of(name, path, names, left_out):
    """The picture that a file is, or the frames of the video; what cannot be read is left out by name, with the reason."""
    if not os.path.isfile(path):
        left_out.append({"name": name, "why": "the file is not there"})
        return
    pixels = cv2.imread(path)
    if pixels is not None:
        file = names.of(name) + ".jpg"
        # The ending decides what drawings are encoded as; how a picture is decoded, its content tells.
        os.symlink(os.path.abspath(path), os.path.join(FOLDER, file))
        yield Picture(0, file, name, pixels.shape[1], pixels.shape[0], None, 0)
        return
    if not is_video(path):
        left_out.append({"name": name, "why": "it is neither a picture nor a video"})
        return
    capture, number = cv2.VideoCapture(path), 0
    fps = capture.get(cv2.CAP_PROP_FPS)
    while True:
        there, pixels = capture.read()
        if not there:
            break
        number += 1
        file = names.of(name, number) + ".jpg"
        cv2.imwrite(os.path.join(FOLDER, file), pixels, [cv2.IMWRITE_JPEG_QUALITY, FRAME_QUALITY])
        video = Video(name, fps if 0 < fps <= 240 else 25.0, (pixels.shape[1], pixels.shape[0]))
        yield Picture(0, file, name, pixels.shape[1], pixels.shape[0], video, number)
    capture.release()
    if not number:
        left_out.append({"name": name, "why": "no frame of the video can be decoded"})


def is_video(path):
    """By its first bytes: ISO media (MP4, MOV), Matroska (MKV, WebM), AVI, Ogg, MPEG.

    The library is handed nothing else: it would take a text for a playlist, and open what that names.
    """
    with open(path, "rb") as file:
        head = file.read(12)
    iso, riff = head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"), head[:4] == b"RIFF" and head[8:] == b"AVI "
    return iso or riff or head[:4] in (b"\x1aE\xdf\xa3", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3")


class Names:
    """File names for pictures: their own without folders and extension, made unique and safe for any system."""

    def __init__(self):
        self.used = set()

    def of(self, name, number=None):
        """The name for one picture, or for the frame of this number."""
        stem = os.path.splitext(name)[0].strip("/").replace("/", "_")
        safe = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in stem).lstrip(". ")
        safe = safe.encode("utf-8")[:LONGEST_NAME].decode("utf-8", "ignore") or "picture"
        wanted = found = safe if number is None else "%s_%06d" % (safe, number)
        repeated = 1
        while found in self.used:
            repeated += 1
            found = "%s_%d" % (wanted, repeated)
        self.used.add(found)
        return found
