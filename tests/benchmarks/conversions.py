"""Conversions beside the shortest script that does the same (floors/) and beside peers, in alternation: CPU time of whole processes.

    python -m tests.benchmarks.conversions [--images N] [--rounds N] [--peers PYTHON] [--tensorflow PYTHON] [--flat]

--peers names the Python of an environment with globox, --tensorflow of one with TensorFlow. --flat also converts ten times as many
images, for the memory. TFRecords are read without writing anything: the floor does not, either. All lies in a RAM disk, where there is
one: creating files costs whatever the disk of the day costs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

FLOORS = Path(__file__).parent / "floors"
RAM = Path("/dev/shm")
SIZE, BOXES, CLASSES, PICTURES = (500, 375), 8, 20, 500
GOALS = {"voc-to-coco": 1.6, "yolo-to-coco": 2.0, "coco-to-voc": 1.8, "coco-to-yolo": 1.7, "coco-to-tfrecord": None, "tfrecord-read": None}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took: seconds, and bytes at its largest."""

    cpu_s: float
    wall_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The costs of one conversion, of whoever did it."""

    name: str
    goal: float | None
    costs: dict[str, list[Cost]] = field(default_factory=dict)

    def lines(self, images: int) -> list[str]:
        """A line for each, with the ratio of its median CPU time to the floor's."""
        floor = self._cpu("floor")
        said = []
        for who, costs in self.costs.items():
            cpu, wall = self._cpu(who), statistics.median(cost.wall_s for cost in costs)
            peak = max(cost.peak_bytes for cost in costs) / 1e6
            verdict = f"  goal {self.goal:g}: {'kept' if cpu / floor <= self.goal else 'MISSED'}" if who == "ours" and self.goal else ""
            speed = f"{cpu:6.2f} CPU s {wall:6.2f} s {images / cpu:8,.0f}/CPU s {peak:6.0f} MB"
            said.append(f"{self.name:16} {who:12} {speed}  x {cpu / floor:5.2f}{verdict}")
        one, two = (statistics.median(cost.wall_s for cost in self.costs[who]) for who in ("ours", "ours, two"))
        return [*said, f"{self.name:16} two processes take {two / one:.2f} of the wall time of one (goal 0.65)"]

    def _cpu(self, who: str) -> float:
        return statistics.median(cost.cpu_s for cost in self.costs[who])


