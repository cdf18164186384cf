"""The face as people see it: card, thread, Home, form, plan and plot in a real Chromium, at desk and phone width.

With SIGNALBOX_SCREENSHOTS=FOLDER the pictures are kept there, small enough for the README.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from websockets.sync.client import connect

from tests.bot.local_workspace.test_page import CHROMIUM, Page, chromium
from tests.support.lively_house import Lively, lively
from tests.support.slack_house import SlackHouse, house_with_bot, until

pytestmark = [
    pytest.mark.browser, pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)"),
]  # fmt: skip

DESK, PHONE = (1280, 900), (390, 844)
MOST_BYTES = 150_000
_COLOURS = 96


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with house_with_bot(tmp_path_factory.mktemp("face")) as house:
        yield house


@pytest.fixture(scope="module")
def day(served: SlackHouse) -> Lively:
    found = lively(served)
    for each in (found.done, found.working):
        until(lambda run=each: any(run.id in message["text"] for message in served.posted("training")), timeout_s=60, what="a card")  # type: ignore[misc]
    return found


@pytest.fixture(scope="module")
def page(served: SlackHouse, day: Lively, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as port:
        opened = urlopen(Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT"), timeout=20)
        with connect(json.loads(opened.read())["webSocketDebuggerUrl"], max_size=None) as connection:
            page = Page(connection)
            page.command("Page.navigate", url=f"{served.workspace.page_url}&person=ada")
            page.wait("document.querySelector('.composer textarea')")
            yield page
            assert page.complaints == []


@contextmanager
def seen_at(page: Page, size: tuple[int, int], *, scheme: str = "light") -> Iterator[None]:
    """Nothing of what is looked at may be wider than the window."""
    width, height = size
    phone = width < 700
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    yield
    page.wait(f"document.documentElement.scrollWidth <= {width}")
    page.wait(f"[...document.querySelectorAll('dialog[open]')].every((box) => box.getBoundingClientRect().right <= {width})")


def picture(page: Page, name: str) -> None:
    """Keep what is seen, where that is asked for."""
    folder = os.environ.get("SIGNALBOX_SCREENSHOTS")
    if not folder:
        return
    page.wait("[...document.images].every((image) => image.complete)")
    time.sleep(0.5)  # what fades in is to be seen
    shown = Image.open(BytesIO(base64.b64decode(page.command("Page.captureScreenshot", format="png")["data"]))).convert("RGB")
    shown.quantize(_COLOURS, dither=Image.Dither.NONE).save(Path(folder) / f"{name}.png", optimize=True)
    assert (Path(folder) / f"{name}.png").stat().st_size < MOST_BYTES


def choose(page: Page, field: str, value: str) -> None:
    found = f"document.querySelector('[data-block={field}] select')"
    page.evaluate(f"(() => {{ {found}.value = {json.dumps(value)}; {found}.dispatchEvent(new Event('change')); }})()")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_home_a_form_its_plan_and_the_answer(served: SlackHouse, day: Lively, page: Page, size: tuple[int, int]) -> None:
    where = "desk" if size is DESK else "phone"
    page.evaluate("[...document.querySelectorAll('.place')].find((one) => one.textContent.includes('Home')).click()")
    with seen_at(page, size):
        page.wait(f"document.querySelector('.home')?.innerText.includes('{day.working.id}')")
        page.evaluate("document.querySelector('#scroll').scrollTop = 0")
        picture(page, f"home-{where}")
    with seen_at(page, size):
        page.click("Train…")
        page.wait("document.querySelector('dialog.modal[open] [data-block=preset] select')")
        choose(page, "preset", "rtmdet-nano")
        choose(page, "dataset", "fish")
        picture(page, f"form-{where}")
    with seen_at(page, size):
        page.click("Show the plan")
        page.wait("document.querySelector('dialog.modal[open]')?.innerText.includes('to train on')")
        picture(page, f"plan-{where}")
    with seen_at(page, size):
        page.click("Train it")
        page.wait("document.querySelector('dialog.modal[open]')?.innerText.includes('Queued')")
        page.click("Close")
        page.wait("!document.querySelector('dialog[open]')")


def test_a_menu_of_home_asks_before_it_stops(served: SlackHouse, day: Lively, page: Page) -> None:
    with seen_at(page, PHONE):
        page.wait("document.querySelector('.home details.overflow')")
        page.evaluate("document.querySelector('.home details.overflow').open = true")
        page.click("Stop")
        page.wait("document.querySelector('dialog.modal[open]')?.innerText.includes('The last checkpoint is')")
        page.click("Keep it running")
        page.wait("document.querySelector('dialog.modal[open]')?.innerText.includes('Best mAP')")
        page.click("Close")
        page.wait("!document.querySelector('dialog[open]')")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cards_an_alert_and_a_plot(served: SlackHouse, day: Lively, page: Page, size: tuple[int, int], scheme: str) -> None:
    where = "desk" if size is DESK else "phone"
    page.evaluate("[...document.querySelectorAll('.place')].find((one) => one.textContent.includes('training')).click()")
    with seen_at(page, size, scheme=scheme):
        page.wait(f"document.querySelector('#messages')?.innerText.includes('{day.failed.id}')")
        found = f"[...document.querySelectorAll('.message')].find((one) => one.innerText.includes('{day.failed.id}'))"
        page.evaluate(f"{found}.scrollIntoView({{ block: 'start' }})")
        picture(page, f"channel-{where}-{scheme}")
    with seen_at(page, size, scheme=scheme):
        line = f"plot {day.parent.id} and {day.done.id}" + (" --dark" if scheme == "dark" else "")
        shown = len(served.person().ephemeral_messages(served.training))
        served.person().slash(served.training, "/train", line)
        until(lambda: len(served.person().ephemeral_messages(served.training)) >= shown + 2, timeout_s=60, what="the plot")
        page.wait("(() => { const last = [...document.querySelectorAll('#messages img.block-image')].at(-1);"
                  " last?.scrollIntoView(); return last?.naturalWidth === 1000; })()")
        picture(page, f"plot-{where}-{scheme}")
