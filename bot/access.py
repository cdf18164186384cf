"""Who may speak to Signalbox, and from where. Deny by default, with one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runner.settings import Access, Role


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who did something in Slack, and where. ``teams`` are all the workspaces that Slack names for the person and the place.

    ``elsewhere``: in a form or the Home tab, which are in no channel, so that no role comes from the one that is answered in.
    """

    person: str
    channel: str
    teams: frozenset[str]
    is_bot: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is done; the sentence is empty where not even an answer is due."""

    sentence: str = ""


def refusal(access: Access, speaker: Speaker, *, role: Role, home_workspace: str) -> Refusal | None:
    """Why this person may not be served in this place; None when they may.

    ``home_workspace`` is the workspace that the bot's token belongs to; it is the one served unless the settings name another.
    """
    if speaker.is_bot or not speaker.person:
        return Refusal()
    if speaker.teams != {access.workspace or home_workspace}:
        return Refusal("Signalbox serves people of its own workspace only.")
    if speaker.channel not in access.channels:
        return Refusal(f"Signalbox does not serve this channel. An admin can add {speaker.channel} to access.channels in the settings.")
    if role < Role.VIEWER:
        return Refusal(f"You are not on Signalbox's list of people. An admin can add {speaker.person} to access in the settings.")
    return None


def known_teams(*teams: object) -> frozenset[str]:
    """The workspaces among the values of a payload; what is missing says nothing."""
    return frozenset(_texts(teams))


def _texts(values: Iterable[object]) -> Iterable[str]:
    return (value for value in values if isinstance(value, str) and value)
