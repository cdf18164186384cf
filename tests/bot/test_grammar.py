"""From typed lines to calls and answers: loose forms, errors with the nearest line, duplicates, roles, and our own faults."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import pytest

import bot.commands
import bot.grammar
from bot.answer import Answer
from bot.commands import verbs
from bot.grammar import answer, parsed
from bot.typed_text import as_meant, split_like_a_shell
from bot.verb import Asking, Topic, Verb
from runner.errors import ConfigurationError
from runner.service.house import House
from runner.settings import Role
from runner.store import runs
from tests.support.payloads import HOSTILE, assert_sendable
from tests.support.words_house import ADA, add_dataset, somebody, words_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = words_house(tmp_path)
    add_dataset(made, "fish", format_name="vatic")
    add_dataset(made, "fish")
    return made


@pytest.mark.parametrize(
    ("typed", "verb", "arguments", "raw"),
    [
        ("run rtmdet-nano on fish", "run", ["rtmdet-nano", "fish"], []),
        ("Run rtmdet-nano ON fish —GPUS 2", "run", ["rtmdet-nano", "fish", "--gpus", "2"], []),
        ("run rtmdet-nano fish gpus=2 LR=0.1", "run", ["rtmdet-nano", "fish", "--gpus", "2", "--lr", "0.1"], []),
        ("run a on b --host on", "run", ["a", "b", "--host", "on"], []),
        ("run a on b — x=1 --y on", "run", ["a", "b"], ["x=1", "--y", "on"]),
        ("resume r-7f3k from epoch_12", "resume", ["r-7f3k", "--from", "epoch_12"], []),
        ("convert fish vatic-to-coco as small gap=20", "convert", ["fish", "vatic-to-coco", "--as", "small", "gap=20"], []),
        ("convert fish vatic-to-coco as=small gap=20", "convert", ["fish", "vatic-to-coco", "--as", "small", "gap=20"], []),
        ("log r-7f3k –n 50", "log", ["r-7f3k", "-n", "50"], []),
        ("HOST Check gpu1", "host", ["check", "gpu1"], []),
        (
            "schedule add “every day 02:30” run a on b gpus=2 — x=1", "schedule",
            ["add", "every day 02:30", "run", "a", "on", "b", "gpus=2", "--", "x=1"], [],
        ),
        ("", "help", [], []),
        ("run --help", "help", ["run"], []),
        ("host check -h", "help", ["host"], []),
        ("finetune r-7f3k on fish@2 at epoch_3", "finetune", ["r-7f3k", "fish@2", "--from", "epoch_3"], []),
    ],
)  # fmt: skip
def test_loose_forms_become_strict(typed: str, verb: str, arguments: list[str], raw: list[str]) -> None:
    line = parsed(split_like_a_shell(as_meant(typed)))
    assert (line.verb.name, list(line.arguments), list(line.raw)) == (verb, arguments, raw)


@pytest.mark.parametrize(
    ("typed", "said", "nearest"),
    [
        ("runn rtmdet-nano on fish", "Did you mean `run`?", "run rtmdet-nano on fish"),
        ("sotp r-7f3k", "Did you mean `stop`?", "stop r-7f3k"),
        ("dance", "There is no command 'dance'. `help` lists", "help"),
        ("run rtmdet-nano on fish --epoch 3", "Did you mean `--epochs`?", "run rtmdet-nano on fish --epochs 3"),
        ("run rtmdet-nano on fish epoch=3", "Did you mean `epochs=3`?", "run rtmdet-nano on fish epochs=3"),
        ("run rtmdet-nano on fish wings=3", "`run` has no option `wings`", ""),
        ("run rtmdet-nano on fish --epochs many", "`--epochs` must be a whole number from 1 to 100,000, not 'many'.",
         "run rtmdet-nano on fish --epochs 1"),
        ("run rtmdet-nano on fish epochs=0", "from 1 to 100,000, not '0'", "run rtmdet-nano on fish epochs=1"),
        ("run rtmdet-nano on fish --lr -1", "`--lr` must be a number above 0", "run rtmdet-nano on fish --lr 0.001"),
        ("run rtmdet-nano on fish --lr nan", "`--lr` must be a number above 0", "run rtmdet-nano on fish --lr 0.001"),
        ("run rtmdet-nano on fish --time soon", "`--time`: 'soon' is no length of time; write 45m, 12h or 2d.",
         "run rtmdet-nano on fish --time 12h"),
        ("run rtmdet-nano on fish --mem much", "'much' is no amount of memory; write 20G or 800M.", "run rtmdet-nano on fish --mem 20G"),
        ("run rtmdet-nano on fish --lr", "`--lr` needs a value", "run rtmdet-nano on fish --lr 0.001"),
        ("run rtmdet-tiny", "For example: `run rtmdet-tiny on fish`", "run rtmdet-tiny"),
        ("run on fish", "`run` needs a preset before 'on'", "run rtmdet-nano on fish"),
        ("run rtmdet-nan on fish", "There is no preset 'rtmdet-nan'. Did you mean rtmdet-nano?", "run rtmdet-nano on fish"),
        ("run rtmdet-nano on fsh@2 gpus=1", "There is no dataset 'fsh'. Did you mean fish?", "run rtmdet-nano on fish@2 gpus=1"),
        ("run rtmdet-nano on fish and more", "'and more' is too much", "run rtmdet-nano on fish"),
        ("stop r-7f3k -- x=1", "takes no raw framework options", "stop r-7f3k"),
        ("host chek gpu1", "Did you mean `host check`?", "host check gpu1"),
        ("host bcdfg", "There are: `host list`", ""),
        ("help runn", "Did you mean run?", "help run"),
        ('schedule add "every day', "A quote is opened and never closed", "schedule add every day"),
        ("grant U012ABCDEF king", "`role` must be one of stranger, viewer, member, operator, admin. 'king' is not", ""),
        ("log r-7f3k -n 0", "`-n` must be a whole number from 1 to 2,000, not '0'.", "log r-7f3k -n 1"),
        ("log r-7f3k", "There is no run 'r-7f3k'. Nothing has run yet.", ""),
    ],
)  # fmt: skip
def test_a_wrong_line_is_refused_with_the_nearest_that_works(house: House, typed: str, said: str, nearest: str) -> None:
    given = answer(house, somebody(role=Role.ADMIN), typed)
    assert not given.ok
    assert said in given.text, given.text
    row: Mapping[str, Any] = given.blocks[-1] if given.blocks else {}
    assert (row["elements"][0]["value"] if row else "") == nearest
    if given.blocks:
        assert_sendable(given.text, given.blocks)
    assert runs.newest(house.store.reading(), limit=1) == []


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_hostile_words_are_shown_not_acted_on(house: House, verb: str) -> None:
    for typed in (f"{verb} '{HOSTILE.replace(chr(39), '')}'", f"{verb} x --{HOSTILE}", f"{verb} {HOSTILE} {HOSTILE}"):
        given = answer(house, somebody(role=Role.ADMIN, door="button"), typed)
        assert "<!channel>" not in given.text and "Something went wrong" not in given.text
        if given.blocks:
            assert_sendable(given.text, given.blocks)


def test_the_same_request_acts_once_and_gets_the_same_answer(house: House) -> None:
    first = answer(house, somebody(request_id="trigger-1"), "run rtmdet-nano on fish")
    second = answer(house, somebody(request_id="trigger-1"), "run rtmdet-nano on fish")
    assert first == second and first.run_id
    assert len(runs.newest(house.store.reading(), limit=5)) == 1


def test_a_duplicate_of_what_was_refused_gets_the_same_answer_and_saying_it_again_does_not(house: House) -> None:
    refused = answer(house, somebody(request_id="trigger-2"), "run rtmdet-nano on dogs")
    add_dataset(house, "dogs")
    assert answer(house, somebody(request_id="trigger-2"), "run rtmdet-nano on dogs") == refused
    assert answer(house, somebody(request_id="trigger-3"), "run rtmdet-nano on dogs").ok


def test_a_stranger_is_told_so_whatever_they_ask(house: House) -> None:
    for name in verbs():
        given = answer(house, somebody(role=Role.STRANGER), name)
        assert not given.ok and "you are stranger" in given.text


def test_a_viewer_looks_and_does_nothing_else(house: House) -> None:
    viewer = somebody(role=Role.VIEWER)
    assert answer(house, viewer, "ps").ok
    refused = answer(house, somebody(role=Role.VIEWER), "run rtmdet-nano on fish")
    assert not refused.ok and "one must be member" in refused.text


def test_every_act_is_in_the_audit_log(house: House) -> None:
    answer(house, somebody(door="mention", request_id="Ev1"), "ps")
    row = house.store.reading().conn.execute("SELECT * FROM requests").fetchone()
    assert (row["id"], row["door"], row["actor"], row["text"]) == ("Ev1", "mention", ADA, "ps")


def with_verb(monkeypatch: pytest.MonkeyPatch, act: object) -> None:
    @click.command("ps", help="x")
    @click.pass_obj
    def broken(asking: Asking) -> Any:
        return act(asking)  # type: ignore[operator]

    changed = MappingProxyType({**verbs(), "ps": Verb(broken, Topic.WATCH, examples=("ps",))})
    monkeypatch.setattr(bot.grammar, "verbs", lambda: changed)


def test_our_own_fault_is_logged_with_its_reference_and_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def act(asking: Asking) -> Answer:
        answer_of_run = answer(asking.house, somebody(), "run rtmdet-nano on fish")
        assert answer_of_run.ok
        raise ZeroDivisionError("secret detail")

    with_verb(monkeypatch, act)
    with caplog.at_level(logging.ERROR):
        given = answer(house, somebody(), "ps")
    assert not given.ok and "secret detail" not in given.text and "nothing was changed" in given.text
    reference = given.text.split("reference ")[1].split(")")[0]
    assert reference in caplog.text and "secret detail" in caplog.text
    assert runs.newest(house.store.reading(), limit=1) == []


def test_a_command_that_answers_nothing_is_our_fault(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with_verb(monkeypatch, lambda _: None)
    assert "our side" in answer(house, somebody(), "ps").text


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"bad.py": "import nowhere_at_all"}, "bad cannot be imported"),
        ({"empty.py": "x = 1"}, "offers no command"),
        ({"one.py": "from bot.commands.ps import verb", "two.py": "from bot.commands.ps import verb"}, "already a command called 'ps'"),
    ],
)
def test_a_broken_command_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(bot.commands, "__path__", [str(tmp_path), *bot.commands.__path__] if "one.py" not in files else [str(tmp_path)])
    verbs.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match=said):
            verbs()
    finally:
        monkeypatch.undo()
        verbs.cache_clear()
        for name in files:
            sys.modules.pop(f"bot.commands.{Path(name).stem}", None)
