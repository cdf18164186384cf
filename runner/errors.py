"""The errors of the runner. The message is a sentence a person in Slack can act on."""

from __future__ import annotations


class SignalboxError(Exception):
    """Base of everything Signalbox raises on purpose; ``str()`` of it may be shown to people."""


class RequestError(SignalboxError):
    """What a person asked for cannot be done; the message says what was expected and the nearest valid thing."""


class NotAllowedError(SignalboxError):
    """The person may not do this; the message names the role that may."""


class ConfigurationError(SignalboxError):
    """Settings, a preset or another file of ours is wrong; the message names file and line."""


class BadSpecError(SignalboxError):
    """A run can never work as specified; the message carries the framework's own words made readable."""


class HostError(SignalboxError):
    """A host refused or broke: wrong key, no login, full disk. Trying again changes nothing."""


class UnreachableError(SignalboxError):
    """A host did not answer within the deadline. Nothing is known about what it did."""


class ConflictError(SignalboxError):
    """Somebody else changed the row first; read again."""
