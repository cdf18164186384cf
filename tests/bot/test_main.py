"""The terminal: the same commands in a process of its own; quick to start; and ``serve``, which keeps its two processes alive."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.terminal import pieces, show
from runner.service.health import health
from runner.service.house import open_house
from runner.settings import Settings
from runner.specs import Kind
from runner.store import runs
from runner.store.connection import to_text
from tests.support.words_house import add_dataset, at_work, training, words_house

ROOT = Path(__file__).parents[2]
NO_CHAT = {"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""}
HEAVY = {"matplotlib", "paramiko", "torch", "slack_bolt", "slack_sdk", "apscheduler", "PIL", "cv2", "uvicorn", "starlette", "humanize"}


def signalbox(folder: Path, *words: str, timeout_s: float = 30, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *words], capture_output=True, text=True, timeout=timeout_s, cwd=ROOT, check=False,
        env={**os.environ, "SIGNALBOX_STATE": str(folder), "PYTHONWARNINGS": "", **environment},
    )


def test_a_command_answers_on_stdout_and_exits_with_0(tmp_path: Path) -> None:
    house = words_house(tmp_path)
    run = at_work(house, training(house, owner="terminal:ada"), log="first\n<tag> & `x` *y*\n")
    listed = signalbox(tmp_path, "ps")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert run.id in listed.stdout and "rtmdet-nano on fish@2" in listed.stdout
    assert "*" not in listed.stdout and "`" not in listed.stdout
    logged = signalbox(tmp_path, "log", run.id, "-n", "2")
    assert logged.stdout == "first\n<tag> & `x` *y*\n"


def test_quotes_of_the_shell_survive(tmp_path: Path) -> None:
    words_house(tmp_path)
    given = signalbox(tmp_path, "schedule", "add", "every day 02:30", "ps --mine")
    assert given.returncode == 0 and "ps --mine is carried out every day 02:30" in given.stdout.replace("`", "")


def test_a_refused_command_says_why_on_stderr_and_exits_with_1(tmp_path: Path) -> None:
    given = signalbox(tmp_path, "stopp", "r-7f3k")
    assert (given.returncode, given.stdout) == (1, "")
    assert "Did you mean stop?" in given.stderr and "Try: `stop r-7f3k`" in given.stderr


@pytest.mark.parametrize("words", [("--help",), ("-h",), ()])
def test_help_names_every_command_and_those_of_the_terminal(tmp_path: Path, words: tuple[str, ...]) -> None:
    given = signalbox(tmp_path, *words)
    assert given.returncode == 0
    assert all(verb in given.stdout for verb in ("run", "finetune", "schedule", "serve", "demo", "init"))


def test_wrong_settings_are_named_by_file_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "signalbox.yaml").write_text("zone: UTC\nlimitz: {}\n")
    for verb in ("ps", "serve"):
        given = signalbox(tmp_path, verb)
        assert given.returncode == 78
        assert "signalbox.yaml, line 2, limitz: There is no such key here." in given.stderr


@pytest.mark.parametrize(
    ("environment", "says"),
    [({"SLACK_BOT_TOKEN": "xoxb-1"}, "SLACK_APP_TOKEN is not set"), ({"SLACK_APP_TOKEN": "xoxb-1"}, "SLACK_BOT_TOKEN is not set")],
)
def test_one_token_alone_ends_serve_at_once(tmp_path: Path, environment: dict[str, str], says: str) -> None:
    given = signalbox(tmp_path, "serve", **{**NO_CHAT, **environment})
    assert given.returncode == 78
    assert says in given.stderr


def test_doctor_says_that_chat_is_off_and_exits_with_1_while_something_must_be_mended(tmp_path: Path) -> None:
    given = signalbox(tmp_path, "doctor", **NO_CHAT)
    assert given.returncode == 1
    assert "! chat: Chat is off" in given.stderr
    assert "✗ runner: The runner has never run on this database." in given.stderr


def test_init_writes_settings_once(tmp_path: Path) -> None:
    given = signalbox(tmp_path, "init")
    assert given.returncode == 0
    assert signalbox(tmp_path, "ps").returncode == 0
    again = signalbox(tmp_path, "init")
    assert again.returncode == 1 and "is there already" in again.stderr


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    house = words_house(tmp_path)
    run = at_work(house, training(house), log="\n".join("x" * 90 for _ in range(2000)))
    line = f"{sys.executable} -m bot log {run.id} -n 2000 | head -1"
    environment = {**os.environ, "SIGNALBOX_STATE": str(tmp_path)}
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=ROOT, timeout=30, check=True, env=environment)
    assert done.stderr == ""


def test_the_start_is_light(tmp_path: Path) -> None:
    words_house(tmp_path)
    program = textwrap.dedent(f"""
        import resource, sys
        sys.argv = ["signalbox", "ps"]
        from bot.__main__ import main
        try:
            main()
        except SystemExit:
            pass
        print(sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_utime + resource.getrusage(resource.RUSAGE_SELF).ru_stime)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=30, check=True,
        env={**os.environ, "SIGNALBOX_STATE": str(tmp_path)},
    )
    loaded, seconds = done.stdout.strip().splitlines()[-2:]
    assert loaded == "[]"
    assert float(seconds) < 1.5, "a start takes about 0.45 s of CPU; three times that is a mistake, not a busy machine"


class Screen(io.StringIO):
    """A terminal that is a screen."""

    def isatty(self) -> bool:
        return True


