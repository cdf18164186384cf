"""What was posted to the web server: its body, within limits of size and time."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

MOST_BYTES = 1_000_000
"""Slack's largest payloads, those of views, are far smaller; so are a hundred alerts."""
_BODY_S = 5.0


async def body_of(request: Request) -> bytes:
    """The body. HTTPException 413 before more of it is read than is taken, 400 where it does not come in time."""
    body = b""
    try:
        async with asyncio.timeout(_BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise HTTPException(413, f"too large: at most {MOST_BYTES} bytes are taken")
    except (TimeoutError, ClientDisconnect) as error:
        raise HTTPException(400, "the body did not come in time") from error
    return body
