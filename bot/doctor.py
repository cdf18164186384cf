"""`doctor`: is everything as it must be, and how is it mended where it is not? Changes nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import humanize

from bot.settings import APP_TOKEN, BOT_TOKEN, WEB_TOKENS, Tokens, slack_settings, tokens, web_port, web_tokens
from bot.views.words import count
from recipes.errors import DatasetError
from recipes.yaml_lines import read_yaml
from runner.entities import Host
from runner.errors import ConfigurationError
from runner.service.health import SILENT_AFTER, Health, health
from runner.service.house import House
from runner.settings import Settings

MANIFEST = Path(__file__).parent.parent / "deploy" / "slack-manifest.yaml"
UNSEEN_AFTER = timedelta(minutes=2)
LOW_SPACE_BYTES = 2_000_000_000
CALL_TIMEOUT_S = 5
_RESTART = "Start it with `signalbox serve`; its log says why it ended."
_REINSTALL = "Give the app the manifest deploy/slack-manifest.yaml on its page at api.slack.com, and reinstall it into the workspace."


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was found in a sentence, and how to mend it."""

    name: str
    outcome: Outcome
    sentence: str
    remedy: str = ""


def report(
    house: House, settings: Settings, *, environment: Mapping[str, str] = os.environ, ask_slack: bool = True, manifest: Path = MANIFEST
) -> list[Check]:
    """Everything that can be checked, in the order in which to mend it. Slack is asked only with ``ask_slack`` and tokens.

    At most two calls to Slack, each with a deadline of 5 s; never raises for what it finds.
    """
    found = health(house)
    now = house.now()
    checks = [*_database(found), _process(found, "runner", now), _process(found, "bot", now)]
    chosen = _chat(environment)
    if port := web_port(settings, chosen if isinstance(chosen, Tokens) else None):
        checks.append(_web(settings.web.address, port, environment))
    if isinstance(chosen, Check):
        checks.append(chosen)
    else:
        checks += [] if chosen.signing_secret else [_socket(found, now)]
        checks += _slack(chosen, settings, manifest) if ask_slack else []
        checks += _access(settings)
    return [*checks, *_hosts(found, now), *_environments(found)]


def in_words(checks: list[Check]) -> str:
    """The report as text: one line for each check, its remedy below it."""
    signs = {Outcome.OK: "✓", Outcome.WARN: "!", Outcome.FAIL: "✗"}
    lines = []
    for check in checks:
        lines.append(f"{signs[check.outcome]} {check.name}: {check.sentence}")
        lines += [f"    → {check.remedy}"] if check.remedy else []
    failed = sum(check.outcome is Outcome.FAIL for check in checks)
    lines.append("Everything that must work does." if not failed else f"{failed} of {len(checks)} checks failed.")
    return "\n".join(lines)


def _database(found: Health) -> list[Check]:
    database = found.database
    checks = []
    if database.problems:
        remedy = "Stop Signalbox, keep a copy of the database, and restore the newest backup (deploy/README.md, Backup)."
        checks.append(Check("database", Outcome.FAIL, f"It is damaged: {database.problems[0]}.", remedy))
    if database.unwritable:
        remedy = "See who holds it with `fuser signalbox.db`, and whether the state folder belongs to the account of Signalbox."
        checks.append(Check("database", Outcome.FAIL, f"It cannot be written: {database.unwritable}.", remedy))
    if database.remote:
        remedy = "Set state_folder to a folder on a local disk: SQLite's locks do not hold over a network."
        checks.append(Check("database", Outcome.FAIL, f"It lies on a network file system ({database.remote}).", remedy))
    free = humanize.naturalsize(database.free_bytes)
    if database.free_bytes < LOW_SPACE_BYTES:
        checks.append(Check("disk", Outcome.WARN, f"Only {free} are free beside the database.", "Make room, or move state_folder."))
    whole = "Whole" if database.read_through else "Too large to read through now"
    return checks or [Check("database", Outcome.OK, f"{whole}, writable and on a local disk; {free} free.")]


