"""Everything but PostgreSQL's truth tables is wiped, and comes back equal; nothing that was done is done again."""

import asyncio
from typing import NamedTuple

import nats
import pytest
from redis.asyncio import Redis

from actors.__main__ import ACTORS
from actors.mesh.adapters.postgres.connect import views_schema
from actors.mesh.adapters.postgres.provision import TRUTH_TABLES
from cli.check import places_of
from cli.check_facts import Facts, Row
from cli.check_stores import read_facts
from cli.simulate import simulate
from infra.local.services import ServiceName
from tests.e2e.running import Running

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

ORDERS = 30
POOLS: dict[str, ServiceName] = {
    "users": "users",
    "payments": "payments",
    "orders": "orders",
    "orders-2": "orders",
    "inventory": "inventory",
    "inventory-2": "inventory",
}
INLINE_TABLES = {"payments": ("ledger",)}
KEPT = {f"{domain}.{table}" for domain in ACTORS for table in (*TRUTH_TABLES, *INLINE_TABLES.get(domain, ()))} | {
    "privacy.data_keys"
}
SCHEMAS = ["privacy", *ACTORS, *(views_schema(domain) for domain in ACTORS)]
"""All that services keep; traces are somebody else's, and drop their own."""
OWN_TABLES = "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = ANY ($1)"


class Done(NamedTuple):
    """What was done so far, and what the views say of it."""

    charges: list[tuple[str, str, str]]
    commands: dict[str, dict[str, str]]
    events: dict[str, dict[str, int]]
    sagas: dict[str, list[tuple[str, str, str]]]
    ledger: list[object]
    streams: dict[str, list[str]]
    views: dict[str, dict[str, Row]]


def done(facts: Facts) -> Done:
    domains = facts.domains.items()
    return Done(
        charges=sorted((each.key, each.kind, each.outcome) for each in facts.cards),
        commands={name: dict(domain.commands) for name, domain in domains},
        events={name: {key: len(events) for key, events in domain.events.items()} for name, domain in domains},
        sagas={name: list(domain.sagas) for name, domain in domains},
        ledger=list(facts.ledger),
        streams={name: sorted(domain.stream_ids) for name, domain in domains},
        views={view: dict(held.held) for _, domain in domains for view, held in domain.views.items()},
    )


async def documents(running: Running) -> dict[str, list[tuple[str, int, str]]]:
    """The views' rows as PostgreSQL holds them, where no personal text in them is sealed anew each time."""
    found = {}
    async with running.administrator() as connection:
        for table in ("inventory_views.view_item_view", "payments_views.view_payment_view"):
            rows = await connection.fetch(f"SELECT key, version, document::text FROM {table} ORDER BY key")
            found[table] = [tuple(row) for row in rows]
    return found


async def wipe_streams(running: Running) -> None:
    client = await nats.connect(running.platform.endpoints.nats)
    jetstream = client.jetstream()
    for stream in await jetstream.streams_info():
        await jetstream.delete_stream(stream.config.name)
    assert not await jetstream.streams_info()
    await client.close()


async def wipe_redis(running: Running) -> None:
    async with Redis.from_url(running.platform.endpoints.redis) as client:
        await client.flushall()
        assert await client.dbsize() == 0


async def wipe_tables(running: Running) -> list[str]:
    """Drop every table that is not truth; return which were dropped."""
    async with running.administrator() as connection:
        there = {row["name"] for row in await connection.fetch(OWN_TABLES, SCHEMAS)}
        assert there >= KEPT, f"truth tables that are not there: {KEPT - there}"
        gone = sorted(there - KEPT)
        for name in gone:
            await connection.execute(f"DROP TABLE {name} CASCADE")
    return gone


async def test_what_is_wiped_comes_back_equal_and_nothing_is_done_twice(running: Running) -> None:
    outcome = await simulate(running.platform.endpoints, seed=17, orders=ORDERS, concurrency=12)
    assert not outcome.wrong
    assert not (await running.checked()).problems
    before, rows = done(await read_facts(places_of(running.folder))), await documents(running)
    assert before.charges
    await asyncio.gather(*(running.platform.remove(name) for name in POOLS))

    await wipe_streams(running)
    await wipe_redis(running)
    gone = await wipe_tables(running)
    assert {"orders.unpublished", "orders.broker", "orders_views.view_order_view"} <= set(gone)
    await running.platform.restart("provision")
    platform = running.platform
    await asyncio.gather(*(platform.add(platform.part(kind, name)) for name, kind in POOLS.items()))

    verdict = await running.checked(acknowledged=outcome.acknowledged)
    assert not verdict.problems
    after = done(await read_facts(places_of(running.folder)))
    for field in Done._fields:
        assert getattr(after, field) == getattr(before, field), field
    assert await documents(running) == rows


async def test_a_platform_that_was_wiped_goes_on(running: Running) -> None:
    outcome = await simulate(running.platform.endpoints, seed=18, orders=10, concurrency=5)
    assert not outcome.wrong
    assert not (await running.checked(acknowledged=outcome.acknowledged)).problems
