"""Wrapped data keys in PostgreSQL: a schema of their own, so that they can be left out of the data's backups."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

from actors.mesh._errors import TimedOut, Unavailable
from actors.mesh.adapters.postgres.connect import AWAY_SECONDS, LOST, SHUT, Row, Sessions, is_away, role_of, schema_of
from actors.mesh.adapters.within import within

SCHEMA = "privacy"

# A destroyed key leaves its row: whoever finds none may make one, and must not make it for somebody who was erased.
DEFINITION = (
    f"CREATE SCHEMA {SCHEMA}",
    f"""CREATE TABLE {SCHEMA}.data_keys (
    person_id text PRIMARY KEY,
    wrapped bytea,
    made_at timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
)""",
)
# Nobody may delete: a row that is gone is a key that may be made again.
RIGHTS = (
    f"USAGE ON SCHEMA {SCHEMA}",
    f"SELECT, INSERT, UPDATE (wrapped, destroyed_at) ON {SCHEMA}.data_keys",
)
GET = "SELECT person_id, wrapped FROM data_keys WHERE person_id = ANY($1::text[])"
MAKE = "INSERT INTO data_keys (person_id, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING"
DESTROY = """INSERT INTO data_keys AS k (person_id, wrapped, destroyed_at) VALUES ($1, NULL, now())
ON CONFLICT (person_id) DO UPDATE SET wrapped = NULL, destroyed_at = now() WHERE k.wrapped IS NOT NULL"""


class PostgresDataKeys:
    """One table for all domains, since a person is one person everywhere."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def prepare(self, domains: Collection[str] = ()) -> None:
        """Make what is not there, and let the domains' roles in; for whoever may, once, before the services start."""
        try:
            async with self._sessions.pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext('data keys'))")
                if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", SCHEMA):
                    await connection.execute(DEFINITION[0])
                if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA}.data_keys"):
                    await connection.execute(DEFINITION[1])
                for domain in domains:
                    schema_of(domain)
                    for right in RIGHTS:
                        await connection.execute(f"GRANT {right} TO {role_of(domain)}")
        except (*LOST, *SHUT) as error:
            if not is_away(error):
                raise
            raise Unavailable("the data keys' database is away") from error

    async def get(self, person_ids: Collection[str]) -> Mapping[str, bytes | None]:
        """Return the wrapped keys that were ever made; None: destroyed."""
        return {row["person_id"]: row["wrapped"] for row in await self._run(GET, list(person_ids))}

    async def make(self, person_id: str, wrapped: bytes) -> bytes | None:
        """Keep a person's first key; return the one that stands."""
        await self._run(MAKE, person_id, wrapped)
        # A second statement: in the first one's view of the table another's row may not be there yet.
        return (await self.get((person_id,)))[person_id]

    async def destroy(self, person_id: str) -> None:
        """Destroy a key for ever. Its bytes are gone from the disk with the next vacuum, and from the log in time."""
        await self._run(DESTROY, person_id)

    async def _run(self, statement: str, *arguments: object) -> list[Row]:
        try:
            # Every one of them may be run twice: the second time changes nothing.
            return list(await within(AWAY_SECONDS, self._sessions.repeat(statement, *arguments)))
        except TimeoutError as error:
            fault = Unavailable if statement is GET else TimedOut
            raise fault("the data keys' database does not answer") from error


@asynccontextmanager
async def open_postgres_data_keys(dsn: str) -> AsyncIterator[PostgresDataKeys]:
    """Open the data keys; the database may still be away."""
    async with Sessions(dsn, SCHEMA) as sessions:
        yield PostgresDataKeys(sessions)
