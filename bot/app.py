"""The bot: slack-bolt over a socket or HTTP, the web server, and threads beside them, of which some also work where chat is off.
One per database."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread, current_thread, main_thread
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.client import BaseSocketModeClient

from bot import hours
from bot.ack_times import time_acks
from bot.calls import Done, Refused, Slack, web_client
from bot.commands import verbs
from bot.delivering import deliver
from bot.download import Downloader
from bot.firings import carry_out_due
from bot.groups import Groups
from bot.home import Homes, overview
from bot.listeners import Identity, Listeners
from bot.runner_watch import tell_of_runner
from bot.settings import APP_TOKEN, BOT_TOKEN, SlackSettings, Tokens, slack_settings, tokens, web_port, web_tokens
from bot.uploads import Uploads, clear_partial
from bot.waiting_files import WaitingFiles, clear_settled
from bot.web import Served, serving
from runner.errors import ConfigurationError
from runner.service import people, retraining, triggers
from runner.service.health import troubles
from runner.service.heartbeat import DeadMansSwitch
from runner.service.house import House, open_house
from runner.service.imports import readable_formats
from runner.settings import Settings

Works = Mapping[str, Callable[[], None]]
"""What threads do until the bot stops, by the name of the thread."""

_log = logging.getLogger(__name__)
SWITCH_S = 0.001
"""Each look into the database gives up the processor, and beside a thread that computes it comes back only after this: 5 ms by default,
twenty times for one card."""
COLLECT_AFTER = 50_000
"""Objects. By default cycles are looked for after 700, and of an answer about ten thousand runs every sixth took 250 ms longer for it."""
BEAT_S = 5.0
UPLOADS_WAKE_S = 0.2
HOMES_WAKE_S = 0.2
FIRINGS_WAKE_S = 1.0
_LONGEST_WAIT_S = 30.0
_END_S = 12.0
_PING_S = 5.0
_READ_S = 1.0
_REFUSED_TOKEN = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "not_allowed_token_type", "missing_scope"})
"""What no waiting mends."""


def run_bot(settings: Settings, *, stop: Event | None = None) -> None:
    """Be the bot until SIGTERM, SIGINT or ``stop``. Without tokens it does what needs no chat.

    ConfigurationError says which token is missing or refused, or that another bot is at work.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(COLLECT_AFTER)
    ended = stop or Event()
    chosen, secrets = slack_settings(settings), tokens()
    house = open_house(settings)
    with _only_bot(house), _ended_by_signals(ended):
        verbs()  # a broken command stops the start, loudly
        readable_formats()  # and so does a broken format; no dialog has to wait for them later
        has_socket = secrets is not None and bool(secrets.app)
        processes = ("runner", "bot", "socket") if has_socket else ("runner", "bot")
        if not has_socket:
            people.forget_beat(house, "socket")
        served = Served(house, web_tokens(), processes)
        works = {**_without_slack(house, chosen, ended), **_watching(house, processes, ended, chat=secrets is not None)}
        with serving(served, web_port(settings, secrets)), _at_work(works, ended, served.threads):
            if secrets is None:
                _log.info("Chat is off: neither %s nor %s is set. Schedules are carried out; the terminal serves.", BOT_TOKEN, APP_TOKEN)
                ended.wait()
            else:
                _chat(house, chosen, secrets, ended, served)


def _chat(house: House, settings: SlackSettings, secrets: Tokens, stop: Event, served: Served) -> None:
    slack = Slack(web_client(secrets, settings))
    identity = identify(slack, stop)
    if identity is None:
        return
    clear_partial(house.settings.inbox)
    clear_settled(house)
    homes = Homes()
    app, works = build_app(house, identity, secrets, settings, homes), _with_slack(house, slack, settings, secrets, stop)
    works["homes"] = lambda: _every(HOMES_WAKE_S, stop, lambda: homes.step(house, slack), first=lambda: overview(house))
    if secrets.signing_secret:
        served.slack = app
        with _at_work(works, stop, served.threads):
            stop.wait()
        return
    handler = build_socket(app, secrets, settings)
    works["socket"] = lambda: _every(BEAT_S, stop, lambda: _note_ping(house, handler))
    with _at_work(works, stop, served.threads):
        _connect(handler, stop)
        stop.wait()
        handler.close()  # type: ignore[no-untyped-call]


def build_app(house: House, identity: Identity, secrets: Tokens, settings: SlackSettings, homes: Homes | None = None) -> App:
    """Bolt's App with every listener. Constructing it asks Slack who we are.

    Bolt acks an event before its listener has run, unless it processes before it responds; and then a crash would lose the request.
    """
    # Bolt reads SLACK_BOT_TOKEN by itself and then warns that the client was given as well.
    logging.getLogger("slack_bolt.App").addFilter(lambda record: "`token` will be unused" not in str(record.msg))
    secret = secrets.signing_secret or None
    app = App(client=web_client(secrets, settings), signing_secret=secret, name="signalbox", process_before_response=True)
    Listeners(house, identity, homes or Homes()).register(app)
    time_acks(app)
    return app


