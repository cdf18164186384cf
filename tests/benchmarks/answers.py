"""How long people wait in a busy house: 20 commands a second through every door, 100 runs that go on, 10,000 that ended, App Homes open."""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import yaml

from bot.calls import Slack, web_client
from bot.local_workspace import AppConfiguration, Limits, LocalWorkspace, WorkspaceConfiguration, WorkspacePerson
from bot.local_workspace.configuration import ChannelSeed, PersonSeed
from bot.local_workspace.entities import TEAM_ID
from bot.settings import SlackSettings, Tokens
from recipes.ingest import ingest
from runner.service import people
from runner.service.house import House
from runner.settings import Access
from runner.store.connection import to_text
from tests.benchmarks.figures import Figure, table
from tests.benchmarks.large_house import FIRST_IN_QUEUE, PEOPLE, RUNNING, large_house
from tests.benchmarks.watching import cpu_s
from tests.benchmarks.whole_house import PACED
from tests.support.scripted_house import SCRIPTED, write_coco
from tests.support.slack_house import MANIFEST, until

SLASHES_A_SECOND = 18
"""And one click and one mention each second, in a channel where their answers are found."""
SECONDS, QUIET_S, SETTLE_S = 60, 10, 10
STEP_S = 10.0
"""Between two points of a run that goes on, about as MMDetection logs by default."""
ACK_S, ANSWER_S, NEVER_S = 0.1, 1.0, 10.0
HOMES_EVERY_S = 5.0
AT_ONCE = 24
ROUND = (
    "ps", "queue", "show {running}", "why {waiting}", "log {running}", "ps --mine", "run paced on fish --dry-run", "data list",
    "queue", "help", "top", "show {ended}", "why {running}", "alerts", "plan paced on fish", "presets", "schedule list", "help run",
)
ASIDE, SPEAKER, READER = "asides", "ada", "ben"
T = TypeVar("T")
LOOKERS = tuple(f"home{number}" for number in range(6))
"""A Home tab is published at most every 15 s to one person: so many take turns at opening theirs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, how long (s) from when it was due until its answer was read (None: never), and until its ack where that is known."""

    verb: str
    took_s: float | None
    ack_s: float | None = None


@dataclass(frozen=True)
class Busy:
    """A bot at work in a busy house."""

    house: House
    workspace: LocalWorkspace
    bot: int
    channels: dict[str, str]
    card: dict[str, Any]

    def person(self, name: str) -> WorkspacePerson:
        return WorkspacePerson(self.workspace.base_url, self.workspace.session_token, name)


def measure(*, seconds: int = SECONDS, queued: int = 300, history: int = 10_000) -> list[Figure]:
    """Ask everything on time, whether or not what came before was answered. Prints the processor time as well."""
    with busy_house(queued=queued, history=history) as busy, _going_on(busy.house):
        time.sleep(SETTLE_S)
        quiet = _cpu_a_second(busy.bot, QUIET_S)
        spent, began = cpu_s(busy.bot), time.monotonic()
        answers, homes = _asked(busy, seconds)
        spent = cpu_s(busy.bot) - spent - quiet * (time.monotonic() - began)
    lost = Counter(each.verb for each in answers if each.took_s is None)
    print(f"without an answer in time: {', '.join(f'{verb} {number}' for verb, number in lost.items()) or 'none'}")
    print(f"the bot: {quiet:.0%} of a core in quiet, {spent / len(answers) * 1000:.1f} ms for each of {len(answers)} commands, with Homes")
    whole = [NEVER_S if each.took_s is None else each.took_s for each in answers]
    by_verb: defaultdict[str, list[float]] = defaultdict(list)
    for each, took in zip(answers, whole, strict=True):
        by_verb[each.verb].append(took)
    return [
        Figure("acks", [each.ack_s for each in answers if each.ack_s is not None], "p99", ACK_S),
        Figure("answers, through every door", whole, "p95", ANSWER_S),
        *(Figure(f"  {verb}", by_verb[verb]) for verb in sorted(by_verb)),
        Figure("App Home, opened to shown", homes, "p95", ANSWER_S),
    ]