def cost(*command: str | Path) -> Cost:
    """Run a program to its end. RuntimeError where it fails."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # a process between, whose only child is measured
        os.close(reading)
        before = os.times().elapsed
        done = subprocess.run([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu, wall = used.ru_utime + used.ru_stime, os.times().elapsed - before
        said = [done.returncode, cpu, wall, used.ru_maxrss * 1024, done.stderr[-2000:].decode()]
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        code, cpu, wall, peak, stderr = json.loads(file.read())
    os.waitpid(child, 0)
    if code:
        raise RuntimeError(f"{command}: {stderr}")
    return Cost(cpu, wall, peak)


def ours(name: str, source: Path, target: Path, processes: int = 1) -> Cost:
    """A conversion by this project without further steps, validation and all."""
    if name.endswith("-read"):
        return cost(sys.executable, "-m", "recipes", "tfrecord:coco", source, target, "--dry-run", "--processes", str(processes))
    return cost(sys.executable, "-m", "recipes", name.replace("-to-", ":"), source, target, "--processes", str(processes))


def make_coco(root: Path, images: int) -> None:
    """A COCO dataset: JPEGs of about 20 kB (a few hundred, linked again and again), eight boxes on each."""
    draw = random.Random(0)
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    entries, annotations = [], []
    for number in range(images):
        name = f"{number:06}.jpg"
        if number < PICTURES:
            (root / "images" / name).write_bytes(_jpeg(draw))
        else:
            os.link(root / "images" / f"{number % PICTURES:06}.jpg", root / "images" / name)
        entries.append({"id": number + 1, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        for _ in range(BOXES):
            x, y, w, h = draw.randrange(400), draw.randrange(300), draw.randrange(4, 99), draw.randrange(4, 74)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number + 1, "category_id": draw.randrange(CLASSES) + 1, "bbox": [x, y, w, h],
                 "area": w * h, "iscrowd": 0, "segmentation": []}
            )  # fmt: skip
    categories = [{"id": number + 1, "name": f"class {number}"} for number in range(CLASSES)]
    document = {"images": entries, "annotations": annotations, "categories": categories}
    (root / "annotations/instances.json").write_text(json.dumps(document))


def _jpeg(draw: random.Random) -> bytes:
    picture = Image.effect_noise((125, 94), 60).resize(SIZE).convert("RGB")
    picture.paste((draw.randrange(256), 90, 90), (draw.randrange(200), 40, 300, 200))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


@contextmanager
def sources(images: int) -> Iterator[dict[str, Path]]:
    """The same dataset as COCO, VOC, YOLO and TFRecord."""
    with tempfile.TemporaryDirectory(prefix="conversions", dir=RAM if RAM.is_dir() else None) as folder:
        root = Path(folder)
        make_coco(root / "coco", images)
        for name in ("voc", "yolo", "tfrecord"):
            ours(f"coco-to-{name}", root / "coco", root / name)
        for part in ("images", "labels"):  # as plain as the floor reads it
            (root / "yolo" / part / "train").rename(root / "part")
            (root / "yolo" / part).rmdir()
            (root / "part").rename(root / "yolo" / part)
        (root / "yolo/data.yaml").unlink()
        (root / "yolo/classes.txt").write_text("\n".join(f"class {number}" for number in range(CLASSES)))
        yield {name: root / name for name in ("coco", "voc", "yolo", "tfrecord")} | {"scratch": root}


def measure(images: int = 20_000, rounds: int = 3, peers: str | None = None, tensorflow: str | None = None) -> list[Comparison]:
    """Every conversion by the floor, by us with one process and with two, and by the peers, one after the other in each round."""
    with sources(images) as place:
        comparisons = [Comparison(name, goal) for name, goal in GOALS.items()]
        for comparison in [comparison for _ in range(rounds) for comparison in comparisons]:
            source = place[comparison.name.partition("-")[0]]
            for who, run in _runners(comparison.name, source, peers, tensorflow).items():
                target = place["scratch"] / "out"
                comparison.costs.setdefault(who, []).append(run(target))
                for made in place["scratch"].glob("out*"):
                    shutil.rmtree(made) if made.is_dir() else made.unlink()
        return comparisons


def _runners(name: str, source: Path, peers: str | None, tensorflow: str | None) -> dict[str, Callable[[Path], Cost]]:
    floor = FLOORS / f"{name.replace('-', '_')}.py"
    given = {"coco": [source / "annotations/instances.json", source / "images"], "voc": [source / "VOC2007"], "yolo": [source]}
    arguments = given.get(name.partition("-")[0]) or sorted(source.glob("*.record*"))
    runners: dict[str, Callable[[Path], Cost]] = {
        "floor": lambda target: cost(sys.executable, floor, *arguments, *(() if name.endswith("-read") else (target,))),
        "ours": lambda target: ours(name, source, target),
        "ours, two": lambda target: ours(name, source, target, 2),
    }
    for peer, command in _peer_commands(name, source).items() if peers else ():
        runners[peer] = lambda target, command=command: cost(*command(peers, target))  # type: ignore[misc]
    if tensorflow and name == "coco-to-tfrecord":
        runners["TensorFlow"] = lambda target: cost(tensorflow, FLOORS / "tfrecord_tensorflow.py", *arguments, target)
    return runners


def _peer_commands(name: str, source: Path) -> dict[str, Callable[[str, Path], Sequence[str | Path]]]:
    """How peers do the same, where they do."""
    if name == "voc-to-coco":
        script = (
            "import sys, globox, pathlib\n"
            "s = globox.AnnotationSet.from_pascal_voc(pathlib.Path(sys.argv[1]))\ns.save_coco(pathlib.Path(sys.argv[2]), auto_ids=True)"
        )
        folder = source / "VOC2007/Annotations"
        return {"globox": lambda python, target: (python, "-c", script, folder, target)}
    return {}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers")
    parser.add_argument("--tensorflow")
    parser.add_argument("--flat", action="store_true")
    options = parser.parse_args(arguments)
    for comparison in measure(options.images, options.rounds, options.peers, options.tensorflow):
        print("\n".join(comparison.lines(options.images)))
    starts = [cost(sys.executable, "-m", "recipes", "show", "voc-to-coco").cpu_s for _ in range(7)]
    print(f"start of a recipe: {statistics.median(starts):.3f} CPU s (goal 0.15)")
    if options.flat:
        with sources(10 * options.images) as place:
            for name in GOALS:
                found = ours(name, place[name.partition("-")[0]], place["scratch"] / "out")
                shutil.rmtree(place["scratch"] / "out", ignore_errors=True)
                print(f"{name:14} {10 * options.images:,} images: peak {found.peak_bytes / 1e6:.0f} MB, {found.cpu_s:.1f} CPU s")
    print(f"{os.cpu_count()} cores; load of the last 1, 5 and 15 minutes: {os.getloadavg()}")


if __name__ == "__main__":
    main()
