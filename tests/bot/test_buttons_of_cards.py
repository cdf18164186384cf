"""Every button and every entry of the menu on the cards of a working day, pressed over the socket: each does what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.support.lively_house import Lively, lively
from tests.support.slack_house import Json, SlackHouse, delivery_ids, house_with_bot, until

OF_THE_ISSUE = {"Log", "Plot", "Stop", "Resume", "Fine-tune…", "Evaluate", "Run with batch 32 and lr 0.002", "Silence its alerts 1 h"}
SAYS = {
    "Log": r"Epoch\(train\)", "Plot": "The picture of `{run}` follows", "Stop": r"^Stop `{run}`", "Resume": "Queued", "Evaluate": "Queued",
    "Run with batch 32 and lr 0.002": "Queued", "Start over": "Queued", "Silence its alerts 1 h": "Silent until .*{run}", "Why": "{run}",
    "What happened": "{run}", "Checkpoints": "epoch_", "Compare with its parent": "{run}",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with house_with_bot(tmp_path_factory.mktemp("buttons")) as house:
        yield house


@pytest.fixture(scope="module")
def day(served: SlackHouse) -> Lively:
    return lively(served)


def pressable(card: Json) -> list[tuple[str, Json, str]]:
    """Label, element and value of whatever can be pressed."""
    buttons = [each for block in card["blocks"] if block["type"] == "actions" for each in block["elements"]]
    found = [(each["text"]["text"], each, each["value"]) for each in buttons]
    menus = [block["accessory"] for block in card["blocks"] if block.get("accessory", {}).get("type") == "overflow"]
    return found + [(option["text"]["text"], menu, option["value"]) for menu in menus for option in menu["options"]]


def test_every_button_of_every_card_does_what_it_says(served: SlackHouse, day: Lively) -> None:
    ben, seen = served.person("ben"), set()
    for name in ("parent", "working", "done", "silent", "failed", "waiting"):
        run = getattr(day, name)

        def card(run_id: str = run.id) -> Json:
            return next((each for each in served.posted(served.training) if delivery_ids([each]) == [f"card:{run_id}"]), {})

        until(lambda look=card: look().get("blocks"), timeout_s=60, what=name)  # type: ignore[misc]
        for label, element, value in pressable(card()):
            seen.add(label)
            before = {row["id"] for row in served.rows("SELECT id FROM deliveries")}
            chosen = value if element["type"] == "overflow" else None
            assert ben.click(card(), element["action_id"], value=chosen)["acknowledged"]
            if element["action_id"].startswith("form:"):
                view = until(ben.views)[-1]
                assert view["callback_id"] == "form"
                ben.close(view)
                continue
            answers = [row for row in served.rows("SELECT id, body FROM deliveries WHERE id LIKE 'answer:%'") if row["id"] not in before]
            assert len(answers) == 1, label
            text = json.loads(answers[0]["body"])["text"]
            assert re.search(SAYS.get(label, ".").replace("{run}", run.id), text), (name, label, text)
            [asked] = served.rows("SELECT door, text, answer FROM requests ORDER BY rowid DESC LIMIT 1")
            assert (asked["door"], asked["text"]) == ("button", value)
            assert json.loads(asked["answer"] or "{}").get("ok", True), (name, label, text)
    assert seen >= OF_THE_ISSUE, OF_THE_ISSUE - seen
