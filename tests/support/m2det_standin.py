"""The stand-in checkout of M2Det, a Python that has what M2Det imports, and trainings in it as the runner carries them out."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image, ImageDraw

from runner.entities import Checkpoint, Environment, Evaluation, Progress, Record
from runner.frameworks.base import DatasetOnHost, LaunchPlan, Prepared, PrepareRequest, Ranks
from runner.frameworks.m2det import framework
from runner.host_program import packed
from runner.own_lines import OwnLines
from runner.preparing import as_bytes, read_answer
from runner.presets import find_preset
from runner.specs import DatasetRef, GivenFile, Kind, ModelSpec, Overrides, ResultFile, Start, StartMode, TrainSpec
from runner.transports.base import Finished

STANDIN = Path(__file__).parent.parent / "standins" / "m2det"
BACKBONE = "weights/vgg16_reducedfc.pth"
WIDTH, HEIGHT = 64, 48
BOX = (10, 8, 29, 27)
"""Of the one object of every picture; 0-based, both corners inside."""


def new_environment(folder: Path, python: str = sys.executable, variables: Mapping[str, str] | None = None) -> Environment:
    """A checkout in a folder with an awkward name, with its backbone, and a Python that finds what M2Det imports."""
    checkout = folder / "M2Det d'été $HOME"
    if not checkout.exists():
        ignored = shutil.ignore_patterns("__pycache__", "environment", "ruff.toml")
        shutil.copytree(STANDIN, checkout, ignore=ignored)
        (checkout / "weights").mkdir()
        write_weights(checkout / BACKBONE, {"0.weight": [1.0, 2.0, 3.0, 4.0]})
    interpreter = folder / "python"
    modules = shlex.quote(str(STANDIN / "environment"))
    interpreter.write_text(f"#!/bin/sh\nPYTHONPATH={modules}${{PYTHONPATH:+:$PYTHONPATH}} exec {shlex.quote(python)} \"$@\"\n")
    interpreter.chmod(0o755)
    return Environment("gpu-1", "m2det", "m2det", str(interpreter), str(checkout), "f", variables=variables or {})


def write_weights(path: Path, weights: Mapping[str, Sequence[float]]) -> None:
    """A checkpoint as the stand-in's torch writes it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.json", json.dumps([[name, list(values)] for name, values in weights.items()]))


def read_weights(path: Path) -> dict[str, list[float]]:
    """What the stand-in's torch wrote."""
    with zipfile.ZipFile(path) as archive:
        return dict(json.loads(archive.read("data.json")))