def _process(found: Health, process: str, now: datetime) -> Check:
    beat = found.beats.get(process)
    if beat is None:
        return Check(process, Outcome.FAIL, f"The {process} has never run on this database.", _RESTART)
    if now - beat > SILENT_AFTER:
        return Check(process, Outcome.FAIL, f"The {process} last said that it lives {_ago(now - beat)}.", _RESTART)
    return Check(process, Outcome.OK, f"The {process} lives.")


def _socket(found: Health, now: datetime) -> Check:
    ping = found.beats.get("socket")
    remedy = (
        "Restart the bot. If it stays so: is Socket Mode on, has SLACK_APP_TOKEN connections:write, "
        "may this machine reach wss-primary.slack.com?"
    )
    if ping is None:
        return Check("socket", Outcome.WARN, "Slack has not pinged the bot yet.", remedy)
    if now - ping > SILENT_AFTER:
        return Check("socket", Outcome.FAIL, f"Slack last pinged the bot {_ago(now - ping)}.", remedy)
    return Check("socket", Outcome.OK, f"Slack pinged the bot {_ago(now - ping)}.")


def _web(address: str, port: int, environment: Mapping[str, str]) -> Check:
    where = f"http://{address}:{port}"
    try:
        open_to_all = not address.startswith("127.") and not web_tokens(environment).metrics
        with socket.create_connection((address, port), timeout=CALL_TIMEOUT_S):
            if open_to_all:
                remedy = f"Set {WEB_TOKENS[0]}, or web.address to 127.0.0.1."
                return Check("web", Outcome.WARN, f"Whoever reaches {where} may read /metrics.", remedy)
            return Check("web", Outcome.OK, f"The bot listens on {where}.")
    except ConfigurationError as error:
        return Check("web", Outcome.FAIL, str(error), "Correct it in the environment of the service and start it again.")
    except OSError as error:
        remedy = "Restart the bot, and see web in the settings."
        return Check("web", Outcome.FAIL, f"Nothing listens on {where} ({error.strerror or error}).", remedy)


def _chat(environment: Mapping[str, str]) -> Tokens | Check:
    try:
        chosen = tokens(environment)
    except ConfigurationError as error:
        return Check("tokens", Outcome.FAIL, str(error), "Correct it in the environment of the service and start it again.")
    remedy = f"Set {BOT_TOKEN} and {APP_TOKEN} to turn it on (deploy/README.md, The Slack app)."
    return chosen or Check("chat", Outcome.WARN, "Chat is off: there are no tokens. The terminal works without.", remedy)


def _slack(chosen: Tokens, settings: Settings, manifest: Path) -> list[Check]:
    asked, scopes = _asked(chosen, settings, chosen.bot, "auth.test")
    if isinstance(asked, Check):
        return [asked]
    team, expected = str(asked.get("team_id")), settings.access.workspace
    if expected and team != expected:
        remedy = f"Set access.workspace to {team}, or {BOT_TOKEN} to a token of that workspace."
        return [Check("workspace", Outcome.FAIL, f"The token is of workspace {team}; the settings allow {expected}.", remedy)]
    checks = [Check("bot token", Outcome.OK, f"Slack knows it as {asked.get('user')} in {asked.get('team')} ({team}).")]
    checks.append(_scopes(scopes, manifest))
    if chosen.signing_secret:
        return checks
    # Asking for a socket proves the app token. It is not opened: Slack would send some commands to it, and they would be lost.
    opened, _ = _asked(chosen, settings, chosen.app, "apps.connections.open")
    checks.append(opened if isinstance(opened, Check) else Check("app token", Outcome.OK, "Slack grants a socket for it."))
    return checks


def _asked(chosen: Tokens, settings: Settings, token: str, method: str) -> tuple[Mapping[str, object] | Check, str]:
    """What Slack answers, and the scopes it names; a check where it refuses or is silent."""
    from slack_sdk.errors import SlackApiError, SlackClientError  # loaded only where Slack is asked

    from bot.calls import web_client

    name = "bot token" if token == chosen.bot else "app token"
    limits = slack_settings(settings).model_copy(update={"call_timeout_s": CALL_TIMEOUT_S})
    try:
        answer = web_client(chosen, limits, token=token).api_call(method)
    except SlackApiError as error:
        word = str(error.response.get("error"))
        return Check(name, Outcome.FAIL, f"Slack refuses it: {word}.", _remedy(name, word)), ""
    except (OSError, ValueError, SlackClientError) as error:
        remedy = f"Can this machine reach {chosen.api_url}? See its network, proxy and firewall."
        return Check("slack", Outcome.FAIL, f"Slack does not answer {method}: {error}.", remedy), ""
    data = answer.data if isinstance(answer.data, dict) else {}
    headers = {key.lower(): value for key, value in answer.headers.items()}
    return data, str(headers.get("x-oauth-scopes", ""))


