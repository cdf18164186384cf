"""Both ways: no false alarm of a stall or a divergence, on real logs and on what healthy trainings do; and every planted one is found."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runner.alerts.course import Measured
from runner.alerts.engine import EVERY
from runner.entities import Progress
from runner.frameworks.known_logs import LOG_PARSERS, recognised
from runner.specs import Kind
from runner.states import Reason, State
from tests.runner.alerts.film import RULES, Film

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
CASES = Path(__file__).parents[2] / "cases" / "logs"
FOLDERS = ("mmdet1_logs", "mmdet2_logs", "mmdet3_logs", "m2det_logs", "tfod_logs", "tfod_real")
REAL = [path for folder in FOLDERS for path in (SAMPLES / folder).rglob("*")]
LOGS = sorted(path for path in [*REAL, *CASES.glob("*.log")] if path.is_file() and path.suffix in (".log", ".txt", ".json"))
TROUBLE = {"stalled", "hanging", "no_iterations", "loss_not_finite", "loss_diverges", "slow"}


def points(path: Path) -> list[Progress]:
    text = path.read_bytes()
    name = recognised([text])
    return [record for record in LOG_PARSERS[name]().feed(text) if isinstance(record, Progress)] if name else []


WITH_POINTS = {path: found for path in LOGS if len(found := points(path)) > 1}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="there are no real logs here: ../shared/samples")
def test_there_are_real_logs_of_every_framework() -> None:
    assert all(any(folder in path.parts for path in WITH_POINTS) for folder in FOLDERS)
    assert len(WITH_POINTS) >= 45
    assert sum(map(len, WITH_POINTS.values())) > 500


@pytest.mark.parametrize("path", WITH_POINTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_real_logs_raise_no_false_alarm_and_real_nans_are_found(path: Path) -> None:
    """As fast as the log says, with a validation of twenty minutes between epochs in which nothing is printed."""
    film, before = Film(), None
    film.pass_s(600)  # loading the data
    bad = 0
    for point in WITH_POINTS[path]:
        new_epoch = before is not None and point.epoch != before.epoch
        steps = min(point.iteration, 100) if before is None or new_epoch else max(0, point.iteration - before.iteration)
        film.point(point, after_s=min(3600.0, (point.step_s or 0.2) * steps) + (1200 if new_epoch else 0))
        bad = bad + 1 if point.loss is not None and not math.isfinite(point.loss) else 0
    nan = {"loss_not_finite"} if bad >= 2 else set()
    film.pass_s(10)
    assert TROUBLE & set(film.fired) <= {"loss_not_finite"}
    assert TROUBLE & film.firing == nan


def test_a_suite_of_healthy_trainings_raises_no_alarm() -> None:
    long_validation = Film()
    long_validation.train(4, validation_s=25 * 60)
    slow_start = Film()
    slow_start.train(3, first_s=25 * 60)
    rare_points = Film()
    rare_points.train(3, points=5, step_s=6.0, stride=100)
    bars = Film()
    bars.train(2)
    for _ in range(400):  # a validation of more than an hour that draws a bar
        bars.pass_s(10)
        bars.grow()
    bars.train(1, first_epoch=3)
    rare_validation = Film()
    for epoch in range(1, 11):
        rare_validation.train(1, first_epoch=epoch, validation_s=25 * 60 if epoch % 5 == 0 else 0)
        rare_validation.run = replace(rare_validation.run, evaluations=[Measured(5, 0.4)] if epoch >= 5 else [])
    for film in (long_validation, slow_start, rare_points, bars, rare_validation):
        assert film.fired == {}


def test_what_a_healthy_loss_and_a_healthy_pace_do_is_no_alarm() -> None:
    restarts = Film()  # the learning rate starts anew twice, and the loss with it
    for cycle in range(3):
        restarts.train(3, first_epoch=1 + 3 * cycle, loss=2.0)
    scales = Film()  # images of another size every few points
    for number in range(1, 400):
        step_s = 0.4 if number // 3 % 2 else 0.75
        scales.point(Progress(1, 50 * number, 50_000, 1.5, step_s=step_s), after_s=50 * step_s)
    counted = Film()  # iterations without epochs, with a checkpoint written every hundred points
    for number in range(1, 500):
        counted.point(Progress(1, 100 * number, 50_000, 3.0 / math.sqrt(number), step_s=0.3), after_s=30 if number % 100 else 200)
    learns_late = Film()  # a warm-up in which the loss grows threefold before it falls
    for number in range(1, 200):
        learns_late.point(Progress(1, 50 * number, 10_000, 1 + 2 * min(number, 40) / 40 if number < 80 else 1.0, step_s=0.5), after_s=25)
    assert [film.fired for film in (restarts, scales, counted, learns_late)] == [{}] * 4


@pytest.mark.parametrize("kind", [Kind.EVAL, Kind.PREDICT])
def test_an_evaluation_that_prints_nothing_for_long_is_healthy_and_one_that_never_goes_on_is_found(kind: Kind) -> None:
    film = Film()
    film.run = replace(film.run, kind=kind)
    for _ in range(3):
        film.pass_s(25 * 60)
        film.grow()
    assert film.fired == {}
    begun = film.at_s
    film.pass_s(3600, busy=False)
    assert film.fired == {"stalled": pytest.approx(begun + 31 * 60, abs=10)}


def test_pauses_cut_lines_resumes_and_clocks_raise_no_alarm_of_a_stall() -> None:
    film = Film(ahead=timedelta(hours=-3))  # its clock is wrong
    film.train(2)
    film.pass_s(3600, heard=False)  # the line is cut; what trains goes on
    assert set(film.fired) == {"host_unreachable"}
    film.pass_s(5)  # heard again; the log's bytes come a moment later
    film.train(2, first_epoch=3)
    film.now += timedelta(hours=2)  # the runner's machine was asleep
    film.train(1, first_epoch=5)
    film.pass_s(1800, looks=False)  # the runner was stopped, while the host trained on
    film.grow()
    film.train(1, first_epoch=6)
    film.restart()
    film.train(2, first_epoch=6, first_s=600)
    film.run = replace(film.run, reason=Reason.STOPPING)
    film.pass_s(3600)
    assert set(film.fired) == {"host_unreachable"}
    assert film.firing == set()


def test_a_host_that_slept_an_hour_is_not_stalled_when_it_wakes() -> None:
    film = Film()
    film.train(2)
    film.pass_s(3600, heard=False, looks=False)
    film.pass_s(30)  # its clock says that the log has not grown for an hour
    film.train(1, first_epoch=3)
    assert film.fired == {}


def test_the_bounds_are_those_of_the_rules() -> None:
    """What the tests below hold the alarms to: a stall is max(5 min, 10 × the median iteration), ``for`` included."""
    rules = {rule.name: rule for rule in RULES}
    for name in ("stalled", "hanging"):
        assert rules[name].with_["minutes"] * 60 + rules[name].for_.total_seconds() == 300 and rules[name].with_["times"] == 10
    assert (rules["slow"].with_["times"], rules["slow"].for_) == (2, timedelta(minutes=10))
    assert (rules["loss_not_finite"].with_["points"], rules["loss_not_finite"].for_) == (2, timedelta())
    assert rules["host_unreachable"].for_ == timedelta(minutes=2)
    assert EVERY.total_seconds() == 5


@pytest.mark.parametrize(("busy", "name"), [(False, "stalled"), (True, "hanging")])
@pytest.mark.parametrize("step_s", [0.2, 1.5, 60.0])
def test_a_planted_stall_or_hang_is_found_within_its_bound(busy: bool, name: str, step_s: float) -> None:
    """max(5 min, 10 × the median iteration), and the time to the next look."""
    film = Film()
    stride = 50 if step_s < 10 else 1
    film.train(2, points=20, step_s=step_s, stride=stride)
    for number in range(1, 5):
        film.point(Progress(3, number * stride, 20 * stride, 0.5, step_s=step_s), after_s=step_s * stride)
    begun = film.at_s
    film.pass_s(900, busy=busy)
    bound = max(300.0, 10 * step_s) + 60 * (10 * step_s > 300) + 10
    assert set(film.fired) == {name}
    assert 240 <= film.fired[name] - begun <= bound
    film.grow()
    film.train(1, first_epoch=4, step_s=step_s, stride=stride)
    assert film.firing == set()  # it came back


def test_a_stall_in_a_validation_is_found_by_what_validations_took_before() -> None:
    film = Film()
    for epoch in range(1, 7):  # every second epoch is evaluated, and that takes ten minutes
        film.train(1, first_epoch=epoch, validation_s=600 if epoch % 2 == 0 else 0)
        film.run = replace(film.run, evaluations=[*film.run.evaluations, *([Measured(epoch, 0.4)] if epoch % 2 == 0 else [])])
    film.train(2, first_epoch=7)
    begun = film.at_s
    film.pass_s(3600, busy=False)
    assert set(film.fired) == {"stalled"}
    assert film.fired["stalled"] - begun <= 3 * 630 + 70


@pytest.mark.parametrize("printed", [True, False])
def test_a_program_that_never_begins_is_found(printed: bool) -> None:
    film = Film(ahead=timedelta(hours=5 if printed else -5))
    film.run = replace(film.run, log_grown_at=film.now + film.ahead if printed else None)
    film.pass_s(3600, busy=False)
    assert film.fired == {"stalled": pytest.approx(31 * 60, abs=10)}


def test_a_stall_is_judged_by_the_hosts_evidence_and_stays_told_while_the_line_is_cut() -> None:
    film = Film()
    film.train(1)
    film.stop_within_an_epoch()
    film.pass_s(270, busy=False)
    film.pass_s(900, heard=False)
    assert "stalled" not in film.fired
    film.pass_s(120, busy=False)
    assert "stalled" in film.fired
    film.pass_s(600, heard=False)
    assert {"stalled", "host_unreachable"} <= film.firing


def test_output_without_iterations_is_found_in_the_end() -> None:
    film = Film()
    film.train(2)
    film.stop_within_an_epoch()
    for _ in range(380):
        film.pass_s(10)
        film.grow()
    assert film.firing == {"no_iterations"}


def test_a_planted_nan_is_found_at_its_second_line_also_as_the_database_keeps_it() -> None:
    for bad in (math.nan, math.inf, None):  # the database has no NaN
        film = Film()
        film.train(1)
        film.point(Progress(2, 50, 1000, bad, step_s=0.5), after_s=25)
        assert film.firing == set()  # one may pass
        film.point(Progress(2, 100, 1000, bad, step_s=0.5), after_s=25)
        film.pass_s(5)
        assert film.firing == {"loss_not_finite"}
        film.restart()
        film.train(1)
        assert film.firing == set()
    from_the_start = Film()
    for number in (1, 2):
        from_the_start.point(Progress(1, 50 * number, 1000, None, step_s=0.5, values={"loss_cls": math.nan}), after_s=25)
    from_the_start.pass_s(5)
    assert from_the_start.firing == {"loss_not_finite"}


def test_a_planted_divergence_is_found_in_minutes_and_one_bad_line_is_none() -> None:
    film = Film()
    film.train(4, loss=4.0)
    film.point(Progress(5, 50, 1000, 9.0, step_s=0.5), after_s=25)
    film.train(1, first_epoch=5)
    small = Film()
    for number in range(1, 60):  # learned by heart: the loss is next to nothing, and then twenty times that
        small.point(Progress(1, 50 * number, 3000, 4.0 / number**2 if number < 40 else 0.05, step_s=0.5), after_s=25)
    assert film.fired == small.fired == {}
    begun = film.at_s
    for number in range(1, 20):
        film.point(Progress(6, 50 * number, 1000, 0.4 * 1.5**number, step_s=0.5), after_s=25)
    assert film.firing == {"loss_diverges"}
    assert film.fired["loss_diverges"] - begun <= 15 * 25 + 130


def test_a_planted_slowdown_is_found_after_ten_minutes_and_a_slow_start_is_none() -> None:
    film = Film()
    film.train(1, step_s=2.0, points=5)  # warming up
    film.train(3, first_epoch=2, step_s=0.5)
    assert film.fired == {}
    begun = film.at_s
    film.train(2, first_epoch=5, step_s=1.5)
    assert film.firing == {"slow"}
    assert film.fired["slow"] - begun <= 600 + 3 * 75 + 10
    assert "takes 1.5 s now" in film.alert("slow").detail


def test_a_drop_against_the_parent_is_found_at_half_time_or_at_the_end() -> None:
    film = Film()
    film.run = replace(film.run, parent="r-old", parent_best=0.60)
    film.measure(*[0.3] * 9)
    film.train(1)
    assert film.fired == {}  # too early to say
    film.measure(*[0.3] * 9, 0.52)
    film.pass_s(5)
    assert film.firing == {"map_dropped"}
    film.measure(*[0.3] * 9, 0.59)
    film.pass_s(5)
    assert film.firing == set()
    ended = Film()
    ended.run = replace(ended.run, parent="r-old", parent_best=0.60, reason=Reason.COMPLETED, state=State.SUCCEEDED, ended_at=ended.now)
    ended.measure(0.5)
    ended.pass_s(5)
    assert ended.firing == {"map_dropped"}


def test_a_drop_against_the_champion_is_found_and_the_better_of_both_is_named() -> None:
    film = Film()
    film.run = replace(film.run, parent="r-old", parent_best=0.40, champion="r-best", champion_best=0.60)
    film.measure(*[0.3] * 9, 0.58)
    film.train(1)
    assert film.fired == {}
    film.measure(*[0.3] * 9, 0.56)
    film.pass_s(5)
    assert film.firing == {"map_dropped"}
    assert film.alert("map_dropped").detail == "Its best mAP is 0.560; r-best, the champion, had 0.600."


def test_overfitting_is_found_and_noise_is_none() -> None:
    film = Film()
    film.measure(0.30, 0.41, 0.40, 0.41, 0.40, 0.405, 0.41, 0.40)
    film.train(8)
    assert film.fired == {}
    film.measure(0.30, 0.41, 0.40, 0.39, 0.38, 0.37, 0.36, 0.35)
    film.pass_s(5)
    assert film.firing == {"overfitting"}
