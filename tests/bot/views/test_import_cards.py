"""Cards of imports: where from, how many bytes, how fast, until when; and how to ask again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.views.run_card import run_card
from bot.views.runs_in_words import again, title
from runner.entities import Place, Run, WorkStep
from runner.service.views import RunView
from runner.specs import IngestSpec, Origin
from runner.states import Reason, State

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
URL = "https://example.org/data/fish.zip"
FROM_URL = IngestSpec(archive=URL, dataset="fish", file_name=URL, origin=Origin.URL)


def run_of(spec: IngestSpec) -> Run:
    return Run(
        id="r-1", nonce="n", spec=spec, state=State.RUNNING, reason=Reason.WORKING, detail="", owner="U0ADA0001", place=Place("C1", "1.1"),
        parent_id=None, host="local", attempt=1, created_at=NOW, updated_at=NOW, started_at=NOW,
    )  # fmt: skip


def view_of(spec: IngestSpec, work: WorkStep) -> RunView:
    return RunView(
        run=run_of(spec), attempt=None, progress=None, epochs=None, epoch_ends=(), evaluations=(), checkpoints=(), work=work, result={},
        diagnosis=None, devices=(), last_seen=NOW,
    )  # fmt: skip


def test_a_download_shows_bytes_rate_and_when_it_will_be_done() -> None:
    view = view_of(FROM_URL, WorkStep("downloading", 1_200_000_000, 3_400_000_000, "bytes", 44_000_000.0))
    assert view.eta == timedelta(seconds=50)
    text, _ = run_card(view, zone=UTC)
    assert "downloading · 1.2 GB of 3.4 GB · 44.0 MB/s" in text
    assert "35 %" in text
    assert "Done downloading: about 12:00 UTC (in 50 s)" in text


@pytest.mark.parametrize(
    ("work", "shown"),
    [
        (WorkStep("downloading", 5_000_000, None, "bytes", 1_000_000.0), "downloading · 5.0 MB · 1.0 MB/s"),
        (WorkStep("receiving", 7, 7, "bytes", 3.0), "receiving · 7 B of 7 B"),
        (WorkStep("storing files", 120, 400, "", 60.0), "storing files · 120 of 400"),
        (WorkStep("reading", 0, None), "reading"),
    ],
)
def test_what_is_not_known_is_left_out(work: WorkStep, shown: str) -> None:
    line = run_card(view_of(FROM_URL, work), zone=UTC)[0].splitlines()[1]
    assert line.endswith(shown)


@pytest.mark.parametrize(
    ("spec", "called", "line"),
    [
        (FROM_URL, "fish.zip from example.org → fish", f"data add fish {URL}"),
        (FROM_URL.model_copy(update={"sha256": "ab", "format": "coco"}), "fish.zip from example.org → fish",
         f"data add fish {URL} --sha256=ab --format=coco"),
        (FROM_URL.model_copy(update={"archive": f"{URL}?key=secret"}), "fish.zip from example.org → fish", ""),
        (IngestSpec(archive="/data/my fish", dataset="fish", file_name="gpu-1:/data/my fish", origin=Origin.HOST, host="gpu-1"),
         "gpu-1:/data/my fish → fish", 'data add fish "gpu-1:/data/my fish"'),
        (IngestSpec(archive="/inbox/F1-fish.zip", dataset="fish", file_name="fish.zip"), "fish.zip → fish", ""),
    ],
)  # fmt: skip
def test_what_an_import_is_called_and_how_it_is_asked_for_again(spec: IngestSpec, called: str, line: str) -> None:
    assert title(run_of(spec)) == called
    assert again(run_of(spec)) == line
    assert again(replace(run_of(spec), state=State.FAILED)) == line
