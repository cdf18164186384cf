"""Who may speak, and from where."""

from __future__ import annotations

import pytest

from bot.access import Refusal, Speaker, known_teams, refusal
from runner.settings import Access, Role

HOME = "T1"
ACCESS = Access(channels=("C1",))
ADA = Speaker("U1", "C1", frozenset({HOME}))


def test_a_listed_person_in_a_listed_channel_is_served() -> None:
    assert refusal(ACCESS, ADA, role=Role.VIEWER, home_workspace=HOME) is None


@pytest.mark.parametrize(
    ("speaker", "role", "says"),
    [
        (Speaker("U1", "C2", frozenset({HOME})), Role.ADMIN, "does not serve this channel"),
        (Speaker("U1", "C1", frozenset({HOME})), Role.STRANGER, "not on Signalbox's list"),
        (Speaker("U1", "C1", frozenset({HOME, "T2"})), Role.ADMIN, "own workspace only"),
        (Speaker("U1", "C1", frozenset({"T2"})), Role.ADMIN, "own workspace only"),
        (Speaker("U1", "C1", frozenset()), Role.ADMIN, "own workspace only"),
    ],
)
def test_everybody_else_is_told_why_in_one_sentence(speaker: Speaker, role: Role, says: str) -> None:
    refused = refusal(ACCESS, speaker, role=role, home_workspace=HOME)
    assert refused is not None
    assert says in refused.sentence


@pytest.mark.parametrize("speaker", [Speaker("U1", "C1", frozenset({HOME}), is_bot=True), Speaker("", "C1", frozenset({HOME}))])
def test_bots_get_no_answer(speaker: Speaker) -> None:
    assert refusal(ACCESS, speaker, role=Role.ADMIN, home_workspace=HOME) == Refusal("")


def test_nobody_is_served_until_somebody_is_listed() -> None:
    assert refusal(Access(), ADA, role=Access().role_of(ADA.person), home_workspace=HOME) is not None


def test_a_workspace_in_the_settings_wins_over_the_tokens() -> None:
    named = ACCESS.model_copy(update={"workspace": "T9"})
    assert refusal(named, ADA, role=Role.ADMIN, home_workspace=HOME) is not None


def test_teams_are_whatever_the_payload_names() -> None:
    assert known_teams("T1", None, "", "T2", 7) == {"T1", "T2"}
