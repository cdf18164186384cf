"""What speaks of a run leads to its card, in the workspace's own words; a line to type stays one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.links import linked
from bot.local_workspace.block_kit import accept_message_blocks
from bot.message import Message
from bot.views.blocks import fitting, section
from runner.entities import Place
from runner.service import outbox
from runner.states import Reason
from runner.store.outbox import Card
from tests.support.slack_house import SlackHouse, evaluation, point, slack_house, until


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackHouse]:
    with slack_house(tmp_path) as house:
        for name, value in house.environment.items():
            monkeypatch.setenv(name, value)
        yield house


def test_an_approval_a_digest_and_home_lead_to_the_card_and_its_thread_does_not(served: SlackHouse) -> None:
    run = served.submit()
    with served.bot():
        link = until(lambda: outbox.links(served.house, [run.id]).get(run.id), what="the card's link")
        card = until(lambda: served.posted(served.training))[0]
        assert link == f"{served.workspace.base_url}/archives/{served.training}/p{card['ts'].replace('.', '')}"
        served.move(run, Reason.WAITING_FOR_APPROVAL, detail="It may take 99 GPU-hours.")
        until(lambda: any(f"<{link}|{run.id}>" in each["text"] for each in served.posted(served.training)), what="the approval")
        outbox.add(served.house, outbox.NewDelivery("digest:x", served.lab, "text", {"text": f"*Trained*\n• fish `{run.id}`: mAP 0.5"}))
        until(lambda: any(f"• fish <{link}|{run.id}>: mAP" in each["text"] for each in served.posted(served.lab)), what="the digest")
        served.person().open_home()
        until(lambda: f"<{link}|{run.id}>" in str(served.person().home()), what="Home")
        working = served.start(served.submit(channel="lab"))
        served.log(working, point(1, 10), evaluation(1, 0.4), best=True)
        served.move(working, Reason.COMPLETED)
        until(lambda: any("Finished" in each["text"] for each in served.posted(served.lab)), timeout_s=30)
        until(lambda: not served.rows("SELECT 1 FROM deliveries WHERE state <> 'sent'"), timeout_s=30)
    (own,) = outbox.links(served.house, [working.id]).values()
    assert len(served.everything(served.lab)) > 2
    assert not any(own in each["text"] + str(each.get("blocks")) for each in served.everything(served.lab))


def noted(served: SlackHouse, run_id: str, link: str) -> None:
    with served.house.store.writing():
        outbox.keep_card(served.house, Card(run_id, "card", served.training, "1.1", None, None, link))


def test_only_an_id_that_stands_alone_is_a_link(served: SlackHouse) -> None:
    run = served.submit()
    noted(served, run.id, "https://x.slack.com/archives/C1/p11")
    words = f"`{run.id}` and `r-none` fail; `show {run.id}` tells why.\n```{run.id} `{run.id}x` ```"
    shown = linked(served.house, Message(words, (section(words),), Place(served.training)))
    expected = words.replace(f"`{run.id}` and", f"<https://x.slack.com/archives/C1/p11|{run.id}> and")
    assert (shown.text, shown.blocks[0]["text"]["text"]) == (expected, expected)  # type: ignore[index]
    assert linked(served.house, Message(words), but=run.id).text == words


@pytest.mark.parametrize("link", ["https://x/a|b", "https://x/<!channel>", "https://x/a b"])
def test_an_address_that_would_break_out_is_none(served: SlackHouse, link: str) -> None:
    run = served.submit()
    noted(served, run.id, link)
    assert linked(served.house, Message(f"`{run.id}`")).text == f"`{run.id}`"


def test_links_never_make_a_message_too_long(served: SlackHouse) -> None:
    run = served.submit()
    noted(served, run.id, "https://x.slack.com/archives/C1/" + "p" * 90)
    for lines in (20, 200, 1500):
        text = "\n".join([f"• `{run.id}` is there"] * lines)
        shown = linked(served.house, Message("all", tuple(fitting([section(text[at : at + 2900]) for at in range(0, len(text), 2900)]))))
        accept_message_blocks([dict(block) for block in shown.blocks], file_is_ready=lambda _: True)
        assert (f"|{run.id}>" in str(shown.blocks)) == (lines == 20)
