"""Every command, through the grammar, against a real database and catalog."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.commands import verbs
from bot.grammar import answer
from runner.alerts.routing import Alert
from runner.entities import Environment
from runner.evidence import Resources
from runner.service.detections import FOUND
from runner.service.house import House, Requester, role_of
from runner.settings import Role
from runner.specs import ConvertSpec, TrainSpec
from runner.states import Reason
from runner.store import alerts, hosts, people, runs, schedules
from tests.support.words_house import ADA, BEN, add_dataset, at_work, ended, somebody, training, words_house

EXAMPLES = [(name, example) for name, verb in verbs().items() for example in verb.examples]


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = words_house(tmp_path)
    add_dataset(made, "fish", format_name="vatic")
    add_dataset(made, "fish")
    return made


def ask(house: House, line: str, who: Requester | None = None) -> Answer:
    return answer(house, who or somebody(), line)


def newest(house: House) -> TrainSpec:
    spec = runs.newest(house.store.reading(), limit=1)[0].spec
    assert isinstance(spec, TrainSpec)
    return spec


def rename(house: House, table: str, old: str, new: str) -> None:
    """Give the row the id that the examples speak of."""
    with house.store.writing() as db:
        db.conn.execute("PRAGMA defer_foreign_keys=ON")
        db.conn.execute(f"UPDATE {table} SET id = ? WHERE id = ?", (new, old))
        children = {"runs": ("attempts", "progress", "evaluations", "checkpoints", "leases"), "schedules": ("firings",)}
        for child in children.get(table, ()):
            column = "run_id" if table == "runs" else "schedule_id"
            db.conn.execute(f"UPDATE {child} SET {column} = ? WHERE {column} = ?", (new, old))


def wait_for_approval(house: House, run_id: str) -> None:
    with house.store.writing() as db:
        runs.transition(db, runs.get(db, run_id), Reason.WAITING_FOR_APPROVAL, now=house.now(), detail="It may take 99 GPU-hours.")


def fire(house: House, **labels: str) -> Alert:
    """An alert fires, as far as the runner has written down."""
    alert = Alert(labels, house.now() - timedelta(minutes=7), detail="Its log has not grown for 7 min.")
    with house.store.writing() as db:
        known = alerts.state(db)
        alerts.keep_state(db, replace(known, firing={**known.firing, alert.id: alert}))
    return alert


def confirmable(house: House, *, run_id: str, question: str) -> None:
    asked = value_of(ask(house, f"stop {run_id}", somebody(role=Role.ADMIN)), 0).partition(" ")[2]
    with house.store.writing() as db:
        db.conn.execute("UPDATE confirmations SET id = ? WHERE id = ?", (question, asked))


def value_of(given: Answer, place: int) -> str:
    (row,) = [block for block in given.blocks if block["type"] == "actions"]
    return str(row["elements"][place]["value"])  # type: ignore[index]


def with_runs(house: House, name: str, example: str) -> None:
    """The runs that the examples speak of, each as its verb wants it."""
    run = at_work(house, training(house), epochs=14, best_epoch=12)
    if name in ("resume", "retry", "promote", "rollback"):
        ended(house, run, Reason.CODE_ERROR if name in ("resume", "retry") else Reason.COMPLETED)
    rename(house, "runs", run.id, "r-7f3k")
    if "r-9abc" in example:
        rename(house, "runs", training(house, owner=BEN if name == "approve" else ADA).id, "r-9abc")
    with house.store.writing() as db:
        if ":0" in example:
            hosts.note_resources(db, Resources("gpu1"))
        if name == "doctor":
            people.beat(db, "bot", pid=1, now=house.now())
        if name == "host" and "remove" in example:
            db.conn.execute("DELETE FROM leases")
            db.conn.execute("UPDATE runs SET state = 'CANCELLED', reason = 'BY_USER'")


def with_the_rest(house: House, name: str, example: str) -> None:
    """What else the examples speak of: made by the verbs' own opposites."""
    before = {
        "release": "hold r-9abc", "unlock": example.replace("unlock", "lock"), "rollback": "promote r-7f3k",
        "unsubscribe": "subscribe fish",
        "schedule": 'schedule add "every day 02:30" ps' if "s-7f3k" in example else "",
        "unsilence": "silence stalled",
        "rules": "rules set stalled --for 9m" if "reset" in example else "",
        "trigger": 'trigger add "failure on fish" ps' if "t-7f3k" in example else "",
    }.get(name, "")
    assert not before or ask(house, before, somebody(role=Role.ADMIN)).ok
    with house.store.writing() as db:
        if name in ("schedule", "trigger"):
            db.conn.execute(f"UPDATE {name}s SET id = '{name[0]}-7f3k'")
        db.conn.execute("UPDATE silences SET id = 'z-1f0a'")
    fire(house, alertname="stalled", host="gpu1", severity="critical", run="r-7f3k")
    if name == "approve":
        wait_for_approval(house, "r-9abc")
    if "detections" in example:
        found = house.settings.results / "r-7f3k" / FOUND
        found.parent.mkdir(parents=True)
        found.write_text("{}")
    if name == "confirm":
        confirmable(house, run_id="r-7f3k", question="q-0123456789ab")


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_example_works(house: House, name: str, example: str) -> None:
    with_runs(house, name, example)
    with_the_rest(house, name, example)
    given = ask(house, example, somebody(role=Role.ADMIN))
    assert given.ok, given.text
    assert given.text.strip()


