"""Forms through real Bolt: opened by button, bare command and shortcut; prefilled; complaints at their field; the plan; the same row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.form_table import FORMS
from bot.forms import choices, line_of, values_in
from bot.loose_forms import option_names
from runner.service import alerts, roles
from runner.service.house import Requester
from runner.settings import Role
from runner.specs import ConvertSpec, StartMode, TrainSpec
from runner.store import runs, schedules
from tests.support.lively_house import Lively, lively
from tests.support.slack_house import Json, SlackHouse, house_with_bot, until


@pytest.fixture(scope="module", params=["socket", "http"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with house_with_bot(tmp_path_factory.mktemp("forms"), way=request.param) as house:
        yield house


@pytest.fixture(scope="module")
def day(served: SlackHouse) -> Lively:
    return lively(served)


@pytest.fixture(autouse=True)
def _no_open_dialog(served: SlackHouse, day: Lively) -> Iterator[None]:
    yield
    for view in served.person().views()[::-1]:
        served.person().close(view)


def bare(served: SlackHouse, line: str) -> Json:
    """The form that ``/train run`` opens."""
    served.person().slash(served.training, "/train", line)
    return until(lambda: served.person().views(), what=f"the form of {line}")[-1]


def newest(served: SlackHouse) -> TrainSpec | ConvertSpec:
    spec = runs.newest(served.house.store.reading(), limit=1)[0].spec
    assert isinstance(spec, TrainSpec | ConvertSpec)
    return spec


def element(view: Json, field: str) -> Json:
    return next(block["element"] for block in view["blocks"] if block["block_id"] == field)


def fill(values: dict[str, str | None]) -> dict[str, dict[str, str | None]]:
    return {field: {"value": value} for field, value in values.items()}


def agree(served: SlackHouse, view: Json, values: dict[str, str | None]) -> tuple[str, str]:
    """Fill in, look at the plan and agree; what the plan and what the answer say."""
    first = served.person().submit(view, fill(values))
    assert first["outcome"] == "updated", first
    second = served.person().submit(first["view"])
    assert second["outcome"] == "updated", second
    return str(first["view"]["blocks"]), str(second["view"]["blocks"])


def test_a_bare_command_asks_shows_the_plan_and_queues_where_it_was_asked(served: SlackHouse, day: Lively) -> None:
    form = bare(served, "run")
    assert "channel" not in {block["block_id"] for block in form["blocks"]}

    plan, answer = agree(served, form, {"preset": "rtmdet-nano", "dataset": "fish", "epochs": "7", "lr": "0.001"})

    assert "to train on" in plan and "7 epochs" in plan
    run = runs.newest(served.house.store.reading(), limit=1)[0]
    assert run.id in answer and run.place.channel == served.training and run.owner == served.people["ada"]
    assert isinstance(run.spec, TrainSpec) and (run.spec.overrides.epochs, run.spec.overrides.lr) == (7, 0.001)
    door = served.rows("SELECT door, text FROM requests ORDER BY at DESC LIMIT 1")[0]
    assert door == {"door": "modal", "text": "run rtmdet-nano on fish --epochs 7 --lr 0.001"}


def test_a_form_begins_with_what_was_said_last(served: SlackHouse, day: Lively) -> None:
    served.person().slash(served.training, "/train", "run rtmdet-nano on fish@2 --epochs 9 --host gpu-1")
    form = bare(served, "run")
    assert element(form, "preset")["initial_option"]["value"] == "rtmdet-nano"
    assert element(form, "dataset")["initial_option"]["value"] == "fish@2"
    assert element(form, "host")["initial_option"]["value"] == "gpu-1"
    assert element(form, "epochs")["initial_value"] == "9"


def test_every_complaint_stands_at_its_field_and_nothing_is_queued(served: SlackHouse, day: Lively) -> None:
    before = len(served.rows("SELECT id FROM runs"))
    form, ada = bare(served, "run"), served.person()
    good: dict[str, str | None] = {"preset": "rtmdet-nano", "dataset": "fish"}
    for field, value in (("lr", "fast"), ("lr", "-1"), ("limit", "soon")):
        refused = ada.submit(form, fill(good | {"lr": None, "limit": None} | {field: value}))
        assert refused["outcome"] == "errors" and list(refused["errors"]) == [field], refused
    refused = ada.submit(bare(served, "schedule add"), fill({"when": "now and then", "command": "ps"}))
    assert list(refused["errors"]) == ["when"], refused
    refused = ada.submit(bare(served, "schedule add"), fill({"when": "every day 02:30", "command": "rum rtmdet-nano on fish"}))
    assert "Did you mean" in str(refused["errors"]), refused
    assert len(served.rows("SELECT id FROM runs")) == before


def test_fine_tune_resume_convert_import_and_schedule(served: SlackHouse, day: Lively) -> None:
    tuned = agree(served, bare(served, "finetune"), {"model": day.parent.id, "dataset": "fish", "lr": "0.0005"})[1]
    spec = newest(served)
    assert "Queued" in tuned and isinstance(spec, TrainSpec) and spec.start.mode is StartMode.FINETUNE

    _, resumed = agree(served, bare(served, "resume"), {"run": day.parent.id, "checkpoint": "epoch_12", "epochs": "60"})
    spec = newest(served)
    assert "Queued" in resumed and isinstance(spec, TrainSpec) and spec.start.checkpoint == "epoch_12"

    _, converted = agree(served, bare(served, "convert"), {"dataset": "fish@1", "recipe": "vatic-to-coco", "parameters": None})
    assert "Queued" in converted and isinstance(newest(served), ConvertSpec)

    plan, imported = agree(served, bare(served, "data add"), {"name": "harbour", "source": "https://example.org/harbour.zip"})
    assert "nothing is changed" in plan and "Queued" in imported

    plan, scheduled = agree(served, bare(served, "schedule add"), {"when": "every weekday 02:30", "command": "run rtmdet-nano on fish"})
    assert "Next" in plan and "Next" in scheduled
    assert [each.command for each in schedules.BOOK.all(served.house.store.reading())] == ["run rtmdet-nano on fish"]

    told = agree(served, bare(served, "trigger add"), {"when": "new data fish", "command": "eval {run} --split val", "cooldown": "6h"})[1]
    assert "It is carried out as you" in told


def test_an_alert_rule_and_a_silence(served: SlackHouse, day: Lively) -> None:
    ada, ben = served.person(), served.person("ben")
    page = ben.slash(served.training, "/train", "rules show stalled")
    assert page is not None
    ben.click(page, next(each["action_id"] for block in page["blocks"] if block["type"] == "actions" for each in block["elements"]))
    form = until(ben.views)[-1]
    assert element(form, "name")["initial_value"] == "stalled"
    assert [element(form, each)["initial_option"]["value"] for each in ("when", "severity", "state")] == ["silent", "critical", "on"]
    assert element(form, "numbers")["initial_value"] == "minutes=4 times=10 unknown_minutes=30"
    for field, value in (("numbers", "minutes=often"), ("numbers", "hours=3"), ("for_", "soon"), ("name", "My Rule")):
        refused = ben.submit(form, fill({"name": "stalled", "numbers": "minutes=4", "for_": "1m"} | {field: value}))
        assert refused["outcome"] == "errors" and list(refused["errors"]) == [field], (field, refused)
    plan = ben.submit(form, fill({"name": "stalled", "numbers": "minutes=9", "for_": "5m", "severity": "warning"}))
    changed = "severity critical → warning; held for 1m → 5m; minutes 4 → 9"
    assert all(each in str(plan["view"]["blocks"]) for each in changed.split("; ")), plan
    assert "held for 60 s" in str(ada.slash(served.training, "/train", "rules")), "a plan changes nothing"
    assert "held for 5 min" in str(ben.submit(plan["view"])["view"]["blocks"])
    assert alerts.rules(served.house)["stalled"].with_["minutes"] == 9
    refused = ada.submit(bare(served, "rules set"), fill({"name": "stalled", "for_": "9m", "state": "on"}))
    assert "operator" in refused["errors"]["name"], "whose letters are in the sentence is not to blame"

    plan_, told = agree(served, bare(served, "silence"), {"what": "host=gpu-1", "lasts": "2h", "reason": "new fans"})
    assert "host=" in plan_ and "Silent until" in told
    assert [(each.reason, str(each.matchers[0])) for each in alerts.silences(served.house)] == [("new fans", 'host="gpu-1"')]


def test_the_button_of_a_card_opens_its_form_filled_in(served: SlackHouse, day: Lively) -> None:
    card = until(lambda: next((each for each in served.posted("training") if day.parent.id in each["text"]), None), timeout_s=30)
    ids = [each["action_id"] for block in card["blocks"] if block["type"] == "actions" for each in block["elements"]]
    tune = next(each for each in ids if each.startswith("form:finetune"))
    served.person().click(card, tune)
    form = until(lambda: served.person().views())[-1]
    assert element(form, "model")["initial_option"]["value"] == day.parent.id
    assert element(form, "dataset")["initial_option"]["value"] == "fish"


def test_the_shortcut_asks_where_to_report_and_minds_who_is_served_there(served: SlackHouse, day: Lively) -> None:
    ada = served.person()
    ada.shortcut("train")
    form = until(ada.views)[-1]
    values: dict[str, str | None] = {"preset": "rtmdet-nano", "dataset": "fish"}
    refused = ada.submit(form, fill(values | {"channel": served.channels["lounge"]}))
    assert list(refused["errors"]) == ["channel"]
    agree(served, form, values | {"channel": served.lab})
    assert runs.newest(served.house.store.reading(), limit=1)[0].place.channel == served.lab


def test_a_stranger_gets_no_form(served: SlackHouse, day: Lively) -> None:
    before = len(served.rows("SELECT id FROM runs"))
    served.person("eve").slash(served.training, "/train", "run")
    served.person("eve").shortcut("train")
    assert served.person("eve").views() == []
    assert len(served.rows("SELECT id FROM runs")) == before


def test_a_viewer_may_look_at_a_form_and_nothing_comes_of_it(served: SlackHouse, day: Lively) -> None:
    """Also not of a plan that was shown while the role was another: rights are looked at when it is carried out."""
    eve, admin = served.person("eve"), Requester("terminal:ada", Role.ADMIN, "terminal", "t-1")
    values = fill({"preset": "rtmdet-nano", "dataset": "fish"})
    before = len(served.rows("SELECT id FROM runs"))

    def become(role: Role) -> None:
        roles.grant(served.house, admin, to=served.people["eve"], role=role)

    become(Role.MEMBER)
    eve.slash(served.training, "/train", "run")
    shown = eve.submit(until(eve.views)[-1], values)
    assert shown["outcome"] == "updated"
    become(Role.VIEWER)
    refused = eve.submit(shown["view"])
    assert "one must be member" in str(refused["view"]["blocks"])
    eve.close(eve.views()[-1])
    eve.slash(served.training, "/train", "run")
    planned = eve.submit(until(eve.views)[-1], values)  # a viewer may see a plan
    become(Role.STRANGER)
    assert "one must be" in str(eve.submit(planned["view"])["view"]["blocks"])
    eve.close(eve.views()[-1], whole_stack=True)
    assert len(served.rows("SELECT id FROM runs")) == before


@pytest.mark.parametrize("path", FORMS)
def test_a_line_that_says_nothing_fills_in_nothing(path: str) -> None:
    assert values_in(FORMS[path], path) == {}


@pytest.mark.parametrize("path", FORMS)
def test_every_form_shows_what_its_command_takes(served: SlackHouse, day: Lively, path: str) -> None:
    form = FORMS[path]
    assert {param.name for param in form.command.params if param.required} <= set(form.fields)
    assert len(form.title) <= 24 and len(form.act) <= 24
    for param in form.parameters:
        assert param.opts[0] in option_names(form.command) or not param.opts[0].startswith("-")
        offered = choices(served.house, param)
        assert offered is None or all(value for value, _ in offered)


@pytest.mark.parametrize("line", [
    "run rtmdet-nano on fish@2 --epochs 9 --lr 0.001 --after r-7f3k --after r-9abc", "finetune r-7f3k on fish --checkpoint",
    "convert fish vatic-to-coco gap=20 --as small", 'schedule add "every day 02:30" run rtmdet-nano on fish', "resume r-7f3k from epoch_12",
])  # fmt: skip
def test_a_line_comes_back_from_its_values(line: str) -> None:
    form = FORMS[" ".join(line.split()[: 2 if line.startswith("schedule") else 1])]
    again = line_of(form, values_in(form, line))
    assert values_in(form, again) == values_in(form, line)


def test_values_are_read_as_meant_from_a_phone() -> None:
    line = line_of(FORMS["run"], {"preset": "rtmdet-nano", "dataset": " fish ", "limit": "12h", "after": ""})
    assert line == "run rtmdet-nano on fish --time 12h"


