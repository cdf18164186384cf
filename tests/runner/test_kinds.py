"""Every kind of run is there, and says what it needs."""

from __future__ import annotations

from runner.kinds import all_kinds
from runner.kinds.base import Needs
from runner.specs import BootstrapSpec, IngestSpec, Kind
from tests.support.run_rows import CONVERT, SPEC, run_value


def test_every_kind_has_its_file() -> None:
    assert set(all_kinds()) == set(Kind)


def test_a_training_goes_anywhere_until_it_has_left_checkpoints_somewhere() -> None:
    train = all_kinds()[Kind.TRAIN]
    assert train.needs(run_value()) == Needs(None, 1, framework="scripted", prepares=True)
    assert train.needs(run_value(host="gpu-2")).host is None  # where it was prepared binds nobody
    assert train.needs(run_value(host="gpu-2", attempt=1)).host == "gpu-2"
    pinned = SPEC.model_copy(update={"host": "gpu-9", "gpus": 2})
    assert train.needs(run_value(spec=pinned, host="gpu-9", attempt=1)) == Needs("gpu-9", 2, framework="scripted", prepares=True)


def test_work_on_datasets_stays_on_this_machine() -> None:
    ingest = IngestSpec(archive="a.zip", dataset="fish", file_name="a.zip")
    assert all_kinds()[Kind.CONVERT].needs(run_value(spec=CONVERT)) == Needs("local", 1)
    assert all_kinds()[Kind.INGEST].needs(run_value(spec=ingest)) == Needs("local", 1)


def test_building_an_environment_takes_no_device() -> None:
    spec = BootstrapSpec(host="gpu-1", environment="upstream", requirements={})
    assert all_kinds()[Kind.BOOTSTRAP].needs(run_value(spec=spec)) == Needs("gpu-1", 0)
