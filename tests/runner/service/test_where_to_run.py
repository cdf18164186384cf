"""``--host gpu-1:2,3``: numbers become devices of that host, or a sentence says why not; the run gets exactly these."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import RequestError
from runner.evidence import DeviceUse, Resources
from runner.service.hosts import WhereToRun, Wish, host_view, where_to_run
from runner.service.house import House
from runner.service.runs import submit_training
from runner.specs import Overrides, TrainSpec
from runner.states import Reason
from runner.store import hosts
from tests.support.run_rows import house_in
from tests.support.scripted_house import HOST, scripted_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """gpu-1 has three GPUs, of which nvidia-smi counts the numbers 0, 2 and 3."""
    made = house_in(tmp_path)
    devices = tuple(DeviceUse(f"GPU-{number}-uuid", number, "H200", 140_000, 0) for number in (0, 2, 3))
    with made.store.writing() as db:
        hosts.note_resources(db, Resources(HOST, devices))
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("wish", "there"),
    [
        (Wish(), WhereToRun(None, 1)),
        (Wish(gpus=4), WhereToRun(None, 4)),
        (Wish(gpus=0), WhereToRun(None, 0)),
        (Wish(HOST), WhereToRun(HOST, 1)),
        (Wish(HOST, 3), WhereToRun(HOST, 3)),
        (Wish(f"{HOST}:2,3"), WhereToRun(HOST, 2, ("GPU-2-uuid", "GPU-3-uuid"))),
        (Wish(f"{HOST}:3,0", 2), WhereToRun(HOST, 2, ("GPU-3-uuid", "GPU-0-uuid"))),
        (Wish(f"{HOST}:GPU-2-uuid"), WhereToRun(HOST, 1, ("GPU-2-uuid",))),
    ],
)
def test_a_wish_becomes_a_place(house: House, wish: Wish, there: WhereToRun) -> None:
    assert where_to_run(house, wish) == there


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(f"{HOST}:1,2,7"), "gpu-1 has no device 1, 7; it has 0 (GPU-0-uuid), 2 (GPU-2-uuid), 3 (GPU-3-uuid)."),
        (Wish(f"{HOST}:2,3", 1), "gpu-1:2,3 names 2 of the devices, but --gpus says 1"),
        (Wish(f"{HOST}:2,2"), "names a device twice"),
        (Wish(f"{HOST}:"), "write their numbers behind the host, as in gpu-1:2,3"),
        (Wish(f"{HOST}:2;3"), "has no device 2;3"),
        (Wish("gpu-9:0"), "There is no host gpu-9"),
    ],
)
def test_what_does_not_fit_is_refused(house: House, wish: Wish, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        where_to_run(house, wish)
    assert words in str(caught.value)


def test_before_a_host_has_spoken_nobody_knows_its_devices(house: House) -> None:
    with house.store.writing() as db:
        db.conn.execute("UPDATE hosts SET resources = NULL")
    assert where_to_run(house, Wish(HOST)) == WhereToRun(HOST, 1)
    with pytest.raises(RequestError, match=r"gpu-1 has not said yet which devices it has"):
        where_to_run(house, Wish(f"{HOST}:0"))


def test_a_run_gets_the_slots_it_chose_and_waits_for_them_alone() -> None:
    with scripted_house(Path(tempfile.mkdtemp(prefix="house")), slots=3) as made, made.running():
        deadline = time.monotonic() + 20
        while "devices" not in host_view(made.house, HOST).resources and time.monotonic() < deadline:
            time.sleep(0.02)
        slowly = Overrides(options=("step_s=0.5",))
        long = submit_training(made.house, made.who("a"), preset="quick", dataset="fish", host=f"{HOST}:1", overrides=slowly)
        made.wait(long, Reason.WORKING)
        both = submit_training(made.house, made.who("b"), preset="quick", dataset="fish", host=f"{HOST}:1,2")
        waiting = made.wait(both, Reason.WAITING_FOR_GPU)
        assert waiting.run.detail == f"Needs gpu-1:1, gpu-1:2 on gpu-1: held by {long.id}."
        other = submit_training(made.house, made.who("c"), preset="quick", dataset="fish")
        made.wait(other, Reason.COMPLETED)
        made.wait(long, Reason.COMPLETED)
        seen = made.wait_until(both, lambda view: view.devices or view.run.state.final)
        assert isinstance(seen.run.spec, TrainSpec)
        assert seen.run.spec.devices == ("cpu:1", "cpu:2")
        assert [lease.device for lease in seen.devices] in (["cpu:1", "cpu:2"], [])
        made.wait(both, Reason.COMPLETED)
