"""The first schema, as the first migration makes it. What came later is in the migrations after it."""

from __future__ import annotations

FIRST = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, nonce TEXT NOT NULL, kind TEXT NOT NULL, spec TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL, channel TEXT, thread TEXT, parent_id TEXT REFERENCES runs(id),
    host TEXT, attempt INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, started_at TEXT, ended_at TEXT,
    stop_requested_by TEXT, prepared TEXT, retry_at TEXT, result TEXT, diagnosis TEXT);
CREATE INDEX runs_live ON runs(state) WHERE state IN ('PENDING', 'RUNNING');
CREATE INDEX runs_newest ON runs(created_at);

CREATE TABLE attempts (
    run_id TEXT NOT NULL REFERENCES runs(id), number INTEGER NOT NULL, host TEXT NOT NULL,
    directory TEXT NOT NULL UNIQUE, session TEXT NOT NULL, created_at TEXT NOT NULL,
    claimed_at TEXT, pid INTEGER, process_start TEXT, boot_id TEXT,
    exit_code INTEGER, ended_at TEXT, fenced INTEGER NOT NULL DEFAULT 0,
    staged INTEGER NOT NULL DEFAULT 0,
    log_offset INTEGER NOT NULL DEFAULT 0, log_generation INTEGER NOT NULL DEFAULT 0, log_inode INTEGER NOT NULL DEFAULT 0,
    log_grown_at TEXT, PRIMARY KEY (run_id, number));

CREATE TABLE leases (
    host TEXT NOT NULL, device TEXT NOT NULL, run_id TEXT NOT NULL REFERENCES runs(id), since TEXT NOT NULL,
    PRIMARY KEY (host, device));

CREATE TABLE progress (
    id INTEGER PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs(id), attempt INTEGER NOT NULL, at TEXT NOT NULL,
    epoch INTEGER NOT NULL, iteration INTEGER NOT NULL, iterations INTEGER NOT NULL,
    loss REAL, lr REAL, eta_s REAL, step_s REAL, memory_mib INTEGER, "values" TEXT NOT NULL);
CREATE INDEX progress_of_run ON progress(run_id, id);

CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs(id), attempt INTEGER NOT NULL, at TEXT NOT NULL,
    epoch INTEGER NOT NULL, task TEXT NOT NULL, ap REAL, ap50 REAL, ap75 REAL, ap_small REAL, ap_medium REAL, ap_large REAL,
    per_class TEXT NOT NULL);
CREATE INDEX evaluations_of_run ON evaluations(run_id, id);

CREATE TABLE checkpoints (
    run_id TEXT NOT NULL REFERENCES runs(id), attempt INTEGER NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL,
    best INTEGER NOT NULL, at TEXT NOT NULL, PRIMARY KEY (run_id, attempt, name));

CREATE TABLE work_steps (run_id TEXT PRIMARY KEY REFERENCES runs(id), phase TEXT NOT NULL, done INTEGER NOT NULL,
    total INTEGER, at TEXT NOT NULL);

CREATE TABLE events (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, run_id TEXT, actor TEXT, payload TEXT NOT NULL);
CREATE INDEX events_of_run ON events(run_id, id);

CREATE TABLE requests (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, door TEXT NOT NULL, actor TEXT NOT NULL, text TEXT NOT NULL, answer TEXT);

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, event_id INTEGER, channel TEXT NOT NULL, run_id TEXT, kind TEXT NOT NULL,
    body TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, not_before TEXT, ts TEXT,
    error TEXT, created_at TEXT NOT NULL, sent_at TEXT);
CREATE INDEX deliveries_owed ON deliveries(channel, seq) WHERE state IN ('owed', 'sending');

CREATE TABLE cards (
    run_id TEXT NOT NULL REFERENCES runs(id), part TEXT NOT NULL, channel TEXT NOT NULL, ts TEXT, sent_digest TEXT, sent_at TEXT,
    PRIMARY KEY (run_id, part));

CREATE TABLE cursors (name TEXT PRIMARY KEY, value INTEGER NOT NULL);

CREATE TABLE heartbeats (process TEXT PRIMARY KEY, at TEXT NOT NULL, pid INTEGER NOT NULL);

CREATE TABLE hosts (
    name TEXT PRIMARY KEY, transport TEXT NOT NULL, root TEXT NOT NULL, address TEXT NOT NULL, port INTEGER NOT NULL,
    user TEXT NOT NULL, key_path TEXT NOT NULL, host_key TEXT NOT NULL, slots INTEGER NOT NULL, drained INTEGER NOT NULL,
    machine_id TEXT, host_name TEXT, boot_id TEXT, python TEXT, seen_at TEXT, trouble TEXT NOT NULL DEFAULT '', resources TEXT);

CREATE TABLE environments (
    host TEXT NOT NULL REFERENCES hosts(name), name TEXT NOT NULL, framework TEXT NOT NULL, python TEXT NOT NULL,
    code TEXT NOT NULL, fingerprint TEXT NOT NULL, setup TEXT NOT NULL, variables TEXT NOT NULL, PRIMARY KEY (host, name));

CREATE TABLE uploads (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, file_name TEXT NOT NULL, dataset TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    url TEXT NOT NULL, owner TEXT NOT NULL, channel TEXT NOT NULL, thread TEXT, state TEXT NOT NULL, error TEXT);

CREATE TABLE schedules (
    id TEXT PRIMARY KEY, words TEXT NOT NULL, cron TEXT NOT NULL, zone TEXT NOT NULL, command TEXT NOT NULL,
    owner TEXT NOT NULL, channel TEXT, created_at TEXT NOT NULL, paused INTEGER NOT NULL DEFAULT 0, last_due_at TEXT);
CREATE TABLE firings (schedule_id TEXT NOT NULL REFERENCES schedules(id), due_at TEXT NOT NULL, taken_at TEXT,
    PRIMARY KEY (schedule_id, due_at));

CREATE TABLE people (person TEXT PRIMARY KEY, role TEXT NOT NULL, zone TEXT, granted_by TEXT NOT NULL, granted_at TEXT NOT NULL);
"""