def with_dry_run(example: str) -> str:
    before, raw, after = example.partition(" -- ")
    holds_a_line = before.startswith(("schedule add", "trigger add"))
    added = before.replace("add ", "add --dry-run ", 1) if holds_a_line else f"{before} --dry-run"
    return added + raw + after


@pytest.mark.parametrize(("name", "example"), [
    (name, example) for name, example in EXAMPLES if verbs()[name].changes and "--dry-run" not in example
])  # fmt: skip
def test_a_dry_run_changes_nothing(house: House, name: str, example: str) -> None:
    with_runs(house, name, example)
    with_the_rest(house, name, example)
    before = list(house.store.reading().conn.iterdump())

    given = ask(house, with_dry_run(example), somebody(role=Role.ADMIN))

    assert given.ok, given.text
    assert list(house.store.reading().conn.iterdump()) == before or name == "convert"  # a conversion's dry run is a run that looks
    assert not any(block["type"] == "actions" for block in given.blocks) or verbs()[name].previewed_by


def test_a_dry_run_says_what_would_be_answered_and_refuses_what_would_be_refused(house: House) -> None:
    said = ask(house, "finetune rtmdet-nano on fish --dry-run")
    assert not said.ok and "start checkpoint" in said.text
    at_work(house, training(house), epochs=3)
    run = runs.newest(house.store.reading(), limit=1)[0]
    told = ask(house, f"stop {run.id} --yes --DRY-RUN")
    assert told.ok and "nothing is changed" in told.text and "Stopping" in told.text
    assert runs.get(house.store.reading(), run.id).stop_requested_by is None
    assert "to train on" in ask(house, "run rtmdet-nano on fish --dry-run").text
    assert not ask(house, "ps --dry-run").ok


def test_a_dry_run_inside_a_schedules_line_is_that_lines_own(house: House) -> None:
    given = ask(house, 'schedule add "every day 02:30" convert fish vatic-to-coco --dry-run')
    assert given.ok, given.text
    assert schedules.BOOK.all(house.store.reading())[0].command.endswith("--dry-run")


def test_retry_does_what_mends_and_the_very_same_where_asked(house: House) -> None:
    run = at_work(house, training(house), epochs=3)
    assert "has not ended" in ask(house, f"retry {run.id}").text
    ended(house, run, Reason.OUT_OF_MEMORY)
    batches = []
    for line in (f"retry {run.id}", f"retry {run.id} --as-it-was"):
        spec = runs.get(house.store.reading(), ask(house, line).run_id or "").spec
        assert isinstance(spec, TrainSpec)
        batches.append(spec.overrides.batch)
    assert batches == [4, None]


