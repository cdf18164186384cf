"""What people send and type by mistake or in malice, through the workspace: a sentence each, and nothing half-made is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bot.demo.footage import ANNOTATION, write_footage
from bot.demo.loopback_sshd import find_sshd
from bot.demo.play import Play
from runner.service.views import newest_runs
from runner.specs import IngestSpec
from runner.states import Reason
from tests.e2e.stage import ephemeral, playing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_sshd() is None or shutil.which("screen") is None, reason="openssh-server or screen is not installed"),
]
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNl7yFvR1tqfLhFfFmEhOjUJUVLZ8D3g3qf0mQeVQ0B"

Members = Mapping[str, bytes]
Pack = Callable[[Path, Members], None]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """A play in which fish@1 (raw) and fish@2 (COCO) are there."""
    with playing(tmp_path_factory.mktemp("bad") / "stage") as play:
        play.scene.ada.upload(play.scene.channel, play.upload, filename="fish.zip")
        play.message("fish@1", "60 images")
        play.card(play.start("convert", "convert fish vatic-to-coco"), "fish@2")
        yield play


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Members:
    folder = tmp_path_factory.mktemp("footage")
    write_footage(folder, frames=10)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def zipped(**changes: bytes) -> Pack:
    """The footage with some members replaced or added."""

    def pack(path: Path, members: Members) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in {**members, **changes}.items():
                archive.writestr(name, data)

    return pack


def broken_line(path: Path, members: Members) -> None:
    lines = members[ANNOTATION].splitlines(keepends=True)
    lines[6] = lines[6].replace(b" ", b" x", 1)
    zipped(**{ANNOTATION: b"".join(lines)})(path, members)


def linked(path: Path, _: Members) -> None:
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("0/0/0.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


REFUSED = {
    "dots.zip": (zipped(**{"../evil.txt": b"x"}), ("dots.zip, ../evil.txt: The member is refused: the path leads out of its folder.",
                                                   "Pack it anew from inside its folder")),
    "absolute.zip": (zipped(**{"/etc/evil": b"x"}), ("absolute.zip, /etc/evil: The member is refused: the path is absolute.",
                                                     "Pack it anew")),
    "links.tar.gz": (linked, ("links.tar.gz, 0/0/0.jpg: The member is a link or a device.", "Pack plain files and folders only.")),
    "bomb.zip": (zipped(**{"zeros.bin": bytes(100 << 20)}), ("bomb.zip, zeros.bin: It unpacks to more than 200 times the archive's size.",
                                                            "Pack images and annotations alone")),
    "jpeg.zip": (zipped(**{"0/0/7.jpg": b"no picture"}), ("0/0/7.jpg: This is not a readable image.", "Send it again or leave it out.")),
    "cut.zip": (zipped(**{"0/0/7.jpg": b""}), ("0/0/7.jpg", "Send it again or leave it out.")),
    "line.zip": (broken_line, (f"{ANNOTATION}, line 7: The xmin is 'x", "What to do:")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unfit_archive_is_refused_by_file_and_line_and_nothing_of_it_stays(
    play: Play, footage: Members, tmp_path: Path, name: str
) -> None:
    pack, sentences = REFUSED[name]
    pack(tmp_path / name, footage)
    play.scene.ada.upload(play.scene.channel, tmp_path / name)
    play.message(f"{name} → ", "failed: unfit data", *sentences)
    run = next(run for run in newest_runs(play.scene.house) if isinstance(run.spec, IngestSpec) and run.spec.file_name == name)
    state = play.scene.house.settings
    assert not list(state.inbox.iterdir())
    assert [path.name for path in (state.catalog / "datasets").iterdir()] == ["fish"]
    assert not list(state.state.rglob("*evil*"))
    assert not list(state.state.rglob("*.partial"))
    assert run.reason is Reason.DATA_ERROR
    why = play.command(f"why {run.id}")
    assert sentences[0] in why


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("rnu quick on fish", "There is no command 'rnu'. Did you mean `run`?\nTry: `run quick on fish`"),
        ("run quik on fish", "There is no preset 'quik'. Did you mean quick?\nTry: `run quick on fish`"),
        ("run quick on fsh", "There is no dataset 'fsh'. Did you mean fish?\nTry: `run quick on fish`"),
        ("run quick on fish@1", "fish@1 is vatic; this framework reads coco. Convert it first: `convert fish vatic-to-coco`."),
        ("run quick on fish@9", "There is no version 'fish@9'."),
        ("run quick on fish --epoch 5", "`run` has no option `--epoch`. Did you mean `--epochs`?\nTry: `run quick on fish --epochs 5`"),
        ("run quick on fish --epochs five", "`--epochs` must be a whole number from 1 to 100,000, not 'five'."),
        ("run quick on fish --host gpu-7", "There is no host 'gpu-7'."),
        ("convert fish vatic-to-cocoo", "There is no recipe 'vatic-to-cocoo'. Did you mean vatic-to-coco?"),
        ("convert fish vatic-to-coco classes=shark", "The recipe has no parameter 'classes'. There are: "),
        ("convert fish vatic-to-coco split.by=moon", "split.by: "),
        ("stop r-zzzz", "There is no run 'r-zzzz'."),
        ("log", "`log` needs a run: "),
        ('schedule add "every blurday 02:30" run quick on fish', "I do not know 'blurday'."),
        ('schedule add "every day 25:30" run quick on fish', "times go from 00:00 to 23:59."),
        (
            'schedule add "every day 02:30" rnu quick on fish',
            "There is no command 'rnu'. Did you mean `run`?\nTry: `schedule add \"every day 02:30\" run quick on fish`",
        ),
        (
            'schedule add "every day 02:30" run quick on fish --epoch 3',
            "`run` has no option `--epoch`. Did you mean `--epochs`?\nTry: `schedule add \"every day 02:30\" run quick on fish --epochs 3`",
        ),
        ("host add gpu-9 nobody", "`host add` needs `--host-key`"),
    ],
)
def test_a_typo_is_answered_with_what_was_meant_and_changes_nothing(play: Play, typed: str, answer: str) -> None:
    before = len(newest_runs(play.scene.house))
    assert answer in ephemeral(play, typed)["text"]
    assert len(newest_runs(play.scene.house)) == before


@pytest.mark.parametrize(
    ("who", "channel", "typed", "answer"),
    [
        ("eve", "training", "ps", "You are not on Signalbox's list of people. An admin can add {eve} to access in the settings."),
        ("eve", "training", "stop r-zzzz --yes", "You are not on Signalbox's list of people."),
        ("ada", "lounge", "ps", "Signalbox does not serve this channel. An admin can add {lounge} to access.channels in the settings."),
        ("ben", "training", "run quick on fish -- step_s=1", "To pass raw framework options (after --) one must be operator"),
        ("ben", "training", "host add gpu-9 root@h --host-key " + f'"{OTHER_KEY}"', "one must be operator; you are member."),
    ],
)
def test_a_stranger_a_strange_channel_and_a_missing_right_get_one_sentence(
    play: Play, who: str, channel: str, typed: str, answer: str
) -> None:
    ids = {str(person["name"]): str(person["id"]) for person in play.scene.ada.state()["people"]}
    channels = {str(item.get("name")): str(item["id"]) for item in play.scene.ada.state()["channels"]}
    before = len(newest_runs(play.scene.house))
    assert answer.format(eve=ids["eve"], lounge=channels["lounge"]) in ephemeral(play, typed, who=who, channel=channel)["text"]
    assert len(newest_runs(play.scene.house)) == before


def test_a_host_with_another_key_is_sent_nothing_and_everybody_who_asks_is_told_how_to_pin_it(play: Play, tmp_path: Path) -> None:
    sshd = play.scene.sshd
    assert sshd is not None
    login, root = f"{sshd.user}@{sshd.address}:{sshd.port}", tmp_path / "gpu 2"
    play.scene.terminal(
        "host", "add", "gpu-2", login, "--key-file", str(sshd.key_path), "--host-key", OTHER_KEY, "--root", str(root), "--slots", "3"
    )
    trouble = f"gpu-2 ({sshd.address}:{sshd.port}) shows another key than the pinned one, and nothing was sent to it."
    remedy = f'signalbox host add gpu-2 {login} --host-key "{sshd.host_key}"'
    shown = trouble.replace("gpu-2", "*gpu-2* ", 1)
    play.wait(lambda: shown in play.command("host list"), timeout_s=20, what="the trouble of gpu-2")
    for words in ("host check gpu-2", "doctor"):
        answer = play.command(words)
        assert trouble in answer or shown in answer
        assert remedy in answer
    run_id = play.start("elsewhere", "run quick on fish --host gpu-2")
    play.card(run_id, "Waiting", f"gpu-2 cannot be reached: {trouble}")
    assert not root.exists()
    play.scene.terminal("host", "add", "gpu-2", login, "--host-key", sshd.host_key)  # what was told; the rest stays as it was
    play.card(run_id, "No scripted environment on gpu-2. `host declare gpu-2 NAME --framework scripted")
    play.wait(root.exists, timeout_s=20, what="the folder on gpu-2")
    play.command(f"stop {run_id} --yes")


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("SLACK_BOT_TOKEN", "xoxb-wrong", "Reinstall the app and set the new token."),
        ("SLACK_APP_TOKEN", "xapp-wrong", "Make a new app-level token with connections:write"),
    ],
)
def test_a_wrong_token_ends_the_bot_with_a_sentence_and_the_doctor_names_it(
    play: Play, tmp_path: Path, variable: str, value: str, remedy: str
) -> None:
    environment = {**play.scene.environment, variable: value, "SIGNALBOX_STATE": str(tmp_path / "state")}
    bot, doctor = (
        subprocess.run([sys.executable, "-m", "bot", word], env=environment, capture_output=True, text=True, timeout=60, check=False)
        for word in ("bot", "doctor")
    )
    assert bot.returncode == os.EX_CONFIG
    assert f"Slack refuses {variable}: invalid_auth. {remedy}" in bot.stderr
    assert "Traceback" not in bot.stderr
    assert value not in bot.stderr
    assert doctor.returncode == 1
    name = "bot token" if variable == "SLACK_BOT_TOKEN" else "app token"
    assert f"{name}: Slack refuses it: invalid_auth." in doctor.stderr
    assert f"set {variable}" in doctor.stderr


def test_a_recipe_that_names_an_unknown_class_is_refused_by_file_and_line(play: Play, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("name: mine\ntitle: Mine\nread:\n  format: vatic\nsteps:\n  - classes: {keep: [shark]}\nwrite:\n  format: coco\n")
    source = tmp_path / "fish.zip"
    shutil.copy(play.upload, source)
    line = [sys.executable, "-m", "recipes", str(recipe), str(source), str(tmp_path / "out")]
    refused = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "shark" in refused.stderr
    assert "mine.yaml, line 6" in refused.stderr
    assert not (tmp_path / "out").exists()
