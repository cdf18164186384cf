"""The schema, as numbered migrations (sqlite-utils' own)."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from runner.store.first_schema import FIRST

migrations = Migrations("signalbox")

_WAYS_IN = """
ALTER TABLE work_steps ADD COLUMN unit TEXT NOT NULL DEFAULT '';
ALTER TABLE work_steps ADD COLUMN rate REAL;
ALTER TABLE uploads ADD COLUMN format TEXT;
"""

_FILES_AND_RECALLS = """
ALTER TABLE checkpoints ADD COLUMN size_bytes INTEGER;
ALTER TABLE checkpoints ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE evaluations ADD COLUMN recall TEXT NOT NULL DEFAULT '{}';
"""

_OWN_PRESETS = """
CREATE TABLE presets (
    name TEXT NOT NULL, version INTEGER NOT NULL, preset TEXT NOT NULL, made_by TEXT NOT NULL, made_at TEXT NOT NULL,
    removed_at TEXT, PRIMARY KEY (name, version));
CREATE TABLE declarations (
    host TEXT NOT NULL REFERENCES hosts(name), name TEXT NOT NULL, declared TEXT NOT NULL, run_id TEXT NOT NULL REFERENCES runs(id),
    PRIMARY KEY (host, name));
"""

_WAITING_LINES = """
CREATE TABLE waiting_lines (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, line TEXT NOT NULL, owner TEXT NOT NULL, channel TEXT NOT NULL, thread TEXT, files TEXT NOT NULL,
    settled_at TEXT);
"""

_QUEUE = """
ALTER TABLE runs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN queue_place REAL;
ALTER TABLE runs ADD COLUMN held_by TEXT;
ALTER TABLE runs ADD COLUMN stop_reason TEXT;
ALTER TABLE runs ADD COLUMN preempted_for TEXT;
ALTER TABLE runs ADD COLUMN preempted_at TEXT;
ALTER TABLE runs ADD COLUMN limit_told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN devices INTEGER NOT NULL DEFAULT 0;
CREATE INDEX attempts_by_end ON attempts(ended_at) WHERE devices > 0;
CREATE INDEX trainings_of_preset ON runs(json_extract(spec, '$.preset.name'), created_at) WHERE kind = 'train';
CREATE TABLE locks (
    host TEXT NOT NULL, device TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL, until TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (host, device));
"""

_CLUSTERS = """
ALTER TABLE hosts ADD COLUMN executor TEXT NOT NULL DEFAULT 'screen';
ALTER TABLE hosts ADD COLUMN partition TEXT NOT NULL DEFAULT '';
ALTER TABLE hosts ADD COLUMN options TEXT NOT NULL DEFAULT '';
"""

_ACCESS = """
CREATE TABLE group_members (group_id TEXT NOT NULL, person TEXT NOT NULL, PRIMARY KEY (group_id, person));
CREATE TABLE confirmations (id TEXT PRIMARY KEY, line TEXT NOT NULL, person TEXT NOT NULL, asked_at TEXT NOT NULL, settled_at TEXT);
ALTER TABLE runs ADD COLUMN approved_by TEXT;
CREATE INDEX requests_by_time ON requests(at);
"""

_OVERLAPS = """
ALTER TABLE runs ADD COLUMN request_id TEXT;
CREATE INDEX runs_of_request ON runs(request_id) WHERE request_id IS NOT NULL;
ALTER TABLE schedules ADD COLUMN overlap TEXT NOT NULL DEFAULT 'skip';
ALTER TABLE schedules ADD COLUMN until TEXT;
ALTER TABLE schedules ADD COLUMN skip_due_at TEXT;
"""

_CHAMPIONS = """
CREATE TABLE champions (
    id INTEGER PRIMARY KEY, preset TEXT NOT NULL, dataset TEXT NOT NULL, run_id TEXT NOT NULL REFERENCES runs(id), at TEXT NOT NULL,
    by TEXT NOT NULL, why TEXT NOT NULL, withdrawn_at TEXT);
