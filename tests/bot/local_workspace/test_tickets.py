"""Things that may be used only so often and so long, and the pace of calls, on a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest

from bot.local_workspace import Limits
from bot.local_workspace.rate_limits import RateLimits, Tier
from bot.local_workspace.tickets import OneTimeTickets, ResponseUrls, TriggerIds
from bot.local_workspace.wire import RefusalError


def refusal(act: Any) -> str:
    with pytest.raises(RefusalError) as refused:
        act()
    return refused.value.error


def test_a_trigger_id_is_used_once(clock: Any) -> None:
    triggers = TriggerIds(clock, Limits())
    trigger_id = triggers.issue("U1", view_id="V1")
    assert triggers.exchange(trigger_id).person == "U1"
    assert refusal(lambda: triggers.exchange(trigger_id)) == "exchanged_trigger_id"
    assert refusal(lambda: triggers.exchange("1.2.3")) == "invalid_trigger_id"


def test_a_trigger_id_lives_three_seconds(clock: Any) -> None:
    triggers = TriggerIds(clock, Limits())
    in_time, late = triggers.issue("U1"), triggers.issue("U1")
    clock.advance(3)
    triggers.exchange(in_time)
    clock.advance(0.01)
    assert refusal(lambda: triggers.exchange(late)) == "expired_trigger_id"


def test_a_response_url_has_five_uses_in_thirty_minutes(clock: Any) -> None:
    urls = ResponseUrls(clock, Limits())
    often, late = urls.issue("U1", "C1"), urls.issue("U1", "C1")
    for _ in range(5):
        assert urls.look_up(often).channel == "C1"
        urls.spend(often)
    assert refusal(lambda: urls.look_up(often)) == "used_url"
    clock.advance(30 * 60)
    urls.look_up(late)
    clock.advance(1)
    assert refusal(lambda: urls.look_up(late)) == "expired_url"
    assert refusal(lambda: urls.look_up("unknown")) == "no_such_url"


def test_a_one_time_ticket(clock: Any) -> None:
    tickets = OneTimeTickets(clock, life_s=30)
    ticket, late = tickets.issue("value"), tickets.issue("late")
    assert [tickets.redeem(ticket), tickets.redeem(ticket), tickets.redeem("unknown")] == ["value", None, None]
    clock.advance(31)
    assert tickets.redeem(late) is None


@pytest.mark.parametrize(("tier", "allowed"), [(Tier.TWO, 20), (Tier.THREE, 50), (Tier.FOUR, 100)])
def test_tiers(clock: Any, tier: Tier, allowed: int) -> None:
    limits = RateLimits(clock, message_interval_s=1, message_burst=3)
    for _ in range(allowed):
        limits.spend_call("method", tier)
    with pytest.raises(RefusalError) as refused:
        limits.spend_call("method", tier)
    assert (refused.value.error, refused.value.status) == ("ratelimited", 429)
    clock.advance(float(refused.value.headers["Retry-After"]))
    limits.spend_call("method", tier)
    limits.spend_call("another method", tier)
