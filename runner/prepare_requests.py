"""What a host is asked to prepare: everything that resolving a run's config depends on."""

from __future__ import annotations

from collections.abc import Mapping

from runner.checkpoints import candidates, wanted
from runner.dataset_layouts import dataset_on_host
from runner.entities import Run
from runner.errors import RequestError
from runner.frameworks import find_framework
from runner.frameworks.base import Framework, Prepared, PrepareRequest
from runner.learning_rate import scaled
from runner.preparing import prepared_from
from runner.service.datasets import frozen
from runner.service.house import House
from runner.specs import ModelSpec, Preset, Start, StartMode, TrainSpec
from runner.store import runs


def prepare_request(house: House, run: Run, *, folder: str, code_folder: str) -> PrepareRequest:
    """The request of a training or of what is done with a trained model; the checkpoints lie on the host that prepares."""
    spec = starting_spec(house, run)
    framework = framework_of(house, spec)
    trains = isinstance(spec, TrainSpec)
    start = spec.start if isinstance(spec, TrainSpec) else spec.model
    version = None if spec.dataset is None else frozen(house, spec.dataset)
    trained, classes = _trained(house, start)
    return PrepareRequest(
        spec=spec,
        dataset=None if version is None else dataset_on_host(version),
        checkpoints=candidates(house, framework, start, best_first=not trains) or _own_start(spec),
        folder=folder,
        code_folder=code_folder,
        lr=scaled(spec).lr if isinstance(spec, TrainSpec) else None,
        code=code_of(house, spec.preset),
        trained=trained,
        trained_classes=classes,
    )


def starting_spec(house: House, run: Run) -> TrainSpec | ModelSpec:
    """The frozen spec; for a later attempt of a training that left checkpoints, going on from its own."""
    spec = run.spec
    assert isinstance(spec, TrainSpec | ModelSpec)
    if isinstance(spec, ModelSpec) or not wanted(house.store.reading(), run.id):
        return spec
    overrides = spec.overrides.model_copy(update={"lr": None, "epochs": None})
    return spec.model_copy(update={"start": Start(mode=StartMode.RESUME, run_id=run.id), "overrides": overrides})


def framework_of(house: House, spec: TrainSpec | ModelSpec) -> Framework:
    """The framework of a spec's preset."""
    return find_framework(spec.preset.framework, house.settings.extensions)


def code_of(house: House, preset: Preset) -> Mapping[str, str]:
    """The preset's own modules: path to text. RequestError where the store has lost one."""
    try:
        return {path: house.catalog.objects.path(digest).read_text(encoding="utf-8") for path, digest in preset.code.items()}
    except OSError as error:
        raise RequestError(f"The code of the preset {preset.name} is not in the store any more ({error}); add the preset again.") from error


def _own_start(spec: TrainSpec | ModelSpec) -> tuple[str, ...]:
    """The start checkpoint of the preset, as that names it, for what is fine-tuned from no run."""
    begins = isinstance(spec, TrainSpec) and spec.start.mode is StartMode.FINETUNE and spec.start.run_id is None
    return (spec.preset.start,) if begins and spec.preset.start is not None else ()


def _trained(house: House, start: Start) -> tuple[Prepared | None, tuple[str, ...]]:
    """What was prepared for the run that is started from, and its classes."""
    if start.run_id is None:
        return None, ()
    parent = runs.get(house.store.reading(), start.run_id)
    if parent.prepared is None or not isinstance(parent.spec, TrainSpec):
        return None, ()
    return prepared_from(parent.prepared), tuple(frozen(house, parent.spec.dataset).summary.classes)
