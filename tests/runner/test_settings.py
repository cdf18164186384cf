"""Settings: what is wrong is named with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.errors import DatasetError
from runner.settings import Access, Role, Settings, load_settings


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("zone: UTC\nlimits:\n  stop_grace_s: soon\n", 3, "stop_grace_s"),
        ("zone: UTC\nlimts: {}\n", 2, "limts"),
        ("zone: Europe/Berlyn\n", 1, "no time zone"),
        ("access:\n  members: U1\n", 2, "members"),
        ("limits:\n  local_slots: 0\n", 2, "local_slots"),
    ],
)
def test_a_wrong_setting_is_named_with_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "signalbox.yaml"
    path.write_text(text)
    with pytest.raises(DatasetError) as caught:
        load_settings(path, {})
    assert f"{path}, line {line}, " in str(caught.value)
    assert words in str(caught.value)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises((DatasetError, OSError), match="absent"):
        load_settings(None, {"SIGNALBOX_SETTINGS": str(tmp_path / "absent.yaml")})


def test_no_file_at_all_means_defaults_and_nobody_is_let_in(tmp_path: Path) -> None:
    settings = load_settings(None, {"SIGNALBOX_STATE": str(tmp_path / "state")})
    assert settings.state == tmp_path / "state"
    assert settings.database.parent == settings.state
    assert settings.access == Access()
    assert settings.access.role_of("U1") is Role.STRANGER


def test_the_highest_role_that_is_listed_counts() -> None:
    access = Access(viewers=("U1", "U2"), members=("U1",), operators=("U3",), admins=("U3",))
    assert [access.role_of(person) for person in ("U1", "U2", "U3", "U4")] == [Role.MEMBER, Role.VIEWER, Role.ADMIN, Role.STRANGER]


def test_paths_lie_in_the_state_folder_wherever_home_is() -> None:
    settings = Settings(state_folder=Path("~/box"))
    assert settings.state == Path.home() / "box"
    assert {settings.catalog, settings.inbox, settings.logs} == {settings.state / name for name in ("datasets", "inbox", "logs")}
