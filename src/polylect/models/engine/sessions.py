"""The HTTP connections of an event loop: one pool for all endpoints, closed by the last one who works with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import aiohttp

__all__ = ["close_session", "connections", "session"]

_OPEN: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()
_USERS: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


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


@asynccontextmanager
async def connections() -> AsyncIterator[None]:
    """Keep the running loop's connections open; when nobody keeps them any more, close them.

    Several runs may share a loop (an actor works on two shards): one that ends must not cut the calls of the others.
    """
    loop = asyncio.get_running_loop()
    _USERS[loop] = _USERS.get(loop, 0) + 1
    try:
        yield
    finally:
        _USERS[loop] -= 1
        await close_session()


async def close_session() -> None:
    """Close the connections of the running loop, if there are any and nobody keeps them."""
    loop = asyncio.get_running_loop()
    if not _USERS.get(loop) and (found := _OPEN.pop(loop, None)) is not None:
        await found.close()
