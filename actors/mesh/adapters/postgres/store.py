"""One domain's store on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from actors.mesh._ports import Commit, Store
from actors.mesh.adapters.postgres.connect import Sessions, schema_of
from actors.mesh.adapters.postgres.journal import PostgresJournal
from actors.mesh.adapters.postgres.outbox import PostgresOutbox
from actors.mesh.adapters.postgres.rows import (
    PostgresDeadLetters,
    PostgresEffects,
    PostgresSagas,
    PostgresTells,
    PostgresTimers,
)


def nobody_listens(commits: Sequence[Commit]) -> None:
    """Where no relay is told of new commits, the sweeper finds them in the outbox."""


@asynccontextmanager
async def open_postgres(
    dsn: str, domain: str, *, appended: Callable[[Sequence[Commit]], None] = nobody_listens
) -> AsyncIterator[Store]:
    """Open a provisioned domain's store; the database may still be away. `appended` hears of commits in their order.

    No clock: what is written has the server's time, and what waits for the network waits in the network's.
    """
    schema_of(domain)
    async with AsyncExitStack() as opened:
        sessions = await opened.enter_async_context(Sessions(dsn, domain))
        journal = PostgresJournal(dsn, domain, sessions, appended)
        opened.push_async_callback(journal.close)
        await journal.open()
        outbox = PostgresOutbox(dsn, domain, sessions)
        opened.push_async_callback(outbox.close)
        yield Store(
            journal=journal,
            outbox=outbox,
            sagas=PostgresSagas(sessions),
            effects=PostgresEffects(sessions),
            timers=PostgresTimers(sessions),
            dead_letters=PostgresDeadLetters(sessions),
            tells=PostgresTells(sessions),
        )
