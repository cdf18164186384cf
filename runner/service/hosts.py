"""What people ask of hosts. Nothing here speaks to one: the runner does, and keeps what it saw."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from sqlite_utils import Database

from runner.entities import Environment, Gpu, Host, Lease, Run, TransportName
from runner.errors import RequestError
from runner.executors import executors
from runner.queueing.facts import Lock
from runner.service.house import House, Requester
from runner.settings import Role
from runner.specs import Turn
from runner.states import Reason
from runner.store import events, hosts, locks, runs

USUAL_KEY = "~/.ssh/id_ed25519"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_ADDRESS = re.compile(r"(?P<user>[A-Za-z0-9._-]{1,64})@(?P<address>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\])(?::(?P<port>\d{1,5}))?")
_HOST_KEY = re.compile(r"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]{40,1000}={0,2}")

_PEER_ADDRESS = re.compile(r"[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:]{2,45}")
_INTERFACE = re.compile(r"[\^=]{0,2}[A-Za-z0-9._-]{1,15}(?:,[A-Za-z0-9._-]{1,15}){0,7}")
_PARTITION = re.compile(r"[A-Za-z0-9._,+-]{1,200}")
_OURS = frozenset({"--wrap", "--comment", "--chdir", "--output", "--error", "--open-mode", "--requeue", "--array", "--parsable", "--nodes"})


@dataclass(frozen=True, slots=True)
class HostView:
    """A host as lists show it: what it last said of itself, its environments, which runs hold its devices, and what people have locked.
    ``until`` is when runs will be done, as far as anybody knows and was asked."""

    host: Host
    resources: Mapping[str, object]
    environments: Sequence[Environment]
    leases: Sequence[Lease]
    devices: int
    until: Mapping[str, datetime]
    locks: Sequence[Lock]
    gpus: Sequence[Gpu]


def names(house: House) -> list[str]:
    """The hosts there are, in order."""
    return [host.name for host in hosts.all_hosts(house.store.reading())]


def all_hosts(house: House, until: Mapping[str, datetime] = MappingProxyType({})) -> list[HostView]:
    """Every host, by name, in one moment."""
    with house.store.snapshot() as db:
        held, locked = hosts.leases(db), locks.all_locks(db, now=house.now())
        return [_view(db, host, held, locked, until) for host in hosts.all_hosts(db)]


def host_view(house: House, name: str, until: Mapping[str, datetime] = MappingProxyType({})) -> HostView:
    """One host; RequestError names those there are."""
    with house.store.snapshot() as db:
        return _view(db, hosts.get(db, name), hosts.leases(db), locks.all_locks(db, now=house.now()), until)


ANY_TURN = Turn()


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody said of where and when a run shall be: a host as in :func:`where_to_run`, a number of GPUs (on each host), a number
    of hosts at once, or nothing; and what is asked of the queue."""

    host: str | None = None
    gpus: int | None = None
    turn: Turn = ANY_TURN
    hosts: int | None = None


@dataclass(frozen=True, slots=True)
class WhereToRun:
    """Where a run shall be: on any host that fits (None) or on this one, on so many GPUs in all or on these very devices; on several
    ``hosts`` at once, which are ``among`` these where they were named, and are led by ``host`` where it matters."""

    host: str | None
    gpus: int
    devices: tuple[str, ...] = ()
    hosts: int = 1
    among: tuple[str, ...] = ()


def where_to_run(house: House, wish: Wish) -> WhereToRun:
    """``gpu-1`` or, with the numbers of devices as nvidia-smi counts them (of CPU slots where it has no GPU), ``gpu-1:2,3``; or UUIDs;
    or several hosts, ``gpu-1,gpu-2``.

    RequestError for a host, a number or a count that does not fit what is there.
    """
    host, gpus = wish.host, wish.gpus
    if (wish.hosts or 1) > 1 or "," in (host or "").partition(":")[0]:
        return _several_hosts(house, wish)
    if host is None:
        return WhereToRun(None, 1 if gpus is None else gpus)
    name, colon, numbers = host.partition(":")
    with house.store.snapshot() as db:
        known = {str(gpu.index): gpu.uuid for gpu in hosts.devices(db, hosts.get(db, name))}
    if not colon:
        return WhereToRun(name, 1 if gpus is None else gpus)
    wanted = [known.get(each.strip(), each.strip()) for each in numbers.split(",")]
    if not all(wanted) or len(set(wanted)) < len(wanted):
        twice = "names a device twice" if all(wanted) else "names no devices"
        raise RequestError(f"{host!r} {twice}; write their numbers behind the host, as in {name}:2,3.")
    if not known:
        raise RequestError(f"{name} has not said yet which devices it has; `host check {name}` tells how it is.")
    lacking = [each for each in wanted if each not in known.values()]
    if lacking:
        has = ", ".join(f"{number} ({uuid})" for number, uuid in known.items())
        raise RequestError(f"{name} has no device {', '.join(lacking)}; it has {has}.")
    if gpus is not None and gpus != len(wanted):
        raise RequestError(f"{host} names {len(wanted)} of the devices, but --gpus says {gpus}; leave --gpus out, or make them agree.")
    return WhereToRun(name, len(wanted), tuple(wanted))


