"""The page in a real Chromium, driven over its DevTools protocol: what people see and do, in both colour schemes."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)"),
]

EVIL = '<img src=x onerror="document.title=1"> *bold* `code`'
CONFIRM = {
    "title": {"type": "plain_text", "text": "Stop r-1?"}, "text": {"type": "mrkdwn", "text": "Two epochs are *lost*."},
    "confirm": {"type": "plain_text", "text": "Stop it"}, "deny": {"type": "plain_text", "text": "Keep it"},
}  # fmt: skip
CARD = [
    {"type": "section", "text": {"type": "mrkdwn", "text": EVIL.replace("<", "&lt;").replace(">", "&gt;")}},
    {"type": "actions", "elements": [
        {"type": "button", "action_id": "ask", "text": {"type": "plain_text", "text": "Ask"}},
        {"type": "button", "action_id": "stop", "text": {"type": "plain_text", "text": "Stop"}, "confirm": CONFIRM},
    ]},
]  # fmt: skip
MODAL = {
    "type": "modal", "title": {"type": "plain_text", "text": "How many?"}, "submit": {"type": "plain_text", "text": "Go"},
    "blocks": [{"type": "input", "block_id": "b", "label": {"type": "plain_text", "text": "Epochs"},
                "element": {"type": "plain_text_input", "action_id": "a"}}],
}  # fmt: skip


class Page:
    """One tab: evaluates JavaScript and waits for what it should become."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> Any:
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=10))
            if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(message["params"]))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def evaluate(self, script: str) -> Any:
        result = self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, script: str) -> None:
        deadline = time.monotonic() + 8
        while not self.evaluate(f"Boolean({script})"):
            assert time.monotonic() < deadline, f"never true: {script}\n{self.evaluate('document.body.innerText')}"
            time.sleep(0.03)

    def type(self, text: str) -> None:
        self.command("Input.insertText", text=text)

    def press_enter(self) -> None:
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13)

    def click(self, words: str) -> None:
        """Presses the visible button with these words."""
        found = f"[...document.querySelectorAll('button')].find(b => b.textContent.trim() === {json.dumps(words)})"
        self.wait(found)
        self.evaluate(f"{found}.click()")


@contextmanager
def chromium(folder: Path) -> Iterator[int]:
    """A headless Chromium; yields its DevTools port."""
    arguments = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port_file, deadline = folder / "DevToolsActivePort", time.monotonic() + 30
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert time.monotonic() < deadline, "Chromium did not start"
            time.sleep(0.05)
        yield int(port_file.read_text().splitlines()[0])
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with chromium(tmp_path_factory.mktemp("chromium")) as port:
        yield port


@pytest.fixture
def page(devtools: int, slack: Any) -> Iterator[Page]:
    """The workspace's page as ada, in a tab of its own."""
    status, _, body = slack.request("PUT", f"http://127.0.0.1:{devtools}/json/new?about:blank")
    assert status == 200
    tab = json.loads(body)
    with connect(tab["webSocketDebuggerUrl"], max_size=None) as connection:
        page = Page(connection)
        page.command("Page.navigate", url=f"{slack.workspace.page_url}&person=ada")
        page.wait("document.querySelector('.composer textarea')")
        yield page
        page.command("Page.close")
    # A broken image address is what the hostile text asks for; nothing else may complain.
    assert page.complaints == []


def test_people_talk_and_see_each_other_at_once(slack: Any, page: Page) -> None:
    page.evaluate("document.querySelector('.composer textarea').focus()")
    page.type("Hello @ben <b>&")
    page.press_enter()
    ben = slack.person("ben")
    said = ben.wait_for_message("training", lambda m: "Hello" in m["text"], timeout_s=5)
    assert said["text"] == f"Hello <@{slack.person_id('ben')}> &lt;b&gt;&amp;"
    page.wait("document.querySelector('.message .text')?.innerText === 'Hello @ben <b>&'")
    ben.say("training", "Hi!", thread_ts=said["ts"])
    page.wait("document.querySelector('.replies')?.innerText.includes('1 reply')")
    page.evaluate("document.querySelector('.replies').click()")
    page.wait("document.querySelector('#thread .thread-messages')?.innerText.includes('Hi!')")
    ben.say("general", "elsewhere")
    page.wait("document.querySelector('.place.unread')?.innerText.includes('general')")


def test_what_others_write_cannot_become_markup(slack: Any, page: Page) -> None:
    slack.call("chat.postMessage", channel=slack.channel("training"), text="card", blocks=CARD)
    slack.call("chat.postMessage", channel=slack.channel("training"), text=EVIL + "<javascript:alert(1)|click>")
    page.wait("document.querySelectorAll('.message').length === 2")
    assert page.evaluate("document.querySelectorAll('#messages img').length") == 0
    assert page.evaluate("document.querySelectorAll('#messages a').length") == 0
    assert page.evaluate("document.title") == "Local workspace"
    assert page.evaluate("document.querySelector('.section b').innerText") == "bold"


