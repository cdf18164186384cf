"""What people ask of runs. Every verb checks who asks, freezes what it was given, and leaves the doing to the runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from recipes.recipe import load_recipe
from runner.entities import Run
from runner.errors import RequestError
from runner.frameworks import find_framework
from runner.service.datasets import newest_readable, resolve
from runner.service.hosts import WhereToRun, Wish, where_to_run
from runner.service.house import House, Requester
from runner.service.presets import find as find_preset
from runner.service.room import require_room
from runner.settings import Role
from runner.specs import ConvertSpec, IngestSpec, Overrides, Preset, Start, StartMode, TrainSpec, Turn
from runner.start_checkpoints import require_start
from runner.states import State
from runner.store import runs


def submit_training(  # noqa: PLR0913 - each of them an option of the verb
    house: House, who: Requester, *, preset: str, dataset: str, overrides: Overrides = Overrides(), gpus: int | None = None,
    host: str | None = None, turn: Turn = Turn(), hosts: int | None = None,
) -> Run:
    """Queue a training of a preset on a dataset (``fish`` means the newest version its framework reads)."""
    spec = training_spec(house, who, preset=preset, dataset=dataset, overrides=overrides, wish=Wish(host, gpus, turn, hosts))
    return _submit(house, who, spec)


def training_spec(
    house: House, who: Requester, *, preset: str, dataset: str, overrides: Overrides = Overrides(), wish: Wish = Wish()
) -> TrainSpec:
    """What :func:`submit_training` would freeze, refused where that would be. A preset's start checkpoint is what it starts from."""
    chosen = find_preset(house, preset)
    start = Start(mode=StartMode.FINETUNE if chosen.start else StartMode.FRESH)
    return _training_spec(house, who, chosen, dataset, overrides=overrides, where=where_to_run(house, wish), start=start, turn=wish.turn)


def resume(
    house: House, who: Requester, run_id: str, *, checkpoint: str | None = None, overrides: Overrides = Overrides()
) -> Run:
    """Queue a run that goes on where another ended: weights, optimizer and epoch of its newest whole checkpoint (or the one named).

    What the parent froze is kept; only the learning rate, epochs and raw options given here change.
    """
    parent, spec = _finished_training(house, run_id, "resume")
    who.must_own(parent, "resume")
    _may_pass_options(who, overrides)
    # Unless asked for now, learning rate and epochs come from the checkpoint's own config.
    changed = {"lr": overrides.lr, "epochs": overrides.epochs, "options": (*spec.overrides.options, *overrides.options)}
    overrides = spec.overrides.model_copy(update=changed)
    start = Start(mode=StartMode.RESUME, run_id=parent.id, checkpoint=checkpoint)
    again = spec.model_copy(update={"overrides": overrides, "start": start, "host": parent.host})
    return _submit(house, who, again, parent_id=parent.id)


def finetune(
    house: House, who: Requester, run_id: str, *, dataset: str, checkpoint: str | None = None, at_epoch: int | None = None,
    overrides: Overrides = Overrides(), wish: Wish = Wish(),
) -> Run:
    """Queue a training with the weights of another run's newest whole checkpoint (or the one named), on the host where that lies.

    It counts its epochs from 0, or from ``at_epoch``.
    """
    parent, spec = _finished_training(house, run_id, "fine-tune from")
    there = wish if wish.host else Wish(
        parent.host, spec.gpus // spec.hosts if wish.gpus is None else wish.gpus, hosts=wish.hosts or spec.hosts
    )
    where = where_to_run(house, there)
    if where.host != parent.host and parent.host in where.among:
        where = replace(where, host=parent.host)
    if where.host != parent.host:
        raise RequestError(f"The checkpoints of {parent.id} lie on {parent.host}, so it is fine-tuned there; leave --host out.")
    start = Start(mode=StartMode.FINETUNE, run_id=parent.id, checkpoint=checkpoint, at_epoch=at_epoch)
    again = _training_spec(house, who, spec.preset, dataset, overrides=overrides, where=where, start=start, turn=wish.turn)
    return _submit(house, who, again, parent_id=parent.id)


def finetune_preset(
    house: House, who: Requester, preset: str, *, dataset: str, at_epoch: int | None = None, overrides: Overrides = Overrides(),
    wish: Wish = Wish(),
) -> Run:
    """Queue a training with the weights of a preset's own start checkpoint; RequestError where it has none."""
    chosen = find_preset(house, preset)
    if chosen.start is None:
        raise RequestError(
            f"{chosen.name} has no start checkpoint to fine-tune from. `run {chosen.name} on {dataset}` trains it from the beginning; "
            f"`presets add NAME --like {chosen.name} --start URL` makes a preset that has one."
        )
    start, where = Start(mode=StartMode.FINETUNE, at_epoch=at_epoch), where_to_run(house, wish)
    return _submit(house, who, _training_spec(house, who, chosen, dataset, overrides=overrides, where=where, start=start, turn=wish.turn))


