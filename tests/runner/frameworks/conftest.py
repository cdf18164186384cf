"""A real training environment, and trainings in it that take seconds."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from runner.entities import Environment, Progress, Record
from runner.environments import find_ready
from runner.frameworks.base import DatasetOnHost, Prepared, PrepareRequest, Ranks
from runner.frameworks.mmdet import framework
from runner.host_program import packed
from runner.learning_rate import scaled
from runner.preparing import as_bytes, read_answer
from runner.presets import find_preset
from runner.specs import DatasetRef, Overrides, Preset, Start, StartMode, TrainSpec
from runner.transports.base import Finished

SHAPES = ("square", "disc", "bar")
TRAIN, VAL = 16, 4
TIMEOUT_S = 120.0


@pytest.fixture(scope="session")
def training_environment() -> Environment:
    """The environment of SIGNALBOX_TRAINING_PYTHON, else the one that was built into the user's cache."""
    named = os.environ.get("SIGNALBOX_TRAINING_PYTHON")
    if named:
        found = json.loads(ask(named, "identify", b"{}").stdout)
        return Environment("local", "named", "mmdet", named, found["code"], found["fingerprint"])
    ready = find_ready("upstream")
    if ready is None:
        pytest.skip("there is no training environment; `make environment` builds it")
    return ready


@pytest.fixture(scope="session")
def training_python(training_environment: Environment) -> str:
    """The interpreter that has torch, mmcv and mmdet."""
    return training_environment.python


def nano() -> Preset:
    """rtmdet-nano that says something even after seconds of training."""
    preset = find_preset("rtmdet-nano")
    return preset.model_copy(update={"options": {**preset.options, "model.test_cfg.score_thr": 0.0001}})


@dataclass(frozen=True)
class Training:
    """An attempt's directory in which a preset is prepared and trained as the runner does it, without a host in between."""

    directory: Path
    environment: Environment
    classes: tuple[str, ...] = SHAPES[:2]
    preset: Preset = field(default_factory=nano)
    code: Mapping[str, str] = field(default_factory=dict)

    def spec(
        self, mode: StartMode = StartMode.FRESH, options: Sequence[str] = (), *, gpus: int = 0, parent: str | None = "parent-1",
        **overrides: float,
    ) -> TrainSpec:  # fmt: skip
        return TrainSpec(
            preset=self.preset,
            dataset=DatasetRef(name="shapes", version=1, fingerprint="f", format="coco"),
            overrides=Overrides(options=tuple(options), **{"batch": 4, **overrides}),
            start=Start(mode=mode, run_id=None if mode is StartMode.FRESH else parent),
            gpus=gpus,
        )

    def request(self, spec: TrainSpec, checkpoints: Sequence[Path] = (), trained: Prepared | None = None) -> bytes:
        splits = {split: (f"data/{split}.json", "data/images") for split in ("train", "val")}
        dataset = DatasetOnHost("drawn@1", "coco", self.classes, splits, {"train": TRAIN, "val": VAL})
        paths = tuple(map(str, checkpoints))
        return as_bytes(PrepareRequest(
            spec, dataset, paths, str(self.directory), lr=scaled(spec).lr, code=self.code, trained=trained
        ))  # fmt: skip

    def prepare(self, spec: TrainSpec, checkpoints: Sequence[Path] = (), trained: Prepared | None = None) -> Prepared:
        return read_answer(ask(self.environment.python, "prepare", self.request(spec, checkpoints, trained)))

    def train(self, spec: TrainSpec, prepared: Prepared) -> tuple[Record, ...]:
        """Carry out the launch plan; returns what its log says."""
        plan = framework.train(spec, prepared, self.environment, Ranks(processes=max(1, spec.gpus)))
        for name, content in {**plan.files, **{f"code/{name}": text.encode() for name, text in self.code.items()}}.items():
            (self.directory / name).parent.mkdir(exist_ok=True)
            (self.directory / name).write_bytes(content)
        variables = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "PYTHONPATH": "code", **plan.variables}
        log = self.directory / "log"
        with log.open("wb") as output:
            done = subprocess.run(
                plan.argv, cwd=self.directory, env=variables, stdout=output, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False
            )
        assert done.returncode == 0, log.read_text()[-3000:]
        return tuple(framework.log_parser(None).feed(log.read_bytes()))

    def checkpoint(self, epoch: int) -> Path:
        return self.directory / "work_dir" / f"epoch_{epoch}.pth"


def ask(python: str, verb: str, request: bytes) -> Finished:
    """One call of the prepare program, as the one file that a host gets."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "prepare_program")
        program.write_bytes(packed(framework.prepare_program))
        done = subprocess.run(
            [python, str(program), verb], input=request, capture_output=True, timeout=TIMEOUT_S,
            env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}, check=False,
        )
    return Finished(done.returncode, done.stdout, done.stderr)


def steps(records: Sequence[Record]) -> list[Progress]:
    """The points of a log, in order."""
    return [record for record in records if isinstance(record, Progress)]


def new_training(
    directory: Path, environment: Environment, classes: tuple[str, ...] = SHAPES[:2], *, preset: Preset | None = None,
    code: Mapping[str, str] | None = None,
) -> Training:  # fmt: skip
    """A training with a small dataset of its own under ``data/``."""
    write_shapes(directory / "data", classes)
    return Training(directory, environment, classes, preset or nano(), code or {})


def write_shapes(folder: Path, classes: tuple[str, ...]) -> None:
    """A COCO dataset of drawn shapes: one of every class in every image."""
    (folder / "images").mkdir(parents=True)
    for split, first, count in (("train", 0, TRAIN), ("val", TRAIN, VAL)):
        images, annotations = [], []
        for number in range(first, first + count):
            picture = Image.new("RGB", (96, 96), (number * 9, 60, 120))
            for index, name in enumerate(classes):
                x, y = 4 + index * 30, 8 + number * 3 % 50
                box = (x, y, x + (26 if name != "bar" else 10), y + 26)
                pen = ImageDraw.Draw(picture)
                (pen.ellipse if name == "disc" else pen.rectangle)(box, fill=(250, 250 - 100 * index, 40))
                width, height = box[2] - x, box[3] - y
                annotations.append({"bbox": [x, y, width, height], "area": width * height, "iscrowd": 0, "category_id": index + 1})
                annotations[-1] |= {"id": len(annotations), "image_id": number}
            picture.save(folder / "images" / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "width": 96, "height": 96})
        categories = [{"id": index + 1, "name": name} for index, name in enumerate(classes)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"{split}.json").write_text(json.dumps(content))


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory, training_environment: Environment) -> tuple[Training, Prepared, tuple[Record, ...]]:
    """A finished training of three epochs with checkpoints, prepared and logged."""
    training = new_training(tmp_path_factory.mktemp("parent"), training_environment)
    spec = training.spec(epochs=3)
    prepared = training.prepare(spec)
    return training, prepared, training.train(spec, prepared)
