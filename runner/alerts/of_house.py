"""Conditions of Signalbox itself: its schedules, its messages, its processes, its disk."""

from __future__ import annotations

from collections.abc import Iterable

from runner.alerts.course import seconds_in_words
from runner.alerts.scene import Finding, Scene


def schedule_missed(scene: Scene, *, within_h: float) -> Iterable[Finding]:
    """A schedule fell due while nobody was there, and it was too late to make it good."""
    for event in scene.happened:
        if event.kind == "schedule_missed" and (scene.now - event.at).total_seconds() <= 3600 * within_h:
            schedule, command = event.payload.get("schedule"), event.payload.get("command")
            yield Finding({"schedule": str(schedule)}, f"{command}, due {event.payload.get('due_at')}, was not carried out.")


def outbox_stuck(scene: Scene, *, minutes: float) -> Iterable[Finding]:
    """A message has been waiting for Slack."""
    if scene.owed_since is not None and (waits_s := (scene.now - scene.owed_since).total_seconds()) >= 60 * minutes:
        yield Finding({}, f"The oldest message has been waiting for {seconds_in_words(waits_s)}.")


def process_silent(scene: Scene, *, seconds: float) -> Iterable[Finding]:
    """The bot, or its socket to Slack, was heard once and is not now."""
    for process in ("bot", "socket"):
        beat = scene.beats.get(process)
        if beat is not None and (silent_s := (scene.now - beat).total_seconds()) >= seconds:
            yield Finding({"process": process}, f"Last heard {seconds_in_words(silent_s)} ago.")


def state_disk_fills(scene: Scene, *, gib: float) -> Iterable[Finding]:
    """The disk with the database and the datasets has less than so much left."""
    if scene.state_free_bytes is not None and scene.state_free_bytes < gib * 2**30:
        yield Finding({}, f"{scene.state_free_bytes / 2**30:.1f} GiB are left.")