def write_voc(data: Path, names: Sequence[str] = ("fish",), *, folder: str = "VOC2007", suffix: str = ".jpg", images: int = 4) -> None:
    """A VOC dataset: in picture i one object of class i (in turn)."""
    root = data / folder
    for each in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / each).mkdir(parents=True)
    for split in ("train", "val"):
        stems = [f"{split}_{number}" for number in range(images)]
        (root / f"ImageSets/Main/{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
        for number, stem in enumerate(stems):
            write_picture(root / f"JPEGImages/{stem}{suffix}")
            (root / f"Annotations/{stem}.xml").write_text(annotation(names[number % len(names)]))


def annotation(name: str) -> str:
    """A VOC document of one object."""
    corners = "".join(f"<{tag}>{value + 1}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), BOX, strict=True))
    flags = "<pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
    return f"<annotation><object><name>{name}</name>{flags}<bndbox>{corners}</bndbox></object></annotation>"


def write_picture(path: Path) -> None:
    """A dark picture of one bright object."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), (10, 20, 30))
    ImageDraw.Draw(picture).rectangle(BOX, fill=(250, 240, 60))
    picture.save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))


def write_coco(data: Path, names: Sequence[str] = ("fish",), *, images: int = 4) -> None:
    """The same pictures as COCO has them."""
    (data / "images").mkdir(parents=True)
    (data / "annotations").mkdir()
    width, height = BOX[2] - BOX[0] + 1, BOX[3] - BOX[1] + 1
    for split in ("train", "test"):
        records, boxes = [], []
        for number in range(1, images + 1):
            write_picture(data / f"images/{split} é {number}.png")
            records.append({"id": number, "file_name": f"{split} é {number}.png", "width": WIDTH, "height": HEIGHT})
            boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": [*BOX[:2], width, height], "area": 1, "iscrowd": 0})
        categories = [{"id": index, "name": name} for index, name in enumerate(names, 1)]
        content = {"images": records, "annotations": boxes, "categories": categories}
        (data / f"annotations/instances_{split}.json").write_text(json.dumps(content))


@dataclass(frozen=True)
class Attempt:
    """What became of one launch: its exit code, its log, and what was read in it."""

    exit_code: int
    log: str
    records: tuple[Record, ...]

    def all(self, kind: type[Progress] | type[Evaluation] | type[Checkpoint]) -> list[Record]:
        return [record for record in self.records if isinstance(record, kind)]


@dataclass(frozen=True)
class Standin:
    """A folder of attempts, each with its data, prepared and carried out as the runner does it, without a host in between."""

    folder: Path
    environment: Environment
    classes: tuple[str, ...] = ("fish",)
    voc_folder: str = "VOC2007"
    images: int = 4
    form: str = "voc"
    made: list[Path] = field(default_factory=list)

    def spec(self, mode: StartMode = StartMode.FRESH, *, gpus: int = 1, at_epoch: int | None = None, **overrides: object) -> TrainSpec:
        return TrainSpec(
            preset=find_preset("m2det-320"), dataset=self.reference(), start=Start(mode=mode, at_epoch=at_epoch),
            overrides=Overrides.model_validate({"batch": 2, **overrides}), gpus=gpus,
        )  # fmt: skip

    def using(self, kind: Kind, **more: object) -> ModelSpec:
        known = {"kind": kind, "model": Start(mode=StartMode.FINETUNE), "dataset": self.reference(), "trained_on": self.reference()}
        return ModelSpec.model_validate({**known, "preset": find_preset("m2det-320"), "host": "gpu-1", **more})

    def predicting(self, *files: str, results: tuple[ResultFile, ...] = (ResultFile.PICTURES,)) -> ModelSpec:
        given = tuple(GivenFile(name=name, digest="0" * 64) for name in files)
        return self.using(Kind.PREDICT, files=given, results=results, **({"dataset": None} if files else {}))

    def reference(self) -> DatasetRef:
        return DatasetRef(name="fish", version=1, fingerprint="f", format=self.form)

    def dataset(self) -> DatasetOnHost:
        if self.form == "voc":
            root = f"data/{self.voc_folder}"
            splits = {split: (f"{root}/ImageSets/Main/{split}.txt", f"{root}/JPEGImages") for split in ("train", "val")}
        else:
            splits = {split: (f"data/annotations/instances_{split}.json", "data/images") for split in ("train", "test")}
        return DatasetOnHost("fish@1", self.form, self.classes, splits, dict.fromkeys(splits, self.images))

    def prepare(self, spec: TrainSpec | ModelSpec, *checkpoints: Path, trained: Prepared | None = None, **more: object) -> Prepared:
        """BadSpecError as the runner has it."""
        folder = self.folder / "prepared"
        folder.mkdir(exist_ok=True)
        dataset = self.dataset() if spec.dataset else None
        request = PrepareRequest(spec, dataset, tuple(map(str, checkpoints)), str(folder), self.environment.code, lr=0.004)
        request = replace(request, **{"trained": trained, "trained_classes": self.classes, **more})  # type: ignore[arg-type]
        return read_answer(ask(self.environment.python, self.folder, "prepare", as_bytes(request)))

    def plan(self, spec: TrainSpec | ModelSpec, prepared: Prepared) -> LaunchPlan:
        ranks = Ranks(processes=max(1, spec.gpus))
        if isinstance(spec, TrainSpec):
            return framework.train(spec, prepared, self.environment, ranks)
        launch = framework.evaluate if spec.kind is Kind.EVAL else framework.predict
        return launch(spec, prepared, self.environment, ranks)

    def run(self, spec: TrainSpec | ModelSpec, prepared: Prepared, *, directory: Path | None = None, **variables: str) -> Attempt:
        """Carry out the launch plan in an attempt's directory, a new one where none is given."""
        directory, plan = directory or self.directory(), self.plan(spec, prepared)
        for name, content in plan.files.items():
            (directory / name).write_bytes(content)
        return self.execute(directory, plan.argv, prepared, **{**plan.variables, **variables})

    def execute(self, directory: Path, argv: Sequence[str], prepared: Prepared | None = None, **variables: str) -> Attempt:
        known = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8", **variables}
        with (directory / "log").open("wb") as log:
            done = subprocess.run(argv, cwd=directory, env=known, stdout=log, stderr=subprocess.STDOUT, timeout=60, check=False)
        written = (directory / "log").read_bytes()
        records = OwnLines(framework.log_parser(prepared)).feed(written)
        return Attempt(done.returncode, written.decode(), tuple(records))

    def directory(self) -> Path:
        """A new attempt's, with the dataset in it."""
        directory = self.folder / f"attempt {len(self.made) + 1}"
        self.made.append(directory)
        if self.form == "voc":
            write_voc(directory / "data", self.classes, folder=self.voc_folder, images=self.images)
        else:
            write_coco(directory / "data", self.classes, images=self.images)
        return directory

    def weights(self, name: str) -> Path:
        """A checkpoint of the newest attempt."""
        return self.made[-1] / "weights" / name


def ask(python: str, folder: Path, verb: str, request: bytes) -> Finished:
    """One call of the prepare program, as the one file that a host gets."""
    program = folder / "prepare_program"
    program.write_bytes(packed(framework.prepare_program))
    command = [python, str(program), verb]
    known = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, input=request, capture_output=True, timeout=60, env=known, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)
