"""Hosts, their environments, their devices, and who holds which device."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from sqlite3 import Row
from typing import Any

from sqlite_utils import Database

from runner.entities import Environment, FreeDisk, Gpu, Host, Lease, Run, TransportName
from runner.errors import RequestError
from runner.evidence import Identity, Resources
from runner.store.connection import required_time, to_text, to_time


def put(db: Database, host: Host) -> None:
    """Add a host, or change how it is reached; what was observed of it stays."""
    db.conn.execute(
        "INSERT INTO hosts (name, transport, root, address, port, user, key_path, host_key, slots, drained, python, executor,"
        " partition, options, peer_address, peer_interface) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET transport = excluded.transport, root = excluded.root,"
        " address = excluded.address, port = excluded.port, user = excluded.user, key_path = excluded.key_path,"
        " host_key = excluded.host_key, slots = excluded.slots, python = coalesce(excluded.python, python),"
        " executor = excluded.executor, partition = excluded.partition, options = excluded.options,"
        " peer_address = excluded.peer_address, peer_interface = excluded.peer_interface",
        (host.name, host.transport.value, host.root, host.address, host.port, host.user, host.key_path, host.host_key,
         host.slots, int(host.drained), host.python, host.executor, host.partition, host.options, host.peer_address, host.peer_interface),
    )


def get(db: Database, name: str) -> Host:
    """The host of that name; RequestError names those there are."""
    host = find(db, name)
    if host is None:
        known = ", ".join(host.name for host in all_hosts(db)) or "none yet"
        raise RequestError(f"There is no host {name}. Known hosts: {known}. `host add {name} user@address` adds one.")
    return host


def find(db: Database, name: str) -> Host | None:
    """The host of that name, where there is one."""
    row = db.conn.execute("SELECT * FROM hosts WHERE name = ?", (name,)).fetchone()
    return None if row is None else _host(row)


def all_hosts(db: Database) -> list[Host]:
    """Every host, by name."""
    return [_host(row) for row in db.conn.execute("SELECT * FROM hosts ORDER BY name")]


def remove(db: Database, name: str) -> None:
    """Forget a host and its environments."""
    db.conn.execute("DELETE FROM declarations WHERE host = ?", (name,))
    for table in ("sent", "locks", "laid"):
        db.conn.execute(f"DELETE FROM {table} WHERE host = ?", (name,))  # noqa: S608
    db.conn.execute("DELETE FROM environments WHERE host = ?", (name,))
    db.conn.execute("DELETE FROM hosts WHERE name = ?", (name,))


def drain(db: Database, name: str, *, by: str | None, now: datetime) -> None:
    """Note who lets nothing new start on a host, None that it takes runs again; what runs there goes on."""
    db.conn.execute(
        "UPDATE hosts SET drained = ?, drained_by = ?, drained_at = ? WHERE name = ?",
        (int(by is not None), by, to_text(now) if by is not None else None, name),
    )


def note_identity(db: Database, name: str, identity: Identity, *, now: datetime) -> None:
    """Keep which machine answered."""
    db.conn.execute(
        "UPDATE hosts SET machine_id = ?, host_name = ?, boot_id = ?, python = coalesce(python, ?), seen_at = ?, trouble = ''"
        " WHERE name = ?",
        (identity.machine_id, identity.host_name, identity.boot_id, identity.python, to_text(now), name),
    )


def note_seen(db: Database, name: str, *, now: datetime, host_time: datetime | None = None) -> None:
    """Keep that the host lives, and what its own clock says."""
    db.conn.execute("UPDATE hosts SET seen_at = ?, host_time = ?, trouble = '' WHERE name = ?", (to_text(now), to_text(host_time), name))


def note_trouble(db: Database, name: str, trouble: str) -> None:
    """Keep why the host does not answer, and count it."""
    db.conn.execute("UPDATE hosts SET trouble = ?, failures = failures + 1 WHERE name = ?", (trouble, name))


def note_resources(db: Database, resources: Resources, *, now: datetime | None = None) -> None:
    """Keep what the host last said of its devices, disk and load, and when."""
    said = {**asdict(resources), "at": to_text(now)}
    db.conn.execute("UPDATE hosts SET resources = ? WHERE name = ?", (json.dumps(said), resources.host))


def disk(db: Database, name: str) -> FreeDisk | None:
    """What is free on the disk that holds a host's folder; None before it said so."""
    said = resources(db, name)
    if not said.get("disk_total_bytes"):
        return None
    return FreeDisk(int(str(said["disk_free_bytes"])), to_time(str(said["at"]) if said.get("at") else None))


