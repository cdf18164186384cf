"""A real slack-bolt App in Socket Mode against the workspace: what an app does from its start to a dropped socket."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.local_workspace import Limits, LocalWorkspace, WorkspaceConfiguration, WorkspacePerson
from bot.local_workspace.person import PersonError

PLAIN = {"type": "plain_text", "text": "Name"}
CONFIRM = {"title": PLAIN, "text": PLAIN, "confirm": PLAIN, "deny": PLAIN}
BUTTON = {"type": "button", "action_id": "start", "text": PLAIN, "value": "run-1"}
STOP = {"type": "button", "action_id": "stop", "text": PLAIN, "confirm": CONFIRM}
CARD = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "A *card*"}},
    {"type": "actions", "block_id": "buttons", "elements": [BUTTON, STOP]},
]
MODAL = {
    "type": "modal", "callback_id": "ask", "title": PLAIN, "submit": PLAIN, "notify_on_close": True,
    "private_metadata": "kept", "blocks": [
        {"type": "input", "block_id": "epochs", "label": PLAIN,
         "element": {"type": "plain_text_input", "action_id": "value", "max_length": 3}},
    ],
}  # fmt: skip


@dataclass
class Bot:
    """A small app; everything it hears lands in `heard`."""

    workspace: LocalWorkspace
    heard: Queue[tuple[str, Any]] = field(default_factory=Queue)
    release: threading.Event = field(default_factory=threading.Event)

    def start(self) -> SocketModeHandler:
        url = self.workspace.api_url
        self.app = App(client=WebClient(token=self.workspace.bot_token, base_url=url))
        self._register(self.app)
        web_client = WebClient(base_url=url)
        self.handler = SocketModeHandler(self.app, self.workspace.app_token, web_client=web_client, ping_interval=0.5)
        self.handler.connect()
        return self.handler

    def next(self, kind: str) -> Any:
        """The next thing of that kind that the app heard."""
        while True:
            name, payload = self.heard.get(timeout=5)
            if name == kind:
                return payload

    def _register(self, app: App) -> None:
        @app.command("/train")
        def command(ack: Any, command: Any, respond: Any) -> None:
            if command["text"] == "late":
                self.release.wait(5)
            ack(text=f"ack of {command['text']}")
            self.heard.put(("command", (command, respond)))

        @app.action("start")
        def start(ack: Any, body: Any, client: WebClient) -> None:
            ack()
            opened = client.views_open(trigger_id=body["trigger_id"], view=MODAL)
            self.heard.put(("click", (body, opened.data)))

        @app.action("stop")
        def stop(ack: Any, body: Any) -> None:
            ack()
            self.heard.put(("stop", body))

        @app.view("ask")
        def submitted(ack: Any, body: Any) -> None:
            value = body["view"]["state"]["values"]["epochs"]["value"]["value"]
            if value.isdigit():
                ack()
            else:
                ack(response_action="errors", errors={"epochs": "A number, please"})
            self.heard.put(("submitted", body))

        @app.view_closed("ask")
        def closed(ack: Any, body: Any) -> None:
            ack()
            self.heard.put(("closed", body))

        @app.shortcut("import_dataset")
        def shortcut(ack: Any, body: Any) -> None:
            ack()
            self.heard.put(("shortcut", body))

        for name in ("app_mention", "message", "file_shared", "app_home_opened", "member_joined_channel"):
            app.event(name)(self._listener(name))

    def _listener(self, name: str) -> Any:
        def listener(body: Any) -> None:
            self.heard.put((name, body))

        return listener


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    limits = Limits(ack_s=1.0, event_retry_delays_s=(0.0,), message_burst=100, file_processing_s=3.0)
    workspace = LocalWorkspace(tmp_path_factory.mktemp("state"), WorkspaceConfiguration(limits=limits))
    workspace.start()
    bot = Bot(workspace)
    handler = bot.start()
    yield bot
    handler.client.auto_reconnect_enabled = False
    workspace.stop()
    handler.close()


@pytest.fixture
def ada(bot: Bot) -> WorkspacePerson:
    return WorkspacePerson(bot.workspace.base_url, bot.workspace.session_token, "ada")


def post(bot: Bot, ada: WorkspacePerson, **content: Any) -> Any:
    channel = next(c["id"] for c in ada.state()["channels"] if c.get("name") == "training")
    ts = bot.app.client.chat_postMessage(channel=channel, **content)["ts"]
    return next(m for m in ada.messages("training") if m["ts"] == ts)


def test_a_command_is_answered_in_its_ack(bot: Bot, ada: WorkspacePerson) -> None:
    answer = ada.slash("training", "/train", "run <x> & more")
    assert answer is not None
    assert (answer["text"], answer["is_ephemeral"]) == ("ack of run &lt;x&gt; &amp; more", True)
    assert answer["ts"] in [m["ts"] for m in ada.ephemeral_messages("training")]
    ben = WorkspacePerson(bot.workspace.base_url, bot.workspace.session_token, "ben")
    assert answer["ts"] not in [m["ts"] for m in ben.messages("training")]


def test_a_late_ack_is_a_failed_command(bot: Bot, ada: WorkspacePerson) -> None:
    answer = ada.slash("training", "/train", "late")
    bot.release.set()
    assert answer is not None
    assert answer["text"] == '/train failed with the error "operation_timeout"'


def test_a_response_url_answers_five_times(bot: Bot, ada: WorkspacePerson) -> None:
    ada.slash("training", "/train", "respond")
    while (heard := bot.next("command"))[0]["text"] != "respond":
        pass
    respond = heard[1]
    answers = [respond(f"answer {n}", response_type="in_channel") for n in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [404]
    assert answers[5].body == "used_url"
    assert [m["text"] for m in ada.messages("training")][-5:] == [f"answer {n}" for n in range(5)]


def test_a_click_opens_a_modal_that_is_submitted(bot: Bot, ada: WorkspacePerson) -> None:
    card = post(bot, ada, text="card", blocks=CARD)
    assert ada.click(card, "start") == {"ok": True, "acknowledged": True}
    body, opened = bot.next("click")
    assert (body["actions"][0]["value"], body["message"]["ts"]) == ("run-1", card["ts"])
    assert body["container"] == {
        "type": "message", "message_ts": card["ts"], "channel_id": card["channel"], "is_ephemeral": False,
    }  # fmt: skip
    view = ada.views()[-1]
    assert (view["id"], view["private_metadata"]) == (opened["view"]["id"], "kept")
    assert ada.submit(view)["errors"] == {"epochs": "Please complete this required field."}
    assert ada.submit(view, {"value": "1234"})["errors"] == {"epochs": "At most 3 characters."}
    assert ada.submit(view, {"value": "ten"})["errors"] == {"epochs": "A number, please"}
    assert ada.submit(view, {"epochs": {"value": "12"}})["outcome"] == "closed"
    assert ada.views() == []
    bot.next("submitted")
    assert bot.next("submitted")["view"]["state"]["values"]["epochs"]["value"]["value"] == "12"


def test_a_trigger_id_opens_one_modal(bot: Bot, ada: WorkspacePerson) -> None:
    ada.click(post(bot, ada, text="card", blocks=CARD), "start")
    body, _ = bot.next("click")
    with pytest.raises(SlackApiError) as refused:
        bot.app.client.views_open(trigger_id=body["trigger_id"], view=MODAL)
    assert refused.value.response["error"] == "exchanged_trigger_id"
    ada.close(ada.views()[-1])
    assert bot.next("closed")["is_cleared"] is False


def test_a_confirm_dialog_comes_before_the_click(bot: Bot, ada: WorkspacePerson) -> None:
    card = post(bot, ada, text="card", blocks=CARD)
    with pytest.raises(PersonError) as refused:
        ada.click(card, "stop")
    assert refused.value.answer["confirm"] == CONFIRM
    ada.click(card, "stop", confirmed=True)
    assert bot.next("stop")["actions"][0]["action_id"] == "stop"


def test_a_mention_is_heard_once_as_mention_and_once_as_message(bot: Bot, ada: WorkspacePerson) -> None:
    said = ada.say("training", "@signalbox help me")
    mention = bot.next("app_mention")["event"]
    assert (mention["text"], mention["ts"]) == ("<@U0LOCALBOT> help me", said["ts"])
    ada.say("training", "in the thread, @signalbox", thread_ts=said["ts"])
    assert bot.next("app_mention")["event"]["thread_ts"] == said["ts"]


def test_an_uploaded_file_is_shared_and_downloaded(bot: Bot, ada: WorkspacePerson, tmp_path: Path) -> None:
    path = tmp_path / "fish & chips.zip"
    path.write_bytes(b"PK" + bytes(range(256)) * 1000)
    message = ada.upload("training", path, text="the data for @signalbox")
    event = bot.next("file_shared")["event"]
    file = bot.app.client.files_info(file=event["file_id"])["file"]
    assert (file["name"], file["size"]) == ("fish & chips.zip", path.stat().st_size)
    request = urllib.request.Request(file["url_private_download"], headers={"Authorization": f"Bearer {bot.workspace.bot_token}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.read() == path.read_bytes()
    with urllib.request.urlopen(file["url_private"], timeout=5) as answer:
        assert answer.headers["content-type"].startswith("text/html")
    assert ada.download(message["files"][0]) == path.read_bytes()


def test_the_app_uploads_a_picture_and_shows_it(bot: Bot, ada: WorkspacePerson) -> None:
    card = post(bot, ada, text="card")
    uploaded = bot.app.client.files_upload_v2(
        content=b"\x89PNG not really", filename="plot.png", channel=card["channel"], thread_ts=card["ts"]
    )
    image = [{"type": "image", "alt_text": "plot", "slack_file": {"id": uploaded["file"]["id"]}}]
    with pytest.raises(SlackApiError) as refused:
        bot.app.client.chat_update(channel=card["channel"], ts=card["ts"], blocks=image, text="plot")
    assert refused.value.response["error"] == "invalid_blocks"
    deadline = time.monotonic() + 30
    while not bot.app.client.files_info(file=uploaded["file"]["id"])["file"]["mimetype"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    bot.app.client.chat_update(channel=card["channel"], ts=card["ts"], blocks=image, text="plot")
    assert ada.thread("training", card["ts"])[1]["files"][0]["name"] == "plot.png"


def test_shortcut_home_and_invitation(bot: Bot, ada: WorkspacePerson) -> None:
    said = ada.say("training", "import this")
    assert ada.shortcut("import_dataset", said)["acknowledged"]
    assert bot.next("shortcut")["message"]["text"] == "import this"
    with pytest.raises(PersonError, match="no_such_shortcut"):
        ada.shortcut("import_dataset")
    assert ada.open_home() is None
    user = bot.next("app_home_opened")["event"]["user"]
    view = {"type": "home", "blocks": CARD}
    bot.app.client.views_publish(user_id=user, view=view)
    home = ada.home()
    assert home is not None
    assert ada.click(home, "start")["acknowledged"]
    assert bot.next("click")[0]["container"] == {"type": "view", "view_id": home["id"]}
    ada.close(ada.views()[-1])
    ada.invite_app("general")
    assert bot.next("member_joined_channel")["event"]["user"] == "U0LOCALBOT"


@pytest.mark.slow
def test_it_reconnects_when_asked_and_when_cut(bot: Bot, ada: WorkspacePerson) -> None:
    first = bot.handler.client.session_id()
    bot.workspace.request_disconnect()
    wait_for_new_session(bot, first)
    assert ada.slash("training", "/train", "again") is not None
    second = bot.handler.client.session_id()
    bot.workspace.drop_sockets()
    wait_for_new_session(bot, second)
    answer = ada.slash("training", "/train", "and again")
    assert answer is not None
    assert answer["text"] == "ack of and again"


def wait_for_new_session(bot: Bot, old: str | None) -> None:
    deadline = time.monotonic() + 15
    while bot.handler.client.session_id() == old or bot.workspace.socket_count() != 1:
        assert time.monotonic() < deadline, "the app did not come back"
        time.sleep(0.01)
