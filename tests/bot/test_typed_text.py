"""What phones, chat clients and copying do to a command is undone; what the person meant stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.typed_text import as_meant, split_like_a_shell
from bot.verb import CommandError
from bot.views.blocks import quoted


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("run a on b —epochs 20", "run a on b --epochs 20"),
        ("log r-7f3k –n 50", "log r-7f3k -n 50"),
        ("run a on b — x.y=1", "run a on b -- x.y=1"),
        ("run a on b —gpus=2", "run a on b --gpus=2"),
        ("schedule add “every day 02:30” ps", 'schedule add "every day 02:30" ps'),
        ("schedule add „every day 02:30“ ps", 'schedule add "every day 02:30" ps'),
        ("schedule add «every day» ps", 'schedule add "every day" ps'),
        ("schedule add ‘every day’ ps", "schedule add 'every day' ps"),
        ("say don’t", "say don’t"),
        ("run\u00a0a\u202fon\u2009b", "run a on b"),
        ("run a on b\u200b\ufeff", "run a on b"),
        ("grant <@U123ABC|ana> viewer", "grant U123ABC viewer"),
        ("grant <@U123ABC> viewer", "grant U123ABC viewer"),
        ("subscribe <#C123|general>", "subscribe C123"),
        ("grant <!subteam^S12|@ml> viewer", "grant S12 viewer"),
        ("say <!channel>", "say channel"),
        ("host add g <mailto:a@b.example|a@b.example>", "host add g a@b.example"),
        ("data add <http://fish.zip|fish.zip>", "data add fish.zip"),
        ("see <https://x.example/a?b=1&amp;c=2>", "see https://x.example/a?b=1&c=2"),
        ("see <https://evil.example|good.example>", "see https://evil.example"),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("`run a on b`", "run a on b"),
        ("/train run a on b", "run a on b"),
        ("signalbox ps", "ps"),
        ("<@U0BOT0001> ps", "ps"),
        ("a well-known twenty—two", "a well-known twenty—two"),
        ("wait…", "wait..."),
        ("  ", ""),
    ],
)
def test_text_is_as_it_was_meant(typed: str, meant: str) -> None:
    assert as_meant(typed) == meant


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('schedule add "every day 02:30" ps', ["schedule", "add", "every day 02:30", "ps"]),
        ("a 'b c' d\\ e", ["a", "b c", "d e"]),
        ("a\nb\tc", ["a", "b", "c"]),
        ("trailing\\", ["trailing\\"]),
        ("", []),
    ],
)
def test_lines_split_like_a_shells(line: str, words: list[str]) -> None:
    assert split_like_a_shell(line) == words


@pytest.mark.parametrize(("line", "shown", "fixed"), [
    ('schedule add "every day 02:30 ps', '"every day 02:30 ps', "schedule add every day 02:30 ps"),
    ("log it's", "'s", "log its"),
])  # fmt: skip
def test_an_open_quote_is_shown_where_it_opens(line: str, shown: str, fixed: str) -> None:
    with pytest.raises(CommandError) as caught:
        split_like_a_shell(line)
    assert f"`{shown}`" in str(caught.value)
    assert caught.value.line == fixed


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12), max_size=6))
def test_quoting_and_splitting_are_inverse(words: list[str]) -> None:
    assert split_like_a_shell(quoted(words)) == words


@given(st.text(max_size=60))
def test_nothing_typed_breaks_the_reading(text: str) -> None:
    once = as_meant(text)
    try:
        split_like_a_shell(once)
    except CommandError as error:
        assert str(error)