def test_text_is_styled_on_a_screen_and_plain_in_a_pipe() -> None:
    text = "*Bold* for <@U0ADA0001>: `run a on b` or `ps` &lt;x&gt; 2 * 3 * 4\n```\n*kept* `as is`\n```"
    piped = io.StringIO()
    show(text, out=piped)
    assert piped.getvalue() == "Bold for @U0ADA0001: `run a on b` or ps <x> 2 * 3 * 4\n*kept* `as is`\n"
    screen = Screen()
    show(text, out=screen)
    assert "run a on b" in screen.getvalue() and "`run" not in screen.getvalue()
    assert ("bold", "Bold") in pieces(text)


# serve

CHILD = """
import os, signal, sys, time
from bot.serve import end_with_parent
end_with_parent()
with open(os.path.join({folder!r}, sys.argv[-1] + "." + str(os.getpid())), "w"):
    pass
{then}
"""


@pytest.fixture
def served(tmp_path: Path) -> Callable[[str], subprocess.Popen[bytes]]:
    """Starts serve with a small program of the test's in place of bot and runner."""

    def start(then: str) -> subprocess.Popen[bytes]:
        child = tmp_path / "child.py"
        child.write_text(CHILD.format(folder=str(tmp_path), then=then))
        program = textwrap.dedent(f"""
            import sys
            import bot.serve
            sys.exit(bot.serve.serve(("one", "two"), program=[sys.executable, {str(child)!r}]))
        """)
        return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE)

    return start


def until(found: Callable[[], bool], within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not found():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def stopped(serve: subprocess.Popen[bytes], within_s: float = 15) -> str:
    """SIGTERM; everything that serve said."""
    serve.terminate()
    _, said = serve.communicate(timeout=within_s)
    assert serve.returncode == 0
    return said.decode()


def started(folder: Path, name: str) -> set[int]:
    return {int(path.suffix[1:]) for path in folder.glob(f"{name}.[0-9]*")}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_serve_starts_both_and_either_again_and_passes_sigterm_on(tmp_path: Path, served: Callable[[str], subprocess.Popen[bytes]]) -> None:
    serve = served("time.sleep(60)")
    until(lambda: len(started(tmp_path, "one")) == 1 and len(started(tmp_path, "two")) == 1)
    (first,) = started(tmp_path, "one")
    os.kill(first, signal.SIGKILL)
    until(lambda: len(started(tmp_path, "one")) == 2)
    assert len(started(tmp_path, "two")) == 1, "the other one is left alone"
    said = stopped(serve)
    assert not any(alive(pid) for name in ("one", "two") for pid in started(tmp_path, name))
    assert "The one ended (signal 9); it is started again in 0.5 s." in said


def test_children_end_with_a_serve_that_was_killed(tmp_path: Path, served: Callable[[str], subprocess.Popen[bytes]]) -> None:
    serve = served("time.sleep(60)")
    until(lambda: len(started(tmp_path, "one")) == 1 and len(started(tmp_path, "two")) == 1)
    serve.kill()
    serve.communicate()
    until(lambda: not any(alive(pid) for name in ("one", "two") for pid in started(tmp_path, name)))


@pytest.mark.slow
def test_a_process_that_ends_at_once_is_started_after_growing_pauses(
    tmp_path: Path, served: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    serve = served("sys.exit(1)")
    until(lambda: len(started(tmp_path, "one")) == 3)
    said = stopped(serve)
    assert "again in 0.5 s" in said and "again in 1.0 s" in said


def test_a_process_with_wrong_settings_is_not_started_again_at_once(
    tmp_path: Path, served: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    serve = served("sys.exit(78)")
    until(lambda: len(started(tmp_path, "one")) == 1 and len(started(tmp_path, "two")) == 1)
    time.sleep(1.0)  # longer than the first pause of a process that may be started again
    assert len(started(tmp_path, "one")) == 1
    assert "again in 30.0 s" in stopped(serve)


@pytest.mark.slow
def test_without_tokens_serve_carries_out_what_was_scheduled_in_the_terminal(tmp_path: Path) -> None:
    house = open_house(Settings(state_folder=tmp_path))
    add_dataset(house)
    added = signalbox(tmp_path, "schedule", "add", "every hour", "run rtmdet-nano on fish", **NO_CHAT)
    assert added.returncode == 0, added.stderr
    with house.store.writing() as db:  # added an hour earlier, and so due now
        db.conn.execute("UPDATE schedules SET created_at = ?", (to_text(house.now() - timedelta(hours=1)),))
    environment = {**os.environ, **NO_CHAT, "SIGNALBOX_STATE": str(tmp_path)}
    serve = subprocess.Popen([sys.executable, "-m", "bot", "serve"], cwd=ROOT, env=environment, stderr=subprocess.PIPE)
    try:
        until(lambda: runs.live(house.store.reading()), within_s=60)
        until(lambda: {"runner", "bot"} == set(health(house).beats))
    finally:
        said = stopped(serve, within_s=30)
    (run,) = runs.live(house.store.reading())
    assert (run.owner.split(":")[0], run.spec.kind) == ("terminal", Kind.TRAIN)
    assert said.count("Chat is off") == 1
    assert "started again" not in said
    assert "carried out run rtmdet-nano on fish" in said


@pytest.mark.slow
def test_unfinished_runs_are_untouched_by_the_terminal(tmp_path: Path) -> None:
    house = words_house(tmp_path)
    run = at_work(house, training(house))
    for words in (("show", run.id), ("why", run.id), ("queue",), ("top",), ("stop", run.id)):
        assert signalbox(tmp_path, *words).returncode == 0
    assert runs.get(house.store.reading(), run.id) == run
