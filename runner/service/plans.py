"""What a training would be, before anybody asks for it: the same choices and refusals as submitting it, and nothing written."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from recipes.catalog.versions import DatasetVersion
from runner.entities import Host
from runner.environments import advice
from runner.learning_rate import LearningRate, scaled
from runner.service.datasets import frozen
from runner.service.foreseeing import Foreseen, foresee
from runner.service.hosts import Wish
from runner.service.house import House, Requester
from runner.service.room import require_room
from runner.service.runs import training_spec
from runner.specs import Overrides, Preset, TrainSpec
from runner.start_checkpoints import start_checkpoints, start_in_words
from runner.store import hosts

LOOKED_AT_BYTES = 4_000_000
_MASK = re.compile(rb'"segmentation"\s*:\s*(?:\[\s*\[|\{)')
_SPEAKS_OF_MASKS = re.compile(r"mask|segm|solo|yolact|condinst|htc")


@dataclass(frozen=True, slots=True)
class HostInPlan:
    """A server that could train it. ``environment`` None: it lacks one, and ``why`` says how it comes to it; else ``why`` says what
    keeps it from ever being there as things are (empty: nothing). ``free`` of ``devices`` are not taken now."""

    name: str
    environment: str | None
    devices: int
    free: int
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A training as it would be submitted now. ``iterations`` are those of an epoch; ``start`` is where its weights come from, in words
    (empty: the config's own beginning)."""

    spec: TrainSpec
    version: DatasetVersion
    epochs: int
    images: int
    images_a_step: int
    iterations: int
    rate: LearningRate
    start: str
    hosts: Sequence[HostInPlan]
    notes: Sequence[str]
    foreseen: Foreseen


def plan(
    house: House, who: Requester, *, preset: str, dataset: str, overrides: Overrides = Overrides(), wish: Wish = Wish()
) -> Plan:
    """The plan of a training; refused as :func:`runner.service.runs.submit_training` would be."""
    spec = training_spec(house, who, preset=preset, dataset=dataset, overrides=overrides, wish=wish)
    require_room(house, who, spec)
    version, step = frozen(house, spec.dataset), (overrides.batch or spec.preset.batch) * max(1, spec.gpus)
    train = version.summary.splits.get("train")
    images = train.images if train else 0
    return Plan(
        spec=spec, version=version, epochs=overrides.epochs or spec.preset.epochs, images=images, images_a_step=step,
        iterations=math.ceil(images / step), rate=scaled(spec),
        start=start_in_words(spec.preset.start, start_checkpoints(house)) if spec.preset.start else "",
        hosts=_hosts(house, spec), notes=_notes(house, spec.preset, version, images=images, step=step),
        foreseen=foresee(house, who, spec),
    )


def _hosts(house: House, spec: TrainSpec) -> list[HostInPlan]:
    """Those it could go to, the ones that could start it first."""
    with house.store.snapshot() as db:
        taken = {(lease.host, lease.device) for lease in hosts.leases(db)}
        named = spec.among or ((spec.host,) if spec.host and spec.hosts == 1 else ())
        wanted = [host for host in hosts.all_hosts(db) if host.name in named or (not named and host.name != "local")]
        found = []
        for host in wanted:
            fitting = [each.name for each in hosts.environments(db, framework=spec.preset.framework, host=host.name)]
            environment = next((name for name in fitting if spec.preset.environment in (None, name)), None)
            known = [gpu.uuid for gpu in hosts.devices(db, host)]
            wished = list(spec.devices or known)
            free = [device for device in wished if (host.name, device) not in taken]
            why = _why_not(host, spec, environment, devices=len(known))
            found.append(HostInPlan(host.name, environment, len(known), len(free), why))
    return sorted(found, key=lambda each: (bool(each.why), each.environment is None, each.name))


def _why_not(host: Host, spec: TrainSpec, environment: str | None, *, devices: int) -> str:
    if environment is None:
        return f"has no {spec.preset.framework} environment. {advice(spec.preset.framework, host.name)}"
    if host.trouble:
        return f"does not answer: {host.trouble}"
    if host.drained:
        return "is drained: nothing new starts there"
    if not devices and spec.gpus:
        return "has not said yet which devices it has"
    wanted = spec.gpus // spec.hosts
    return f"has only {devices} of the {wanted} devices asked for" if devices < wanted else ""


def _notes(house: House, preset: Preset, version: DatasetVersion, *, images: int, step: int) -> list[str]:
    """What preparing would stumble over, or what people would wonder about later."""
    notes = []
    if not images:
        notes.append(f"{version.reference} has no pictures in a split called train, which preparing refuses; the step `split` makes one.")
    elif images < step:
        notes.append(f"A step takes {step} images, and there are only {images} to train on.")
    if "val" not in version.summary.splits:
        notes.append(f"{version.reference} has no split called val, so there will be no mAP.")
    if _SPEAKS_OF_MASKS.search(f"{preset.name} {preset.config}".lower()) and not _has_masks(house, version):
        notes.append(
            f"The preset looks like one for masks, and the beginning of {version.reference}'s annotations has none; "
            "preparing says whether it can be trained."
        )
    return notes


def _has_masks(house: House, version: DatasetVersion) -> bool:
    """Whether the beginning of an annotation file has an outline or run lengths (COCO), or there are pictures of objects (VOC)."""
    if any(name.startswith("SegmentationObject/") for name in version.files):
        return True
    listed = [file for name, file in version.files.items() if name.startswith("annotations/") and name.endswith(".json")]
    for file in listed:
        with house.catalog.objects.path(file.digest).open("rb") as content:
            if _MASK.search(content.read(LOOKED_AT_BYTES)):
                return True
    return False
