"""Named places to die at: ``SIGNALBOX_CRASH_AT=<name>`` kills the process there with SIGKILL.

The tests visit every name in :data:`NAMES`. Those of :data:`ON_HOSTS` lie in what runs on a host, and kill that: the shell that starts a
session (``session.*``, executors/screen.py), ``host/launch.sh``, ``host/stop.sh``, ``host/slurm_submit.sh`` and ``host/slurm_stop.sh``.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "SIGNALBOX_CRASH_AT"

BOT = (
    "bot.before_request_commit",
    "bot.after_request_commit",
    "bot.after_events_read",
    "bot.after_deliveries_owed",
    "bot.after_marked_sending",
    "bot.after_sent",
    "bot.after_file_uploaded",
    "bot.after_upload_downloaded",
)
RUNNER = (
    "runner.after_lease",
    "runner.after_attempt_opened",
    "runner.after_met",
    "runner.after_staged",
    "runner.after_staging_noted",
    "runner.after_launched",
    "runner.after_prepared",
    "runner.after_claim_seen",
    "runner.after_log_committed",
    "runner.after_exit_seen",
    "runner.after_devices_given_back",
    "runner.after_collected",
    "runner.before_end_committed",
    "runner.after_finished",
    "runner.after_preemption_noted",
    "runner.after_stop_decided",
    "runner.after_stop_sent",
    "runner.after_fenced",
    "runner.after_schedule_fired",
)
LAUNCH = ("launch.before_claim", "launch.after_claim", "launch.after_start", "launch.before_exit", "launch.after_exit")
SESSION = ("session.before_start", "session.after_start")
STOP = ("stop.before_fence", "stop.after_fence", "stop.after_term", "stop.before_answer")
SUBMIT = ("submit.before_sbatch", "submit.after_sbatch")
CANCEL = ("cancel.after_fence", "cancel.before_answer")
ON_HOSTS = LAUNCH + SESSION + STOP + SUBMIT + CANCEL
NAMES = BOT + RUNNER + ON_HOSTS


def crash_point(name: str) -> None:
    """Die here if the environment asks for it. ``name`` is one of :data:`NAMES`."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)


def crash_at() -> str:
    """Where something on a host is asked to die, or nowhere: our own environment does not reach it."""
    name = os.environ.get(VARIABLE, "")
    return name if name in ON_HOSTS else ""


def in_shell() -> str:
    """Shell lines that define ``crash_point NAME`` for a script that a host is sent."""
    return f'crash_point() {{ if [ "$1" = "{crash_at()}" ]; then kill -9 $$; fi; }}\n'
