"""From a file in a channel to an archive in the inbox and an ingest run; each refusal with a sentence and nothing left behind."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.download import Downloader, DownloadError
from bot.settings import Tokens
from bot.shared_files import dataset_name
from bot.uploads import Uploads, uploads_in
from runner.service import people
from runner.service.people import Upload
from runner.settings import Limits
from tests.support.slack_house import SlackHouse, slack_house, until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    limits = Limits(upload_bytes=200_000)
    with pytest.MonkeyPatch.context() as patch, slack_house(tmp_path_factory.mktemp("house"), house_limits=limits) as house:
        for name, value in house.environment.items():
            patch.setenv(name, value)
        with house.bot():
            yield house


def archive(path: Path, *, size_bytes: int = 1000) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("annotations.txt", "0" * size_bytes)
    return path


def ingests(served: SlackHouse, owner: str = "ada") -> list[dict[str, object]]:
    return served.rows("SELECT id, channel, json_extract(spec, '$.dataset') AS dataset, json_extract(spec, '$.archive') AS archive"
                       " FROM runs WHERE kind = 'ingest' AND owner = ? ORDER BY created_at", served.people[owner])


def test_an_archive_in_a_channel_becomes_an_ingest_run(served: SlackHouse, tmp_path: Path) -> None:
    path = archive(tmp_path / "Fish Pond (2).zip")
    served.person().upload(served.lab, path)
    run = until(lambda: ingests(served))[0]
    assert run["dataset"] == "fish-pond-2"
    assert run["channel"] == served.lab
    kept = Path(str(run["archive"]))
    assert kept.parent == served.house.settings.inbox
    assert kept.read_bytes() == path.read_bytes()
    assert served.rows("SELECT state FROM uploads WHERE file_name = ?", path.name) == [{"state": "fetched"}]
    served.person().wait_for_message(served.lab, lambda m: str(run["id"]) in m["text"], timeout_s=5)


def test_a_mention_with_the_file_names_the_dataset_and_the_file_is_taken_once(served: SlackHouse, tmp_path: Path) -> None:
    before = len(ingests(served, "ben"))
    served.person("ben").upload(served.training, archive(tmp_path / "x.zip"), text="@signalbox data add pond")
    until(lambda: len(ingests(served, "ben")) > before)
    # The same message arrives twice: as a message and as a mention.
    until(lambda: len(served.rows("SELECT 1 FROM uploads WHERE file_name = 'x.zip'")) == 1)
    assert [run["dataset"] for run in ingests(served, "ben")] == ["pond"]
    assert not served.rows("SELECT 1 FROM requests WHERE text LIKE '%data add pond%' AND door = 'mention'")


def test_a_single_file_is_taken_where_it_is_asked_for(served: SlackHouse, tmp_path: Path) -> None:
    before = len(ingests(served))
    for name in ("passing.json", "instances.json"):
        (tmp_path / name).write_text("{}")
    served.person().upload(served.training, tmp_path / "passing.json", text="look at this")
    served.person().upload(served.training, tmp_path / "instances.json", text="@signalbox data add reef --format coco")
    run = until(lambda: ingests(served)[before:])[0]
    assert (run["dataset"], Path(str(run["archive"])).read_text()) == ("reef", "{}")
    assert served.rows("SELECT json_extract(spec, '$.format') AS format FROM runs WHERE id = ?", run["id"]) == [{"format": "coco"}]
    assert not served.rows("SELECT 1 FROM uploads WHERE file_name = 'passing.json'")


def test_in_a_thread_the_file_that_it_hangs_on_is_meant(served: SlackHouse, tmp_path: Path) -> None:
    ben = served.person("ben")
    (tmp_path / "clip.mp4").write_bytes(b"frames")
    shared = ben.upload(served.training, tmp_path / "clip.mp4", text="from this morning")
    ben.say(served.training, "@signalbox data add morning", thread_ts=shared["ts"])
    run = until(lambda: [run for run in ingests(served, "ben") if run["dataset"] == "morning"])[0]
    assert Path(str(run["archive"])).read_bytes() == b"frames"
    assert served.rows("SELECT thread FROM runs WHERE id = ?", run["id"]) == [{"thread": shared["ts"]}]
    plain = ben.say(served.training, "no file here")
    ben.say(served.training, "@signalbox data add nothing", thread_ts=plain["ts"])
    note = ben.wait_for_message(
        served.training, lambda m: bool(m.get("is_ephemeral")) and "was not taken" in m["text"], timeout_s=5, thread_ts=plain["ts"]
    )
    assert "hangs on has no archive" in note["text"]
    ben.say(served.training, "@signalbox data add nothing")
    ben.wait_for_message(served.training, lambda m: "needs to know from where" in m["text"], timeout_s=5)


def test_files_of_strangers_and_of_other_channels_are_left_alone(served: SlackHouse, tmp_path: Path) -> None:
    served.person("eve").upload(served.training, archive(tmp_path / "eve.zip"))
    served.person("ada").upload(served.channels["lounge"], archive(tmp_path / "lounge.zip"))
    served.person("ada").upload(served.lab, archive(tmp_path / "after.zip"))  # events keep their order
    until(lambda: served.rows("SELECT 1 FROM uploads WHERE file_name = 'after.zip'"))
    assert not served.rows("SELECT 1 FROM uploads WHERE file_name IN ('eve.zip', 'lounge.zip')")


@pytest.mark.parametrize(
    ("name", "text", "content", "sentence"),
    [
        ("picture.zip", "", b"\x89PNG and so on", "it is no archive, whatever its name says"),
        ("big.zip", "", b"PK\x03\x04" + bytes(300_000), "at most 200.0 kB are taken"),
        ("named.zip", "as .Ärger", b"PK\x03\x04", "cannot be a dataset's name"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_sentence(
    served: SlackHouse, tmp_path: Path, name: str, text: str, content: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    ada = served.person()
    ada.upload(served.training, path, text=text)
    note = ada.wait_for_message(served.training, lambda m: bool(m.get("is_ephemeral")) and name in m["text"], timeout_s=5)
    assert sentence in note["text"]
    assert not list(served.house.settings.inbox.glob(f"*{name}*"))
    assert served.rows("SELECT state FROM uploads WHERE file_name = ?", name) == [{"state": "failed"}]


def test_an_upload_that_was_noted_before_a_crash_is_fetched_once(tmp_path: Path) -> None:
    with slack_house(tmp_path) as served:
        upload = shared(served, archive(tmp_path / "fish.zip"))
        fetch = Uploads(served.house, served.slack(), Downloader(served.tokens, 5.0))
        fetch.step(threading.Event())
        assert not people.record_upload(served.house, upload)
        fetch.step(threading.Event())
        assert len(ingests(served)) == 1


def test_a_person_who_lost_the_role_in_between_is_refused(tmp_path: Path) -> None:
    with slack_house(tmp_path) as served:
        shared(served, archive(tmp_path / "fish.zip"), owner="eve")
        Uploads(served.house, served.slack(), Downloader(served.tokens, 5.0)).step(threading.Event())
        (notice,) = served.rows("SELECT body FROM deliveries")
        assert "must be member" in notice["body"]
        assert not list(served.house.settings.inbox.iterdir())


def test_an_outage_is_waited_for(tmp_path: Path) -> None:
    now = [0.0]
    with slack_house(tmp_path) as served:
        shared(served, archive(tmp_path / "fish.zip"))
        fetch = Uploads(served.house, served.slack(), Downloader(served.tokens, 5.0), clock=lambda: now[0])
        served.workspace.stop()
        fetch.step(threading.Event())
        served.workspace.start(int(served.workspace.base_url.rsplit(":", 1)[1]))
        fetch.step(threading.Event())
        assert not ingests(served)
        now[0] += 5.0
        fetch.step(threading.Event())
        assert len(ingests(served)) == 1


def test_the_token_goes_nowhere_but_to_slack(tmp_path: Path) -> None:
    downloader = Downloader(Tokens("xoxb-secret", "xapp-secret"), 5.0)
    for url in ("http://files.slack.com/x", "https://slack.com.evil.example/x", "https://evilslack.com/x", "file:///etc/passwd"):
        with pytest.raises(DownloadError, match="does not lie with Slack"):
            downloader.fetch(url, tmp_path / "x", size_bytes=1, stop=threading.Event())
    assert "secret" not in repr(downloader)


def test_a_wrong_token_is_told_from_a_missing_file(tmp_path: Path) -> None:
    with slack_house(tmp_path) as served:
        upload = shared(served, archive(tmp_path / "fish.zip"))
        wrong = Downloader(Tokens("xoxb-wrong", "xapp-1", served.tokens.api_url), 5.0)
        with pytest.raises(DownloadError, match="files:read"):
            wrong.fetch(upload.url, tmp_path / "got", size_bytes=upload.size_bytes, stop=threading.Event())
        gone = upload.url.replace(upload.id, "F0GONE")
        with pytest.raises(DownloadError, match="no longer there"):
            Downloader(served.tokens, 5.0).fetch(gone, tmp_path / "got", size_bytes=1, stop=threading.Event())
        with pytest.raises(DownloadError, match="announced 7 bytes"):
            Downloader(served.tokens, 5.0).fetch(upload.url, tmp_path / "got", size_bytes=7, stop=threading.Event())
        assert not list(tmp_path.glob("got*"))


@pytest.mark.parametrize(
    ("said", "file_name", "name"),
    [
        ("", "fish.zip", "fish"),
        ("", "My Fish.TAR.GZ", "my-fish"),
        ("", "....zip", "dataset"),
        ("", "a" * 80 + ".tgz", "a" * 63),
        ("here is the pond as pond-2", "x.zip", "pond-2"),
        ("@signalbox data add Fish", "x.zip", "fish"),
        ("as promised: the fish", "x.zip", "x"),
        ("", "Pond 3.tar.zst", "pond-3"),
        ("", "Clip.v2.MP4", "clip-v2"),
    ],
)
def test_the_datasets_name(said: str, file_name: str, name: str) -> None:
    assert dataset_name(said, file_name) == name


@pytest.mark.parametrize(
    "file",
    [
        {}, {"id": "../x", "name": "a.zip", "size": 1}, {"id": "F1", "name": "a.exe", "size": 1}, {"id": "F1", "name": 7, "size": 1},
        {"id": "F1", "name": "a.zip", "size": None}, {"id": "F1", "name": "a.zip", "size": 1, "is_external": True}, None,
    ],
)
def test_what_is_no_archive_of_slacks_is_passed_over(file: object) -> None:
    assert uploads_in({"files": [file]}, owner="U1", channel="C1") == []


def shared(served: SlackHouse, path: Path, *, owner: str = "ada") -> Upload:
    message = served.person("ada").upload(served.training, path)
    (upload,) = uploads_in(message, owner=served.people[owner], channel=served.training)
    assert people.record_upload(served.house, upload)
    return upload
