"""The trace store's partitions: always one ahead of the clock, never older or larger than allowed."""

from __future__ import annotations

import asyncpg
import pytest

from infra.local.platform import LocalPlatform
from infra.local.testing import fresh_database
from infra.local.trace_partitions import PARTITION_NS, PARTITIONS_AHEAD, make_partitions, make_schema, retain

NOW_NS = 1_800_000_000 * 1_000_000_000


@pytest.fixture
async def database(servers: LocalPlatform) -> str:
    return await fresh_database(servers.endpoints)


async def test_partitions_are_made_ahead_and_take_over_what_lay_in_the_default_one(database: str) -> None:
    connection = await asyncpg.connect(database)
    await make_schema(connection)
    await make_schema(connection)
    await connection.execute("insert into otel.span values ($1, 1, 1, null, 1, 0, '', null, null)", NOW_NS)
    for _ in range(2):
        await make_partitions(connection, NOW_NS)
    assert await partitions(connection) == [NOW_NS // PARTITION_NS + ahead for ahead in range(PARTITIONS_AHEAD + 1)]
    assert await connection.fetchval("select count(*) from only otel.span_default") == 0
    assert await connection.fetchval("select count(*) from otel.span") == 1
    await connection.close()


async def test_what_is_too_old_goes_and_so_does_the_oldest_of_too_much(database: str) -> None:
    connection = await asyncpg.connect(database)
    await make_schema(connection)
    for hours in range(6):
        await make_partitions(connection, NOW_NS + hours * PARTITION_NS)
    await connection.execute("insert into otel.span values (1, 1, 1, null, 1, 0, '', null, null)")
    now_ns = NOW_NS + 5 * PARTITION_NS
    first = NOW_NS // PARTITION_NS
    assert await retain(connection, now_ns, age_ns=3 * PARTITION_NS, size_bytes=1 << 40) == 2
    assert await partitions(connection) == list(range(first + 2, first + 6 + PARTITIONS_AHEAD))
    assert await connection.fetchval("select count(*) from otel.span") == 0
    await connection.execute(
        "insert into otel.span select $1, 1, i, null, 1, 0, sha256(i::text::bytea), null, null"
        " from generate_series(1, 9000) i",
        now_ns - PARTITION_NS,
    )
    assert await retain(connection, now_ns, age_ns=24 * PARTITION_NS, size_bytes=1 << 20) == 3
    assert await partitions(connection) == list(range(first + 5, first + 6 + PARTITIONS_AHEAD))
    assert await retain(connection, now_ns, age_ns=24 * PARTITION_NS, size_bytes=0) == 1, "the present one goes too"
    assert await partitions(connection) == list(range(first + 5, first + 6 + PARTITIONS_AHEAD))
    await connection.close()


async def partitions(connection: asyncpg.Connection[asyncpg.Record]) -> list[int]:
    rows = await connection.fetch(
        "select relname from pg_class where relname ~ '^span_[0-9]+$' and relkind = 'r' order by 1"
    )
    return [int(row["relname"].rpartition("_")[2]) for row in rows]
