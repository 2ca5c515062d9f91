"""Quotas in Redis: a sorted set a window, and one script to look and take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from actors.mesh._errors import TimedOut, Unavailable
from actors.mesh.adapters.memory.quotas import MemoryQuotas
from actors.mesh.adapters.redis import bounded, open_redis

TAKE = """redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2] - ARGV[3])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1"""


class RedisQuotas:
    """Implements `Quotas`. While Redis is away each process counts for itself: neither all may pass, nor nothing."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._prefix, self._alone = prefix, MemoryQuotas()
        self._take = client.register_script(TAKE)

    async def take(self, key: str, member: str, *, limit: int, window_seconds: float, now_ms: int) -> bool:
        """Return whether a member is among the first of the window that ends now."""
        arguments: list[str | int] = [member, now_ms, round(window_seconds * 1000), limit]
        try:
            return bool(await bounded(self._take(keys=[f"{self._prefix}quota:{key}"], args=arguments)))
        except (Unavailable, TimedOut):
            return await self._alone.take(key, member, limit=limit, window_seconds=window_seconds, now_ms=now_ms)


@asynccontextmanager
async def open_redis_quotas(url: str, prefix: str) -> AsyncIterator[RedisQuotas]:
    """Open the quotas under a prefix; the server may still be away."""
    async with open_redis(url) as client:
        yield RedisQuotas(client, prefix)