def submit_convert(
    house: House, who: Requester, *, dataset: str, recipe: str, parameters: Mapping[str, str] | None = None, name: str | None = None,
    dry_run: bool = False,
) -> Run:
    """Queue a conversion: a new version of ``dataset`` (or of ``name``), made from its newest raw version or the one named.

    A dry run makes none: it says what would come out.
    """
    who.must_be(Role.MEMBER, "convert datasets")
    if recipe.endswith((".yaml", ".yml")):
        who.must_be(Role.OPERATOR, "use a recipe file of this machine")
    source = resolve(house, dataset, recipe=recipe)
    text = load_recipe(recipe).text
    spec = ConvertSpec(
        source=source, recipe=recipe, text=text, parameters=dict(parameters or {}), dataset=name or source.name, dry_run=dry_run
    )
    return _submit(house, who, spec)


def submit_ingest(house: House, who: Requester, spec: IngestSpec) -> Run:
    """Queue the reading of an upload that lies in the inbox, or of what was judged by runner.service.imports."""
    who.must_be(Role.MEMBER, "add datasets")
    return _submit(house, who, spec)


def request_stop(house: House, who: Requester, run_id: str) -> Run:
    """Ask the runner to stop a run, with every process of it."""
    with house.store.writing() as db:
        run = find(house, run_id)
        who.must_own(run, "stop")
        if run.state.final:
            raise RequestError(f"{run.id} has already ended: {run.reason.in_words}.")
        runs.request_stop(db, run, by=who.person, now=house.now())
        return run


def find(house: House, text: str) -> Run:
    """A run by its id, with or without ``r-``; RequestError when there is none."""
    run_id = text.strip().lower()
    return runs.get(house.store.reading(), run_id if run_id.startswith("r-") else f"r-{run_id}")


def _finished_training(house: House, run_id: str, what: str) -> tuple[Run, TrainSpec]:
    run = find(house, run_id)
    if not isinstance(run.spec, TrainSpec):
        raise RequestError(f"{run.id} is {run.kind.value}, not a training; there is nothing to {what}.")
    if run.state is State.PENDING or run.host is None:
        raise RequestError(f"{run.id} has not trained yet ({run.reason.in_words}); there is no checkpoint to {what}.")
    return run, run.spec


def _training_spec(
    house: House, who: Requester, preset: Preset, dataset: str, *, overrides: Overrides, where: WhereToRun, start: Start, turn: Turn
) -> TrainSpec:
    _may_pass_options(who, overrides)
    if turn.priority > 0:
        who.must_be(Role.OPERATOR, "go before the runs of others (--priority above 0)")
    for run_id in turn.after:
        find(house, run_id)
    framework = find_framework(preset.framework, house.settings.extensions)
    if where.hosts > 1 and not framework.spans_hosts:
        raise RequestError(
            f"{preset.name} trains on one server at a time ({framework.name} cannot span several); leave --hosts out, and name one at most."
        )
    if where.hosts > 1 and not overrides.distributed:
        raise RequestError("One process cannot drive the GPUs of several hosts; leave --no-distributed out, or train on one host.")
    if start.mode is StartMode.FINETUNE and start.run_id is None and preset.start is not None:
        require_start(preset.start, house.catalog)
    reference = newest_readable(house, dataset, framework.formats)
    return TrainSpec(
        preset=preset, dataset=reference, overrides=overrides, gpus=where.gpus, host=where.host, devices=where.devices, start=start,
        turn=turn, hosts=where.hosts, among=where.among,
    )


def _may_pass_options(who: Requester, overrides: Overrides) -> None:
    if overrides.options:
        who.must_be(Role.OPERATOR, "pass raw framework options (after --)")


def _submit(
    house: House, who: Requester, spec: TrainSpec | IngestSpec | ConvertSpec, *, parent_id: str | None = None
) -> Run:
    who.must_be(Role.MEMBER, "submit runs")
    if isinstance(spec, TrainSpec):
        require_room(house, who, spec)
    with house.store.writing() as db:
        return runs.submit(
            db, spec, owner=who.person, place=who.place, now=house.now(), parent_id=parent_id, request_id=who.request_id
        )

