"""How far the clock of a database server is from ours."""

from collections.abc import Callable

import asyncpg

from infra.local.failures import NotReady

_PROBE_SECONDS = 3.0
_NOW = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


async def postgres_ahead_ms(url: str, now_ms: Callable[[], int]) -> int:
    """Ask PostgreSQL what time it is; raise `NotReady` where it does not answer."""
    try:
        connection = await asyncpg.connect(url, timeout=_PROBE_SECONDS)
        try:
            before_ms = now_ms()
            told_ms: int = await connection.fetchval(_NOW, timeout=_PROBE_SECONDS)
            return told_ms - (before_ms + now_ms()) // 2
        finally:
            await connection.close(timeout=_PROBE_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise NotReady(str(error) or "no answer") from error
