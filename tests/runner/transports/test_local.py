from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hosts import reach_locally


def test_our_own_tokens_stay_with_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example")
    said = reach_locally(tmp_path).transport.shell("env", timeout_s=10).stdout.decode()
    assert "xoxb-secret" not in said
    assert "https://mirror.example" in said
    assert "\nPATH=" in f"\n{said}"