def _several_hosts(house: House, wish: Wish) -> WhereToRun:
    named = [] if wish.host is None else [name.strip() for name in wish.host.split(",")]
    count, gpus = wish.hosts or len(named), 1 if wish.gpus is None else wish.gpus
    if gpus == 0:
        raise RequestError("A run on several hosts needs at least one GPU, or CPU slot, on each; leave `--gpus 0` out.")
    if len(set(named)) < len(named) or any(":" in name for name in named):
        raise RequestError(f"{wish.host!r} names a host twice, or devices; for several hosts write their names alone: gpu-1,gpu-2.")
    if 1 < len(named) < count or (len(named) > 1 and count == 1):
        raise RequestError(f"{wish.host} names {len(named)} hosts, and --hosts says {count}; leave --hosts out, or make them agree.")
    with house.store.snapshot() as db:
        clusters = [name for name in named if hosts.get(db, name).executor == "slurm"]
    if clusters:
        raise RequestError(f"{clusters[0]} is a cluster, which spreads a run itself: leave --hosts out, and ask for all GPUs with --gpus.")
    first = named[0] if named and len(named) in (1, count) else None
    return WhereToRun(first, gpus * count, hosts=count, among=tuple(named) if len(named) > 1 else ())


@dataclass(frozen=True, slots=True)
class Peers:
    """How the other hosts of a run reach a host: by this address, at this network interface of its own; None: as it was."""

    address: str | None = None
    interface: str | None = None

    def checked(self) -> Peers:
        """The same, or RequestError for what can be neither."""
        if self.address and not _PEER_ADDRESS.fullmatch(self.address):
            raise RequestError(f"{self.address!r} is no address; write a name or an IP address alone, as in 10.0.0.7.")
        if self.interface and not _INTERFACE.fullmatch(self.interface):
            raise RequestError(f"{self.interface!r} cannot name network interfaces; write what `ip link` lists there, as in eth1.")
        return self


@dataclass(frozen=True, slots=True)
class Held:
    """How programs are held on a host; ``partition`` and ``options`` (words for sbatch) are a cluster's."""

    executor: str = "screen"
    partition: str = ""
    options: str = ""

    def checked(self) -> Held:
        """The same, or RequestError for what no host can be."""
        if self.executor not in executors():
            raise RequestError(f"There is no executor {self.executor!r}; there are {', '.join(sorted(executors()))}.")
        if self.executor == "screen" and (self.partition or self.options):
            raise RequestError("A partition and options for sbatch are for clusters only; add `--executor slurm`.")
        if self.partition and not _PARTITION.fullmatch(self.partition):
            raise RequestError(f"{self.partition!r} cannot name a partition of Slurm.")
        try:
            words = shlex.split(self.options)
        except ValueError as error:
            raise RequestError(f"The options for sbatch cannot be read ({error}): {self.options}") from error
        strange = [word for word in words if not word.startswith("--") or word.split("=")[0] in _OURS]
        if strange:
            raise RequestError(f"{strange[0]!r} cannot be given to sbatch: write --name=value, and none that the run itself sets.")
        return self


