"""The shortest way to shifted copies of images with OpenCV. Arguments: the folder of JPEGs, the folder to write to, copies of each."""

# pathlib would be slower:
# ruff: noqa: PTH208
import os
import sys

import cv2
import numpy as np

source, target, copies = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.mkdir(target)  # noqa: PTH102
for name in sorted(os.listdir(source)):
    picture = cv2.imread(f"{source}/{name}")
    height, width = picture.shape[:2]
    for number in range(copies):
        dx, dy = 16 * (number + 1), 16 * (number % 3)
        moved = np.zeros_like(picture)
        moved[dy:, dx:] = picture[: height - dy, : width - dx]
        cv2.imwrite(f"{target}/{name[:-4]}_{number}.jpg", moved, [cv2.IMWRITE_JPEG_QUALITY, 90])
