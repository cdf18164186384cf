"""A declared environment is looked at on its host, with its set-up lines, before anything uses it; what is missing is said at once."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.views.hosts import host_page
from runner.errors import NotAllowedError, RequestError
from runner.service.environments import declare, declared_on, forget, look_again, submit_bootstrap
from runner.service.hosts import host_view
from runner.settings import Role
from runner.specs import DeclaredEnvironment
from runner.states import Reason
from runner.store import hosts
from tests.support.scripted_house import HOST, SCRIPTED, ScriptedHouse, scripted_house

VARIABLES = {"SCRIPTED_REVISION": "of a variable"}
GOOD = DeclaredEnvironment(framework="scripted", python=sys.executable, code=str(SCRIPTED), variables=VARIABLES)


@pytest.fixture
def bare() -> Iterator[ScriptedHouse]:
    """A house whose server has no environment yet."""
    with scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as made:
        with made.house.store.writing() as db:
            hosts.remove_environment(db, HOST, "scripted")
        yield made


def page(house: ScriptedHouse) -> str:
    made = house.house
    return host_page(host_view(made, HOST), declared_on(made, HOST), now=made.now(), zone=made.settings.time_zone)[0]


def test_what_waits_for_an_environment_starts_once_a_declared_one_was_found(bare: ScriptedHouse) -> None:
    run = bare.submit()
    spec = GOOD.model_copy(update={"setup": ("SCRIPTED_REVISION='a set-up line'", "export SCRIPTED_REVISION")})
    with bare.running():
        waiting = bare.wait(run, Reason.WAITING_FOR_ENVIRONMENT)
        assert waiting.run.detail == (
            "No scripted environment on gpu-1. "
            "`host declare gpu-1 NAME --framework scripted --python PATH --code FOLDER` names one that is there."
        )
        looked = declare(bare.house, bare.who("a"), host=HOST, name="old-one", declared=spec)
        assert declare(bare.house, bare.who("b"), host=HOST, name="old-one", declared=spec).id == looked.id
        found = bare.wait(looked, Reason.COMPLETED)
        assert found.run.detail == "old-one on gpu-1: python 3"
        done = bare.wait(run, Reason.COMPLETED)
    # The set-up line wins over the variable, in looking, in preparing and in training alike.
    assert done.run.prepared is not None
    assert (done.run.prepared["revision"], done.run.prepared["environment"]) == ("a set-up line", "of a set-up line")
    assert "SCRIPTED_REVISION='a set-up line'" in (bare.directory(run) / "command.sh").read_text()
    [environment] = hosts.environments(bare.house.store.reading(), host=HOST)
    assert (environment.name, environment.setup, dict(environment.variables)) == ("old-one", spec.setup, dict(spec.variables))
    said = f"• declared environment `old-one` for scripted (`{sys.executable}`, code in `{SCRIPTED}`): fingerprint of a set"
    assert said in page(bare)
    forget(bare.house, bare.who("c"), host=HOST, name="old-one")
    assert hosts.environments(bare.house.store.reading(), host=HOST) == []
    assert "old-one" not in page(bare)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"python": "/nowhere/py", "code": "/nowhere/code"}, "there is no Python at /nowhere/py and there is no folder /nowhere/code"),
        ({"variables": {"SCRIPTED_LACKS": "mmcv and tools/train.py"}}, "This environment lacks mmcv and tools/train.py."),
        ({"python": "/bin/false"}, "/bin/false failed with exit code 1 (identify): it said nothing"),
        ({"python": "/bin/true"}, "/bin/true does not say what it holds of scripted"),
    ],
)
def test_all_that_is_missing_is_an_environment_error_that_host_check_shows(
    bare: ScriptedHouse, changed: dict[str, object], words: str
) -> None:
    with bare.running():
        looked = declare(bare.house, bare.who("a"), host=HOST, name="old-one", declared=GOOD.model_copy(update=changed))
        seen = bare.wait(looked, Reason.ENVIRONMENT_ERROR)
    assert words in seen.run.detail
    assert words in page(bare)
    assert "• ❌ declared environment `old-one`" in page(bare)
    assert hosts.environments(bare.house.store.reading(), host=HOST) == []


def test_one_that_broke_later_stays_as_it_was_found_and_can_be_looked_at_again(bare: ScriptedHouse, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    with bare.running():
        first = declare(bare.house, bare.who("a"), host=HOST, name="old-one", declared=GOOD.model_copy(update={"python": str(python)}))
        bare.wait(first, Reason.COMPLETED)
        python.unlink()
        again = look_again(bare.house, bare.who("b"), host=HOST, name="old-one")
        bare.wait(again, Reason.ENVIRONMENT_ERROR)
    assert "as it was found before; the last look failed. " in page(bare)
    [view] = declared_on(bare.house, HOST)
    assert (view.run.id, view.environment is not None) == (again.id, True)


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("Old One", {}, "cannot name an environment"),
        ("upstream", {}, "is what `host bootstrap` builds"),
        ("old-one", {"framework": "yolo"}, "There is no framework 'yolo'"),
        ("old-one", {"python": "python3", "code": "mmdet"}, "--python 'python3' and --code 'mmdet': paths on the host must be absolute"),
        ("old-one", {"variables": {"A-B": "1"}}, "--set A-B=: "),
    ],
)
def test_what_cannot_be_one_is_refused_before_the_host_is_asked(
    bare: ScriptedHouse, name: str, changed: dict[str, object], words: str
) -> None:
    with pytest.raises(RequestError) as caught:
        declare(bare.house, bare.who(), host=HOST, name=name, declared=GOOD.model_copy(update=changed))
    assert words in str(caught.value)


def test_it_takes_an_operator_and_a_name_that_is_there(bare: ScriptedHouse) -> None:
    member = bare.who(role=Role.MEMBER)
    for act in (
        lambda: declare(bare.house, member, host=HOST, name="old-one", declared=GOOD),
        lambda: look_again(bare.house, member, host=HOST, name="old-one"), lambda: forget(bare.house, member, host=HOST, name="old-one"),
    ):
        with pytest.raises(NotAllowedError):
            act()
    with pytest.raises(RequestError, match="gpu-1 has no declared environment 'old-one'"):
        look_again(bare.house, bare.who(), host=HOST, name="old-one")
    with pytest.raises(RequestError, match=r"gpu-1 has no environment 'old-one'. It has: none"):
        forget(bare.house, bare.who(), host=HOST, name="old-one")
    with pytest.raises(RequestError, match=r"There is no environment profile 'old-one'. There are: onedl, tfod, upstream"):
        submit_bootstrap(bare.house, bare.who(), host=HOST, environment="old-one")


def test_what_is_needed_is_not_forgotten(bare: ScriptedHouse) -> None:
    with bare.running():
        looked = declare(bare.house, bare.who("a"), host=HOST, name="old-one", declared=GOOD)
        with pytest.raises(RequestError, match=f"old-one on gpu-1 is needed by {looked.id}"):
            forget(bare.house, bare.who("b"), host=HOST, name="old-one")
        bare.wait(looked, Reason.COMPLETED)
        run = bare.submit("step_s=0.2")
        bare.wait(run, Reason.WORKING)
        with pytest.raises(RequestError, match=f"is needed by {run.id}"):
            forget(bare.house, bare.who("c"), host=HOST, name="old-one")
        bare.wait(run, Reason.COMPLETED)
