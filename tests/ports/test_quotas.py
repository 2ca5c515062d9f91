"""One suite over the quotas: in memory and in Redis."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from actors.mesh._ports import Quotas
from actors.mesh.adapters.memory.quotas import KEYS_MAX, MemoryQuotas
from actors.mesh.adapters.redis_quotas import open_redis_quotas
from infra.local.endpoints import Endpoints
from infra.local.ports import LOOPBACK, free_ports

NOW_MS = 1_767_225_600_000
HOUR_SECONDS = 3600


@pytest.fixture(params=["memory", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    found = request.getfixturevalue("servers").endpoints
    assert isinstance(found, Endpoints)
    return found.redis


@pytest.fixture
async def quotas(redis_url: str) -> AsyncIterator[Quotas]:
    if not redis_url:
        yield MemoryQuotas()
        return
    async with open_redis_quotas(redis_url, f"test-{secrets.token_hex(4)}:") as opened:
        yield opened


async def take(quotas: Quotas, member: str, *, limit: int = 2, now_ms: int = NOW_MS, key: str = "ada:email") -> bool:
    return await quotas.take(key, member, limit=limit, window_seconds=HOUR_SECONDS, now_ms=now_ms)


async def test_the_first_of_a_window_pass_and_the_others_do_not(quotas: Quotas) -> None:
    assert [await take(quotas, member) for member in ("a", "b", "c")] == [True, True, False]
    assert await take(quotas, "c", key="ada:sms"), "each key has a window of its own"


async def test_the_same_member_again_gets_the_same_answer_and_takes_nothing(quotas: Quotas) -> None:
    assert [await take(quotas, member) for member in ("a", "a", "b", "c", "c", "a")] == [
        True, True, True, False, False, True,
    ]  # fmt: skip


async def test_the_window_slides(quotas: Quotas) -> None:
    half_ms, whole_ms = NOW_MS + HOUR_SECONDS * 500, NOW_MS + HOUR_SECONDS * 1000
    assert await take(quotas, "a")
    assert await take(quotas, "b", now_ms=half_ms)
    assert not await take(quotas, "c", now_ms=whole_ms - 1)
    assert await take(quotas, "c", now_ms=whole_ms), "what was taken first is forgotten a window later"
    assert not await take(quotas, "d", now_ms=whole_ms)


async def test_of_many_at_once_no_more_pass_than_may(quotas: Quotas) -> None:
    passed = await asyncio.gather(*(take(quotas, f"m{number}", limit=5) for number in range(20)))
    assert passed.count(True) == 5


async def test_in_redis_a_window_outlives_a_process_and_goes_by_itself(servers: object) -> None:
    endpoints = servers.endpoints  # type: ignore[attr-defined]
    prefix = f"test-{secrets.token_hex(4)}:"
    async with open_redis_quotas(endpoints.redis, prefix) as one, open_redis_quotas(endpoints.redis, prefix) as other:
        assert await take(one, "a", limit=1)
        assert not await take(other, "b", limit=1)
        async with Redis.from_url(endpoints.redis) as client:
            assert 0 < await client.pttl(f"{prefix}quota:ada:email") <= HOUR_SECONDS * 1000
            await client.flushall()
        assert await take(other, "b", limit=1), "after a flush the window begins anew"


async def test_without_redis_each_process_counts_for_itself() -> None:
    async with open_redis_quotas(f"redis://{LOOPBACK}:{free_ports(1)[0]}/0", "test:") as alone:
        assert [await take(alone, member) for member in ("a", "b", "c")] == [True, True, False]


async def test_memory_forgets_the_window_that_was_asked_for_longest_ago() -> None:
    quotas = MemoryQuotas()
    assert await take(quotas, "a", limit=1)
    for number in range(KEYS_MAX):
        await take(quotas, "a", key=f"key-{number}")
    assert await take(quotas, "b", limit=1)
