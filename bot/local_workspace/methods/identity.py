"""api.test, auth.test, apps.connections.open, bots.info, team.info: who is calling, and where."""

from __future__ import annotations

from bot.local_workspace.entities import APP_ID, BOT_ID, BOT_USER_ID, TEAM_ID
from bot.local_workspace.methods.method import Call, Method, TokenKind
from bot.local_workspace.payloads import bot_profile_json
from bot.local_workspace.rate_limits import Tier
from bot.local_workspace.wire import Json, RefusalError


def _api_test(call: Call) -> Json:
    if call.arguments.get("error"):
        raise RefusalError(call.text("error"))
    return {"args": call.arguments}


def _auth_test(call: Call) -> Json:
    configuration = call.workspace.configuration
    return {
        "url": f"{call.workspace.base_url}/", "team": configuration.team_name, "user": configuration.app.bot_name,
        "team_id": TEAM_ID, "user_id": BOT_USER_ID, "bot_id": BOT_ID, "is_enterprise_install": False,
    }  # fmt: skip


def _connections_open(call: Call) -> Json:
    return {"url": call.services.socket_url(call.services.socket_tickets.issue(APP_ID))}


def _bots_info(call: Call) -> Json:
    if call.text("bot") != BOT_ID:
        raise RefusalError("bot_not_found")
    return {"bot": bot_profile_json(call.workspace.configuration)}


def _team_info(call: Call) -> Json:
    configuration = call.workspace.configuration
    domain = configuration.team_domain
    team = {"id": TEAM_ID, "name": configuration.team_name, "domain": domain, "email_domain": "", "icon": {}}
    return {"team": team | {"url": f"{call.workspace.base_url}/"}}


METHODS = {
    "api.test": Method(_api_test, optional="error foo", token=TokenKind.NONE, tier=Tier.SPECIAL),
    "auth.test": Method(_auth_test, tier=Tier.SPECIAL),
    "apps.connections.open": Method(_connections_open, token=TokenKind.APP, tier=Tier.ONE),
    "bots.info": Method(_bots_info, ("users:read",), required="bot"),
    "team.info": Method(_team_info, ("team:read",), optional="team domain"),
}
