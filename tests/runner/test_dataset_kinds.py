"""Runs on datasets, whole: a dry run, a comparison, a verification and a removal, each in a process of its own on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.rendering import render
from recipes.ingest import ingest
from runner.entities import Place, Run
from runner.errors import NotAllowedError, RequestError
from runner.loop import Runner
from runner.service import datasets, views
from runner.service.house import House, Requester, open_house
from runner.service.outbox import Delivery
from runner.service.runs import submit_convert, submit_training
from runner.settings import Role, Settings
from runner.specs import ConvertSpec, Kind
from runner.states import Reason
from runner.store import runs
from tests.support.run_rows import SCRIPTED
from tests.support.scripted_house import write_coco


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = open_house(Settings(state_folder=tmp_path / "state", extensions=(SCRIPTED,)))
    for images in (2, 3):
        folder = write_coco(tmp_path / f"coco{images}", images=images)
        ingest(opened.catalog, folder, name="fish", created_at=datetime.now(UTC), created_by="U1")
    yield opened
    opened.store.close()


def who(person: str = "U1", role: Role = Role.MEMBER) -> Requester:
    return Requester(person, role, "test", "request", Place("C1"))


def concluded(house: House, *asked: Run) -> list[views.RunView]:
    runner = Runner(house)
    thread = threading.Thread(target=runner.run, name="runner")
    thread.start()
    deadline = time.monotonic() + 40
    try:
        while not all(runs.get(house.store.reading(), run.id).state.final for run in asked):
            assert time.monotonic() < deadline, [views.view(house, run.id).run.detail for run in asked]
            time.sleep(0.02)
    finally:
        runner.stop()
        thread.join(20)
    return [views.view(house, run.id) for run in asked]


def told(house: House, view: views.RunView) -> str:
    owed = Delivery("d", "C1", view.run.id, "report", {}, "owed", 0, None, None, house.now())
    return render(house, owed).text


@pytest.mark.slow
def test_looks_and_a_removal_end_in_a_message(house: House) -> None:
    dry = submit_convert(house, who(), dataset="fish@2", recipe="coco:coco", dry_run=True)
    compared = datasets.submit_diff(house, who(), "fish@1", "fish@2")
    verified = datasets.submit_verify(house, who())
    dry_run, comparison, verification = concluded(house, dry, compared, verified)
    assert house.catalog.numbers("fish") == (1, 2)
    assert "It would make 6 images, 6 boxes, 1 class. Nothing was written." in told(house, dry_run)
    assert "2 added" in told(house, comparison)
    assert "Every content of every dataset is whole." in told(house, verification)
    (removal,) = concluded(house, datasets.submit_removal(house, who(), "fish@1"))
    assert "fish@1 is removed." in told(house, removal)
    assert house.catalog.numbers("fish") == (2,)


def test_rot_is_a_failure_that_names_the_files(house: House) -> None:
    rotten = house.catalog.objects.path(house.catalog.get("fish@2").files["images/val_1.jpg"].digest)
    rotten.chmod(0o644)
    rotten.write_bytes(b"rot")
    (found,) = concluded(house, datasets.submit_verify(house, who(), "fish@2"))
    assert found.run.reason is Reason.DATA_ERROR
    assert found.diagnosis is not None
    assert "damaged" in found.diagnosis.sentence
    assert any("images/val_1.jpg" in line for line in found.diagnosis.tail)


def test_what_a_run_reads_is_not_removed_and_what_is_being_removed_is_not_read(house: House) -> None:
    training = submit_training(house, who(), preset="quick", dataset="fish@1")
    with pytest.raises(RequestError, match=rf"cannot be removed while it is needed by {training.id} \(train on fish@1, "):
        datasets.submit_removal(house, who(), "fish")
    removal = datasets.submit_removal(house, who(), "fish@2")
    assert (removal.kind, house.catalog.numbers("fish")) == (Kind.REMOVE, (1, 2))
    for begin in (
        lambda: submit_training(house, who(), preset="quick", dataset="fish"),
        lambda: submit_convert(house, who(), dataset="fish@2", recipe="coco:coco"),
        lambda: datasets.submit_diff(house, who(), "fish@1", "fish@2"),
    ):
        with pytest.raises(RequestError, match=f"fish@2 is being removed by {removal.id}"):
            begin()


def test_what_somebody_else_made_takes_an_operator(house: House) -> None:
    with pytest.raises(NotAllowedError, match="operator"):
        datasets.submit_removal(house, who("U2"), "fish@1")
    assert datasets.submit_removal(house, who("U2", Role.OPERATOR), "fish@1").kind is Kind.REMOVE


def test_a_dry_run_keeps_what_it_was_asked(house: House) -> None:
    run = submit_convert(house, who(), dataset="fish@2", recipe="coco:coco", name="other", dry_run=True)
    assert isinstance(run.spec, ConvertSpec)
    assert run.spec.dry_run
