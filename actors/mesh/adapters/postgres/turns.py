"""Turns: exclusive session locks on keys, held on connections of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg

from actors.mesh._errors import Overloaded, Unavailable
from actors.mesh.adapters.postgres.connect import (
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    LOST,
    SHUT,
    is_away,
    settings_of,
)

TURNS_MAX = 4  # connections: turns are for the few keys that are fought over
HELD_SECONDS = 30  # a turn longer than that is ended by the server; what it guards is still guarded by its version
MILLISECONDS = 1000

# In the order of the locks' own numbers: the same in every process, so that no two wait for each other.
TAKE = """SELECT pg_advisory_lock(number) FROM (
    SELECT DISTINCT lock_of('key', key) AS number FROM unnest($1::text[]) AS key ORDER BY number OFFSET 0) AS numbers"""
WAIT = "SELECT set_config('lock_timeout', $1, false)"


class Turns:
    """Hands out turns; all of a connection's locks go when it is given back, or breaks."""

    def __init__(self, dsn: str, domain: str) -> None:
        self._pool = asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=TURNS_MAX,
            max_inactive_connection_lifetime=HELD_SECONDS / 2,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings=settings_of(
                domain,
                idle_session_timeout=f"{HELD_SECONDS}s",
                # A machine that is gone gives up its locks soon; a process that is gone does so at once.
                tcp_keepalives_idle="5",
                tcp_keepalives_interval="2",
                tcp_keepalives_count="3",
            ),
        )

    async def open(self) -> None:
        """Make the pool; no connection yet."""
        await self._pool

    async def close(self) -> None:
        """Give up all turns."""
        self._pool.terminate()

    @asynccontextmanager
    async def turn(self, keys: Sequence[str], timeout_seconds: float) -> AsyncIterator[None]:
        """Hold the keys alone among all processes."""
        end = asyncio.get_running_loop().time() + timeout_seconds
        try:
            connection = await self._pool.acquire(timeout=timeout_seconds)
        except TimeoutError as error:
            raise Overloaded("too many wait for a turn") from error
        except (*LOST, *SHUT) as error:
            raise Unavailable("the database is away") from error
        try:
            await self._take(connection, keys, end)
            yield
        finally:
            # The pool's reset gives up all advisory locks, also where the caller was cancelled in the midst.
            with suppress(*LOST):
                await self._pool.release(connection)

    async def _take(
        self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], keys: Sequence[str], end: float
    ) -> None:
        left_seconds = end - asyncio.get_running_loop().time()
        if left_seconds <= 0:
            raise Overloaded("too many wait for a turn")
        try:
            await connection.execute(WAIT, f"{max(1, int(left_seconds * MILLISECONDS))}ms")
            await connection.execute(TAKE, sorted(set(keys)), timeout=left_seconds + 1)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, TimeoutError) as error:
            raise Overloaded("another process holds the turn on a key for too long") from error
        except LOST as error:
            if not is_away(error):
                raise
            raise Unavailable("the database is away") from error
