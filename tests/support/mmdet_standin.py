"""The stand-in checkouts of MMDetection 1.x and 2.x, and what is done in them as the runner carries it out, without a host in between."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from runner.entities import Checkpoint, Environment, Evaluation, Progress, Record
from runner.errors import BadSpecError
from runner.frameworks import find_framework
from runner.frameworks.base import DatasetOnHost, LaunchPlan, Prepared, PrepareRequest, Ranks
from runner.frameworks.mmdet_legacy import PREPARE_PROGRAM
from runner.host_program import packed
from runner.learning_rate import scaled
from runner.own_lines import OwnLines
from runner.preparing import as_bytes, read_answer
from runner.specs import DatasetRef, GivenFile, Kind, ModelSpec, Overrides, Preset, Start, StartMode, TrainSpec
from runner.transports.base import Finished

STANDINS = Path(__file__).parent.parent / "standins"
FASTER = {"1": "faster_rcnn_r50_fpn_1x.py", "2": "faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"}


def new_environment(folder: Path, version: str, *, python: str = sys.executable, **variables: str) -> Environment:
    """A checkout of a release in a folder with an awkward name, and what it stands on."""
    checkout = folder / "mm detection d'été $HOME"
    if not checkout.exists():
        shutil.copytree(STANDINS / f"mmdet{version[0]}", checkout, ignore=shutil.ignore_patterns("__pycache__", "ruff.toml"))
    known = {"PYTHONPATH": str(STANDINS / "mmdet_legacy"), "STANDIN_MMDET": version, **variables}
    return Environment("gpu-1", f"mm{version}", f"mmdet{version[0]}", python, str(checkout), "f", variables=known)


def write_coco(data: Path, classes: tuple[str, ...], *, images: int = 4) -> None:
    """A COCO dataset with a train and a val split; every class is in it."""
    (data / "images").mkdir(parents=True)
    (data / "annotations").mkdir()
    for split in ("train", "val"):
        records, boxes = [], []
        for number in range(1, images + 1):
            Image.new("RGB", (32, 24), (number * 40, 80, 120)).save(data / f"images/{split} é {number}.png")
            records.append({"id": number, "file_name": f"{split} é {number}.png", "width": 32, "height": 24})
            boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": [2, 3, 10, 8], "area": 80, "iscrowd": 0})
        content = {"images": records, "annotations": boxes, "categories": [{"id": at, "name": name} for at, name in enumerate(classes, 1)]}
        (data / f"annotations/instances_{split}.json").write_text(json.dumps(content))


def write_voc(data: Path, *, images: int = 4) -> None:
    """The pictures and lists of a VOC dataset; nothing here reads its documents."""
    (data / "VOCfish/JPEGImages").mkdir(parents=True)
    (data / "VOCfish/ImageSets/Main").mkdir(parents=True)
    for split in ("train", "val"):
        stems = [f"{split}_{number}" for number in range(images)]
        (data / f"VOCfish/ImageSets/Main/{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
        for stem in stems:
            Image.new("RGB", (32, 24), (40, 80, 120)).save(data / f"VOCfish/JPEGImages/{stem}.jpg")


@dataclass(frozen=True)
class Done:
    """What became of one launch: its exit code, its log, what was read in it, and its directory."""

    exit_code: int
    log: str
    records: tuple[Record, ...]
    directory: Path

    @property
    def epochs(self) -> list[int]:
        """The epochs that its log tells of, in order."""
        return list(dict.fromkeys(record.epoch for record in self.records if isinstance(record, Progress)))

    @property
    def lr(self) -> float | None:
        """The first learning rate in its log."""
        return next((record.lr for record in self.records if isinstance(record, Progress)), None)

    @property
    def evaluations(self) -> list[tuple[int, str, float | None]]:
        """(epoch, task, average precision)."""
        return [(record.epoch, record.task, record.ap) for record in self.records if isinstance(record, Evaluation)]

    @property
    def whole(self) -> list[str]:
        """The checkpoints that somebody looked at."""
        return [record.name for record in self.records if isinstance(record, Checkpoint) and record.size_bytes and not record.removed]

    def told(self, rank: int = 0) -> dict[str, Any]:
        """What a process of the framework was started with."""
        content = json.loads((self.directory / f"told-{rank}.json").read_text())
        assert isinstance(content, dict)
        return content

    def newest(self) -> Path:
        """The last checkpoint it wrote."""
        return (self.directory / "work_dir" / "latest.pth").resolve()


@dataclass(frozen=True)
class Standin:
    """A folder of attempts, each with its data."""

    folder: Path
    version: str
    classes: tuple[str, ...] = ("fish",)
    form: str = "coco"
    variables: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    code: Mapping[str, str] = field(default_factory=dict)
    made: list[Path] = field(default_factory=list)

    @property
    def environment(self) -> Environment:
        return new_environment(self.folder, self.version, python=self.python, **self.variables)

    def preset(self, **changes: object) -> Preset:
        known = {"name": "p", "framework": f"mmdet{self.version[0]}", "config": FASTER[self.version[0]], "description": "d", "epochs": 3}
        return Preset.model_validate({**known, "batch": 2, "lr": 0.01, **changes})

    def training(
        self, preset: Preset | None = None, *, mode: StartMode = StartMode.FRESH, gpus: int = 1, at_epoch: int | None = None,
        **changed: object,
    ) -> TrainSpec:
        return TrainSpec(
            preset=preset or self.preset(), dataset=self.reference(), start=Start(mode=mode, at_epoch=at_epoch),
            overrides=Overrides.model_validate(changed), gpus=gpus,
        )  # fmt: skip

    def using(self, kind: Kind, preset: Preset | None = None, *, files: tuple[str, ...] = (), **more: object) -> ModelSpec:
        known = {
            "kind": kind, "preset": preset or self.preset(), "model": Start(mode=StartMode.FINETUNE), "trained_on": self.reference(),
            "host": "gpu-1", "files": tuple(GivenFile(name=name, digest="0" * 64) for name in files),
            "dataset": None if files or kind is Kind.EXPORT else self.reference(),
        }  # fmt: skip
        return ModelSpec.model_validate({**known, **more})

    def reference(self) -> DatasetRef:
        return DatasetRef(name="fish", version=1, fingerprint="f", format=self.form)

    def dataset(self) -> DatasetOnHost:
        splits = {split: (f"data/annotations/instances_{split}.json", "data/images") for split in ("train", "val")}
        if self.form == "voc":
            splits = {split: (f"data/VOCfish/ImageSets/Main/{split}.txt", "data/VOCfish/JPEGImages") for split in ("train", "val")}
        return DatasetOnHost("fish@1", self.form, self.classes, splits, {"train": 4, "val": 4})

    def prepare(self, spec: TrainSpec | ModelSpec, *checkpoints: Path, trained: Prepared | None = None, **more: object) -> Prepared:
        """BadSpecError as the runner has it."""
        folder = self.folder / f"prepared {len(list(self.folder.glob('prepared *')))}"
        folder.mkdir()
        rate = scaled(spec).lr if isinstance(spec, TrainSpec) else None
        request = PrepareRequest(
            spec, self.dataset() if spec.dataset else None, tuple(map(str, checkpoints)), str(folder), self.environment.code, lr=rate,
            code=self.code, trained=trained, trained_classes=self.classes,
        )  # fmt: skip
        return read_answer(self.ask("prepare", as_bytes(replace(request, **more))))  # type: ignore[arg-type]

    def refused(self, spec: TrainSpec | ModelSpec, *checkpoints: Path, **more: Any) -> str:
        """The sentence that preparing refuses with."""
        try:
            self.prepare(spec, *checkpoints, **more)
        except BadSpecError as error:
            return str(error)
        raise AssertionError("nothing refuses this")

    def ask(self, verb: str, request: bytes) -> Finished:
        """One call of the prepare program, as the one file that a host gets."""
        program = self.folder / "prepare_program"
        program.write_bytes(packed(PREPARE_PROGRAM))
        done = subprocess.run(
            [self.python, str(program), verb], input=request, capture_output=True, timeout=300, check=False, env=self._known()
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def plan(self, spec: TrainSpec | ModelSpec, prepared: Prepared, ranks: Ranks | None = None) -> LaunchPlan:
        framework, ranks = find_framework(f"mmdet{self.version[0]}"), ranks or Ranks(processes=max(1, spec.gpus))
        if isinstance(spec, TrainSpec):
            return framework.train(spec, prepared, self.environment, ranks)
        if spec.kind is Kind.EXPORT:
            return framework.export(spec, prepared, self.environment)
        launch = framework.evaluate if spec.kind is Kind.EVAL else framework.predict
        return launch(spec, prepared, self.environment, ranks)

    def run(self, spec: TrainSpec | ModelSpec, prepared: Prepared, ranks: Ranks | None = None, **variables: str) -> Done:
        """Carry out the launch plan in the newest directory of :meth:`directory`, or in a fresh one."""
        directory = self.made[-1] if self.made and not (self.made[-1] / "log").exists() else self.directory()
        plan = self.plan(spec, prepared, ranks)
        files = {**plan.files, **{f"code/{path}": text.encode() for path, text in self.code.items()}}
        for name, content in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
        known = {**self._known(), **plan.variables, **variables}
        known["PYTHONPATH"] = f"code:{known['PYTHONPATH']}"
        shell = ["/bin/sh", "-c", "\n".join((*plan.setup, 'exec "$@"')), "sh", *plan.argv]
        with (directory / "log").open("wb") as log:
            done = subprocess.run(shell, cwd=directory, env=known, stdout=log, stderr=subprocess.STDOUT, timeout=300, check=False)
        written = (directory / "log").read_bytes()
        records = OwnLines(find_framework(f"mmdet{self.version[0]}").log_parser(prepared)).feed(written)
        return Done(done.returncode, written.decode(), tuple(records), directory)

    def directory(self) -> Path:
        """A new attempt's, with the dataset in it."""
        directory = self.folder / f"attempt {len(self.made) + 1}"
        self.made.append(directory)
        if self.form == "voc":
            write_voc(directory / "data")
        else:
            write_coco(directory / "data", self.classes)
        return directory

    def _known(self) -> dict[str, str]:
        own = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
        return {**own, **self.environment.variables}
