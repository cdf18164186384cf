"""Every Web API method this workspace knows, in one table. To add one: a handler and a row in its family's module."""

from __future__ import annotations

from bot.local_workspace.methods import chat, conversations, files, identity, people, reactions, views
from bot.local_workspace.methods.method import Call, Method, TokenKind

METHODS: dict[str, Method] = {
    **identity.METHODS,
    **people.METHODS,
    **conversations.METHODS,
    **chat.METHODS,
    **reactions.METHODS,
    **views.METHODS,
    **files.METHODS,
}

__all__ = ["METHODS", "Call", "Method", "TokenKind"]
