"""The message shortcut "Import as dataset": a dialog for a message's file, and what becomes of it, through real Bolt."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.local_workspace.block_kit import accept_view
from bot.shared_files import SharedFile
from bot.views.import_dialog import CALLBACK, Chosen, chosen, import_dialog
from tests.support.slack_house import Json, SlackHouse, slack_house, until


@pytest.fixture(scope="module", params=["socket", "http"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with pytest.MonkeyPatch.context() as patch, slack_house(tmp_path_factory.mktemp("house"), way=request.param) as house:
        for name, value in house.environment.items():
            patch.setenv(name, value)
        with house.bot():
            yield house


def shared(served: SlackHouse, path: Path, person: str = "ada", **rest: str) -> Json:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "1")
    else:
        path.write_bytes(b"content")
    return served.person(person).upload(served.training, path, **rest)


def dialog(served: SlackHouse, message: Json, person: str = "ada") -> Json:
    assert served.person(person).shortcut(CALLBACK, message)["acknowledged"]
    return until(lambda: served.person(person).views())[-1]


def specs(served: SlackHouse, dataset: str) -> list[Json]:
    return [json.loads(row["spec"]) for row in served.rows("SELECT spec FROM runs WHERE json_extract(spec, '$.dataset') = ?", dataset)]


def test_the_file_of_a_message_becomes_the_dataset_that_the_dialog_names(served: SlackHouse, tmp_path: Path) -> None:
    message = shared(served, tmp_path / "Reef 2.mp4")
    view = dialog(served, message)
    assert view["blocks"][0]["text"]["text"].startswith("Reef 2.mp4, 7 B")
    ada = served.person()
    assert ada.submit(view, {"name": "Not a name!"})["errors"].keys() == {"name"}
    assert ada.submit(view, {"name": ""})["outcome"] == "errors"
    assert ada.submit(view, {"name": "reef", "format": "coco"})["outcome"] == "closed"
    spec = until(lambda: specs(served, "reef"))[0]
    assert (spec["file_name"], spec["format"], Path(spec["archive"]).read_bytes()) == ("Reef 2.mp4", "coco", b"content")
    ada.wait_for_message(served.training, lambda m: bool(m.get("is_ephemeral")) and "becomes `reef`" in m["text"], timeout_s=5)


def test_an_archive_that_was_taken_before_may_become_another_dataset(served: SlackHouse, tmp_path: Path) -> None:
    message = shared(served, tmp_path / "first.zip")
    until(lambda: specs(served, "first"))
    view = dialog(served, message)
    name = next(block for block in view["blocks"] if block["block_id"] == "name")
    assert name["element"]["initial_value"] == "first"
    served.person().submit(view, {"name": "second"})
    assert until(lambda: specs(served, "second"))[0]["format"] is None
    assert len(specs(served, "first")) == 1


@pytest.mark.parametrize("person", ["eve", "ada"])
def test_who_may_not_and_what_is_no_dataset_gets_a_sentence_and_no_dialog(served: SlackHouse, tmp_path: Path, person: str) -> None:
    message = shared(served, tmp_path / ("x.zip" if person == "eve" else "notes.docx"), person)
    served.person(person).shortcut(CALLBACK, message)
    sentence = "not on Signalbox's list of people" if person == "eve" else "no file that can be a dataset"
    served.person(person).wait_for_message(served.training, lambda m: sentence in m["text"], timeout_s=5)
    assert not served.person(person).views()


def test_a_dialog_that_slack_does_not_open_is_said(served: SlackHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.listeners.import_dialog", lambda *_, **__: {"type": "nonsense"})
    served.person().shortcut(CALLBACK, shared(served, tmp_path / "clip.avi"))
    served.person().wait_for_message(served.training, lambda m: "did not open the dialog" in m["text"], timeout_s=5)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_dialog_stays_within_slacks_limits_and_remembers(count: int) -> None:
    url = f"https://files.slack.com/{'x' * 120}"
    files = [SharedFile(f"F{number}", f"{'ünï ' * 20}{number}.zip", number, url) for number in range(count)]
    view = import_dialog(files, name="fish", formats={"coco": "COCO", "voc": "Pascal VOC"}, channel="C1", thread="1.2")
    accepted = accept_view(view, kinds=("modal",), file_is_ready=lambda _: True)
    values = {block["block_id"]: {block["block_id"]: {"selected_option": block["element"].get("initial_option")}}
              for block in accepted["blocks"] if block["type"] == "input"}  # fmt: skip
    values["name"] = {"name": {"value": " Fish "}}
    submitted = {"private_metadata": view["private_metadata"], "state": {"values": values}}
    assert chosen(submitted) == Chosen(files[0], "fish", None, "C1", "1.2")