def add(  # noqa: PLR0913 - each of them an option of the verb
    house: House, who: Requester, *, name: str, login: str, host_key: str,
    key_path: str | None = None, root: str | None = None, slots: int | None = None, held: Held | None = None, peers: Peers = Peers(),
) -> Host:
    """Keep a host reached as ``user@address[:port]``, or change how one is reached: what is not given stays. Its public key is pinned.

    RequestError names the part that is wrong; nothing is sent to the host here.
    """
    who.must_be(Role.OPERATOR, "add hosts")
    if not _NAME.fullmatch(name):
        raise RequestError(f"{name!r} cannot name a host: lower-case letters, digits, dot, dash and underscore, at most 40.")
    if name == TransportName.LOCAL.value:
        raise RequestError("`local` is this machine and always there; give the host another name.")
    parts = _ADDRESS.fullmatch(login)
    if parts is None or not 0 < int(parts["port"] or 22) < 65536:
        raise RequestError(f"{login!r} is no login; write user@address or user@address:port, as in train@gpu1.example.com:2222.")
    pinned = " ".join(host_key.split()[:2])
    if not _HOST_KEY.fullmatch(pinned):
        raise RequestError(
            "The host key must be one public key, as in `ssh-ed25519 AAAA…`. "
            f"`ssh-keyscan -t ed25519 {parts['address']}` prints it; compare it with the host's own before you trust it."
        )
    if root is not None and not root.startswith("/"):
        raise RequestError(f"The folder on the host must be absolute; {root!r} is not.")
    user, known = parts["user"], peers.checked()
    with house.store.writing() as db:
        before = next((host for host in hosts.all_hosts(db) if host.name == name and host.user == user), None)
        how = held.checked() if held else Held(before.executor, before.partition, before.options) if before else Held()
        hosts.put(db, Host(
            name, TransportName.SSH, root or (before.root if before else _usual_root(user)),
            address=parts["address"].strip("[]"), port=int(parts["port"] or 22), user=user,
            key_path=key_path or (before.key_path if before else USUAL_KEY), host_key=pinned,
            slots=slots or (before.slots if before else 1), executor=how.executor, partition=how.partition, options=how.options,
            peer_address=before.peer_address if known.address is None and before else known.address or "",
            peer_interface=before.peer_interface if known.interface is None and before else known.interface or "",
        ))
        events.record(db, "audit", at=house.now(), actor=who.person, payload={"host added": name, "login": login})
        return hosts.get(db, name)


def _usual_root(user: str) -> str:
    return "/root/.signalbox" if user == "root" else f"/home/{user}/.signalbox"


def add_local(house: House, *, name: str, root: str) -> Host:
    """Keep this machine as one more host, without ssh: for a demonstration where no sshd can be installed."""
    with house.store.writing() as db:
        hosts.put(db, Host(name, TransportName.LOCAL, root))
        return hosts.get(db, name)


def must_be_removable(house: House, who: Requester, name: str) -> Host:
    """The host, where this person may forget it now; RequestError names the runs that are still on it."""
    who.must_be(Role.ADMIN, "remove hosts")
    with house.store.snapshot() as db:
        host = hosts.get(db, name)
        busy = _runs_on(db, name)
    if host.transport is TransportName.LOCAL:
        raise RequestError(f"{name} is this machine; it cannot be removed.")
    if busy:
        raise RequestError(f"{name} still has {', '.join(run.id for run in busy)}. Stop these first, or wait for their end.")
    return host


def remove(house: House, who: Requester, name: str) -> Host:
    """Forget a host and its environments. Nothing on the host is touched."""
    with house.store.writing() as db:
        host = must_be_removable(house, who, name)
        hosts.remove(db, name)
        events.record(db, "audit", at=house.now(), actor=who.person, payload={"host removed": name})
        return host


def _runs_on(db: Database, name: str) -> list[Run]:
    """Runs that keep a host; not those that somebody has given up and whose host does not answer as itself any more."""
    leased = {lease.run_id for lease in hosts.leases(db) if lease.host == name}
    on_it = [run for run in runs.live(db) if run.host == name or run.id in leased]
    return [run for run in on_it if run.stop_requested_by is None or run.reason not in (Reason.UNREACHABLE, Reason.UNCLEAR)]


def _view(db: Database, host: Host, leases: Iterable[Lease], locked: Iterable[Lock], until: Mapping[str, datetime]) -> HostView:
    gpus, held = hosts.devices(db, host), [lease for lease in leases if lease.host == host.name]
    return HostView(
        host, hosts.resources(db, host.name), hosts.environments(db, host=host.name), held, len(gpus), until,
        [lock for lock in locked if lock.host == host.name], gpus,
    )
