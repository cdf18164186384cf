"""Training environments: their profiles (the YAML files here), what a bootstrap runs, and which are ready on this machine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.entities import Environment
from runner.errors import ConfigurationError, RequestError
from runner.frameworks import all_frameworks
from runner.frameworks.base import Framework, LaunchPlan
from runner.host_program import packed
from runner.specs import DeclaredEnvironment

PROFILES = Path(__file__).parent
USUAL = "upstream"
_HOST_SCRIPTS = Path(__file__).parent.parent / "host"
_SHIPPED = ("bootstrap.sh", "bootstrap_build.py", "bootstrap_host.py", "bootstrap_command.py")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Strict):
    """One step of a build: a distribution compiled from source, then what to remove, install and install anew without dependencies."""

    phase: str = Field(min_length=1)
    compile: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    cpu_flags: dict[str, str] = Field(default_factory=dict)
    remove: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    reinstall: tuple[str, ...] = ()


class Profile(_Strict):
    """How an environment is made. ``names`` are the distributions, pinned with ``==`` in the steps, that name its folder."""

    framework: str
    description: str
    pythons: tuple[str, ...] = Field(min_length=1)
    names: tuple[str, ...] = Field(min_length=1)
    compiled_for: str | None = None
    code: str = ""
    imports: tuple[str, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)
    steps: tuple[Step, ...] = Field(min_length=1)

    def pins(self) -> dict[str, str]:
        """The distributions that some step pins with ``==``, and their versions."""
        wanted = [each for step in self.steps for each in (*filter(None, [step.compile]), *step.install, *step.reinstall)]
        return {name: version for name, separator, version in (each.partition("==") for each in wanted) if separator}

    def pinned(self, distribution: str) -> str:
        """``<distribution>-<version>``. Raises ValueError when no step pins it."""
        version = self.pins().get(distribution)
        if version is None:
            raise ValueError(f"no step pins {distribution} with ==")
        return f"{distribution}-{version}"


class Ready(_Strict):
    """The content of READY and of a bootstrap's summary: what was built, for one machine.

    ``versions`` are those of the distributions that the profile pins; the fingerprint covers all that were installed.
    """

    profile: str
    framework: str
    python: str
    python_version: str
    code: str
    versions: dict[str, str]
    variables: dict[str, str]
    fingerprint: str

    def environment(self, host: str) -> Environment:
        """The environment as the runner keeps it for ``host``."""
        return Environment(
            host=host, name=self.profile, framework=self.framework, python=self.python, code=self.code,
            fingerprint=self.fingerprint, variables=dict(self.variables),
        )


def profiles() -> tuple[str, ...]:
    """The names of all profiles."""
    return tuple(sorted(path.stem for path in PROFILES.glob("*.yaml")))


@cache
def profile_for(framework: str) -> str | None:
    """The profile that builds a framework's environment, the usual one where there are more; None where it has to be declared."""
    found = [name for name in profiles() if load(name).framework == framework]
    return USUAL if USUAL in found else next(iter(found), None)


def advice(framework: str, host: str) -> str:
    """How a host comes to a framework's environment, as a sentence."""
    profile = profile_for(framework)
    if profile is None:
        return f"`host declare {host} NAME --framework {framework} --python PATH --code FOLDER` names one that is there."
    return f"`host bootstrap {host}{'' if profile == USUAL else f' --environment {profile}'}` builds one."


def load(name: str, *, folder: Path = PROFILES) -> Profile:
    """The profile called ``name``. Raises RequestError for an unknown one, ConfigurationError for a wrong file."""
    path = folder / f"{name}.yaml"
    if path.parent != folder or not path.is_file():
        raise RequestError(f"There is no environment profile '{name}'. There are: {', '.join(profiles())}.")
    try:
        profile = Profile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        for distribution in (*profile.names, *filter(None, [profile.compiled_for])):
            profile.pinned(distribution)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"The environment profile {path} is wrong: {error}") from error
    return profile


def requirements(name: str, *, folder: Path = PROFILES) -> dict[str, object]:
    """The profile frozen for a BootstrapSpec: its whole text with the key and hash that name its folder on a host."""
    profile = load(name, folder=folder)
    content = profile.model_dump(mode="json", exclude_none=True)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    wheels_for = profile.pinned(profile.compiled_for) if profile.compiled_for else "any"
    key = "_".join(profile.pinned(each) for each in profile.names)
    return {**content, "name": name, "key": key, "hash": digest[:8], "wheels_for": wheels_for, "pinned": sorted(profile.pins())}


def launch_plan(frozen: Mapping[str, object]) -> LaunchPlan:
    """What a bootstrap executes in its attempt's directory: the host scripts and the frozen profile beside them."""
    files = {script: (_HOST_SCRIPTS / script).read_bytes() for script in _SHIPPED}
    framework = all_frameworks().get(str(frozen["framework"]))
    if framework:
        files["prepare_program"] = packed(framework.prepare_program)
    files["profile.json"] = json.dumps(frozen, indent=1).encode()
    return LaunchPlan(argv=("/bin/sh", "bootstrap.sh", "profile.json"), files=files)


def look_plan(declared: DeclaredEnvironment, framework: Framework, *, python: str) -> LaunchPlan:
    """What looks at a declared environment, as its launches will find it: ``host/declared.py``, run by the host's own Python."""
    asked = {"framework": declared.framework, "python": declared.python, "code": declared.code}
    files = {
        "declared.py": (_HOST_SCRIPTS / "declared.py").read_bytes(), "prepare_program": packed(framework.prepare_program),
        "declared.json": json.dumps(asked).encode(),
    }
    return LaunchPlan((python, "declared.py", "declared.json"), variables=declared.variables, files=files, setup=declared.setup)


def cache_folder() -> Path:
    """Where environments and wheels lie on this machine; the host scripts compute the same."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "signalbox"


def find_ready(name: str, *, folder: Path = PROFILES) -> Environment | None:
    """The finished environment of a profile on this machine, of the most wanted Python; None when there is none."""
    frozen = requirements(name, folder=folder)
    for python in load(name, folder=folder).pythons:
        place = cache_folder() / "environments" / f"{frozen['key']}_py{python}-{frozen['hash']}" / "READY"
        try:
            ready = Ready.model_validate_json(place.read_bytes())
        except (OSError, ValidationError):
            continue
        if os.access(ready.python, os.X_OK):
            return ready.environment("local")
    return None
