"""Placement: a pure function that never gives a device twice and always says why."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.entities import Gpu, Lease
from runner.placement import Candidate, Placed, Waiting, place
from runner.states import Reason, State
from tests.support.run_rows import NOW, gpus, run_value

HOSTS = ("a", "b", "c")


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Candidate], dict[str, list[Gpu]], list[Lease]]:
    devices = {host: gpus(host, draw(st.integers(0, 4))) for host in HOSTS}
    flat = [gpu for found in devices.values() for gpu in found]
    taken = draw(st.lists(st.sampled_from(flat), unique_by=lambda gpu: gpu.uuid)) if flat else []
    leases = [Lease(f"r-{100 + number}", gpu.host, gpu.uuid, NOW) for number, gpu in enumerate(taken)]
    some_hosts = st.lists(st.sampled_from(HOSTS), min_size=1, unique=True)
    wanted = draw(st.lists(st.tuples(some_hosts, st.integers(0, 5)), max_size=8))
    queue = [Candidate(run_value(number), tuple(hosts), need) for number, (hosts, need) in enumerate(wanted, start=1)]
    return queue, devices, leases


@given(situations())
def test_no_device_is_given_twice_and_none_that_is_held(situation: tuple[list[Candidate], dict[str, list[Gpu]], list[Lease]]) -> None:
    queue, devices, leases = situation
    given_out = [(lease.host, lease.device) for lease in leases]
    for candidate, decision in zip(queue, place(queue, devices, leases), strict=True):
        if isinstance(decision, Placed):
            assert decision.host in candidate.hosts
            assert len(set(decision.devices)) == candidate.devices
            assert set(decision.devices) <= {gpu.uuid for gpu in devices[decision.host]}
            given_out += [(decision.host, device) for device in decision.devices]
    assert len(given_out) == len(set(given_out))


@given(situations())
def test_it_is_a_function_of_its_inputs(situation: tuple[list[Candidate], dict[str, list[Gpu]], list[Lease]]) -> None:
    queue, devices, leases = situation
    assert place(queue, devices, leases) == place(list(queue), dict(reversed(devices.items())), list(reversed(leases)))


@given(situations())
def test_every_run_starts_or_has_exactly_one_reason_in_a_sentence(
    situation: tuple[list[Candidate], dict[str, list[Gpu]], list[Lease]],
) -> None:
    queue, devices, leases = situation
    decisions = place(queue, devices, leases)
    assert [decision.run.id for decision in decisions] == [candidate.run.id for candidate in queue]
    for decision in decisions:
        if isinstance(decision, Waiting):
            assert decision.reason is Reason.WAITING_FOR_GPU
            assert decision.reason.state is State.PENDING
            assert decision.detail[0].strip()
            assert decision.detail.endswith(".")


@given(situations())
def test_first_come_first_served_on_every_host(situation: tuple[list[Candidate], dict[str, list[Gpu]], list[Lease]]) -> None:
    """Nobody passes a run that waits for a host which could hold it."""
    queue, devices, leases = situation
    waited_for: set[str] = set()
    for candidate, decision in zip(queue, place(queue, devices, leases), strict=True):
        if isinstance(decision, Placed) and candidate.devices:
            assert decision.host not in waited_for
        elif isinstance(decision, Waiting):
            waited_for |= {host for host in candidate.hosts if len(devices[host]) >= candidate.devices}


@given(situations())
def test_nobody_waits_while_its_turn_has_come_and_there_is_room(
    situation: tuple[list[Candidate], dict[str, list[Gpu]], list[Lease]],
) -> None:
    queue, devices, leases = situation
    held = {lease.device for lease in leases}
    waited_for: set[str] = set()
    for candidate, decision in zip(queue, place(queue, devices, leases), strict=True):
        if isinstance(decision, Placed):
            held |= set(decision.devices)
        else:
            open_hosts = [host for host in candidate.hosts if host not in waited_for]
            assert all(len([gpu for gpu in devices[host] if gpu.uuid not in held]) < candidate.devices for host in open_hosts)
            waited_for |= {host for host in candidate.hosts if len(devices[host]) >= candidate.devices}


def test_a_run_that_no_host_could_ever_hold_delays_nobody() -> None:
    too_large, small = Candidate(run_value(1), ("a",), 8), Candidate(run_value(2), ("a",), 1)
    first, second = place([too_large, small], {"a": gpus("a", 2)}, [])
    assert first == Waiting(too_large.run, Reason.WAITING_FOR_GPU, "Needs 8 devices on one host; the largest of a has 2.")
    assert second == Placed(small.run, "a", ("a-GPU-0",))


def test_the_sentences_of_waiting() -> None:
    held = [Lease("r-9", "a", "a-GPU-0", NOW)]
    wide, narrow, pinned = (Candidate(run_value(1), ("a",), 2), Candidate(run_value(2), ("a",), 1), Candidate(run_value(3), ("b",), 1))
    details = [decision.detail for decision in place([wide, narrow, pinned], {"a": gpus("a", 2)}, held) if isinstance(decision, Waiting)]
    assert details == [
        "a is taken by r-9.",
        "Its turn comes after r-1, which waits for more devices there.",
        "b has not said which devices it has, or its nvidia-smi does not answer.",
    ]


def test_what_needs_no_device_starts_at_once() -> None:
    decision, = place([Candidate(run_value(1), ("b", "a"), 0)], {}, [])
    assert decision == Placed(run_value(1), "b", ())


def test_chosen_devices_are_taken_and_no_others() -> None:
    chosen = Candidate(run_value(1), ("a",), 2, ("a-GPU-3", "a-GPU-1"))
    decision, = place([chosen], {"a": gpus("a", 4)}, [])
    assert decision == Placed(chosen.run, "a", ("a-GPU-3", "a-GPU-1"))


def test_who_waits_for_chosen_devices_says_who_has_them_and_keeps_others_from_these_alone() -> None:
    held = [Lease("r-9", "a", "a-GPU-1", NOW)]
    chosen = Candidate(run_value(1), ("a",), 2, ("a-GPU-0", "a-GPU-1"))
    same = Candidate(run_value(2), ("a",), 1, ("a-GPU-0",))
    any_two, one = Candidate(run_value(3), ("a",), 2), Candidate(run_value(4), ("a",), 1)
    decisions = place([chosen, same, any_two, one], {"a": gpus("a", 4)}, held)
    assert decisions == [
        Waiting(chosen.run, Reason.WAITING_FOR_GPU, "Waits for GPU 1 (r-9 has it or comes first) of a."),
        Waiting(same.run, Reason.WAITING_FOR_GPU, "Waits for GPU 0 (r-1 has it or comes first) of a."),
        Placed(any_two.run, "a", ("a-GPU-2", "a-GPU-3")),
        Waiting(one.run, Reason.WAITING_FOR_GPU, "a is taken by r-1, r-3, r-9."),
    ]


def test_a_chosen_device_that_is_gone_is_named() -> None:
    chosen = Candidate(run_value(1), ("a",), 1, ("GPU-old",))
    decisions = [place([chosen], {"a": seen}, [])[0] for seen in (gpus("a", 2), [])]
    assert [decision.detail for decision in decisions if isinstance(decision, Waiting)] == [
        "a has no device GPU-old any more; submit it again with devices that are there.",
        "a has not said which devices it has, or its nvidia-smi does not answer.",
    ]
