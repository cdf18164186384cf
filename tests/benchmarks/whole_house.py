"""Everything a measurement needs, nothing of it pretended: workspace, sshd, and Signalbox's bot and runner as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from bot.local_workspace import AppConfiguration, LocalWorkspace, WorkspaceConfiguration, WorkspacePerson
from bot.local_workspace.configuration import ChannelSeed, PersonSeed
from bot.local_workspace.entities import TEAM_ID
from runner.entities import Environment, Place, Run
from runner.service.house import House, Requester
from runner.service.runs import submit_training
from runner.settings import Access, Role, Settings
from runner.specs import Overrides
from runner.states import Reason
from runner.store import attempts, hosts, runs
from tests.support.hosts import end_all
from tests.support.scripted_house import HOST, SCRIPTED, ScriptedHouse, scripted_house
from tests.support.slack_house import MANIFEST, until

PACED = Path(__file__).parent / "paced"
CHANNEL = "training"


@dataclass(frozen=True)
class WholeHouse:
    """A house at work; ``person`` speaks in ``channel`` and is an operator."""

    scripted: ScriptedHouse
    house: House
    person: WorkspacePerson
    channel: str

    def submit(self, number: int, **options: float) -> Run:
        """Queue a paced training; its card goes to the channel. ``number`` makes the request's id."""
        who = Requester("bench", Role.ADMIN, "bench", f"bench-{number}", Place(self.channel))
        changed = Overrides(options=tuple(f"{name}={value}" for name, value in options.items()))
        return submit_training(self.house, who, preset="paced", dataset="fish", overrides=changed)

    def wait(self, run: Run, reason: Reason, *, timeout_s: float = 60.0) -> None:
        """Wait until a run has a reason."""
        self.scripted.wait(run, reason, timeout_s=timeout_s)

    def moments(self, run: Run) -> dict[str, float]:
        """What the program of a run noted so far, by the host's clock (s since 1970)."""
        lines = (self.scripted.directory(run) / "moments").read_text().splitlines()
        return {name: float(moment) for name, moment in (line.split() for line in lines)}


@contextmanager
def whole_house() -> Iterator[WholeHouse]:
    """Open a house with one CPU slot on one host over ssh, start ``signalbox serve``, and return once bot and runner work."""
    with (
        tempfile.TemporaryDirectory(prefix="signalbox-bench-", ignore_cleanup_errors=True) as name,
        scripted_house(Path(name)) as scripted, _nothing_left(scripted.house),
    ):
        folder = Path(name)
        configuration = WorkspaceConfiguration(
            app=AppConfiguration.from_manifest(MANIFEST), people=(PersonSeed("ada", "Ada"),), channels=(ChannelSeed(CHANNEL),),
        )
        with LocalWorkspace(folder / "slack", configuration) as workspace:
            person = WorkspacePerson(workspace.base_url, workspace.session_token, "ada")
            state = person.state()
            channel = next(str(item["id"]) for item in state["channels"] if item.get("name") == CHANNEL)
            ada = next(str(item["id"]) for item in state["people"] if item["name"] == "ada")
            house = _equipped(scripted, folder, Access(workspace=TEAM_ID, channels=(channel,), operators=(ada,)))
            with _serving(folder, workspace):
                until(lambda: workspace.socket_count() > 0, timeout_s=30, what="the bot's socket")
                yield WholeHouse(scripted, house, person, channel)


def _equipped(scripted: ScriptedHouse, folder: Path, access: Access) -> House:
    """Write the settings that bot and runner start with, and put the paced program on the host."""
    settings: Settings = scripted.house.settings.model_copy(update={"access": access, "extensions": (SCRIPTED, PACED)})
    (folder / "signalbox.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
    with scripted.house.store.writing() as db:
        hosts.put_environment(db, Environment(HOST, "scripted", "scripted", sys.executable, str(PACED), "paced-1"))
    return replace(scripted.house, settings=settings)


@contextmanager
def _nothing_left(house: House) -> Iterator[None]:
    """End what still trains once nobody starts anything more: a training outlives everything else here, as it should."""
    try:
        yield
    finally:
        for run in runs.live(house.store.reading()):
            for attempt in attempts.of(house.store.reading(), run.id):
                end_all(attempt.marker)


@contextmanager
def _serving(folder: Path, workspace: LocalWorkspace) -> Iterator[None]:
    environment = {
        **os.environ, "SLACK_BOT_TOKEN": workspace.bot_token, "SLACK_APP_TOKEN": workspace.app_token, "SLACK_API_URL": workspace.api_url,
        "SIGNALBOX_SETTINGS": str(folder / "signalbox.yaml"),
    }
    log = folder / "serve.log"
    with log.open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", "bot", "serve"], env=environment, stdout=out, stderr=out)
    try:
        yield
    except BaseException:
        print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-40:]), file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(60)
