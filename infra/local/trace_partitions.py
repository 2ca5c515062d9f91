"""The partitions of the trace store: made ahead of time, dropped by age and by size, oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

HOUR_NS = 3_600_000_000_000
PARTITION_NS = HOUR_NS  # small, since the size bound can only be kept by whole partitions
PARTITIONS_AHEAD = 2  # the keeper may sleep an hour and a clock be an hour fast
TABLES = ("span", "trace_key")
SCHEMA_LOCK = 0x6F74656C  # "otel": two collectors that start together must not make the same table

Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"  # generic in its stubs only


async def make_schema(connection: Connection) -> None:
    """Make what is missing; running it again changes nothing."""
    text = (Path(__file__).parent / "trace_schema.sql").read_text()
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", SCHEMA_LOCK)
        await connection.execute("set local client_min_messages = warning")  # "already exists" is what we want
        await connection.execute(text)


async def make_partitions(connection: Connection, now_ns: int) -> None:
    """Make the partition of this hour and the next ones, taking over what the default one holds of their time."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", SCHEMA_LOCK)
        there = set(await _partitions(connection))
        first = now_ns // PARTITION_NS
        for period in range(first, first + 1 + PARTITIONS_AHEAD):
            for table in TABLES:
                if (table, period) not in there:
                    await _make_partition(connection, table, period)


async def retain(connection: Connection, now_ns: int, *, age_ns: int, size_bytes: int) -> int:
    """Drop what is too old, then the oldest while all together are too large; returns how many were dropped."""
    oldest_kept = (now_ns - age_ns) // PARTITION_NS
    for table in TABLES:
        await connection.execute(f"delete from otel.{table}_default where started_ns < $1", now_ns - age_ns)  # noqa: S608  # a constant
    dropped = 0
    for period in sorted({period for _, period in await _partitions(connection)}):
        too_old = period < oldest_kept
        if not too_old and await _size_bytes(connection) <= size_bytes:
            break
        if period > now_ns // PARTITION_NS:
            break  # those made ahead are empty
        await _drop(connection, period)
        dropped += 1
    await make_partitions(connection, now_ns)  # the present one may have been the one that was too large
    return dropped


async def _partitions(connection: Connection) -> list[tuple[str, int]]:
    names: Iterable[str] = [
        row["relname"]
        for row in await connection.fetch(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent in ('otel.span'::regclass, 'otel.trace_key'::regclass)"
        )
    ]
    split = [name.rpartition("_") for name in names]
    return [(table, int(period)) for table, _, period in split if period.isdecimal()]


async def _make_partition(connection: Connection, table: str, period: int) -> None:
    start, end = period * PARTITION_NS, (period + 1) * PARTITION_NS
    name, rest = f"otel.{table}_{period}", f"otel.{table}_default"
    span_of_time = f"started_ns >= {start} and started_ns < {end}"
    await connection.execute(
        f"create temporary table moved on commit drop as select * from {rest} where {span_of_time};"  # noqa: S608  # constants and integers
        f"delete from {rest} where {span_of_time};"
        f"create table {name} partition of otel.{table} for values from ({start}) to ({end});"
        f"insert into {name} select * from moved;"
        f"drop table moved"
    )


async def _drop(connection: Connection, period: int) -> None:
    async with connection.transaction():
        for table in TABLES:
            await connection.execute(f"drop table if exists otel.{table}_{period}")


async def _size_bytes(connection: Connection) -> int:
    size = await connection.fetchval(
        "select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint from pg_inherits"
        " where inhparent in ('otel.span'::regclass, 'otel.trace_key'::regclass)"
    )
    assert isinstance(size, int)
    return size
