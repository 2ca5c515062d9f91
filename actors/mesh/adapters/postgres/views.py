"""Views in PostgreSQL: a table each in the domain's schema, beside the document what it is found by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from zlib import crc32

import asyncpg
import msgspec

from actors.mesh._errors import TimedOut, Unavailable
from actors.mesh._ports import ViewPage, ViewRow, ViewShape
from actors.mesh.adapters.postgres.connect import (
    AGAIN,
    AWAY_SECONDS,
    LOST,
    SHUT,
    Row,
    Sessions,
    is_away,
    schema_of,
)
from actors.mesh.adapters.view_rules import (
    Shapes,
    batches,
    field_text,
    found_by,
    newest,
    page_of,
    page_rows,
    position_of,
)
from actors.mesh.adapters.within import within

# `json`, not `jsonb`: it keeps the document byte for byte, and takes a NUL that a text of it may hold. What a row is
# found by is computed by the same rules for every store, so that no collation and no type makes a difference.
TABLE = """CREATE TABLE IF NOT EXISTS {table} (
    key text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    position text COLLATE "C" NOT NULL,
    found_by jsonb NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    document json NOT NULL
)"""
GET = "SELECT key, version, document FROM {table} WHERE key = ANY($1::text[])"
PUT = """INSERT INTO {table} AS t (key, version, position, found_by, document)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::jsonb[], $5::json[])
ON CONFLICT (key) DO UPDATE SET version = excluded.version, position = excluded.position,
    found_by = excluded.found_by, written_at = now(), document = excluded.document