def _asked(busy: Busy, seconds: int) -> tuple[list[Asked], list[float]]:
    lines = itertools.cycle(ROUND)
    began = time.monotonic() + 0.5
    with ThreadPoolExecutor(AT_ONCE) as crowd, ThreadPoolExecutor(3) as readers:
        aside = readers.submit(_each, began, 0.5, seconds * 2, lambda number: _aside(busy, number))
        homes = readers.submit(_each, began, HOMES_EVERY_S, round(seconds / HOMES_EVERY_S), lambda number: _home(busy, number))
        answers: list[Future[Asked]] = []
        for number in range(SLASHES_A_SECOND * seconds):
            due = began + number / SLASHES_A_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            line = next(lines).format(
                running=f"r-w{number % RUNNING:06}", waiting=f"{FIRST_IN_QUEUE[:-6]}{number % 100:06}", ended=f"r-h{number:06}",
            )
            answers.append(crowd.submit(_slash, busy, line, due))
        return [*(answer.result() for answer in answers), *aside.result()], homes.result()


def _each(began: float, every_s: float, times: int, act: Callable[[int], T]) -> list[T]:
    done = []
    for number in range(times):
        time.sleep(max(0.0, began + number * every_s - time.monotonic()))
        done.append(act(number))
    return done


def _slash(busy: Busy, line: str, due: float) -> Asked:
    answer = busy.person(SPEAKER).slash(busy.channels["training"], "/train", line)
    took = time.monotonic() - due
    said = str((answer or {}).get("text", ""))
    right = answer is not None and "failed with the error" not in said and "went wrong" not in said and "There is no run" not in said
    words = line.split()
    return Asked(" ".join(["slash", words[0], *(word for word in words[1:] if word.startswith("--"))]), took if right else None, took)


def _aside(busy: Busy, number: int) -> Asked:
    """A click, then a mention, in turns: their answers are messages, each names a run of its own."""
    person, run_id, ack_s = busy.person(READER), f"r-w{number % RUNNING:06}", None
    due = time.monotonic()
    if number % 2:
        person.say(busy.channels[ASIDE], f"@signalbox why {run_id}")
    else:
        person.click(busy.card, f"command:{number}")
        ack_s = time.monotonic() - due

    def answered() -> bool:
        return any(run_id in each["text"] and each.get("is_ephemeral") for each in person.messages(busy.channels[ASIDE], limit=4))

    try:
        person.wait_for(answered, timeout_s=NEVER_S)
    except TimeoutError:
        return Asked("mention" if number % 2 else "click", None)
    return Asked("mention" if number % 2 else "click", time.monotonic() - due, ack_s)


def _home(busy: Busy, number: int) -> float:
    person = busy.person(LOOKERS[number % len(LOOKERS)])
    before, began = person.home(), time.monotonic()
    person.open_home()
    person.wait_for(lambda: person.home() != before, timeout_s=20, what="Home")
    return time.monotonic() - began


