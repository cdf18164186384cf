"""A real MMDetection training on two hosts: two sshd in two network namespaces, torchrun on both, gloo over the cable between them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recipes.ingest import ingest
from runner.entities import Environment
from runner.service.runs import submit_training
from runner.service.views import log_tail
from runner.specs import Overrides
from runner.states import Reason
from runner.store import attempts, hosts
from tests.runner.frameworks.conftest import training_environment
from tests.support.namespaces import hosts_in, two_namespaces, why_not
from tests.support.scripted_house import HOST, scripted_house, write_coco
from tests.support.two_hosts import SECOND, second_host

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]
__all__ = ["training_environment"]  # a fixture


def test_a_training_on_two_hosts_learns_together_through_gloo(training_environment: Environment, tmp_path: Path) -> None:
    if why := why_not():
        pytest.skip(why)
    with (
        two_namespaces() as both, scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as scripted,
        second_host(scripted, tmp_path / "second"), hosts_in(scripted, both, tmp_path),
    ):
        house = scripted.house
        ingest(house.catalog, write_coco(tmp_path / "coco", images=4, size=(64, 64)), name="larger", created_at=datetime.now(UTC))
        with house.store.writing() as db:
            for name in (HOST, SECOND):
                hosts.put_environment(db, replace(training_environment, host=name))
        run = submit_training(
            house, scripted.who(), preset="rtmdet-nano", dataset="larger", hosts=2, overrides=Overrides(epochs=1, batch=1)
        )
        with scripted.running():
            seen = scripted.wait(run, Reason.COMPLETED, timeout_s=400)
        first, second = attempts.ranks(house.store.reading(), run.id, 1)
        said = "\n".join(log_tail(house, run.id, lines=2000))
        command = (Path(second.directory) / "command.sh").read_text()
    assert [checkpoint.name for _, checkpoint in seen.checkpoints][-1:] == ["epoch_1.pth"]
    assert [point.epoch for point in seen.epoch_ends] == [1]
    assert f"--node_rank=1 --master_addr={both[0].peer_address} --master_port={first.port}" in command
    assert "GPU number: 2" in said
    assert "Distributed training: True" in said
    assert (first.exit_code, second.exit_code) == (0, 0)