WHERE t.version < excluded.version RETURNING key"""
EXPIRED_MAX = 1_000  # rows a write removes along the way, so that it stays short
EXPIRE = """DELETE FROM {table} WHERE key IN (
    SELECT key FROM {table} WHERE written_at < now() - make_interval(days => $1) LIMIT $2)"""

IS_THERE = "SELECT to_regclass($1) IS NOT NULL"
UNDEFINED = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)
NAME_LENGTH_MAX = 63  # PostgreSQL cuts names there, and cut names may be the same


class PostgresViews:
    """The views of one domain."""

    def __init__(self, sessions: Sessions, schema: str) -> None:
        self._sessions = sessions
        self._schema = schema
        self._shapes = Shapes()

    async def prepare(self, views: Sequence[ViewShape]) -> None:
        """Make the tables and indexes that are not there."""
        for view in views:
            self._shapes.add(view)
        async with self._changing() as connection:
            for view in views:
                await _make(connection, view)

    async def get(self, view: str, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """Return the rows that are there."""
        found: dict[str, ViewRow] = {}
        self._shapes.of(view)
        for batch in batches(dict.fromkeys(keys)):
            for row in await self._read(GET.format(table=_table(view)), batch):
                found[row["key"]] = _row(row)
        return found

    async def put(self, view: str, rows: Sequence[ViewRow]) -> frozenset[str]:
        """Write what is newer than what is there; return the other keys."""
        shape = self._shapes.of(view)
        stale: set[str] = set()
        for batch in batches(newest(rows)):
            found = [found_by(shape, row) for row in batch]
            columns = (
                [row.key for row in batch],
                [row.version for row in batch],
                [each.position for each in found],
                [msgspec.json.encode(each.fields).decode() for each in found],
                [row.document.decode() for row in batch],
            )
            written = await self._write(shape, PUT.format(table=_table(view)), *columns)
            stale |= {row.key for row in batch} - {row["key"] for row in written}
        if shape.keep_days:
            await self._write(shape, EXPIRE.format(table=_table(view)), shape.keep_days, EXPIRED_MAX)
        return frozenset(stale)

    async def page(
        self, view: str, where: Mapping[str, str], *, newest_first: bool, cursor: str, limit: int
    ) -> ViewPage:
        """Return rows equal in all given fields, in order."""
        self._shapes.asked(view, where)
        count, after = page_rows(limit), position_of(cursor)
        arguments: list[object] = [count + 1]
        conditions = []
        for field, value in where.items():
            arguments.append(field_text(value))
            conditions.append(f"found_by->>'{field}' = ${len(arguments)}")
        if after is not None:
            arguments.append(after)
            conditions.append(f"position {'<' if newest_first else '>'} ${len(arguments)}")
        rows = await self._read(
            f"SELECT key, version, document, position FROM {_table(view)} "  # noqa: S608 - checked names only
            f"WHERE {' AND '.join(conditions) or 'true'} "
            f"ORDER BY position {'DESC' if newest_first else 'ASC'} LIMIT $1",
            *arguments,
        )
        return page_of([(_row(row), row["position"]) for row in rows], count)

    async def wipe(self, view: str) -> None:
        """Forget all rows."""
        shape = self._shapes.of(view)
        async with self._changing() as connection:
            await _make(connection, shape)
            await connection.execute(f"TRUNCATE {_table(view)}")

    async def switch(self, fresh: str, live: str) -> None:
        """Rename the fresh table and its indexes in one transaction, and make a new, empty one in its place."""
        shape = self._shapes.of(fresh)
        self._shapes.add(shape._replace(name=live))
        async with self._changing() as connection:
            await _make(connection, shape)
            await connection.execute(f"DROP TABLE IF EXISTS {_table(live)}")
            await connection.execute(f"ALTER TABLE {_table(fresh)} RENAME TO {_table(live)}")
            # Indexes keep their names otherwise, and the next fresh table would go without: "exists already".
            names = [(f"{_table(view)}_pkey", *_indexes(shape, view)) for view in (fresh, live)]
            for old, new in zip(*names, strict=True):
                await connection.execute(f"ALTER INDEX IF EXISTS {old} RENAME TO {new}")
            await _make(connection, shape)

    async def _read(self, statement: str, *arguments: object) -> Sequence[Row]:
        try:
            return await within(AWAY_SECONDS, self._sessions.repeat(statement, *arguments))
        except UNDEFINED:
            return ()  # dropped under our feet: an empty view, made again by the next write
        except TimeoutError as error:
            raise Unavailable("the database does not answer") from error

    async def _write(self, shape: ViewShape, statement: str, *arguments: object) -> Sequence[Row]:
        try:
            return await within(AWAY_SECONDS, self._sessions.once(statement, *arguments))
        except UNDEFINED:
            async with self._changing() as connection:
                await _make(connection, shape)
            return await self._sessions.once(statement, *arguments)
        except TimeoutError as error:
            raise TimedOut("the database does not answer a write of views") from error

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[Row]]:
        """Hold a transaction for definitions, one process at a time: IF NOT EXISTS is no protection in a race."""
        try:
            async with (
                asyncio.timeout(AWAY_SECONDS),
                self._sessions.pool.acquire() as connection,
                connection.transaction(),
            ):
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"views of {self._schema}")
                if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", self._schema):
                    await connection.execute(f"CREATE SCHEMA {self._schema}")
                yield connection
        except (*LOST, *SHUT, *AGAIN) as error:
            if not is_away(error):
                raise
            raise Unavailable("the database is away, or busy with the same views") from error


@asynccontextmanager
async def open_postgres_views(dsn: str, schema: str) -> AsyncIterator[PostgresViews]:
    """Open a domain's views; the database may still be away. Who connects owns the tables it makes."""
    async with Sessions(dsn, schema) as sessions:
        yield PostgresViews(sessions, schema_of(schema))


async def _make(connection: asyncpg.pool.PoolConnectionProxy[Row], shape: ViewShape) -> None:
    # Looking first, since CREATE ... IF NOT EXISTS asks for rights that whoever only reads and writes does not have.
    table = _table(shape.name)
    statements = {table: TABLE.format(table=table)}
    for name, columns in _indexes(shape, shape.name).items():
        statements[name] = f"CREATE INDEX {name} ON {table} ({columns})"
    for name, statement in statements.items():
        if not await connection.fetchval(IS_THERE, name):
            await connection.execute(statement)


def _indexes(shape: ViewShape, view: str) -> dict[str, str]:
    """Return the indexes by name; `$` cannot stand in a field's or a view's name, so none is another's."""
    indexes = {f"{_table(view)}$$position": "position"}
    for field in shape.fields:
        name = f"{_table(view)}${field}"
        if len(name) > NAME_LENGTH_MAX:
            name = f"{name[: NAME_LENGTH_MAX - 9]}${crc32(name.encode()):08x}"
        indexes[name] = f"(found_by->>'{field}'), position"
    if shape.keep_days:
        indexes[f"{_table(view)}$$written_at"] = "written_at"
    return indexes


def _table(view: str) -> str:
    return f"view_{view}"


def _row(row: Row) -> ViewRow:
    return ViewRow(row["key"], row["version"], row["document"].encode())