CREATE TABLE retrainings (
    run_id TEXT PRIMARY KEY REFERENCES runs(id), preset TEXT NOT NULL, dataset TEXT NOT NULL, inputs TEXT NOT NULL, test TEXT NOT NULL,
    split TEXT, rule TEXT NOT NULL, champion_id TEXT REFERENCES runs(id), eval_id TEXT REFERENCES runs(id),
    champion_eval_id TEXT REFERENCES runs(id), verdict TEXT, why TEXT NOT NULL, settled_at TEXT);
"""

_TELLING = """
CREATE TABLE sent (host TEXT NOT NULL, dataset TEXT NOT NULL, PRIMARY KEY (host, dataset));
INSERT OR IGNORE INTO sent SELECT attempts.host, json_extract(spec, '$.dataset.name') || '@' || json_extract(spec, '$.dataset.version')
    FROM attempts JOIN runs ON runs.id = attempts.run_id WHERE attempts.staged = 1 AND json_extract(spec, '$.dataset.name') IS NOT NULL
    AND kind IN ('train', 'eval', 'predict');
ALTER TABLE locks ADD COLUMN channel TEXT;
ALTER TABLE locks ADD COLUMN thread TEXT;
ALTER TABLE hosts ADD COLUMN drained_by TEXT;
ALTER TABLE hosts ADD COLUMN drained_at TEXT;
"""

_TRIGGERS = """
CREATE TABLE triggers (
    id TEXT PRIMARY KEY, words TEXT NOT NULL, command TEXT NOT NULL, owner TEXT NOT NULL, channel TEXT, created_at TEXT NOT NULL,
    cooldown_s REAL NOT NULL, dry_run INTEGER NOT NULL, paused INTEGER NOT NULL DEFAULT 0, after_event INTEGER NOT NULL);
CREATE TABLE trigger_firings (
    trigger_id TEXT NOT NULL REFERENCES triggers(id), key TEXT NOT NULL, at TEXT NOT NULL, outcome TEXT NOT NULL, command TEXT NOT NULL,
    because TEXT NOT NULL, taken_at TEXT, PRIMARY KEY (trigger_id, key));
"""

_SUBSCRIPTIONS = """
CREATE TABLE subscriptions (
    place TEXT NOT NULL, what TEXT NOT NULL, levels TEXT NOT NULL, made_by TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (place, what));
CREATE TABLE hours (
    place TEXT PRIMARY KEY, zone TEXT NOT NULL, quiet_from TEXT, quiet_until TEXT, digest_at TEXT, digest_on TEXT);
CREATE INDEX deliveries_held ON deliveries(channel, seq) WHERE state = 'held';
"""

# A primary key cannot be changed in place.
_SEVERAL_HOSTS = """
ALTER TABLE hosts ADD COLUMN peer_address TEXT NOT NULL DEFAULT '';
ALTER TABLE hosts ADD COLUMN peer_interface TEXT NOT NULL DEFAULT '';
CREATE TABLE attempts_by_rank (
    run_id TEXT NOT NULL REFERENCES runs(id), number INTEGER NOT NULL, host TEXT NOT NULL,
    directory TEXT NOT NULL UNIQUE, session TEXT NOT NULL, created_at TEXT NOT NULL,
    claimed_at TEXT, pid INTEGER, process_start TEXT, boot_id TEXT,
    exit_code INTEGER, ended_at TEXT, fenced INTEGER NOT NULL DEFAULT 0,
    staged INTEGER NOT NULL DEFAULT 0,
    log_offset INTEGER NOT NULL DEFAULT 0, log_generation INTEGER NOT NULL DEFAULT 0, log_inode INTEGER NOT NULL DEFAULT 0,
    log_grown_at TEXT, oom_kills INTEGER, devices INTEGER NOT NULL DEFAULT 0,
    rank INTEGER NOT NULL DEFAULT 0, port INTEGER, stopped INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (run_id, number, rank));
