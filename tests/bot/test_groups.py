"""Roles by user group and by channel, as Slack tells who is in a group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.groups import EVERY_S, Groups
from runner.service import roles
from runner.service.house import House, Requester, role_of
from runner.settings import Access, Role
from tests.support.slack_house import SlackHouse, slack_house

ML, GONE = "S0ML00001", "S0GONE001"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[SlackHouse]:
    with slack_house(tmp_path, groups={ML: ("eve",)}) as house:
        yield house


def with_access(served: SlackHouse, **access: tuple[str, ...]) -> House:
    settings = served.house.settings.model_copy(update={"access": Access.model_validate(access)})
    return replace(served.house, settings=settings)


def test_a_group_gives_its_members_its_role_once_slack_has_named_them(served: SlackHouse) -> None:
    house, eve = with_access(served, operators=(ML,)), served.people["eve"]
    assert role_of(house, eve) is Role.STRANGER
    Groups(house, served.slack()).step()
    assert role_of(house, eve) is Role.OPERATOR
    assert role_of(house, served.people["ada"]) is Role.STRANGER
    assert roles.who_may(house, Role.OPERATOR) == [eve]


def test_who_leaves_a_group_loses_its_role_and_a_group_that_is_gone_gives_none(served: SlackHouse) -> None:
    house, eve = with_access(served, members=(ML, GONE)), served.people["eve"]
    now = [0.0]
    groups = Groups(house, served.slack(), clock=lambda: now[0])
    for group in (ML, GONE):
        roles.keep_group(house, group, [served.people["ben"]])
    groups.step()
    assert (role_of(house, eve), role_of(house, served.people["ben"])) == (Role.MEMBER, Role.STRANGER)
    served.workspace.stop()
    now[0] += EVERY_S
    groups.step()  # while Slack does not answer, what it said last counts
    assert role_of(house, eve) is Role.MEMBER


def test_a_channel_gives_its_role_to_whoever_speaks_there_and_nowhere_else(served: SlackHouse) -> None:
    house, eve = with_access(served, viewers=(served.training,)), served.people["eve"]
    assert role_of(house, eve, served.training) is Role.VIEWER
    assert role_of(house, eve, served.lab) is Role.STRANGER
    assert role_of(house, eve) is Role.STRANGER


def test_groups_and_channels_are_granted_roles_as_people_are(served: SlackHouse) -> None:
    house, admin = served.house, "terminal:ada"
    for number, to in enumerate((ML, served.lab)):
        assert roles.grant(house, Requester(admin, Role.ADMIN, "terminal", f"grant-{number}"), to=to, role=Role.MEMBER) is Role.MEMBER
    assert list(roles.wanted_groups(house)) == [ML]
    assert role_of(house, served.people["eve"], served.lab) is Role.MEMBER
