"""What starts, what waits and why: by example, and what holds for any scene."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from runner.queueing.decide import PROMISED, Decisions, Promise, Start, Wait, decide
from runner.queueing.facts import Disk, Foreign, Lock, Running, Scene
from runner.queueing.order import goes_first, ordered
from runner.queueing.policy import Policy
from runner.states import Reason
from tests.runner.queueing.scenes import NOW, gpu, policies, scenes, waits

TWO = (gpu("gpu1", 0), gpu("gpu1", 1))
ANYBODY = Policy()


def scene(*waiting, devices=TWO, running=(), **more) -> Scene:
    return Scene(tuple(waiting), tuple(running), tuple(devices), NOW, **more)


def started(decisions: Decisions) -> dict[str, tuple[str, ...]]:
    return {start.run_id: tuple(device for share in start.shares for device in share.devices) for start in decisions.starts}


def reason(decisions: Decisions, run_id: str) -> Wait:
    return next(wait for wait in decisions.waits if wait.run_id == run_id)


def holds(run_id: str, *devices: str, minutes: float | None = 60, **more) -> Running:
    return Running(run_id, "ben", "gpu1", devices, ends_at=None if minutes is None else NOW + timedelta(minutes=minutes), **more)


def test_who_came_first_goes_first() -> None:
    found = decide(scene(waits("r-b", minutes_ago=1), waits("r-a", minutes_ago=5), waits("r-c"), devices=TWO[:1]), ANYBODY)

    assert list(started(found)) == ["r-a"]
    assert reason(found, "r-b").why == "Needs a device on gpu1: held by r-a."
    assert reason(found, "r-c").why == "Its turn comes after r-b, which wants the same."


def test_people_take_turns_and_who_used_least_begins() -> None:
    queue = [waits(f"r-a{n}", "ada", minutes_ago=60 - n) for n in range(3)]
    queue += [waits(f"r-b{n}", "ben", minutes_ago=10 - n) for n in range(3)]
    four = tuple(gpu("gpu1", index) for index in range(4))

    assert set(started(decide(scene(*queue, devices=four), ANYBODY))) == {"r-a0", "r-a1", "r-b0", "r-b1"}
    used = {"ada": 40 * 3600.0}
    assert set(started(decide(scene(*queue, devices=four, used=used), ANYBODY))) == {"r-a0", "r-b0", "r-b1", "r-b2"}
    heavy = Policy(weights={"ada": 1000.0})
    assert set(started(decide(scene(*queue, devices=four, used=used), heavy))) == {"r-a0", "r-a1", "r-a2", "r-b0"}


def test_priority_and_what_was_moved_stand_before_all_else() -> None:
    queue = [waits("r-old", minutes_ago=99), waits("r-moved", place=0.0), waits("r-urgent", "ben", priority=1)]
    found = decide(scene(*queue, devices=TWO), ANYBODY)

    assert list(started(found)) == ["r-urgent", "r-moved"]


def test_the_head_is_never_delayed_by_what_fits_behind_it() -> None:
    wide, narrow = waits("r-wide", minutes_ago=9, devices=2), waits("r-narrow", "cleo", lasts_s=60.0)
    held = holds("r-held", "GPU-gpu1-0")

    found = decide(scene(wide, narrow, running=[held]), ANYBODY)
    assert started(found) == {}
    assert reason(found, "r-wide").starts_at == held.ends_at
    assert "r-wide" in reason(found, "r-narrow").why
    promised = replace(narrow, limit_s=3600.0)
    assert started(decide(scene(wide, promised, running=[held]), ANYBODY)) == {"r-narrow": ("GPU-gpu1-1",)}
    too_long = replace(narrow, limit_s=3601.0)
    assert started(decide(scene(wide, too_long, running=[held]), ANYBODY)) == {}


def test_devices_of_one_run_are_of_one_kind_and_large_ones_stay_free() -> None:
    mixed = (gpu("gpu1", 0), gpu("gpu1", 1, kind=1), gpu("gpu1", 2))

    assert started(decide(scene(waits("r-two", devices=2), devices=mixed), ANYBODY)) == {"r-two": ("GPU-gpu1-0", "GPU-gpu1-2")}
    assert started(decide(scene(waits("r-one", memory_mib=30_000), devices=mixed), ANYBODY)) == {"r-one": ("GPU-gpu1-1",)}
    assert "one kind" in reason(decide(scene(waits("r-3", devices=3), devices=mixed), ANYBODY), "r-3").why


def test_programs_of_others_are_respected() -> None:
    busy = (gpu("gpu1", 0, foreign=(Foreign("zoe", 14_000),)),)

    assert "zoe on gpu1:0" in reason(decide(scene(waits("r-a"), devices=busy), ANYBODY), "r-a").why
    assert started(decide(scene(waits("r-a", memory_mib=9_000), devices=busy), ANYBODY)) == {"r-a": ("GPU-gpu1-0",)}
    assert started(decide(scene(waits("r-a", memory_mib=11_000), devices=busy), ANYBODY)) == {}


def test_locks_quotas_and_broken_devices_keep_runs_waiting_with_that_reason() -> None:
    lock = Lock("gpu1", None, "cleo", NOW + timedelta(hours=4), "debugging")
    assert "locked by cleo" in reason(decide(scene(waits("r-a"), locks=(lock,)), ANYBODY), "r-a").why
    assert started(decide(scene(waits("r-a"), locks=(replace(lock, until=NOW),)), ANYBODY))

    held = [holds("r-held", "GPU-gpu1-0")]
    over = reason(decide(scene(waits("r-a", "ben"), running=held), Policy(person_gpus=1)), "r-a")
    assert (over.reason, over.why) == (
        Reason.WAITING_FOR_QUOTA, "The quota of ben is 1 device at a time, and r-held holds 1: it waits for the end of one of its own runs."
    )

    broken = (gpu("gpu1", 0, broken="it fell off the bus"),)
    why = reason(decide(scene(waits("r-a"), devices=broken), ANYBODY), "r-a").why
    assert why.endswith("out of order: gpu1:0 (it fell off the bus). It starts once that is mended.")


def test_who_is_told_why_another_goes_first_is_told_what_decided() -> None:
    mine, theirs = waits("r-mine", "ada", minutes_ago=5), waits("r-theirs", "ben")
    used = {"ada": 80 * 3600.0, "ben": 12 * 3600.0}

    def said(first, then, **more) -> str:
        return goes_first(first, then, scene(first, then, **more), ANYBODY)

    usage = "of late ben has used 12 GPU hours and ada 80 GPU hours (what is 7 days old counts half)"
    assert said(theirs, mine, used=used) == usage
    assert said(replace(theirs, priority=3), mine) == "its priority is 3, and this one's is 0"
    assert said(replace(theirs, place=-1.0), mine) == "somebody moved it to the front"
    assert said(mine, theirs) == "it has waited longer"
    runs_now = [replace(holds("r-held", "GPU-gpu1-0"), owner="ada")]
    assert said(theirs, mine, running=runs_now).startswith("with what runs now ben takes 0.0 GPU hours and ada 1.0 GPU hours")
    assert said(theirs, mine) == "ada has other runs that stand before this one, and people take turns"
    queue = [mine, theirs, waits("r-last", "ada")]
    waiting = decide(scene(*queue, devices=TWO[:1], used=used), ANYBODY)
    assert (started(waiting), reason(waiting, "r-mine").after, reason(waiting, "r-last").after) == (
        {"r-theirs": ("GPU-gpu1-0",)}, "", "r-mine",
    )


def test_a_run_goes_where_the_disk_holds_what_it_writes_and_the_next_finds_what_is_left() -> None:
    disks = (Disk("gpu1", "/data", 3 * 10**9), Disk("gpu2", "/scratch", 25 * 10**9))
    need = {"gpu1": 12 * 10**9, "gpu2": 12 * 10**9}
    queue = [waits(f"r-{number}", minutes_ago=9 - number, disk=need) for number in range(3)]
    devices = tuple(gpu(host, index) for host in ("gpu1", "gpu2") for index in range(4))
    found = decide(scene(*queue, devices=devices, disks=disks), ANYBODY)

    assert {start.run_id: start.host for start in found.starts} == {"r-0": "gpu2", "r-1": "gpu2"}
    waiting = reason(found, "r-2")
    assert waiting.reason is Reason.WAITING_FOR_HOST
    assert waiting.why == (
        "Needs 12 GB in /data on gpu1, which has 3.0 GB free; 12 GB in /scratch on gpu2, which has 1.0 GB free. "
        "Free some there; `--keep` says how many checkpoints stay."
    )
    assert decide(scene(queue[0], devices=devices), ANYBODY).starts[0].host == "gpu1", "nobody knows what is free"


def test_only_who_may_preempts_and_only_what_gives_way() -> None:
    held = holds("r-held", "GPU-gpu1-0", "GPU-gpu1-1", minutes=None)
    urgent = waits("r-urgent", "ada", priority=2, devices=2)
    allowed = Policy(preempting_priority=2, preemption_grace_s=600)

    found = decide(scene(urgent, running=[held]), allowed)
    assert [(each.run_id, each.for_run) for each in found.preempts] == [("r-held", "r-urgent")]
    assert reason(found, "r-urgent").starts_at == NOW + timedelta(seconds=600)
    assert decide(scene(urgent, running=[held]), ANYBODY).preempts == ()
    assert decide(scene(urgent, running=[replace(held, preemptible=False)]), allowed).preempts == ()
    assert decide(scene(urgent, running=[replace(held, priority=2)]), allowed).preempts == ()
    assert decide(scene(urgent, running=[replace(held, preempted=True)]), allowed).preempts == ()


def test_the_chosen_devices_and_no_others() -> None:
    wants = waits("r-a", devices=1, chosen=("GPU-gpu1-1",))
    assert started(decide(scene(wants), ANYBODY)) == {"r-a": ("GPU-gpu1-1",)}
    assert "held by r-held" in reason(decide(scene(wants, running=[holds("r-held", "GPU-gpu1-1")]), ANYBODY), "r-a").why


FOUR = tuple(gpu(host, index) for host in ("gpu1", "gpu2") for index in range(2))


def test_a_run_on_two_hosts_starts_on_both_at_once() -> None:
    found = decide(scene(waits("r-a", devices=2, spread=2), waits("r-b", devices=1), devices=FOUR), ANYBODY)
    [start] = found.starts
    assert start.shares == (("gpu1", ("GPU-gpu1-0", "GPU-gpu1-1")), ("gpu2", ("GPU-gpu2-0", "GPU-gpu2-1")))
    led = decide(scene(waits("r-a", devices=2, spread=2, first="gpu2"), devices=FOUR), ANYBODY)
    assert [share.host for share in led.starts[0].shares] == ["gpu2", "gpu1"]


def test_where_one_of_two_hosts_is_full_a_run_on_both_waits_and_both_are_kept_for_it() -> None:
    held, both = [holds("r-held", "GPU-gpu1-0", minutes=60)], waits("r-both", minutes_ago=9, devices=2, spread=2)
    long, short = waits("r-long", hosts=("gpu2",), limit_s=2 * 3600.0), waits("r-short", hosts=("gpu2",), limit_s=1800.0)
    found = decide(scene(both, long, short, devices=FOUR, running=held), ANYBODY)
    assert list(started(found)) == ["r-short"], "who is gone by then may go first, even where all of a host is kept"
    waiting = reason(found, "r-both")
    assert waiting.why == "Needs 2 devices of one kind on each of 2 hosts: held by r-held."
    assert waiting.starts_at == NOW + timedelta(hours=1)
    assert reason(found, "r-long").why == "Its turn comes after r-both."


def test_a_run_on_two_hosts_that_can_never_start_says_so() -> None:
    mixed = (gpu("gpu1", 0), gpu("gpu2", 0, kind=1))
    wait = reason(decide(scene(waits("r-a", devices=1, spread=2), devices=mixed), ANYBODY), "r-a")
    assert wait.why == "Needs a device on each of 2 hosts at once, all of one kind; only gpu1, gpu2 could ever give that."
    led = reason(decide(scene(waits("r-a", spread=2, first="gpu3", hosts=("gpu1", "gpu2")), devices=FOUR), ANYBODY), "r-a")
    assert "and gpu3 has to be among them" in led.why


def test_nothing_gives_way_where_the_other_host_stays_taken() -> None:
    policy = Policy(preempting_priority=1, preemption_grace_s=60)
    urgent = waits("r-a", priority=1, devices=2, spread=2)
    stays = Running("r-stays", "ben", "gpu2", ("GPU-gpu2-0",), preemptible=False)
    one, other = holds("r-gives", "GPU-gpu1-0", minutes=None), replace(stays, preemptible=True)
    assert decide(scene(urgent, devices=FOUR, running=[one, stays]), policy).preempts == ()
    assert {each.run_id for each in decide(scene(urgent, devices=FOUR, running=[one, other]), policy).preempts} == {"r-gives", "r-stays"}


def test_who_comes_next_is_promised_a_host_of_those_that_could_hold_it() -> None:
    held = [holds("r-1", "GPU-gpu1-0", minutes=60), replace(holds("r-2", "GPU-gpu2-0", minutes=5), host="gpu2")]
    queue = [waits(f"r-{name}", minutes_ago=60 - place) for place, name in enumerate("abcde")]
    one_each = (gpu("gpu1", 0), gpu("gpu2", 0))

    promised = decide(scene(*queue, running=held, devices=one_each), ANYBODY).promised
    assert promised[0] == Promise("r-a", "gpu2"), "where it is free first"
    assert promised[1:] == (Promise("r-b", "gpu1"), Promise("r-c", "gpu1"), Promise("r-d", "gpu2"))

    two = [waits("r-two", devices=2), waits("r-quota", "ben"), waits("r-free", "cleo", hosts=("gpu2",))]
    found = decide(scene(*two, running=held[:1], devices=one_each), Policy(person_gpus=1, weights={}))
    assert found.promised == (), "what no host could hold, what its quota keeps, and what starts"


@given(scene=scenes(), policy=policies)
@settings(max_examples=300, deadline=None)
def test_only_what_waits_for_devices_is_promised_each_once_and_few_on_a_host(scene: Scene, policy: Policy) -> None:
    found = decide(scene, policy)
    runs = {run.id: run for run in scene.waiting}
    waiting = {wait.run_id for wait in found.waits if wait.reason is Reason.WAITING_FOR_GPU}
    assert {promise.run_id for promise in found.promised} <= waiting
    assert len({promise.run_id for promise in found.promised}) == len(found.promised)
    for host in {promise.host for promise in found.promised}:
        there = [promise for promise in found.promised if promise.host == host]
        assert len(there) <= PROMISED
        assert all(host in runs[promise.run_id].hosts for promise in there)


@given(scene=scenes(), policy=policies)
@settings(max_examples=300, deadline=None)
def test_what_holds_for_any_scene(scene: Scene, policy: Policy) -> None:
    found = decide(scene, policy)

    assert sorted([start.run_id for start in found.starts] + [wait.run_id for wait in found.waits]) == sorted(r.id for r in scene.waiting)
    given_now = [device for devices in started(found).values() for device in devices]
    taken = given_now + [device for run in scene.running for device in run.devices]
    assert len(taken) == len(set(taken)), "no device is given twice"
    runs, devices = {run.id: run for run in scene.waiting}, {device.id: device for device in scene.devices}
    locked = {lock.device for lock in scene.locks if lock.until > scene.now}
    for start in found.starts:
        run, given_devices = runs[start.run_id], [devices[device] for share in start.shares for device in share.devices]
        assert len(start.shares) == len({share.host for share in start.shares}) == (run.spread if run.devices else 1), "all hosts or none"
        assert {len(share.devices) for share in start.shares} == {run.devices}
        assert {share.host for share in start.shares} <= set(run.hosts)
        assert run.spread == 1 or not run.devices or run.first in (None, start.host)
        assert all(devices[device].host == share.host for share in start.shares for device in share.devices)
        assert len({device.kind for device in given_devices}) <= 1
        assert not any(device.broken or device.id in locked for device in given_devices)
    assert all(wait.why.endswith(".") and wait.reason.state.value == "PENDING" for wait in found.waits)
    assert decide(scene, policy) == found
    shuffled = list(scene.waiting)
    random.Random(3).shuffle(shuffled)
    assert decide(replace(scene, waiting=tuple(shuffled)), policy) == found


@given(scene=scenes())
@settings(max_examples=300, deadline=None)
def test_the_head_starts_no_later_for_who_is_behind_it(scene: Scene) -> None:
    """Once all that was decided has started, the head still finds room when it was promised, however long those behind stay."""
    found = decide(scene, ANYBODY)
    head = next((wait for wait in found.waits if wait.starts_at is not None), None)
    if head is None:
        return
    order, runs = [run.id for run in ordered(scene, ANYBODY)], {run.id: run for run in scene.waiting}

    def begun(start: Start) -> list[Running]:
        run = runs[start.run_id]
        stays_s = run.limit_s if order.index(run.id) > order.index(head.run_id) else run.lasts_s or run.limit_s
        ends = NOW + timedelta(seconds=stays_s) if stays_s else None
        return [Running(run.id, run.owner, share.host, share.devices, ends_at=ends) for share in start.shares if share.devices]

    running = (*scene.running, *(held for start in found.starts for held in begun(start)))
    alone = decide(replace(scene, waiting=(runs[head.run_id],), running=running), ANYBODY)
    assert alone.starts or (alone.waits[0].starts_at is not None and alone.waits[0].starts_at <= head.starts_at)


@pytest.mark.parametrize("queued", [10_000])
def test_a_long_queue_is_decided_in_one_pass(queued: int) -> None:
    devices = tuple(gpu(f"gpu{host}", index) for host in range(20) for index in range(8))
    hosts = tuple(f"gpu{host}" for host in range(20))
    waiting = [waits(f"r-{n}", f"p{n % 12}", hosts=hosts, devices=1 + n % 4, minutes_ago=n % 997) for n in range(queued)]

    found = decide(scene(*waiting, devices=devices), ANYBODY)
    assert sum(len(start.devices) for start in found.starts) == 160
    assert len(found.waits) + len(found.starts) == queued
