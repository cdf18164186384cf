"""Shifted copies of 720p JPEGs beside a bare OpenCV loop (floors/shift_opencv.py), in alternation: CPU time of whole processes.

python -m tests.benchmarks.shifting [--images N] [--copies N] [--rounds N]
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from tests.benchmarks.conversions import FLOORS, RAM, Comparison, cost

SIZE, PICTURES = (1280, 720), 10
GOAL = 1 / 1.15
RECIPE = """name: shift
title: shifted copies
read: {{format: images}}
steps:
  - shift: {{offsets: {offsets}, keep_original: false}}
write: {{format: coco}}
"""


def make_images(folder: Path, images: int) -> None:
    """Pictures of about 200 kB, as cameras give them: shapes, gradients, a little noise."""
    folder.mkdir()
    draw = random.Random(0)
    for number in range(images):
        target = folder / f"{number:05}.jpg"
        if number >= PICTURES:
            shutil.copyfile(folder / f"{number % PICTURES:05}.jpg", target)
            continue
        picture = Image.merge("RGB", [Image.effect_noise(SIZE, 14) for _ in range(3)])
        pen = ImageDraw.Draw(picture, "RGBA")
        for _ in range(60):
            x, y, side = draw.randrange(SIZE[0]), draw.randrange(SIZE[1]), draw.randrange(20, 200)
            pen.ellipse((x, y, x + side, y + side), fill=(*(draw.randrange(256) for _ in range(3)), 130))
        picture.save(target, quality=90)


def measure(images: int = 600, copies: int = 1, rounds: int = 3) -> Comparison:
    """The floor, ours with one process and ours with two, one after the other in each round."""
    comparison = Comparison("shift", GOAL)
    offsets = [[16 * (number + 1), 16 * (number % 3)] for number in range(copies)]
    with tempfile.TemporaryDirectory(prefix="shifting", dir=RAM if RAM.is_dir() else None) as folder:
        root = Path(folder)
        source, target, recipe = root / "images", root / "out", root / "shift.yaml"
        make_images(source, images)
        recipe.write_text(RECIPE.format(offsets=offsets))
        commands = {"floor": [sys.executable, FLOORS / "shift_opencv.py", source, target, str(copies)]}
        for who, processes in {"ours": "1", "ours, two": "2"}.items():
            commands[who] = [sys.executable, "-m", "recipes", recipe, source, target, "--processes", processes]
        for _ in range(rounds):
            for who, command in commands.items():
                comparison.costs.setdefault(who, []).append(cost(*command))
                shutil.rmtree(target)
    return comparison


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    for name, default in {"images": 600, "copies": 1, "rounds": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    comparison = measure(options.images, options.copies, options.rounds)
    print("\n".join(comparison.lines(options.images * options.copies)))


if __name__ == "__main__":
    main()
