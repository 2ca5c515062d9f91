"""Views in Redis: a hash each row, guarded by a script; found by key only."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from actors.mesh._errors import TimedOut, Unavailable
from actors.mesh._ports import ViewPage, ViewRow, ViewShape
from actors.mesh.adapters.view_rules import Shapes, batches, newest
from actors.mesh.adapters.within import within

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 4.0
AWAY_SECONDS = 5.0  # never longer, whatever the driver's own retries do
CONNECTIONS_MAX = 20
SCANNED_KEYS = 1_000  # a step of a sweep: short enough that others are not held up
MILLISECONDS_A_DAY = 86_400_000
PREFIX = re.compile(r"[0-9A-Za-z:_-]{1,64}")  # nothing that has a meaning in a pattern

SILENT = (RedisTimeoutError, TimeoutError)
AWAY = (*SILENT, RedisConnectionError, ReadOnlyError, OutOfMemoryError, OSError)

# Where a view's rows are now is itself a value, so that a switch is one write. A view that was flushed has lost it,
# and is then where every view begins: empty.
GET = """local at = redis.call('GET', KEYS[1]) or ARGV[1]
local rows = {}
for i = 3, #ARGV do rows[#rows + 1] = redis.call('HMGET', ARGV[2] .. at .. ':' .. ARGV[i], 'v', 'd') end
return rows"""
PUT = """local at = redis.call('GET', KEYS[1]) or ARGV[1]
local stale = {}
for i = 4, #ARGV, 3 do
    local row = ARGV[2] .. at .. ':' .. ARGV[i]
    local version = redis.call('HGET', row, 'v')
    if version and tonumber(version) >= tonumber(ARGV[i + 1]) then
        stale[#stale + 1] = ARGV[i]
    else
        redis.call('HSET', row, 'v', ARGV[i + 1], 'd', ARGV[i + 2])
        if tonumber(ARGV[3]) > 0 then redis.call('PEXPIRE', row, ARGV[3]) end
    end
end
return stale"""
SWITCH = """local fresh = redis.call('GET', KEYS[1]) or ARGV[1]
local live = redis.call('GET', KEYS[2]) or ARGV[2]
redis.call('SET', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], fresh)
return live"""
WIPE = """local at = redis.call('GET', KEYS[1]) or ARGV[1]
redis.call('SET', KEYS[1], ARGV[2])
return at"""


class RedisViews:
    """The views of one domain, all under one prefix, and in one slot where Redis is a cluster."""

    def __init__(self, client: Redis, prefix: str) -> None:
        if not PREFIX.fullmatch(prefix):
            raise ValueError(
                f"{prefix!r} cannot be a prefix: letters, digits, colons, dashes and underscores, 64 at most"
            )
        self._client = client
        self._rows = f"{{{prefix}}}:view:"
        self._places = f"{{{prefix}}}:view_at:"
        self._shapes = Shapes()
        self._get, self._put = client.register_script(GET), client.register_script(PUT)
        self._switch, self._wipe = client.register_script(SWITCH), client.register_script(WIPE)

    async def prepare(self, views: Sequence[ViewShape]) -> None:
        """Refuse what cannot be kept here; there is nothing to make."""
        for view in views:
            if view.fields or view.sort:
                raise ValueError(
                    f"{view.name} is to be listed: that needs PostgreSQL or MongoDB, Redis only finds by key"
                )
            self._shapes.add(view)

    async def get(self, view: str, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """Return the rows that are there."""
        found: dict[str, ViewRow] = {}
        for batch in batches(dict.fromkeys(keys)):
            try:
                rows = await self._run(self._get, [view], _start(view), self._rows, *batch)
            except TimedOut as error:
                raise Unavailable("Redis does not answer") from error
            for key, (version, document) in zip(batch, rows, strict=True):
                if version is not None and document is not None:
                    found[key] = ViewRow(key, int(version), document)
        return found

    async def put(self, view: str, rows: Sequence[ViewRow]) -> frozenset[str]:
        """Write what is newer than what is there; return the other keys."""
        stale: set[str] = set()
        keep_ms = self._shapes.of(view).keep_days * MILLISECONDS_A_DAY
        for batch in batches(newest(rows)):
            columns = [value for row in batch for value in (row.key, row.version, row.document)]
            told = await self._run(self._put, [view], _start(view), self._rows, keep_ms, *columns)
            stale.update(key.decode() for key in told)
        return frozenset(stale)

    async def page(
        self, view: str, where: Mapping[str, str], *, newest_first: bool, cursor: str, limit: int
    ) -> ViewPage:
        """Refuse: rows are found by key only."""
        raise LookupError(f"{view} is kept in Redis and cannot be listed: keep it in PostgreSQL or MongoDB")

    async def wipe(self, view: str) -> None:
        """Begin the view in a new place, at once, and then remove what was in the old one."""
        old = await self._run(self._wipe, [view], _start(view), _elsewhere(view))
        await self._sweep(old.decode())

    async def switch(self, fresh: str, live: str) -> None:
        """Let the live view be where the fresh one was built, at once, and then remove what was in its old place."""
        self._shapes.add(self._shapes.of(fresh)._replace(name=live))
        old = await self._run(self._switch, [fresh, live], _start(fresh), _start(live), _elsewhere(fresh))
        await self._sweep(old.decode())

    async def _sweep(self, place: str) -> None:
        cursor, begun = 0, False
        while cursor or not begun:
            begun = True
            cursor, keys = await bounded(
                self._client.scan(cursor=cursor, match=f"{self._rows}{place}:*", count=SCANNED_KEYS)
            )
            if keys:
                await bounded(self._client.unlink(*keys))

    async def _run(self, script: Any, views: Sequence[str], *arguments: object) -> Any:
        for view in views:
            self._shapes.of(view)
        return await bounded(script(keys=[f"{self._places}{view}" for view in views], args=arguments))


@asynccontextmanager
async def open_redis_views(url: str, prefix: str) -> AsyncIterator[RedisViews]:
    """Open the views under a prefix; the server may still be away."""
    async with open_redis(url) as client:
        yield RedisViews(client, prefix)


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[Redis]:
    """Open a client whose every wait is bounded."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS_MAX,
        timeout=CONNECT_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        client_name="actor-mesh",
    )
    client = Redis.from_pool(pool)
    try:
        yield client
    finally:
        await client.aclose()


def _start(view: str) -> str:
    return f"{view}:0"


def _elsewhere(view: str) -> str:
    # Never a place that was used before: where Redis may evict, a counter could be gone and count again.
    return f"{view}:{secrets.token_hex(8)}"


async def bounded(work: Any) -> Any:
    """Wait for Redis, not for ever; raise `Unavailable` or `TimedOut`."""
    try:
        return await within(AWAY_SECONDS, _awaited(work))
    except SILENT as error:
        raise TimedOut("Redis does not answer: a write may have got through") from error
    except AWAY as error:
        raise Unavailable("Redis is away") from error


async def _awaited(work: Any) -> Any:
    return await work
