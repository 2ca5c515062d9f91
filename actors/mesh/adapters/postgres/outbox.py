"""The Outbox port on PostgreSQL: rows that JetStream has not acknowledged yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import groupby

from actors.mesh._errors import Unavailable
from actors.mesh._ports import BrokerMark, Unpublished
from actors.mesh.adapters.postgres.connect import AGAIN, LOST, SHUT, Connection, Sessions, connect
from actors.mesh.adapters.postgres.reads import EVENT_COLUMNS, event_of

SWEEPER_IDLE = "60s"  # an elected sweeper that does not sweep for so long gives its office up
COPY_MAX = 10_000  # stored ids that are held in memory at once
REPAIR_SECONDS = 600.0  # comparing a whole journal takes its time: measured, ten seconds for 100,000 events

ELECT = "SELECT pg_try_advisory_lock(lock_of('office', 'sweeper'))"

# Rows, never a cursor: a commit that becomes visible late is simply still here.
TAKE = f"""
SELECT u.at AS put_at, u.version AS first_version, {EVENT_COLUMNS}
FROM (SELECT key, version, events, at FROM unpublished WHERE at <= clock_timestamp() - make_interval(secs => $1)
      ORDER BY at, key, version LIMIT $2) u
JOIN events e ON e.key = u.key AND e.version >= u.version AND e.version < u.version + u.events
ORDER BY u.at, u.key, u.version, e.version"""  # noqa: S608 - constants only

CLEAR = """
WITH remembered AS (
    INSERT INTO broker AS b (born, last_sequence) SELECT $3::text, $4::bigint WHERE $3::text IS NOT NULL
    ON CONFLICT (only_row) DO UPDATE SET born = excluded.born, last_sequence = excluded.last_sequence
    WHERE b.born <> excluded.born OR b.last_sequence < excluded.last_sequence)
DELETE FROM unpublished u USING unnest($1::text[], $2::bigint[]) AS t (k, v) WHERE u.key = t.k AND u.version = t.v"""

WAITING = "SELECT DISTINCT key FROM unpublished WHERE key = ANY ($1::text[])"
COUNT = "SELECT count(*) AS count FROM unpublished"
MARK = "SELECT born, last_sequence FROM broker"
SET_MARK = """INSERT INTO broker (born, last_sequence) VALUES ($1, $2)
ON CONFLICT (only_row) DO UPDATE SET born = excluded.born, last_sequence = excluded.last_sequence"""

# What is committed after the start of the comparison goes its usual way.
STARTED = "SELECT clock_timestamp()"
STORED = 'CREATE TEMP TABLE stored (key text COLLATE "C", version bigint) ON COMMIT DROP'
STORED_INDEX = "CREATE INDEX ON stored (key, version)"
# The whole commit goes back with its old time, so that the order within a key stays.
PUT_BACK = """INSERT INTO unpublished (key, version, events, at)
SELECT e.key, min(e.version), max(e.version) - min(e.version) + 1, min(e.at)
FROM events e LEFT JOIN stored s ON s.key = e.key AND s.version = e.version
WHERE e.at < $1 GROUP BY e.key, e.command_id HAVING bool_or(s.key IS NULL)
ON CONFLICT DO NOTHING"""


class PostgresOutbox:
    """One process's view of its domain's outbox; one process at a time is the elected sweeper."""

    def __init__(self, dsn: str, domain: str, sessions: Sessions) -> None:
        self._dsn = dsn
        self._domain = domain
        self._sessions = sessions
        self._office: Connection | None = None  # the session that holds the sweeper's lock, or tries to
        self._elected = False

    async def close(self) -> None:
        """Let another process be the sweeper."""
        self._leave()

    def _leave(self) -> None:
        if self._office is not None:
            self._office.terminate()
        self._office, self._elected = None, False

    async def take(self, *, older_than_seconds: float, limit: int) -> Sequence[Unpublished]:
        """Return the oldest rows, by time, key and version, if this process is the elected sweeper."""
        try:
            if self._office is None or self._office.is_closed():
                self._leave()
                self._office = await connect(self._dsn, self._domain, idle_session_timeout=SWEEPER_IDLE)
            if not self._elected:
                self._elected = await self._office.fetchval(ELECT)
            if not self._elected:
                return ()
            # On the very session that holds the lock: who has lost it reads nothing.
            rows = await self._office.fetch(TAKE, older_than_seconds, limit)
        except (*LOST, *SHUT, *AGAIN) as error:
            self._leave()
            raise Unavailable("the database is away") from error
        commits = groupby(rows, key=lambda row: (row["put_at"], row["key"], row["first_version"]))
        return [Unpublished(key, first, tuple(event_of(row) for row in group)) for (_, key, first), group in commits]

    async def clear(self, published: Sequence[tuple[str, int]], mark: BrokerMark | None) -> None:
        """Forget rows (key, first version) that are acknowledged, and remember how far the broker is."""
        rows = sorted(published)  # two processes that clear the same rows take them in one order
        born, last_sequence = (None, None) if mark is None else mark
        await self._sessions.repeat(CLEAR, [key for key, _ in rows], [first for _, first in rows], born, last_sequence)

    async def waiting(self, keys: Sequence[str]) -> frozenset[str]:
        """Return which of the keys still have rows."""
        return frozenset(row["key"] for row in await self._sessions.repeat(WAITING, list(keys)))

    async def count(self) -> int:
        """Return how many rows wait."""
        return int((await self._sessions.repeat(COUNT))[0]["count"])

    async def mark(self) -> BrokerMark | None:
        """Return what the broker had acknowledged."""
        rows = await self._sessions.repeat(MARK)
        return BrokerMark(rows[0]["born"], rows[0]["last_sequence"]) if rows else None

    async def put_back(self, stored: AsyncIterator[tuple[str, int]], mark: BrokerMark) -> int:
        """Put back every commit whose events (key, version) are not among the stored ones; count them."""
        try:
            connection = await connect(self._dsn, self._domain, statement_timeout="0", plan_cache_mode="auto")
        except (*LOST, *SHUT) as error:
            raise Unavailable("the database is away") from error
        try:
            async with connection.transaction():
                started = await connection.fetchval(STARTED)
                await self._copy(connection, stored)
                done = await connection.execute(PUT_BACK, started, timeout=REPAIR_SECONDS)
                await connection.execute(SET_MARK, mark.born, mark.last_sequence)
        except (*LOST, *AGAIN) as error:  # nothing is put back, or all: the next boot compares again
            raise Unavailable("the database went away") from error
        finally:
            connection.terminate()
        return int(done.rpartition(" ")[2])

    async def _copy(self, connection: Connection, stored: AsyncIterator[tuple[str, int]]) -> None:
        await connection.execute(STORED)
        rows: list[tuple[str, int]] = []
        async for row in stored:
            rows.append(row)
            if len(rows) == COPY_MAX:
                await connection.copy_records_to_table("stored", records=rows)
                rows = []
        await connection.copy_records_to_table("stored", records=rows)
        await connection.execute(STORED_INDEX)
        await connection.execute("ANALYZE stored")