def test_a_command_a_confirmed_click_and_a_modal(slack: Any, page: Page) -> None:
    heard: list[Any] = []
    with slack.socket() as connection:

        def app() -> None:
            while len(heard) < 4:
                envelope = json.loads(connection.recv(timeout=20))
                payload = {"text": "Only for *you*"} if envelope["type"] == "slash_commands" else {}
                connection.send(json.dumps({"envelope_id": envelope["envelope_id"], "payload": payload}))
                if envelope["type"] == "events_api":
                    continue
                heard.append(envelope["payload"])
                if envelope["payload"].get("actions", [{}])[0].get("action_id") == "ask":
                    slack.call("views.open", trigger_id=envelope["payload"]["trigger_id"], view=MODAL)

        # A moved clock would let the trigger id expire; this test stays within its burst.
        slack.clock.advance = lambda seconds: None
        listener = threading.Thread(target=app)
        listener.start()
        slack.call("chat.postMessage", channel=slack.channel("training"), text="card", blocks=CARD)
        page.evaluate("document.querySelector('.composer textarea').focus()")
        page.type("/train help")
        page.press_enter()
        page.wait("document.querySelector('.ephemeral')?.innerText.includes('Only visible to you')")
        page.click("Stop")
        page.wait("document.querySelector('dialog.confirm[open]')")
        assert len(heard) == 1
        page.click("Stop it")
        page.click("Ask")
        page.wait("document.querySelector('dialog.modal[open] input') === document.activeElement")
        page.click("Go")
        page.wait("document.querySelector('.error:not([hidden])')?.innerText === 'Please complete this required field.'")
        page.evaluate("document.querySelector('dialog.modal input').focus()")
        page.type("12")
        page.click("Go")
        page.wait("!document.querySelector('dialog.modal')")
        listener.join(10)
    assert [h.get("command") or h["type"] for h in heard] == ["/train", "block_actions", "block_actions", "view_submission"]
    assert heard[1]["actions"][0]["action_id"] == "stop"
    assert heard[3]["view"]["state"]["values"]["b"]["a"]["value"] == "12"


def test_a_picture_is_shared_and_shown(slack: Any, page: Page, tmp_path: Path) -> None:
    path = tmp_path / "plot 1.png"
    Image.new("RGB", (40, 30), "teal").save(path)
    root = page.command("DOM.getDocument")["root"]["nodeId"]
    picker = page.command("DOM.querySelector", nodeId=root, selector="#composer input[type=file]")["nodeId"]
    page.command("DOM.setFileInputFiles", nodeId=picker, files=[str(path)])
    page.wait("document.querySelector('.chip')?.innerText.includes('plot 1.png')")
    page.evaluate("document.querySelector('.composer textarea').focus()")
    page.type("the curve")
    page.press_enter()
    page.wait("document.querySelector('img.preview')?.naturalWidth === 40")
    message = slack.person().messages("training")[-1]
    assert (message["text"], slack.person().download(message["files"][0])) == ("the curve", path.read_bytes())


def test_the_home_tab_and_the_other_people(slack: Any, page: Page) -> None:
    view = {"type": "home", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "Your runs"}}]}
    page.click("⌂Signalbox Home")
    page.wait("document.querySelector('#messages').innerText.includes('has not put anything here yet')")
    slack.call("views.publish", user_id=slack.person_id("ada"), view=view)
    page.wait("document.querySelector('.home .heading')?.innerText === 'Your runs'")
    slack.call("chat.postEphemeral", channel=slack.channel("training"), user=slack.person_id("ben"), text="for Ben")
    # In one go: the page draws the list anew whenever something changes.
    choose = "const who = document.querySelector('.who select'); who.value = 'ben'; who.dispatchEvent(new Event('change'));"
    page.evaluate(f"(() => {{ {choose} }})()")
    page.wait("document.querySelector('#messages').innerText.includes('has not put anything here yet')")
    page.click("#training")
    page.wait("document.querySelector('.ephemeral .text')?.innerText === 'for Ben'")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_text_can_be_read(slack: Any, page: Page, width: int, scheme: str) -> None:
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 700)
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    wide = [*CARD, {"type": "section", "text": {"type": "mrkdwn", "text": "```" + "x" * 300 + "```"}}]
    slack.call("chat.postMessage", channel=slack.channel("training"), text="card", blocks=wide)
    page.wait("document.querySelector('.message pre')")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.querySelector('#scroll').scrollWidth") <= width
    colours = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert contrast(*colours) > 7


def contrast(first: str, second: str) -> float:
    """WCAG's contrast of two rgb(…) colours, 1 to 21."""

    def luminance(colour: str) -> float:
        channels = [int(c) / 255 for c in colour.removeprefix("rgb(").rstrip(")").split(",")]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_a_messages_menu_runs_a_shortcut(slack: Any, page: Page) -> None:
    slack.person("ben").say("training", "look at this")
    with slack.socket() as connection:
        page.wait("document.querySelector('.message .tools summary')")
        page.evaluate("document.querySelector('.message .tools summary').click()")
        page.click("Import as dataset")
        while (envelope := json.loads(connection.recv(timeout=10)))["type"] != "interactive":
            connection.send(json.dumps({"envelope_id": envelope["envelope_id"]}))
        connection.send(json.dumps({"envelope_id": envelope["envelope_id"]}))
    payload = envelope["payload"]
    assert (payload["type"], payload["callback_id"]) == ("message_action", "import_dataset")
    assert payload["message"]["text"] == "look at this"
    assert not page.evaluate("document.querySelector('.message details').open")
