"""Who may do what, and what every answer says while the runner is silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recipes.ingest import ingest
from runner.entities import Place
from runner.errors import NotAllowedError, RequestError
from runner.service import hosts as host_verbs
from runner.service.environments import submit_bootstrap
from runner.service.house import House, Requester
from runner.service.roles import grant
from runner.service.runs import finetune, request_stop, resume, submit_convert, submit_ingest, submit_training
from runner.service.views import runner_silent_since
from runner.settings import Role
from runner.specs import IngestSpec, Overrides
from runner.store import people, runs
from tests.support.run_rows import house_in, submitted
from tests.support.scripted_house import write_coco


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = house_in(tmp_path)
    ingest(opened.catalog, write_coco(tmp_path / "coco"), name="fish", created_at=datetime.now(UTC))
    yield opened
    opened.store.close()


def who(role: Role, person: str = "U2") -> Requester:
    return Requester(person, role, "slash", "t1", Place("C1"))


def test_a_viewer_submits_nothing(house: House) -> None:
    viewer = who(Role.VIEWER)
    with pytest.raises(NotAllowedError, match="one must be member; you are viewer"):
        submit_training(house, viewer, preset="rtmdet-nano", dataset="fish")
    with pytest.raises(NotAllowedError):
        submit_convert(house, viewer, dataset="fish", recipe="coco:coco")
    with pytest.raises(NotAllowedError):
        submit_ingest(house, viewer, IngestSpec(archive="a.zip", dataset="fish", file_name="a.zip"))
    assert runs.live(house.store.reading()) == []


def test_a_member_acts_on_his_own_runs_alone(house: House) -> None:
    run = submitted(house)  # U1's
    with pytest.raises(NotAllowedError, match=f"stop somebody else's run \\({run.id} is U1's\\)"):
        request_stop(house, who(Role.MEMBER), run.id)
    assert runs.get(house.store.reading(), run.id).stop_requested_by is None
    assert request_stop(house, who(Role.MEMBER, "U1"), run.id).id == run.id
    other = submitted(house)
    assert request_stop(house, who(Role.OPERATOR), other.id).id == other.id


def test_raw_options_servers_and_environments_are_an_operators(house: House) -> None:
    raw = Overrides(options=("model.x=1",))
    with pytest.raises(NotAllowedError, match="raw framework options"):
        submit_training(house, who(Role.MEMBER), preset="rtmdet-nano", dataset="fish", overrides=raw)
    assert submit_training(house, who(Role.OPERATOR), preset="rtmdet-nano", dataset="fish", overrides=raw).spec
    with pytest.raises(NotAllowedError):
        submit_bootstrap(house, who(Role.MEMBER), host="gpu-1")
    with pytest.raises(NotAllowedError):
        host_verbs.add(house, who(Role.MEMBER), name="gpu-9", login="a@b", key_path="k", host_key="ssh-ed25519 AAAA")
    with pytest.raises(NotAllowedError):
        host_verbs.remove(house, who(Role.OPERATOR), "gpu-1")


def test_only_an_admin_grants(house: House) -> None:
    with pytest.raises(NotAllowedError):
        grant(house, who(Role.OPERATOR), to="U2", role=Role.ADMIN)
    assert grant(house, who(Role.ADMIN), to="U3", role=Role.MEMBER) is Role.MEMBER


def test_what_never_trained_cannot_be_gone_on_from(house: House) -> None:
    run = submitted(house)
    with pytest.raises(RequestError, match="has not trained yet"):
        resume(house, who(Role.ADMIN), run.id)
    with pytest.raises(RequestError, match="has not trained yet"):
        finetune(house, who(Role.ADMIN), run.id, dataset="fish")


def test_a_runner_that_says_nothing_is_noticed(house: House) -> None:
    assert runner_silent_since(house) is not None
    for ago, silent in ((timedelta(seconds=3), False), (timedelta(seconds=16), True)):
        beat = house.now() - ago
        with house.store.writing() as db:
            people.beat(db, "runner", pid=1, now=beat)
        assert (runner_silent_since(house) is not None) is silent
