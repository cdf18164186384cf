"""An attempt's directory for the TensorFlow 2 Object Detection API, worked in as the runner does it, without a host in between."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from recipes.recipe import load_recipe
from recipes.running import run
from runner.entities import Environment, Record
from runner.frameworks.base import DatasetOnHost, LaunchPlan, Prepared, PrepareRequest, Ranks
from runner.frameworks.tfod import framework
from runner.host_program import packed
from runner.own_lines import OwnLines
from runner.preparing import as_bytes, read_answer
from runner.presets import find_preset
from runner.specs import DatasetRef, Kind, ModelSpec, Overrides, Preset, Start, StartMode, TrainSpec
from runner.transports.base import Finished

CLASSES = ("square", "disc")
SIDE = 96
TIMEOUT_S = 1200.0
DATASET = DatasetRef(name="shapes", version=1, fingerprint="f", format="tfrecord")
NANO = find_preset("ssd-mobilenet-v2-nano")


@dataclass(frozen=True)
class Place:
    """``data/`` lies in the directory already; ``images`` counts those of its splits."""

    directory: Path
    environment: Environment
    images: Mapping[str, int]
    classes: tuple[str, ...] = CLASSES
    splits: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def prepare(
        self, spec: TrainSpec | ModelSpec, checkpoints: Sequence[Path] = (), *, trained: Prepared | None = None,
        code: Mapping[str, str] = {},
    ) -> Prepared:
        """What the runner would be answered. BadSpecError as there."""
        splits = self.splits or {split: (f"data/{split}.record*", "data/label_map.pbtxt") for split in self.images}
        dataset = DatasetOnHost("shapes@1", "tfrecord", self.classes, splits, self.images)
        wanted = None if isinstance(spec, ModelSpec) and spec.dataset is None else dataset
        paths = tuple(map(str, checkpoints))
        request = PrepareRequest(
            spec, wanted, paths, str(self.directory), trained=trained, trained_classes=self.classes, code=code
        )
        return read_answer(ask(self.environment.python, "prepare", as_bytes(request), self.directory))

    def work(self, plan: LaunchPlan, prepared: Prepared) -> tuple[int, str, tuple[Record, ...]]:
        """Carry out a launch plan: (exit code, log, what the log says)."""
        for name, content in plan.files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        given = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": ""}
        script = "\n".join((*plan.setup, 'exec "$@"'))
        with (self.directory / "log").open("wb") as log:
            child = subprocess.Popen(
                ["/bin/sh", "-c", script, "sh", *plan.argv], cwd=self.directory, env={**given, **plan.variables},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )
            try:
                code = child.wait(TIMEOUT_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
        said = (self.directory / "log").read_bytes()
        records = OwnLines(framework.log_parser(prepared)).feed(said)
        return code if code >= 0 else 128 - code, said.decode("utf-8", "replace"), tuple(records)

    def train(self, spec: TrainSpec, prepared: Prepared) -> tuple[int, str, tuple[Record, ...]]:
        """Train to the end."""
        return self.work(framework.train(spec, prepared, self.environment, Ranks()), prepared)


def ask(python: str, verb: str, request: bytes, folder: Path) -> Finished:
    """One call of the prepare program, as the one file that a host gets."""
    program = folder / "prepare_tfod.pyz"
    program.write_bytes(packed(framework.prepare_program))
    done = subprocess.run(
        [python, str(program), verb], input=request, capture_output=True, timeout=TIMEOUT_S, check=False,
        env={"PATH": os.environ["PATH"]},
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def training(mode: StartMode = StartMode.FRESH, *, preset: Preset = NANO, options: Sequence[str] = (), **overrides: Any) -> TrainSpec:
    """A training on the CPU."""
    return TrainSpec(
        preset=preset, dataset=DATASET, start=Start(mode=mode, run_id=None if mode is StartMode.FRESH else "r1"), gpus=0,
        overrides=Overrides(options=tuple(options), **overrides),
    )


def using(kind: Kind, **more: Any) -> ModelSpec:
    """Something done with a trained model, on the CPU."""
    start = Start(mode=StartMode.RESUME, run_id="r1")
    usual = {"kind": kind, "preset": NANO, "model": start, "trained_on": DATASET, "gpus": 0, "host": "local"}
    return ModelSpec.model_validate({**usual, **more})


def shapes(folder: Path, images: int = 20, *, seed: int = 0) -> dict[str, int]:
    """A VoTT project of drawn shapes, and at ``folder/data`` what our recipe makes of it; returns the images of each split."""
    project = folder / "vott"
    (project / "vott-json-export").mkdir(parents=True)
    assets = {}
    for number in range(images):
        name = f"{number}.jpg"
        picture = Image.new("RGB", (SIDE, SIDE), (90 + number * 3, 60, 120))
        regions = [_draw(picture, index, (number * 37 + seed * 11 + index * 45) % 90) for index in range(2)]
        picture.save(project / "vott-json-export" / name, quality=95)
        asset = {"id": f"a{number}", "name": name, "path": f"file:/old/{name}", "type": 1, "state": 2}
        asset["size"] = {"width": SIDE, "height": SIDE}
        assets[f"a{number}"] = {"asset": asset, "regions": regions, "version": "2.1.0"}
    document = {"name": "shapes", "tags": [{"name": name, "color": "#5db300"} for name in CLASSES], "assets": assets}
    (project / "vott-json-export" / "shapes-export.json").write_text(json.dumps(document))
    summary = run(load_recipe("vott-to-tfrecord"), project, folder / "data")
    return {split: count.images for split, count in summary.splits.items()}


def _draw(picture: Image.Image, index: int, offset: int) -> dict[str, Any]:
    size = 30
    x, y = (offset * 7) % (SIDE // 2 - size) + index * SIDE // 2, (offset * 5) % (SIDE - size)
    pen = ImageDraw.Draw(picture)
    (pen.rectangle if index == 0 else pen.ellipse)((x, y, x + size, y + size), fill=(250, 240, 40) if index == 0 else (30, 220, 250))
    corners = [{"x": x, "y": y}, {"x": x + size, "y": y + size}]
    box = {"left": x, "top": y, "width": size, "height": size}
    return {"id": f"r{index}", "type": "RECTANGLE", "tags": [CLASSES[index]], "boundingBox": box, "points": corners}