INSERT INTO attempts_by_rank (run_id, number, host, directory, session, created_at, claimed_at, pid, process_start, boot_id,
    exit_code, ended_at, fenced, staged, log_offset, log_generation, log_inode, log_grown_at, oom_kills, devices)
    SELECT run_id, number, host, directory, session, created_at, claimed_at, pid, process_start, boot_id,
    exit_code, ended_at, fenced, staged, log_offset, log_generation, log_inode, log_grown_at, oom_kills, devices FROM attempts;
DROP TABLE attempts;
ALTER TABLE attempts_by_rank RENAME TO attempts;
CREATE INDEX attempts_by_end ON attempts(ended_at) WHERE devices > 0;
"""

_ALERTS = """
CREATE TABLE alert_state (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
CREATE TABLE silences (
    id TEXT PRIMARY KEY, matchers TEXT NOT NULL, starts_at TEXT NOT NULL, ends_at TEXT NOT NULL, creator TEXT NOT NULL,
    reason TEXT NOT NULL);
CREATE TABLE acks (alert TEXT PRIMARY KEY, person TEXT NOT NULL, at TEXT NOT NULL);
ALTER TABLE hosts ADD COLUMN host_time TEXT;
CREATE INDEX runs_by_end ON runs(ended_at) WHERE ended_at IS NOT NULL;
"""

# A revision is given anew with every change of a row, and never twice: who remembers the highest it has seen reads only what came after.
_REVISIONS = """
ALTER TABLE runs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_revision ON runs(revision);
CREATE TRIGGER run_added AFTER INSERT ON runs BEGIN
    UPDATE runs SET revision = (SELECT max(revision) + 1 FROM runs) WHERE rowid = NEW.rowid; END;
CREATE TRIGGER run_changed AFTER UPDATE ON runs WHEN NEW.revision = OLD.revision BEGIN
    UPDATE runs SET revision = (SELECT max(revision) + 1 FROM runs) WHERE rowid = NEW.rowid; END;
CREATE INDEX progress_by_epoch ON progress(run_id, epoch, attempt);
CREATE INDEX progress_by_memory ON progress(run_id, memory_mib);
CREATE INDEX trainings_begun ON runs(json_extract(spec, '$.preset.name'), created_at) WHERE kind = 'train' AND started_at IS NOT NULL;
"""

_LAID_AHEAD = """
CREATE TABLE laid (host TEXT NOT NULL, directory TEXT NOT NULL, run_id TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (host, directory));
"""

_OUTSIDE = """
CREATE TABLE hook_calls (key TEXT PRIMARY KEY, told_at TEXT NOT NULL);
CREATE INDEX hook_calls_by_time ON hook_calls(told_at);
ALTER TABLE hosts ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE heartbeats ADD COLUMN passes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE heartbeats ADD COLUMN passes_s REAL NOT NULL DEFAULT 0;
ALTER TABLE triggers ADD COLUMN most INTEGER;
CREATE INDEX runs_by_reason ON runs(reason);
CREATE INDEX runs_by_wait ON runs(priority, created_at, started_at) WHERE kind = 'train' AND started_at IS NOT NULL;
CREATE INDEX events_missed ON events(kind) WHERE kind = 'schedule_missed';
"""


@migrations()
def first_schema(db: Database) -> None:
    """Everything the first release keeps."""
    _carry_out(db, FIRST)


@migrations()
def ways_in(db: Database) -> None:
    """What is counted and how fast; the format that a person named for an upload."""
    _carry_out(db, _WAYS_IN)


@migrations()
def kills_for_memory(db: Database) -> None:
    """Whether the host's kernel killed for want of memory when an attempt ended."""
    _carry_out(db, "ALTER TABLE attempts ADD COLUMN oom_kills INTEGER;\n")


@migrations()
def files_and_recalls(db: Database) -> None:
    """How large a checkpoint is, and whether it is there no more; the recalls of proposals."""
    _carry_out(db, _FILES_AND_RECALLS)


@migrations()
def own_presets(db: Database) -> None:
    """Presets that people added, each version as it was; environments that people declared."""
    _carry_out(db, _OWN_PRESETS)


@migrations()
def waiting_lines(db: Database) -> None:
    """Command lines that wait for files which were shared with them."""
    _carry_out(db, _WAITING_LINES)


@migrations()
def queue(db: Database) -> None:
    """Priorities, moves and holds; how many devices an attempt had, for fair shares; locks on devices."""
    _carry_out(db, _QUEUE)


@migrations()
def clusters(db: Database) -> None:
    """Hosts that are clusters: how programs are held there, and what their own queue is asked for."""
    _carry_out(db, _CLUSTERS)


@migrations()
def overlaps(db: Database) -> None:
    """Which request asked for a run; what a schedule does while its runs of last time go on, and when it ends."""
    _carry_out(db, _OVERLAPS)


@migrations()
def access(db: Database) -> None:
    """Who is in a group, questions before something is lost, who approved a run; requests by time, for the audit."""
    _carry_out(db, _ACCESS)


@migrations()
def champions(db: Database) -> None:
    """The best known model of each preset and dataset, and the retrainings that challenge it."""
    _carry_out(db, _CHAMPIONS)


@migrations()
def telling(db: Database) -> None:
    """Which datasets were sent to a host; where a lock was asked for; who drained a host, and when."""
    _carry_out(db, _TELLING)


@migrations()
def triggers(db: Database) -> None:
    """Commands that are carried out when something happens, and what came of each time."""
    _carry_out(db, _TRIGGERS)


@migrations()
def requests_of_a_person(db: Database) -> None:
    """What somebody asked last fills in forms, and is looked for among all that was ever asked."""
    _carry_out(db, "CREATE INDEX requests_of_actor ON requests(actor, at);\n")


@migrations()
def several_hosts(db: Database) -> None:
    """Runs on several hosts: an attempt has a row for each; how hosts reach each other."""
    _carry_out(db, _SEVERAL_HOSTS)


@migrations()
def alerts(db: Database) -> None:
    """What was told of alerts, what people have muted, and the hosts' own clocks."""
    _carry_out(db, _ALERTS)


@migrations()
def subscriptions(db: Database) -> None:
    """Who wants to hear what, where; when not; and when all of it at once."""
    _carry_out(db, _SUBSCRIPTIONS)


@migrations()
def revisions(db: Database) -> None:
    """A number that tells which runs have changed; the points of a run by epoch; trainings that have begun, by preset."""
    _carry_out(db, _REVISIONS)


@migrations()
def outside_world(db: Database) -> None:
    """What was told through the hooks; what /metrics counts, where it has to be quick."""
    _carry_out(db, _OUTSIDE)


@migrations()
def rules(db: Database) -> None:
    """What people changed of alert rules, beside the settings."""
    _carry_out(db, "CREATE TABLE rules (name TEXT PRIMARY KEY, change TEXT NOT NULL, person TEXT NOT NULL, at TEXT NOT NULL);\n")


@migrations()
def published_champions(db: Database) -> None:
    """A retraining may publish what it promotes: as which preset, and the run that does it."""
    _carry_out(db, "ALTER TABLE retrainings ADD COLUMN publish TEXT;\nALTER TABLE retrainings ADD COLUMN export_id TEXT;\n")


@migrations()
def laid_ahead(db: Database) -> None:
    """Directories that were laid on hosts before their runs' turn."""
    _carry_out(db, _LAID_AHEAD)


@migrations()
def children(db: Database) -> None:
    """Which run goes on from which is asked for every failure of late: without this, of all runs there ever were."""
    _carry_out(db, "CREATE INDEX runs_of_parent ON runs(parent_id) WHERE parent_id IS NOT NULL;\n")


@migrations()
def links_of_cards(db: Database) -> None:
    """Where a card is found, for whatever speaks of its run."""
    _carry_out(db, "ALTER TABLE cards ADD COLUMN link TEXT;\n")


@migrations()
def grace(db: Database) -> None:
    """How late each schedule may still be carried out."""
    _carry_out(db, "ALTER TABLE schedules ADD COLUMN grace_s REAL NOT NULL DEFAULT 21600;\n")


def _carry_out(db: Database, statements: str) -> None:
    for statement in filter(str.strip, statements.split(";\n")):
        db.conn.execute(statement)
