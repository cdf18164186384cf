"""An exported model that was brought here: what it is, and how it becomes the start of a preset."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from recipes.catalog.keeping import keep
from recipes.catalog.objects import digest_of
from runner.entities import Run
from runner.service.house import House
from runner.specs import Kind, ModelSpec, Preset

MODEL = "model"
"""The folder of an exported model below a run's results."""


def exported(house: House, run: Run, results: Path) -> Mapping[str, object]:
    """What an export made, as plain values; empty for other runs. Where it was asked for, its weights are kept in the catalog by then,
    as ``start``, or ``trouble`` says why there is nothing to start from.

    Weights are one file of torch (``*.pth``), or a TensorFlow checkpoint, kept as a tar of its files (runner.start_checkpoints).
    """
    if not isinstance(run.spec, ModelSpec) or run.spec.kind is not Kind.EXPORT:
        return {}
    folder = results / MODEL
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    weights = _weights([path for path in files if "variables" not in path.relative_to(folder).parts])  # which a saved model has of its own
    made: dict[str, object] = {"files": len(files), "size_bytes": sum(path.stat().st_size for path in files)}
    if len(weights) == 1:
        made |= {"model": weights[0].relative_to(results).as_posix(), "sha256": digest_of(weights[0])}
    if run.spec.publish_as is None:
        return made
    if not weights:
        return {**made, "trouble": f"no preset was made: {len(files)} files came and not one set of weights"}
    return {**made, "start": f"sha256:{_kept(house, weights)}"}


def preset_from(run: Run, start: str) -> Preset | None:
    """The preset that starts from what a run exported; None where none was asked for."""
    spec = run.spec
    if not isinstance(spec, ModelSpec) or spec.publish_as is None:
        return None
    description = f"{spec.preset.name} as {spec.model.run_id} learned {spec.trained_on}"
    return spec.preset.model_copy(update={"name": spec.publish_as, "description": description, "start": start})


def _weights(files: Sequence[Path]) -> list[Path]:
    """The files of the only weights there are; none where there are several, or none."""
    torch = [path for path in files if path.suffix == ".pth"]
    indexes = [path for path in files if path.suffix == ".index"]
    if len(torch) == 1 and not indexes:
        return torch
    if len(indexes) == 1 and not torch:
        return [path for path in files if path.parent == indexes[0].parent and path.name.startswith(f"{indexes[0].stem}.")]
    return []


def _kept(house: House, weights: Sequence[Path]) -> str:
    if len(weights) == 1:
        return keep(house.catalog, weights)[0].digest
    with house.catalog.staging() as scratch:
        packed = scratch / "checkpoint.tar"
        with tarfile.open(packed, "w") as archive:
            for path in weights:
                archive.add(path, arcname=path.name, filter=_plain)
        return keep(house.catalog, [packed])[0].digest


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same files make the same tar."""
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member
