"""Named places to die at: ``SIGNALBOX_CRASH_AT=<name>`` kills the process there with SIGKILL.

The tests visit every name in :data:`NAMES`; the ``launch.*`` ones lie in ``host/launch.sh``.
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
    "runner.after_staged",
    "runner.after_launched",
    "runner.after_prepared",
    "runner.after_claim_seen",
    "runner.after_log_committed",
    "runner.after_exit_seen",
    "runner.after_collected",
    "runner.after_finished",
    "runner.after_stop_sent",
    "runner.after_schedule_fired",
)
LAUNCH = ("launch.before_claim", "launch.after_claim", "launch.after_start", "launch.before_exit", "launch.after_exit")
NAMES = BOT + RUNNER + LAUNCH


def crash_point(name: str) -> None:
    """Die here if the environment asks for it. ``name`` is one of :data:`NAMES`."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