def _remedy(name: str, word: str) -> str:
    if word == "ratelimited":
        return "Wait a minute and ask again."
    if word == "missing_scope":
        return "Give the token the scope connections:write (Basic Information → App-Level Tokens)."
    variable, place = (BOT_TOKEN, "OAuth & Permissions") if name == "bot token" else (APP_TOKEN, "Basic Information")
    return f"Take the token anew from the app's page at api.slack.com ({place}), set {variable}, and start the service again."


def _scopes(granted: str, manifest: Path) -> Check:
    if not manifest.exists():
        return Check("scopes", Outcome.WARN, "The manifest is not installed here, so the scopes were not compared.")
    try:
        wanted = _manifest_scopes(manifest)
    except DatasetError as error:
        return Check("scopes", Outcome.FAIL, str(error), "Restore deploy/slack-manifest.yaml.")
    have = {scope.strip() for scope in granted.split(",") if scope.strip()}
    missing, extra = sorted(wanted - have), sorted(have - wanted)
    if missing:
        return Check("scopes", Outcome.FAIL, f"The app lacks {', '.join(missing)}.", _REINSTALL)
    if extra:
        return Check("scopes", Outcome.WARN, f"The app has more than it needs: {', '.join(extra)}.", _REINSTALL)
    return Check("scopes", Outcome.OK, f"All {len(wanted)} scopes of the manifest are granted, and no others.")


def _manifest_scopes(manifest: Path) -> set[str]:
    part = read_yaml(manifest).data
    for key in ("oauth_config", "scopes", "bot"):
        part = part.get(key) if isinstance(part, dict) else None
    return {str(scope) for scope in part} if isinstance(part, list) else set()


def _access(settings: Settings) -> list[Check]:
    access = settings.access
    people = {*access.viewers, *access.members, *access.operators, *access.admins}
    lacking = [name for name, listed in (("people", people), ("channels", access.channels)) if not listed]
    if lacking:
        remedy = "List them under access in the settings (deploy/settings.sample.yaml); nobody is served until listed."
        return [Check("access", Outcome.WARN, f"The settings list no {' and no '.join(lacking)}.", remedy)]
    listed = f"{count(len(people), 'person', 'people')} and {count(len(access.channels), 'channel')}"
    return [Check("access", Outcome.OK, f"{listed} may use Signalbox.")]


def _hosts(found: Health, now: datetime) -> list[Check]:
    if not found.hosts:
        return [Check("hosts", Outcome.WARN, "There is no host yet.", "Start the runner for this machine, or `host add` a server.")]
    return [_host(host, now) for host in found.hosts]


def _host(host: Host, now: datetime) -> Check:
    name = f"host {host.name}"
    remedy = f"`signalbox host check {host.name}` says more."
    if host.trouble:
        return Check(name, Outcome.FAIL, host.trouble, remedy)
    if host.seen_at is None:
        return Check(name, Outcome.WARN, "It has not been seen yet.", remedy)
    if now - host.seen_at > UNSEEN_AFTER:
        return Check(name, Outcome.FAIL, f"It was last seen {_ago(now - host.seen_at)}.", remedy)
    return Check(name, Outcome.OK, f"It was seen {_ago(now - host.seen_at)}.")


def _environments(found: Health) -> list[Check]:
    if not found.environments:
        remedy = "`host bootstrap <host>` builds one."
        return [Check("environments", Outcome.WARN, "No host has a training environment yet, so nothing can train.", remedy)]
    return [
        Check(f"environment {item.name}", Outcome.OK, f"{item.framework} on {item.host}, {item.fingerprint or 'no fingerprint'}.")
        for item in found.environments
    ]


def _ago(span: timedelta) -> str:
    return f"{humanize.naturaldelta(span)} ago"
