"""The HTTP connections of an event loop: one pool for all endpoints, closed by whoever ends the loop's work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import aiohttp

__all__ = ["close_session", "session"]

_OPEN: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()


def session() -> aiohttp.ClientSession:
    """Return the session of the running loop. It keeps no cookies and has no time-out and no limit: the engine has them."""
    import aiohttp

    loop = asyncio.get_running_loop()
    found = _OPEN.get(loop)
    if found is None or found.closed:
        found = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=20),
            skip_auto_headers=("User-Agent", "Accept"),
            auto_decompress=False,
        )
        _OPEN[loop] = found
    return found


async def close_session() -> None:
    """Close the connections of the running loop, if there are any."""
    found = _OPEN.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()