@contextmanager
def busy_house(*, queued: int, history: int) -> Iterator[Busy]:
    """The large house with its cards in a workspace and a bot as a process of its own. Everybody may look, ada and ben are operators."""
    names = (SPEAKER, READER, *LOOKERS)
    configuration = WorkspaceConfiguration(
        app=AppConfiguration.from_manifest(MANIFEST), people=tuple(PersonSeed(name, name) for name in names),
        channels=(ChannelSeed("training"), ChannelSeed(ASIDE)), limits=Limits(message_interval_s=0.0),
    )
    with large_house(queued=queued, history=history) as house, LocalWorkspace(house.settings.state / "slack", configuration) as workspace:
        state = WorkspacePerson(workspace.base_url, workspace.session_token, SPEAKER).state()
        channels = {str(each["name"]): str(each["id"]) for each in state["channels"] if each.get("name")}
        ids = {str(each["name"]): str(each["id"]) for each in state["people"]}
        access = Access(
            workspace=TEAM_ID, channels=(channels["training"], channels[ASIDE]), operators=(ids[SPEAKER], ids[READER]),
            viewers=tuple(ids[name] for name in LOOKERS),
        )
        settings = house.settings.model_copy(update={"access": access, "extensions": (SCRIPTED, PACED)})
        path = settings.state / "signalbox.yaml"
        path.write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
        ingest(house.catalog, write_coco(settings.state / "coco"), name="fish", created_at=datetime.now(UTC))
        card = _furnish(house, Slack(web_client(Tokens(workspace.bot_token, "", workspace.api_url), SlackSettings())), channels, ids)
        environment = {
            **os.environ, "SLACK_BOT_TOKEN": workspace.bot_token, "SLACK_APP_TOKEN": workspace.app_token,
            "SLACK_API_URL": workspace.api_url, "SIGNALBOX_SETTINGS": str(path),
        }
        with (settings.state / "bot.log").open("ab") as out:
            bot = subprocess.Popen([sys.executable, "-m", "bot", "bot"], env=environment, stdout=out, stderr=out)
        try:
            until(lambda: workspace.socket_count() > 0, timeout_s=60, what="the bot's socket")
            yield Busy(house, workspace, bot.pid, channels, card)
        except BaseException:
            print((settings.state / "bot.log").read_text(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            bot.terminate()
            bot.wait(60)


def _furnish(house: House, slack: Slack, channels: dict[str, str], ids: dict[str, str]) -> dict[str, Any]:
    """Real messages for the cards of what runs, a log for each, and a message with a button for each run; that one is returned."""
    buttons = [
        {"type": "actions", "elements": [
            {"type": "button", "text": {"type": "plain_text", "text": "Why"}, "action_id": f"command:{number}",
             "value": f"why r-w{number % RUNNING:06}"}
            for number in range(row, row + 25)
        ]}
        for row in range(0, 2 * SECONDS, 25)
    ]
    card = _posted(slack, channels[ASIDE], blocks=buttons)
    house.settings.logs.mkdir(parents=True, exist_ok=True)
    posted = [_posted(slack, channels["training"]) for _ in range(2 * RUNNING)]
    with house.store.writing() as db:
        db.conn.execute("UPDATE runs SET channel = ?, owner = CASE WHEN owner = ? THEN ? ELSE owner END",
                        (channels["training"], PEOPLE[0], ids[SPEAKER]))
        db.conn.execute("UPDATE cards SET channel = ?", (channels["training"],))
        for number in range(RUNNING):
            run_id, (one, other) = f"r-w{number:06}", posted[2 * number : 2 * number + 2]
            (house.settings.logs / f"{run_id}-1.log").write_text("2026/11/21 03:00:00 - INFO - Epoch(train) [1][10/500]\n" * 2000)
            db.conn.execute("UPDATE cards SET ts = ? WHERE run_id = ?", (one["ts"], run_id))
            db.conn.execute("INSERT INTO cards (run_id, part, channel, ts, sent_digest, sent_at) VALUES (?, 'epochs', ?, ?, 'd', ?)",
                            (run_id, channels["training"], other["ts"], to_text(house.now())))
    return card


def _posted(slack: Slack, channel: str, **more: object) -> dict[str, Any]:
    done = slack.call("chat.postMessage", channel=channel, text="A card", **more)
    return {"channel": channel, "ts": str(getattr(done, "data", {})["ts"])}


@contextmanager
def _going_on(house: House) -> Iterator[None]:
    """What a runner writes meanwhile: a point of each run in turn, and that it lives."""
    ended = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if ended.wait(STEP_S / RUNNING):
                break
            now = to_text(house.now())
            with house.store.writing() as db:
                db.conn.execute(
                    'INSERT INTO progress (run_id, attempt, at, epoch, iteration, iterations, loss, lr, step_s, memory_mib, "values")'
                    " VALUES (?, 1, ?, 61, ?, 500, 0.4, 0.004, 0.02, 9000, '{\"loss_cls\": 0.25}')",
                    (f"r-w{number % RUNNING:06}", now, number // RUNNING + 1),
                )
            if not number % (RUNNING // 5):
                people.beat(house, "runner")
        house.store.close()

    thread = threading.Thread(target=write, name="a runner")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _cpu_a_second(pid: int, seconds: float) -> float:
    before = cpu_s(pid)
    time.sleep(seconds)
    return (cpu_s(pid) - before) / seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--queued", type=int, default=300)
    parser.add_argument("--history", type=int, default=10_000)
    given = parser.parse_args()
    print(table(measure(seconds=given.seconds, queued=given.queued, history=given.history)))
