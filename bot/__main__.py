"""``signalbox <verb> …``: the same commands as in Slack, and those that only a terminal has."""

from __future__ import annotations

import getpass
import logging
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence

from bot.terminal import show
from recipes.errors import DatasetError
from runner.errors import ConfigurationError, SignalboxError
from runner.settings import Role, Settings, load_settings, settings_path

TERMINAL_DOOR = "terminal"
WRONG_SETTINGS = 78  # EX_CONFIG of sysexits.h

FIRST_SETTINGS = """\
# The settings of this installation. The sample under deploy/ documents every key.
zone: {zone}
access:
  # Deny by default: nobody and no channel may speak to Signalbox until listed here (ids as Slack shows them: T…, C…, U…).
  workspace: null
  channels: []
  admins: []
  operators: []
  members: []
  viewers: []
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out one command line and exit: 0 when it was done, 1 when it was refused, 78 when the settings are wrong."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        chosen = TERMINAL_ONLY.get(words[0]) if words else None
        sys.exit(chosen(words[1:]) if chosen else carry_out(words))
    except (ConfigurationError, DatasetError) as error:
        show(str(error), out=sys.stderr)
        sys.exit(WRONG_SETTINGS)
    except SignalboxError as error:
        show(str(error), out=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # `signalbox log … | head`
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def carry_out(words: Sequence[str]) -> int:
    """One command of the tree, asked for by the person at this terminal, who is an admin: the database is theirs anyway."""
    from bot.grammar import answer
    from bot.views.blocks import quoted
    from runner.service.house import Requester, open_house

    line = "help" if words and words[0] in ("--help", "-h") else quoted(words)
    who = Requester(f"terminal:{getpass.getuser()}", Role.ADMIN, TERMINAL_DOOR, f"terminal:{uuid.uuid4()}")
    house = open_house(load_settings())
    given = answer(house, who, line)
    show(given.text, out=None if given.ok else sys.stderr)
    if given.ok and given.to is not None and given.run_id is not None:
        from bot.arrival import put_into

        put_into(house, given.run_id, given.to, say=show)
    return 0 if given.ok else 1


def _bot(_words: Sequence[str]) -> int:
    from bot.app import run_bot

    run_bot(_started())
    return 0


def _runner(_words: Sequence[str]) -> int:
    from runner.loop import run_runner

    run_runner(_started())
    return 0


def _serve(_words: Sequence[str]) -> int:
    from bot.serve import serve
    from bot.settings import slack_settings, tokens

    slack_settings(_started())  # wrong settings and tokens are said at once, not by children
    tokens()
    return serve()


def _demo(words: Sequence[str]) -> int:
    from bot.demo.story import main as play

    return play(list(words))


def _parse(words: Sequence[str]) -> int:
    from bot.parse import parse

    return parse(words)


def _init(_words: Sequence[str]) -> int:
    path = settings_path()
    if path.exists():
        raise SignalboxError(f"{path} is there already; nothing was changed.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FIRST_SETTINGS.format(zone=Settings().zone), encoding="utf-8")
    show(f"Wrote {path}. List your workspace, channels and people in it; then `signalbox doctor` says what is still missing.")
    return 0


def _started() -> Settings:
    from bot.serve import end_with_parent

    end_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it tells of every look at the table
    return load_settings()


TERMINAL_ONLY: Mapping[str, Callable[[Sequence[str]], int]] = {
    "serve": _serve,
    "bot": _bot,
    "runner": _runner,
    "demo": _demo,
    "parse": _parse,
    "init": _init,
}


if __name__ == "__main__":
    main()
