"""Servers for tests: one platform for a whole session, and a fresh database for whoever wants one."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from infra.local.endpoints import Endpoints
from infra.local.folder import wipe
from infra.local.platform import LocalPlatform

_DATABASE_SECONDS = 20.0


@contextmanager
def servers_in(folder: Path) -> Iterator[LocalPlatform]:
    """NATS, PostgreSQL and Valkey, without services, gone with their data at the end."""
    # Nothing of the platform belongs to an event loop while `keep_alive` is off, so tests may have loops of their own.
    platform = LocalPlatform(folder, fixed_ports=False, services=(), keep_alive=False)
    asyncio.run(platform.start())
    try:
        yield platform
    finally:
        asyncio.run(platform.stop())
        wipe(folder)


async def fresh_database(endpoints: Endpoints) -> str:
    """The URL of a new, empty database; it goes with the session's servers."""
    name = f"test_{secrets.token_hex(8)}"
    connection = await asyncpg.connect(endpoints.postgres, timeout=_DATABASE_SECONDS)
    try:
        await connection.execute(f"CREATE DATABASE {name}", timeout=_DATABASE_SECONDS)
    finally:
        await connection.close()
    return urlunsplit(urlsplit(endpoints.postgres)._replace(path=f"/{name}"))