def test_settings_are_shown_without_what_is_secret(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    said = ask(house, "settings").text
    assert "Europe/Berlin" in said and "local_slots" in said and "secret" not in said


@pytest.mark.parametrize("name", list(verbs()))
def test_every_command_explains_itself(house: House, name: str) -> None:
    page = ask(house, f"help {name}")
    assert page.ok and verbs()[name].examples
    assert verbs()[name].command.help
    assert ask(house, f"{name} --help").text == page.text
    for example in verbs()[name].examples:
        assert example.split()[0] == name


def test_help_shows_defaults_and_my_runs(house: House) -> None:
    assert "(default: 1)" in ask(house, "help run").text
    run = at_work(house, training(house))
    at_work_by_ben = training(house, owner=BEN)
    text = ask(house, "").text
    assert run.id in text and at_work_by_ben.id not in text
    assert all(f"`{name}`" in text for name in verbs())


def test_a_run_is_queued_as_typed(house: House) -> None:
    given = ask(house, "run rtmdet-nano on fish epochs=3 --lr 0.01 --batch 4 eval-every=2")
    assert given.ok and given.run_id
    spec = newest(house)
    assert (spec.preset.name, str(spec.dataset)) == ("rtmdet-nano", "fish@2")
    assert (spec.overrides.epochs, spec.overrides.lr, spec.overrides.batch, spec.overrides.eval_every) == (3, 0.01, 4, 2)


def test_raw_options_need_an_operator_and_travel_as_they_are(house: House) -> None:
    line = "run rtmdet-nano on fish -- train_dataloader.num_workers=0 --flag on"
    refused = ask(house, line)
    assert not refused.ok and "operator" in refused.text
    assert ask(house, line, somebody(role=Role.OPERATOR)).ok
    assert newest(house).overrides.options == ("train_dataloader.num_workers=0", "--flag", "on")


def test_a_raw_dataset_is_refused_with_a_convert_button(house: House) -> None:
    given = ask(house, "run rtmdet-nano on fish@1")
    assert not given.ok
    button = given.blocks[-1]["elements"][0]  # type: ignore[index]
    assert (button["text"]["text"], button["value"]) == ("Convert", "convert fish vatic-to-coco")
    assert given.text.count("convert fish vatic-to-coco") == 1


def test_conversion_keeps_its_parameters(house: House) -> None:
    assert ask(house, "convert fish vatic-to-coco as fish-small gap=20 val=0.3").ok
    spec = runs.newest(house.store.reading(), limit=1)[0].spec
    assert isinstance(spec, ConvertSpec)
    assert (str(spec.source), spec.dataset, spec.parameters) == ("fish@1", "fish-small", {"gap": "20", "val": "0.3"})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("convert fish vatic-to-coco gapp=20", "Did you mean 'gap'?"),
        ("convert fish vatic-to-coco gap=many", "gap"),
        ("convert fish vatic-to-coco 20", "no key=value"),
        ("convert fish vatik-to-coco", "Did you mean vatic-to-coco?"),
        ("convert fish /etc/passwd.yaml", "There is no recipe"),
        ("convert fish ../x.yaml:coco", "There is no recipe"),
        ("convert fish vatic-to-coco as ../fish", "cannot name a dataset"),
        ("convert fsh vatic-to-coco", "Did you mean fish?"),
        ("data show fish@9", "fish@9"),
        ("run rtmdet-nan on fish", "Did you mean rtmdet-nano?"),
        ("run rtmdet-nano on fish --host gpu2", "Did you mean gpu1?"),
        ("resume r-zzzz", "There is no run"),
        ("schedule add \"every day 02:30\" runn rtmdet-nano on fish", "Did you mean `run`?"),
        ("schedule add \"every day 02:30\" run rtmdet-nano on fsh", "Did you mean fish?"),
        ("schedule add \"sometimes\" ps", "sometimes"),
        ("schedule remove s-zzzz", "no schedule"),
        ("host bootstrap gpu1", "operator"),
        ("grant U012ABCDEF admin", "admin"),
        ("grant @ana admin", "is no person, group or channel"),
    ],
)
def test_what_cannot_be_is_said_at_once(house: House, line: str, said: str) -> None:
    given = ask(house, line)
    assert not given.ok
    assert said in given.text
    assert runs.newest(house.store.reading(), limit=5) == []