def note_sent(db: Database, host: str, dataset: str) -> None:
    """Note that a host holds all contents of a dataset (``fish@3``)."""
    db.conn.execute("INSERT OR IGNORE INTO sent (host, dataset) VALUES (?, ?)", (host, dataset))


def sent(db: Database, host: str) -> list[str]:
    """The datasets whose contents a host was sent."""
    return [row["dataset"] for row in db.conn.execute("SELECT dataset FROM sent WHERE host = ? ORDER BY dataset", (host,))]


def resources(db: Database, name: str) -> dict[str, object]:
    """What the host last said of itself, as plain values; empty before it spoke."""
    row = db.conn.execute("SELECT resources FROM hosts WHERE name = ?", (name,)).fetchone()
    return json.loads(row["resources"]) if row and row["resources"] else {}


def devices(db: Database, host: Host) -> list[Gpu]:
    """A host's GPUs; where it has none, its CPU slots as devices ``cpu:0``…; nothing before it said which, or while they do not answer."""
    said = resources(db, host.name).get("devices")
    if not isinstance(said, list):
        return []
    found = [
        Gpu(host.name, item["uuid"], item["index"], item["name"], item["memory_mib"], item["used_mib"], _foreign(item.get("processes")),
            item.get("broken", ""), item.get("utilization_percent"), item.get("temperature_c"))
        for item in said
    ]
    return found or [Gpu(host.name, f"cpu:{slot}", slot, "CPU slot", 0) for slot in range(host.slots)]


def put_environment(db: Database, environment: Environment) -> None:
    """Add or replace an environment on a host."""
    db.conn.execute(
        "INSERT OR REPLACE INTO environments (host, name, framework, python, code, fingerprint, setup, variables)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (environment.host, environment.name, environment.framework, environment.python, environment.code,
         environment.fingerprint, json.dumps(environment.setup), json.dumps(dict(environment.variables))),
    )


def remove_environment(db: Database, host: str, name: str) -> None:
    """Forget an environment of a host."""
    db.conn.execute("DELETE FROM environments WHERE host = ? AND name = ?", (host, name))


def environments(db: Database, *, framework: str | None = None, host: str | None = None) -> list[Environment]:
    """The environments there are, of one framework or host where given."""
    rows = db.conn.execute(
        "SELECT * FROM environments WHERE (? IS NULL OR framework = ?) AND (? IS NULL OR host = ?) ORDER BY host, name",
        (framework, framework, host, host),
    )
    return [
        Environment(row["host"], row["name"], row["framework"], row["python"], row["code"], row["fingerprint"],
                    tuple(json.loads(row["setup"])), json.loads(row["variables"]))
        for row in rows
    ]


def lease(db: Database, run: Run, host: str, devices: Iterable[str], *, now: datetime) -> None:
    """Claim devices for a run; sqlite3.IntegrityError when one is taken, which undoes the transaction."""
    db.conn.executemany(
        "INSERT INTO leases (host, device, run_id, since) VALUES (?, ?, ?, ?)",
        [(host, device, run.id, to_text(now)) for device in devices],
    )


def release(db: Database, run_id: str) -> None:
    """Give back what a run holds, before its end: nothing of it needs a device any more."""
    db.conn.execute("DELETE FROM leases WHERE run_id = ?", (run_id,))


def leases(db: Database, run_id: str | None = None) -> list[Lease]:
    """Who holds what."""
    rows = db.conn.execute("SELECT * FROM leases WHERE (? IS NULL OR run_id = ?) ORDER BY host, device", (run_id, run_id))
    return [Lease(row["run_id"], row["host"], row["device"], required_time(row["since"])) for row in rows]


def _foreign(processes: list[dict[str, Any]] | None) -> tuple[tuple[str, int], ...] | None:
    """(user, MiB) of programs that belong to no attempt, one a user; None where the driver names none."""
    if processes is None:
        return None
    return tuple((each["user"], each["used_mib"]) for each in processes if not each["attempt"])


def _host(row: Row) -> Host:
    return Host(
        name=row["name"], transport=TransportName(row["transport"]), root=row["root"], address=row["address"], port=row["port"],
        user=row["user"], key_path=row["key_path"], host_key=row["host_key"], slots=row["slots"], drained=bool(row["drained"]),
        machine_id=row["machine_id"], host_name=row["host_name"], boot_id=row["boot_id"], python=row["python"],
        seen_at=to_time(row["seen_at"]), trouble=row["trouble"],
        executor=row["executor"], partition=row["partition"], options=row["options"], host_time=to_time(row["host_time"]),
        peer_address=row["peer_address"], peer_interface=row["peer_interface"],
        drained_by=row["drained_by"] or "", drained_at=to_time(row["drained_at"]),
    )
