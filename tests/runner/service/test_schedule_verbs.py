"""What people may ask of schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from runner.entities import Place, Run
from runner.errors import NotAllowedError, RequestError
from runner.schedules import settle
from runner.service import schedules, standing_orders
from runner.service.house import House, Requester, open_house
from runner.service.schedules import Schedule
from runner.service.standing_orders import SCHEDULES, Book
from runner.settings import Access, Role, Settings
from runner.specs import BoardSpec
from runner.states import Reason
from runner.store import events, people, runs
from runner.store import schedules as rows

NOW = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
ANNA = Requester("UANNA", Role.MEMBER, "slash", "1", Place("C1"))
BO = Requester("UBO", Role.MEMBER, "slash", "2", Place("C1"))
VERA = Requester("UVERA", Role.VIEWER, "slash", "3", Place("C1"))
OTTO = Requester("UOTTO", Role.OPERATOR, "slash", "4", Place("C2"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    settings = Settings(state_folder=tmp_path, zone="Europe/Berlin", access=Access(members=("UANNA",)))
    house = replace(open_house(settings), now=lambda: NOW)
    yield house
    house.store.close()


def test_a_new_schedule_answers_with_its_next_three_times_in_words(house: House) -> None:
    schedule, words = schedules.add(house, ANNA, words="every day 02:30", command="run rtmdet-nano on fish")

    # 02:30 in Berlin is 01:30 UTC: due this very minute, so the next one is tomorrow's.
    assert words == "tomorrow (Sun 22 Nov) 02:30 CET, Mon 23 Nov 02:30 CET, Tue 24 Nov 02:30 CET"
    assert (schedule.owner, schedule.channel, schedule.zone) == ("UANNA", "C1", "Europe/Berlin")
    assert schedules.all_schedules(house) == [(schedule, words)]
    [event] = events.after(house.store.reading(), 0)
    assert (event.kind, event.actor, event.payload["what"]) == ("schedule", "UANNA", "added")


@pytest.mark.parametrize("command", ["", "   ", "x" * 2001, "schedule list", "Schedule remove s-1"])
def test_a_command_that_makes_no_sense_is_refused_and_nothing_is_kept(house: House, command: str) -> None:
    with pytest.raises(RequestError):
        schedules.add(house, ANNA, words="every day 02:30", command=command)

    assert schedules.all_schedules(house) == []


def test_a_viewer_may_not_add(house: House) -> None:
    with pytest.raises(NotAllowedError, match="must be member"):
        schedules.add(house, VERA, words="every day 02:30", command="ps")


@pytest.mark.parametrize("change", [standing_orders.pause, standing_orders.remove])
def test_only_the_owner_or_an_operator_may_change(house: House, change: Callable[[House, Requester, Book[Schedule], str], object]) -> None:
    schedule, _ = schedules.add(house, ANNA, words="every day 02:30", command="ps")

    with pytest.raises(NotAllowedError, match="somebody else's schedule"):
        change(house, BO, SCHEDULES, schedule.id)
    assert schedules.all_schedules(house)[0][0] == schedule
    change(house, OTTO, SCHEDULES, schedule.id)
    assert [row for row, _ in schedules.all_schedules(house)] != [schedule]


def test_the_id_is_found_without_its_letter_and_an_unknown_one_is_named(house: House) -> None:
    schedule, _ = schedules.add(house, ANNA, words="every day 02:30", command="ps")

    assert standing_orders.pause(house, ANNA, SCHEDULES, schedule.id.removeprefix("s-").upper()).paused
    with pytest.raises(RequestError, match="no schedule s-nope"):
        standing_orders.remove(house, ANNA, SCHEDULES, "nope")


def test_what_fell_due_during_a_pause_is_passed_over(house: House) -> None:
    schedule, _ = schedules.add(house, ANNA, words="every day 02:30", command="ps")
    paused = standing_orders.pause(house, ANNA, SCHEDULES, schedule.id)
    later = replace(house, now=lambda: NOW + timedelta(days=3, hours=1))

    assert "paused" in schedules.next_in_words(house, paused)
    assert not schedules.resume(later, ANNA, schedule.id).paused
    assert settle(house.store, schedule.id, now=NOW + timedelta(days=3, hours=2)) is None
    assert schedules.ready_firings(house) == []
    assert settle(house.store, schedule.id, now=NOW + timedelta(days=4)) is not None


def test_a_firing_is_carried_out_as_its_owner_under_one_request_id(house: House) -> None:
    schedule, _ = schedules.add(house, ANNA, words="every day 02:30", command="ps")
    settle(house.store, schedule.id, now=NOW + timedelta(days=1))
    [(due, due_at)] = schedules.ready_firings(house)

    who = standing_orders.requester(house, SCHEDULES, due, due_at.isoformat())

    assert (who.person, who.role, who.door, who.place.channel) == ("UANNA", Role.MEMBER, "schedule", "C1")
    assert who.request_id == f"schedule:{schedule.id}:2026-11-22T01:30:00+00:00"
    schedules.take_firing(house, due, due_at)
    assert schedules.ready_firings(house) == []


def test_the_owners_role_of_today_counts_and_the_terminal_is_admin(house: House) -> None:
    schedule, _ = schedules.add(house, BO, words="every day 02:30", command="ps")

    assert standing_orders.requester(house, SCHEDULES, schedule, "x").role is Role.STRANGER
    with house.store.writing() as db:
        people.grant(db, "UBO", "operator", by="UADMIN", now=NOW)
    assert standing_orders.requester(house, SCHEDULES, schedule, "x").role is Role.OPERATOR
    assert standing_orders.requester(house, SCHEDULES, replace(schedule, owner="terminal:anna"), "x").role is Role.ADMIN


def fire(house: House, schedule: schedules.Schedule, at: datetime) -> None:
    with house.store.writing() as db:
        rows.fire(db, schedule.id, at)


def went_on(house: House, schedule: schedules.Schedule, at: datetime) -> Run:
    """A run of the firing at ``at``, which is taken."""
    fire(house, schedule, at)
    with house.store.writing() as db:
        schedules.take_firing(house, schedule, at)
        return runs.submit(
            db, BoardSpec(run_id="r-bbbb", host="gpu-1", framework="scripted", folder="/r"), owner="UANNA", place=Place("C1"), now=NOW,
            request_id=standing_orders.requester(house, SCHEDULES, schedule, at.isoformat()).request_id,
        )


def ended(house: House, run: Run) -> None:
    with house.store.writing() as db:
        runs.transition(db, run, Reason.BY_USER, now=NOW)


TIMES = [NOW + timedelta(days=day) for day in range(1, 4)]


def test_a_time_at_which_an_earlier_run_goes_on_is_passed_over_and_said(house: House) -> None:
    schedule, _ = schedules.add(house, ANNA, words="every day 02:30", command="ps")
    run = went_on(house, schedule, TIMES[0])
    fire(house, schedule, TIMES[1])

    assert schedules.ready_firings(house) == []
    [skipped] = [event for event in events.after(house.store.reading(), 0) if event.kind == "schedule_skipped"]
    assert run.id in str(skipped.payload["because"])
    ended(house, run)
    assert schedules.ready_firings(house) == []
    fire(house, schedule, TIMES[2])
    assert [due_at for _, due_at in schedules.ready_firings(house)] == TIMES[2:]


@pytest.mark.parametrize("overlap", [schedules.Overlap.QUEUE, schedules.Overlap.REPLACE])
def test_the_newest_time_waits_for_the_runs_of_an_earlier_one_or_has_them_stopped(house: House, overlap: schedules.Overlap) -> None:
    schedule, _ = schedules.add(house, ANNA, words="every day 02:30", command="ps", overlap=overlap)
    run = went_on(house, schedule, TIMES[0])
    fire(house, schedule, TIMES[1])
    fire(house, schedule, TIMES[2])

    assert schedules.ready_firings(house) == schedules.ready_firings(house) == []
    stopped_by = runs.get(house.store.reading(), run.id).stop_requested_by
    assert stopped_by == ("UANNA" if overlap is schedules.Overlap.REPLACE else None)
    ended(house, run)
    assert [due_at for _, due_at in schedules.ready_firings(house)] == TIMES[2:]


def test_the_next_time_is_passed_over_once(house: House) -> None:
    schedule, _ = schedules.add(house, ANNA, words="every day 02:30", command="ps")
    skips, time = schedules.skip_next(house, ANNA, schedule.id)

    assert time == "tomorrow (Sun 22 Nov) 02:30 CET"
    assert schedules.next_in_words(house, skips).startswith("Mon 23 Nov 02:30 CET")
    assert settle(house.store, schedule.id, now=TIMES[0]) is None
    assert schedules.ready_firings(house) == []
    assert settle(house.store, schedule.id, now=TIMES[1]) == TIMES[1]


def test_a_schedule_is_carried_out_now_beside_its_times(house: House) -> None:
    schedule, _ = schedules.add(house, ANNA, words="every day 02:30", command="ps")
    schedules.run_now(house, ANNA, schedule.id)

    assert [due_at for _, due_at in schedules.ready_firings(house)] == [NOW]
    assert settle(house.store, schedule.id, now=TIMES[0]) == TIMES[0]


def test_after_its_last_day_a_schedule_owes_nothing(house: House) -> None:
    schedule, words = schedules.add(house, ANNA, words="every day 02:30", command="ps", until=date(2026, 11, 22))

    assert words == "tomorrow (Sun 22 Nov) 02:30 CET"
    assert settle(house.store, schedule.id, now=TIMES[0]) == TIMES[0]
    assert settle(house.store, schedule.id, now=TIMES[2]) is None
    assert schedules.next_in_words(replace(house, now=lambda: TIMES[0]), schedule) == "it has ended"
    with pytest.raises(RequestError, match="does not come any more until 21 Nov 2026"):
        schedules.add(house, ANNA, words="every day 02:30", command="ps", until=date(2026, 11, 21))