def test_stop_asks_what_would_be_lost_and_then_stops(house: House) -> None:
    run = at_work(house, training(house))
    question = ask(house, f"stop {run.id}")
    assert "epoch 7 of 20" in question.text and "41 min" in question.text and "epoch_6" in question.text
    assert value_of(question, 0).startswith("confirm q-") and value_of(question, 1) == f"show {run.id}"
    assert runs.get(house.store.reading(), run.id).stop_requested_by is None
    assert ask(house, f"stop {run.id} --yes").ok
    assert runs.get(house.store.reading(), run.id).stop_requested_by == ADA


def test_a_viewer_and_another_member_cannot_stop(house: House) -> None:
    run = at_work(house, training(house))
    for who in (somebody(BEN), somebody(BEN, role=Role.VIEWER), somebody(BEN, role=Role.STRANGER)):
        for line in (f"stop {run.id}", f"stop {run.id} --yes"):
            assert not answer(house, who, line).ok
    assert runs.get(house.store.reading(), run.id).stop_requested_by is None
    assert ask(house, f"stop {run.id} --yes", somebody(BEN, role=Role.OPERATOR)).ok


def test_an_ended_run_cannot_be_stopped_but_resumed(house: House) -> None:
    run = ended(house, at_work(house, training(house)), Reason.CODE_ERROR)
    assert "already ended" in ask(house, f"stop {run.id}").text
    assert ask(house, f"resume {run.id} from epoch_3 --lr 0.001").ok
    spec = newest(house)
    assert (spec.start.run_id, spec.start.checkpoint, spec.overrides.lr) == (run.id, "epoch_3", 0.001)


def test_finetune_takes_the_parents_weights(house: House) -> None:
    run = ended(house, at_work(house, training(house)), Reason.COMPLETED)
    assert ask(house, f"finetune {run.id[2:].upper()} on fish --epochs 4").ok
    assert (newest(house).start.run_id, newest(house).overrides.epochs) == (run.id, 4)


def test_log_is_cut_for_slack_and_whole_in_the_terminal(house: House) -> None:
    lines = [f"line {number} " + "x" * 60 for number in range(500)]
    run = at_work(house, training(house), log="\n".join([*lines, "RuntimeError: `<!channel>` & more"]))
    short = ask(house, f"log {run.id} -n 400")
    assert len(short.text) < 3100 and "&lt;!channel&gt;" in short.text and "line 499" in short.text
    whole = answer(house, somebody("terminal:ada", role=Role.ADMIN, door="terminal"), f"log {run.id} -n 501")
    assert "line 0 " in whole.text


def test_why_tells_the_reason_and_that_the_runner_is_silent(house: House) -> None:
    run = training(house)
    assert "has not looked at it yet" in ask(house, f"why {run.id}").text
    with house.store.writing() as db:
        detail = "gpu1 has no environment for mmdet; r-aaaa builds one."
        runs.transition(db, run, Reason.WAITING_FOR_ENVIRONMENT, now=house.now(), detail=detail)
        db.conn.execute("DELETE FROM heartbeats")
    text = ask(house, f"why {run.id}").text
    assert "r-aaaa builds one" in text and "The runner has never run here" in text


