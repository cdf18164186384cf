"""Promise 10: Slack cannot hurt a training. Nothing on a host names it, waits for it or could tell that it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.states import Reason
from tests.support.hosts import marked
from tests.support.scripted_house import ScriptedHouse


@pytest.mark.slow
def test_a_training_runs_with_no_bot_at_all_and_nothing_of_it_names_slack(
    scripted: ScriptedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-of-this-test")
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-of-this-test")
    monkeypatch.setenv("SLACK_API_URL", "http://127.0.0.1:9/api/")
    run = scripted.submit("step_s=0.2")
    with scripted.running():
        seen = scripted.wait(run, Reason.WORKING)
        scripted.wait_until(run, lambda view: view.progress is not None)
        assert seen.attempt is not None
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in marked(seen.attempt.marker)]
        launcher = Path(f"/proc/{seen.attempt.pid}/environ").read_bytes()
        scripted.wait(run, Reason.COMPLETED)
    assert environments
    for text in (*environments, launcher):
        assert b"slack" not in text.lower()
        assert b"of-this-test" not in text
    written = [path for path in scripted.directory(run).rglob("*") if path.is_file() and "data" not in path.parts]
    assert len(written) > 5
    for path in written:
        assert b"slack" not in path.read_bytes().lower().replace(b"signalbox", b""), path
        assert b"of-this-test" not in path.read_bytes()


def test_what_runs_on_a_host_knows_no_word_of_slack() -> None:
    folder = Path(__file__).parents[2] / "runner" / "host"
    programs = [path for path in folder.rglob("*") if path.suffix in (".py", ".sh")]
    assert len(programs) > 5
    assert not [path.name for path in programs if "slack" in path.read_text(encoding="utf-8").lower()]
