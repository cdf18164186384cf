"""Profiles are checked when they are loaded; what a bootstrap is given is frozen."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.environments import launch_plan, load, profiles, requirements
from runner.errors import ConfigurationError, RequestError
from runner.specs import BootstrapSpec

WHOLE = "{framework: f, description: d, pythons: ['3.11'], names: [a], steps: [{phase: p, install: [a==1]}]}"


@pytest.mark.parametrize("name", profiles())
def test_every_profile_loads_and_fits_a_spec(name: str) -> None:
    spec = BootstrapSpec(host="gpu-1", environment=name, requirements=requirements(name))
    assert BootstrapSpec.model_validate_json(spec.model_dump_json()) == spec
    assert load(name).pinned("torch") == "torch-2.13.0"


def test_the_default_profile_is_the_tried_one() -> None:
    frozen = requirements("upstream")
    assert frozen["key"] == "mmdet-3.3.0_mmcv-2.1.0_torch-2.13.0"
    assert frozen["pinned"] == ["mmcv", "mmdet", "mmengine", "torch"]
    assert set(launch_plan(frozen).files) >= {"bootstrap.sh", "bootstrap_build.py", "profile.json", "prepare_program"}


def test_any_change_of_a_profile_is_another_environment(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(WHOLE)
    (tmp_path / "two.yaml").write_text(WHOLE.replace("a==1]", "a==1, b]"))
    one, two = requirements("one", folder=tmp_path), requirements("two", folder=tmp_path)
    assert one["key"] == two["key"]
    assert one["hash"] != two["hash"]


@pytest.mark.parametrize("name", ["nothing", "../upstream", ""])
def test_an_unknown_profile_is_refused_with_those_that_exist(name: str) -> None:
    with pytest.raises(RequestError, match="There are: onedl, upstream"):
        load(name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [(WHOLE.replace("a==1", "a>1"), "no step pins a with =="), (WHOLE.replace("phase", "fase"), "fase"), ("[", "wrong"), ("", "wrong")],
)
def test_a_wrong_profile_is_refused_with_its_file(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        load("bad", folder=tmp_path)