def test_lists_show_what_lives_and_what_ended(house: House) -> None:
    working, waiting = at_work(house, training(house)), training(house, owner=BEN)
    done = ended(house, training(house, owner=BEN), Reason.BY_USER)
    text = ask(house, "ps").text
    assert text.index(working.id) < text.index(done.id) and waiting.id in text
    assert done.id not in ask(house, "ps --mine").text
    assert waiting.id in ask(house, "queue").text and working.id not in ask(house, "queue").text
    assert working.id in ask(house, "top").text


def test_hosts_are_added_checked_and_removed(house: House) -> None:
    admin = {"role": Role.ADMIN}
    key = "ssh-ed25519 " + "A" * 68
    line = f'host add gpu2 <mailto:ml@gpu2.example.com|ml@gpu2.example.com> --host-key “{key} comment” --slots 2'
    assert ask(house, line, somebody(**admin)).ok  # type: ignore[arg-type]
    added = hosts.get(house.store.reading(), "gpu2")
    assert (added.user, added.address, added.port, added.host_key, added.slots) == ("ml", "gpu2.example.com", 22, key, 2)
    assert "has not answered yet" in ask(house, "host check gpu2").text
    with house.store.writing() as db:
        hosts.put_environment(db, Environment("gpu2", "upstream", "mmdet", "/x/python", "/x", "abc"))
        hosts.note_trouble(db, "gpu2", "its key is not the pinned one")
    assert "Its key is not the pinned one." in ask(house, "host check gpu2").text
    assert "Forget" in ask(house, "host remove gpu2", somebody(**admin)).text  # type: ignore[arg-type]
    assert ask(house, "host remove gpu2 --yes", somebody(**admin)).ok  # type: ignore[arg-type]
    assert "gpu2" not in ask(house, "host list").text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('host add GPU_ö ml@gpu2 --host-key "ssh-ed25519 AAAA"', "cannot name a host"),
        ('host add local ml@gpu2 --host-key "ssh-ed25519 AAAA"', "is this machine"),
        ('host add gpu2 gpu2 --host-key "ssh-ed25519 AAAA"', "no login"),
        ('host add gpu2 ml@gpu2:99999 --host-key "ssh-ed25519 AAAA"', "no login"),
        ('host add gpu2 ml@gpu2 --host-key "AAAA"', "ssh-keyscan"),
        ("host add gpu2 ml@gpu2", "--host-key"),
        ('host add gpu2 ml@gpu2 --root here --host-key "ssh-ed25519 ' + "A" * 68 + '"', "absolute"),
    ],
)
def test_a_wrong_host_is_refused_by_its_part(house: House, line: str, said: str) -> None:
    given = ask(house, line, somebody(role=Role.ADMIN))
    assert not given.ok and said in given.text
    assert [host.name for host in hosts.all_hosts(house.store.reading())] == ["gpu1"]


def test_a_host_with_runs_is_not_removed(house: House) -> None:
    run = at_work(house, training(house))
    given = ask(house, "host remove gpu1 --yes", somebody(role=Role.ADMIN))
    assert not given.ok and run.id in given.text


def test_roles_are_granted_by_admins(house: House) -> None:
    admin = somebody("terminal:root", role=Role.ADMIN)
    assert ask(house, "grant <@U0EVE0001|eve> to viewer", admin).ok
    assert role_of(house, "U0EVE0001") is Role.VIEWER
    assert "which counts" in ask(house, f"grant {ADA} viewer", somebody("terminal:root", role=Role.ADMIN)).text
    assert not ask(house, "grant terminal:root viewer", somebody("terminal:root", role=Role.ADMIN)).ok


def test_schedule_words_come_back(house: House) -> None:
    given = ask(house, "schedule add “every day 02:30” run rtmdet-nano on fish gpus=1 -- a=b", somebody(role=Role.OPERATOR))
    assert given.ok and "02:30 CET" in given.text
    kept = schedules.BOOK.all(house.store.reading())[0]
    assert kept.command == "run rtmdet-nano on fish gpus=1 -- a=b"
    assert kept.id in ask(house, "schedule list").text
    assert "paused" in ask(house, f"schedule pause {kept.id}").text
    assert not ask(house, f"schedule remove {kept.id}", somebody(BEN)).ok


