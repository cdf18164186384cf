"""What people ask of training environments: built from a profile, or declared where a host has one already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from runner.entities import Environment, Run
from runner.environments import load, profiles, requirements
from runner.errors import RequestError
from runner.frameworks import find_framework
from runner.service.house import House, Requester
from runner.settings import Role
from runner.specs import BootstrapSpec, DeclaredEnvironment, Kind
from runner.store import declarations, events, hosts, runs

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class DeclaredView:
    """A declared environment and the run that looked at it last; ``environment`` None: it cannot be used (yet)."""

    name: str
    declared: DeclaredEnvironment
    run: Run
    environment: Environment | None


def submit_bootstrap(house: House, who: Requester, *, host: str, environment: str = "upstream") -> Run:
    """Queue the building of a training environment on a host; the run already doing so if there is one."""
    who.must_be(Role.OPERATOR, "build environments")
    load(environment)
    return _submit(house, who, BootstrapSpec(host=host, environment=environment, requirements=requirements(environment)))


def declare(house: House, who: Requester, *, host: str, name: str, declared: DeclaredEnvironment) -> Run:
    """Keep what somebody says of an environment on a host, and queue a look at it; it can be used once that ended well.

    RequestError for a name, a path or a variable that cannot be one; nothing is asked of the host here.
    """
    who.must_be(Role.OPERATOR, "declare environments")
    if not _NAME.fullmatch(name):
        raise RequestError(f"{name!r} cannot name an environment: lower-case letters, digits, dot, dash and underscore, at most 40.")
    if name in profiles():
        raise RequestError(f"{name} is what `host bootstrap` builds; give the declared environment another name.")
    find_framework(declared.framework, house.settings.extensions)
    paths = {"python": declared.python, "code": declared.code}
    wrong = [f"--{key} {path!r}" for key, path in paths.items() if path and not path.startswith("/")]
    wrong += [f"--set {variable}=" for variable in declared.variables if not _VARIABLE.fullmatch(variable)]
    if wrong:
        raise RequestError(f"{' and '.join(wrong)}: paths on the host must be absolute, variables have letters, digits and _ alone.")
    return _look(house, who, BootstrapSpec(host=host, environment=name, declared=declared))


def look_again(house: House, who: Requester, *, host: str, name: str) -> Run:
    """Queue another look at a declared environment."""
    who.must_be(Role.OPERATOR, "declare environments")
    known = {each.name: each for each in declared_on(house, host)}
    if name not in known:
        there = f" It has: {', '.join(known)}." if known else ""
        raise RequestError(f"{host} has no declared environment {name!r}.{there}")
    return _look(house, who, BootstrapSpec(host=host, environment=name, declared=known[name].declared))


def must_be_forgettable(house: House, who: Requester, *, host: str, name: str) -> bool:
    """Whether an environment that this person may forget now was declared; RequestError while runs need it, with their ids."""
    who.must_be(Role.OPERATOR, "forget environments")
    with house.store.snapshot() as db:
        hosts.get(db, host)
        known = {each.name: each.fingerprint for each in hosts.environments(db, host=host)}
        named = {each.name for each in declarations.on_host(db, host)}
        if name not in known and name not in named:
            raise RequestError(f"{host} has no environment {name!r}. It has: {', '.join(sorted({*known, *named})) or 'none'}.")
        needed = [run.id for run in runs.live(db) if _needs(run, host, name, known.get(name))]
        if needed:
            raise RequestError(f"{name} on {host} is needed by {', '.join(needed)}. Stop these first, or wait for their end.")
    return name in named


def forget(house: House, who: Requester, *, host: str, name: str) -> None:
    """Forget an environment of a host; nothing on the host is touched. RequestError while runs need it, with their ids."""
    with house.store.writing() as db:
        must_be_forgettable(house, who, host=host, name=name)
        declarations.remove(db, host, name)
        hosts.remove_environment(db, host, name)
        events.record(db, "audit", at=house.now(), actor=who.person, payload={"environment forgotten": name, "host": host})


def declared_on(house: House, host: str) -> Sequence[DeclaredView]:
    """The declared environments of a host, by name."""
    with house.store.snapshot() as db:
        ready = {each.name: each for each in hosts.environments(db, host=host)}
        return [
            DeclaredView(each.name, each.declared, runs.get(db, each.run_id), ready.get(each.name))
            for each in declarations.on_host(db, host)
        ]


def _needs(run: Run, host: str, name: str, fingerprint: str | None) -> bool:
    if isinstance(run.spec, BootstrapSpec):
        return (run.spec.host, run.spec.environment) == (host, name)
    return run.host == host and fingerprint is not None and (run.prepared or {}).get("environment") == fingerprint


def _look(house: House, who: Requester, spec: BootstrapSpec) -> Run:
    assert spec.declared is not None
    with house.store.writing() as db:
        run = _submit(house, who, spec)
        declarations.put(db, spec.host, spec.environment, spec.declared, run_id=run.id)
        return run


def _submit(house: House, who: Requester, spec: BootstrapSpec) -> Run:
    with house.store.writing() as db:
        hosts.get(db, spec.host)
        return _at_it(db, spec) or runs.submit(
            db, spec, owner=who.person, place=who.place, now=house.now(), request_id=who.request_id
        )


def _at_it(db: Database, spec: BootstrapSpec) -> Run | None:
    """The run that does the very same already. RequestError where it does something else of the same name."""
    for run in runs.live(db, Kind.BOOTSTRAP):
        if isinstance(run.spec, BootstrapSpec) and (run.spec.host, run.spec.environment) == (spec.host, spec.environment):
            if run.spec.declared != spec.declared:
                raise RequestError(f"{run.id} is just looking at {spec.environment} on {spec.host}; wait for its end, or stop it.")
            return run
    return None
