"""Connections to one domain's schema: how they are set up, and what tells that one was lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from actors.mesh._errors import TimedOut, Unavailable

# The connection or the server is gone, full, or going: what a statement did that was under way is unknown.
# `InternalClientError` is what asyncpg raises when the server dies under it.
LOST = (
    OSError,  # TimeoutError is one
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # a server that was primary a moment ago
)
# Rolled back for certain, and may well succeed the next time.
AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)
# A server that does not let us in (yet): starting, restored, its roles not made.
SHUT = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)

CONNECT_SECONDS = 2.0  # on one's own network a server that takes longer is away
STATEMENT_SECONDS = 10.0  # no statement of ours takes a second; one that does must not hold others up for ever
COMMAND_SECONDS = STATEMENT_SECONDS + 5  # the client gives up after the server has
AWAY_SECONDS = 5.0  # how long a caller waits for a server that is away
PAUSE_SECONDS = 0.1  # between attempts to reach it: a restart takes about a second
SESSIONS_MAX = 4  # reads are shared, rows are few: more would only take connections from other pools
DOMAIN = re.compile(r"[a-z][a-z0-9_]{0,39}")

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # generic in the stubs only
Row = asyncpg.Record


def schema_of(domain: str) -> str:
    """Return the schema's name as SQL; ValueError where the domain has no proper name."""
    if not DOMAIN.fullmatch(domain) or domain.startswith("pg_") or domain in ("public", "information_schema"):
        raise ValueError(f"{domain!r} cannot name a domain's schema")
    return f'"{domain}"'


def role_of(domain: str) -> str:
    """Return the name of the role that the domain's processes log in as."""
    return f"mesh_{domain}"


def views_schema(domain: str) -> str:
    """Return the schema of a domain's views: apart from the journal, because it can be wiped whole."""
    return f"{domain}_views"


def domain_dsn(admin_dsn: str, domain: str, password: str | None) -> str:
    """Return the address at which the domain's own role logs in."""
    schema_of(domain)
    url = urlsplit(admin_dsn)
    secret = "" if password is None else f":{quote(password, safe='')}"
    _, _, where = url.netloc.rpartition("@")
    return urlunsplit(url._replace(netloc=f"{role_of(domain)}{secret}@{where}"))


def settings_of(domain: str, **more: str) -> dict[str, str]:
    """Return what each connection is told at its start, so that a reset returns to it."""
    return {
        "search_path": f"{schema_of(domain)}, pg_temp",
        "application_name": role_of(domain),
        "plan_cache_mode": "force_generic_plan",  # measured: 225 -> 86 us a load
        "jit": "off",
        "lock_timeout": "2s",
        "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
        "synchronous_commit": "on",
    } | more


async def connect(dsn: str, domain: str, **more: str) -> Connection:
    """Return a connection that only knows the domain's schema."""
    return await asyncpg.connect(
        dsn, timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS, server_settings=settings_of(domain, **more)
    )


def is_away(error: BaseException) -> bool:
    """Whether it is the server; asyncpg's complaint about an argument is an InterfaceError too."""
    return not (isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError))


async def as_it_is(connection: object) -> None:
    """Give a session back without asyncpg's reset query, a round trip after every statement.

    Nothing here changes a session: locks are a transaction's, settings come with the connection, and a transaction
    left open is rolled back by asyncpg all the same.
    """


class Sessions:
    """A small pool whose statements wait, bounded, for a server that is away."""

    def __init__(self, dsn: str, domain: str) -> None:
        self._pool = asyncpg.create_pool(
            dsn,
            min_size=0,  # a process starts while its database is away
            max_size=SESSIONS_MAX,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings=settings_of(domain),
            reset=as_it_is,
        )

    @property
    def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """The connections themselves, for whoever needs a transaction."""
        return self._pool

    async def repeat(self, statement: str, *arguments: object) -> Sequence[Row]:
        """Run a statement that may be run again: a read, or a write that is the same done twice."""
        return await self._fetch(statement, arguments, repeatable=True)

    async def once(self, statement: str, *arguments: object) -> Sequence[Row]:
        """Run a statement whose answer a second run would falsify; `TimedOut` where its outcome is unknown."""
        return await self._fetch(statement, arguments, repeatable=False)

    async def _fetch(self, statement: str, arguments: Sequence[object], *, repeatable: bool) -> Sequence[Row]:
        end = asyncio.get_running_loop().time() + AWAY_SECONDS
        while True:
            sent = False
            try:
                async with self._pool.acquire(timeout=AWAY_SECONDS) as connection:
                    sent = True
                    return await connection.fetch(statement, *arguments)
            except AGAIN as error:
                reason: Exception = error
            except (*LOST, *SHUT) as error:
                if not is_away(error):
                    raise
                if sent and not repeatable:
                    raise TimedOut("the database went away under a write") from error
                reason = error
            if asyncio.get_running_loop().time() >= end:
                raise Unavailable("the database is away") from reason
            # The network's time, not the Clock's: a test's clock does not hurry a server.
            await asyncio.sleep(PAUSE_SECONDS)

    async def __aenter__(self) -> Self:
        await self._pool
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._pool.close()
        except LOST:
            self._pool.terminate()
