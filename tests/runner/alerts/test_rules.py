"""Rules and routes from the settings: the built-in ones changed by name, one's own, and what is wrong named by file, line and key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from recipes.errors import DatasetError
from runner.alerts.configuration import AlertSettings, flattened, resolved
from runner.alerts.rules import Rule, built_in
from runner.settings import Settings, load_settings


def loaded(tmp_path: Path, text: str) -> AlertSettings:
    path = tmp_path / "signalbox.yaml"
    path.write_text("alerts:\n" + "".join(f"  {line}\n" for line in text.splitlines()))
    return load_settings(path, {}).alerts


def rules(settings: AlertSettings) -> dict[str, Rule]:
    return {rule.name: rule for rule in settings.all_rules}


def test_the_built_in_rules_are_on_and_say_what_they_mean_and_what_to_do() -> None:
    found = rules(Settings().alerts)
    assert len(found) == len(built_in()) >= 22
    for rule in found.values():
        assert rule.means.endswith(".") and rule.do.endswith(".") and rule.severity in ("info", "warning", "critical")
    assert found["host_unreachable"].for_ == timedelta(minutes=2)


def test_a_rule_is_changed_by_name_turned_off_or_added(tmp_path: Path) -> None:
    found = rules(loaded(tmp_path, """\
rules:
  gpu_hot: {with: {celsius: 80}, for: 10m, labels: {team: vision}}
  slow: {on: false}
  stalled: {with: {minutes: 9}}
  lab_hot: {when: hot, with: {celsius: 70}, severity: info, means: Warm., do: Open the window.}
"""))
    hot = found["gpu_hot"]
    assert (hot.with_, hot.for_, hot.severity, hot.labels) == ({"celsius": 80}, timedelta(minutes=10), "warning", {"team": "vision"})
    assert found["stalled"].with_ == {"minutes": 9, "times": 10, "unknown_minutes": 30}
    assert "slow" not in found
    assert (found["lab_hot"].when, found["lab_hot"].for_) == ("hot", timedelta())


@pytest.mark.parametrize(("text", "line", "words"), [
    ("rules:\n  gpu_hot: {for: soon}\n", 3, "alerts.rules.gpu_hot.for: 'soon' is no span of time"),
    ("rules:\n  gpu_hot:\n    for: 5m\n    severty: info\n", 5, "alerts.rules.gpu_hot.severty: There is no such key"),
    ("rules:\n  gpu_hot: {severity: bad}\n", 3, "alerts.rules.gpu_hot.severity"),
    ("rules:\n  gpu_hot: {with: {kelvin: 9}}\n", 2, "the rule gpu_hot has the number kelvin; hot takes celsius"),
    ("rules:\n  my_own: {when: hot, with: {celsius: 9}, means: x}\n", 2, "the rule my_own lacks do"),
    ("rules:\n  my_own: {when: hott, means: x, do: y}\n", 2, "asks for 'hott'; conditions are disk_fills"),
    ("rules:\n  my_own: {when: hot, means: x, do: y}\n", 2, "lacks the number celsius"),
    ("rules:\n  My Own: {when: unreachable, means: x, do: y}\n", 2, "is no name of a rule"),
    ("route:\n  receiver: home\n  group_wait: 30\n", 4, "alerts.route.group_wait"),
    ("route:\n  receiver: home\n  routes:\n    - matchers: [host]\n", 5, "alerts.route.routes.0.matchers.0: 'host' is no matcher"),
    ("route:\n  receiver: '#alerts'\n", 3, "alerts.route.receiver: '#alerts' is no channel's id"),
    ("route:\n  group_by: [host]\n", 2, "the first route needs a receiver"),
    ("route:\n  receiver: home\n  matchers: [a=b]\n", 2, "the first route takes everything"),
    ("route:\n  receiver: home\n  repeat_interval: 0s\n", 4, "longer than nothing"),
    ("route:\n  receiver: run\n  group_by: [host]\n", 1, "has to group_by channel"),
    ("route:\n  receiver: home\n  routes: [{mute_time_intervals: [nights]}]\n", 1, "names the time interval 'nights'"),
    ("inhibit_rules:\n  - source_matchers: [a=b]\n", 3, "target_matchers: This key is missing"),
])
def test_what_is_wrong_is_named_with_file_line_and_key(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        loaded(tmp_path, text)
    assert f"signalbox.yaml, line {line}, " in str(caught.value)
    assert words in str(caught.value)


def test_a_route_has_from_its_parent_what_it_leaves_out(tmp_path: Path) -> None:
    settings = loaded(tmp_path, """\
time_intervals: [{name: nights, time_intervals: [{weekdays: [saturday]}]}]
route:
  receiver: home
  group_by: [host]
  group_wait: 1s
  routes:
    - matchers: [severity=info]
      mute_time_intervals: [nights]
      group_interval: 10m
      routes:
        - matchers: [run!=""]
          receiver: C0123456789
""")
    root, child, grandchild = flattened(resolved(settings.route))
    assert (grandchild.receiver, grandchild.group_by, grandchild.group_wait) == ("C0123456789", ("host",), timedelta(seconds=1))
    assert (root.group_interval, child.group_interval, grandchild.group_interval) == tuple(timedelta(minutes=n) for n in (5, 10, 10))
    assert (child.mute_time_intervals, grandchild.mute_time_intervals) == (("nights",), ())
    assert [node.receiver for node in root.match({"severity": "info", "run": "r-1"})] == ["C0123456789"]
    assert [node.receiver for node in root.match({"severity": "critical", "run": "r-1"})] == ["home"]
