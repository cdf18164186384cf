"""Profiles are checked when they are loaded; what a bootstrap is given is frozen."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

import runner.environments
from runner.environments import launch_plan, load, profiles, requirements
from runner.errors import ConfigurationError, RequestError
from runner.specs import BootstrapSpec

WHOLE = "{framework: f, description: d, pythons: ['3.11'], names: [a], steps: [{phase: p, install: [a==1]}]}"


@pytest.mark.parametrize("name", profiles())
def test_every_profile_loads_and_fits_a_spec(name: str) -> None:
    spec = BootstrapSpec(host="gpu-1", environment=name, requirements=requirements(name))
    assert BootstrapSpec.model_validate_json(spec.model_dump_json()) == spec
    assert load(name).pinned("tensorflow-cpu" if name == "tfod" else "torch") in ("tensorflow-cpu-2.8.4", "torch-2.13.0")


def test_the_default_profile_is_the_tried_one() -> None:
    frozen = requirements("upstream")
    assert frozen["key"] == "mmdet-3.3.0_mmcv-2.1.0_torch-2.13.0"
    assert frozen["pinned"] == ["mmcv", "mmdet", "mmengine", "tensorboard", "torch"]
    assert set(launch_plan(frozen).files) >= {"bootstrap.sh", "bootstrap_build.py", "profile.json", "prepare_program"}


def test_any_change_of_a_profile_is_another_environment(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(WHOLE)
    (tmp_path / "two.yaml").write_text(WHOLE.replace("a==1]", "a==1, b]"))
    one, two = requirements("one", folder=tmp_path), requirements("two", folder=tmp_path)
    assert one["key"] == two["key"]
    assert one["hash"] != two["hash"]


@pytest.mark.parametrize("name", ["nothing", "../upstream", ""])
def test_an_unknown_profile_is_refused_with_those_that_exist(name: str) -> None:
    with pytest.raises(RequestError, match="There are: onedl, tfod, upstream"):
        load(name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [(WHOLE.replace("a==1", "a>1"), "no step pins a with =="), (WHOLE.replace("phase", "fase"), "fase"), ("[", "wrong"), ("", "wrong")],
)
def test_a_wrong_profile_is_refused_with_its_file(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        load("bad", folder=tmp_path)


def test_a_python_of_pyenv_or_uv_is_found_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(runner.environments.__file__).parent.parent / "host"))
    host = importlib.import_module("bootstrap_host")
    for variable, folder in (("PYENV_ROOT", "pye[nv]/versions/3.99.1"), ("UV_PYTHON_INSTALL_DIR", "uv/cpython-3.98.2-linux")):
        bin_folder = tmp_path / folder / "bin"
        bin_folder.mkdir(parents=True)
        version = "3.99" if "pye" in folder else "3.98"
        facts = json.dumps({"executable": str(bin_folder), "version": version, "venv": True, "headers": True})
        (bin_folder / f"python{version}").write_text(f"#!/bin/sh\necho '{facts}'\n")
        (bin_folder / f"python{version}").chmod(0o755)
        monkeypatch.setenv(variable, str(tmp_path / folder.split("/")[0]))
    assert host.interpreter(["3.99", "3.98"]).version == "3.99"
    assert host.interpreter(["3.98"]).executable == str(tmp_path / "uv/cpython-3.98.2-linux/bin")
    with pytest.raises(host.BuildError, match=r"No Python 3\.97 was found on this host .*pyenv"):
        host.interpreter(["3.97"])
