"""A Slurm cluster as a host, in the words of chat."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.answer import Answer
from bot.grammar import answer
from runner.allotting import nodes_of
from runner.errors import BadSpecError
from runner.evidence import DeviceUse, Resources
from runner.service.house import House
from runner.settings import Role
from runner.store import hosts
from tests.support.words_house import somebody, words_house


def ask(house: House, line: str) -> Answer:
    return answer(house, somebody(role=Role.ADMIN), line)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return words_house(tmp_path)


def test_a_cluster_is_added_with_one_verb_and_shows_its_nodes(house: House) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample"
    line = f'host add cluster1 train@login.example.com --executor slurm --partition gpus --sbatch "--account=vision" --host-key "{key}"'
    assert ask(house, line).ok
    assert not ask(house, line.replace("slurm", "screen")).ok
    with house.store.writing() as db:
        nodes = tuple(DeviceUse(f"node{node}:{gpu}", 2 * node + gpu, "a100", 0, 0) for node in (0, 1) for gpu in (0, 1))
        down = DeviceUse("node2:0", 4, "a100", 0, 0, broken="Slurm has node2 as down")
        hosts.note_resources(db, Resources("cluster1", (*nodes, down), cpus=32))
        known = hosts.get(db, "cluster1")
        assert (known.executor, known.partition, known.options) == ("slurm", "gpus", "--account=vision")
        assert [nodes_of(db, known, gpus) for gpus in (1, 2, 4)] == [1, 1, 2]
        with pytest.raises(BadSpecError, match="2 GPUs on a node, and 3 cannot lie evenly on 2; ask for 4"):
            nodes_of(db, known, 3)
    page = ask(house, "host check cluster1").text
    assert "the login node of a Slurm cluster, partition gpus" in page
    assert "Slurm has node2 as down" in page
