"""A Slack workspace on loopback, as strict as Slack, with a page: for a start without Slack, demonstrations and tests.

Where to find a rule of Slack: methods (methods/), Block Kit (block_kit_rules.py), Socket Mode (socket_mode.py), events
(events.py), interactions (interactions.py), trigger ids and response URLs (tickets.py), pace (rate_limits.py), files
(methods/files.py, file_doors.py). People come in through people_api.py, of which person.py is the client.
"""

from bot.local_workspace.configuration import AppConfiguration, Limits, WorkspaceConfiguration
from bot.local_workspace.person import WorkspacePerson
from bot.local_workspace.server import LocalWorkspace

__all__ = ["AppConfiguration", "Limits", "LocalWorkspace", "WorkspaceConfiguration", "WorkspacePerson"]