def test_alerts_are_listed_acknowledged_and_silenced(house: House) -> None:
    stalled = fire(house, alertname="stalled", host="gpu1", severity="critical", run="r-7f3k", owner=ADA)
    fire(house, alertname="gpu_hot", host="gpu2", severity="warning", gpu="3")
    said = ask(house, "alerts").text
    assert "2 alerts" in said and "Stalled" in said and "Gpu hot" in said and "gpu2, gpu 3" in said and f"<@{ADA}>" not in said
    assert said.index("Stalled") < said.index("Gpu hot")  # the worst first

    short = next(word.strip("`") for word in said.split() if word.startswith("`a-"))
    known = ask(house, f"ack {short}", somebody(BEN))
    assert known.ok and known.public and "1 alert" in known.text
    assert alerts.acks(house.store.reading()) == {stalled.id: BEN}
    assert f"known to <@{BEN}>" in ask(house, "alerts").text
    assert "Nothing fires" in ask(house, "ack slow").text

    given = ask(house, 'silence host=gpu2 --for 2h --reason "new fans"')
    assert given.ok and 'host="gpu2"' in given.text and "16:32 CET" in given.text
    said = ask(house, "alerts").text
    assert "silenced until 16:32 CET" in said and "new fans" in said
    assert "operator" in ask(house, value_of(given, 0), somebody(BEN)).text
    assert ask(house, value_of(given, 0)).ok
    assert "silence" not in ask(house, "alerts").text


@pytest.mark.parametrize(("line", "words"), [
    ("silence nothing-such", "no alert, no rule and no matcher such as host=gpu1"),
    ("silence a-000000", "does not fire any more"),
    ("silence stalled --for 99d", "60 days at most"),
    ("silence host=~[", "no alert, no rule and no matcher"),
    ("unsilence z-0000", "No silence z-0000 holds"),
])
def test_what_cannot_be_silenced_says_why(house: House, line: str, words: str) -> None:
    given = ask(house, line)
    assert not given.ok
    assert words in given.text


def test_only_members_make_alerts_quiet(house: House) -> None:
    fire(house, alertname="stalled", host="gpu1", severity="critical")
    for line in ("ack stalled", "silence stalled"):
        assert "must be member" in ask(house, line, somebody("U0VIEW001", role=Role.VIEWER)).text


@pytest.mark.parametrize("line", [
    "ps", "top", "data verify fish", "convert fish vatic-to-coco", "retrain rtmdet-nano on fish --epochs 12", "host check gpu1",
    "host drain gpu1", "silence stalled --for 1h --reason night", "data remove fish@1 --yes", "plan rtmdet-nano on fish", "audit",
])
def test_any_command_can_be_scheduled(house: House, line: str) -> None:
    given = ask(house, f'schedule add "every weekday 02:30 Europe/Berlin" {line}', somebody(role=Role.ADMIN))
    assert given.ok, given.text
    assert schedules.BOOK.all(house.store.reading())[0].command == line


@pytest.mark.parametrize(("line", "said"), [
    ("host drain gpu9", "gpu1"), ("data verify fsh", "Did you mean fish?"), ("data remve fish", "data remove"),
    ("eval r-zzzz", "r-zzzz"), ("data remove fish@1", "data remove fish@1 --yes"), ("serve", "serve"), ("ps now", "too much"),
    ('trigger add "failure" ps', "cannot change"), ("convert fish nothing-to-coco", "recipe"),
])  # fmt: skip
def test_nonsense_is_refused_when_it_is_scheduled_and_not_at_night(house: House, line: str, said: str) -> None:
    given = ask(house, f"schedule add 'every 6h' {line}", somebody(role=Role.ADMIN))
    assert not given.ok and said in given.text, given.text
    assert schedules.BOOK.all(house.store.reading()) == []
