"""Who is in the user groups that have a role: asked of Slack now and then, kept in the database, so that a check waits for nobody."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from bot.calls import Done, Refused, Slack, TooFast
from runner.service import roles
from runner.service.house import House

_log = logging.getLogger(__name__)
EVERY_S = 300.0
_GONE = frozenset({"no_such_subteam", "subteam_not_found", "invalid_arguments"})


class Groups:
    """Keeps the members of every group that has a role. Used by one thread."""

    def __init__(self, house: House, slack: Slack, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._house = house
        self._slack = slack
        self._clock = clock
        self._not_before: dict[str, float] = {}

    def step(self) -> None:
        """Ask after each group that is new or was not asked after for long. While Slack does not say, what it said last counts."""
        for group in roles.wanted_groups(self._house):
            if self._clock() < self._not_before.get(group, 0.0):
                continue
            answer = self._slack.call("usergroups.users.list", usergroup=group)
            self._not_before[group] = self._clock() + (answer.retry_after_s if isinstance(answer, TooFast) else EVERY_S)
            users = answer.data.get("users") if isinstance(answer, Done) else None
            if isinstance(users, list):
                roles.keep_group(self._house, group, [str(user) for user in users])
            elif isinstance(answer, Refused) and answer.error in _GONE:
                _log.warning("There is no user group %s any more (%s); nobody has a role by it.", group, answer)
                roles.keep_group(self._house, group, ())
            else:
                _log.warning("The members of the user group %s are not known anew: %s.", group, answer)