def build_socket(app: App, secrets: Tokens, settings: SlackSettings) -> SocketModeHandler:
    """The socket to Slack, with a client of its own, not yet connected.

    When Slack asks to reconnect, slack_sdk reads the new socket only once a read of the old one has timed out, after 3 s: too late
    for the ack of a command that came in between. So each socket gets a shorter time-out with its hello.
    """
    client = web_client(secrets, settings, token=secrets.app)
    handler = SocketModeHandler(app, secrets.app, web_client=client, ping_interval=_PING_S)

    def hurry(_client: BaseSocketModeClient, message: dict[str, Any], _raw: str | None) -> None:
        session = handler.client.current_session
        if message.get("type") == "hello" and session is not None and session.sock is not None:
            session.sock.settimeout(_READ_S)

    handler.client.message_listeners.append(hurry)
    return handler


def identify(slack: Slack, stop: Event) -> Identity | None:
    """Who the bot is, asked until Slack answers; None when told to stop first. ConfigurationError when the token is refused."""
    wait_s = 1.0
    while not stop.is_set():
        answer = slack.call("auth.test")
        if isinstance(answer, Done):
            return Identity(str(answer.data.get("team_id")), str(answer.data.get("user_id")))
        if isinstance(answer, Refused):
            raise ConfigurationError(f"Slack refuses {BOT_TOKEN}: {answer}. Reinstall the app and set the new token.")
        _log.warning("Slack does not answer (%s); trying again in %.0f s.", answer, wait_s)
        stop.wait(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
    return None


def _without_slack(house: House, settings: SlackSettings, stop: Event) -> Works:
    return {
        "firings": lambda: _every(FIRINGS_WAKE_S, stop, lambda: carry_out_due(house, settings)),
        "retrainings": lambda: _every(FIRINGS_WAKE_S, stop, lambda: retraining.advance(house)),
        "triggers": lambda: _every(FIRINGS_WAKE_S, stop, lambda: triggers.look(house)),
        "heartbeat": lambda: _every(BEAT_S, stop, lambda: people.beat(house, "bot")),
    }


def _watching(house: House, processes: Sequence[str], stop: Event, *, chat: bool) -> Works:
    wanted = house.settings.heartbeat
    switch = DeadMansSwitch(house, lambda: troubles(house, processes, messages=chat), url=wanted.url, fail_url=wanted.fail_url)
    return {"dead man's switch": lambda: _every(BEAT_S, stop, switch.step)}


def _with_slack(house: House, slack: Slack, settings: SlackSettings, secrets: Tokens, stop: Event) -> dict[str, Callable[[], None]]:
    downloader = Downloader(secrets, settings.call_timeout_s)
    uploads, waiting, groups = Uploads(house, slack, downloader), WaitingFiles(house, slack, downloader), Groups(house, slack)
    return {
        "deliveries": lambda: deliver(house, slack, settings, stop),
        "uploads": lambda: _every(UPLOADS_WAKE_S, stop, lambda: uploads.step(stop)),
        "waiting files": lambda: _every(UPLOADS_WAKE_S, stop, lambda: waiting.step(stop)),
        "hours": lambda: _every(BEAT_S, stop, lambda: hours.step(house)),
        "groups": lambda: _every(BEAT_S, stop, groups.step),
        "runner watch": lambda: _every(BEAT_S, stop, lambda: tell_of_runner(house, settings)),
    }


@contextmanager
def _at_work(works: Works, stop: Event, all_threads: list[Thread]) -> Iterator[None]:
    """Each of these in a thread of its own; leaving, by whatever way, stops the bot and waits for them."""
    threads = [Thread(target=work, name=name, daemon=True) for name, work in works.items()]
    all_threads += threads
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(_END_S)


def _every(seconds: float, stop: Event, work: Callable[[], object], *, first: Callable[[], object] | None = None) -> None:
    """Do something again and again; a fault is logged and does not end it."""
    following = first or work
    while not stop.is_set():
        try:
            following()
        except Exception:  # noqa: BLE001 - logged; the bot must outlive a fault in one round
            _log.exception("The thread %s met a fault and goes on.", current_thread().name)
        following = work
        stop.wait(seconds)


def _note_ping(house: House, handler: SocketModeHandler) -> None:
    """Note when Slack last answered a ping on the socket."""
    session = handler.client.current_session
    pinged = session.last_ping_pong_time if session is not None else None
    if pinged is not None:
        people.beat(house, "socket", at=datetime.fromtimestamp(pinged, tz=UTC))


def _connect(handler: SocketModeHandler, stop: Event) -> None:
    """Open the socket; once it was open, slack_sdk keeps it so. ConfigurationError when the token is refused."""
    wait_s = 1.0
    while not stop.is_set():
        try:
            handler.connect()  # type: ignore[no-untyped-call]
        except SlackApiError as error:
            why = str(error.response.get("error"))
            if why in _REFUSED_TOKEN:
                remedy = "Make a new app-level token with connections:write (api.slack.com, Basic Information) and set it."
                raise ConfigurationError(f"Slack refuses {APP_TOKEN}: {why}. {remedy}") from error
        except Exception as error:  # noqa: BLE001 - slack_sdk raises whatever its socket does
            why = f"{type(error).__name__}: {error}"
        else:
            return
        _log.error("No socket to Slack (%s); trying again in %.0f s.", why, wait_s)
        stop.wait(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


@contextmanager
def _only_bot(house: House) -> Iterator[None]:
    """Hold the lock that one bot per database holds."""
    path = house.settings.state / "bot.lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise ConfigurationError(f"Another bot (pid {pid}) is at work on {house.settings.database}.") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _ended_by_signals(stop: Event) -> Iterator[None]:
    """SIGTERM and SIGINT mean stop; only a process's main thread can hear them."""
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
