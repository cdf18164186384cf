"""What people type, as an app receives it."""

from __future__ import annotations

import pytest

from bot.local_workspace.entities import Channel, Person
from bot.local_workspace.typed_text import encode

PEOPLE = [Person("U1", "ann", "Ann"), Person("U2", "ann-marie", "Ann Marie")]
CHANNELS = [Channel("C1", "training", 0, frozenset())]


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("@ann, @ann-marie!", "<@U1>, <@U2>!"),
        ("mail ann@annex", "mail ann@annex"),
        ("@annabel", "@annabel"),
        ("see #training", "see <#C1|training>"),
        ("https://a.org/x?y=1&z=2, or http://b.org.", "<https://a.org/x?y=1&amp;z=2>, or <http://b.org>."),
        ("<@U1>", "&lt;@U1&gt;"),
        ("https://a.org/@ann", "<https://a.org/@ann>"),
    ],
)
def test_encode(typed: str, sent: str) -> None:
    assert encode(typed, people=PEOPLE, channels=CHANNELS) == sent


def test_slash_commands_carry_names() -> None:
    assert encode("@ann #training", people=PEOPLE, channels=CHANNELS, with_names=True) == "<@U1|ann> <#C1|training>"
