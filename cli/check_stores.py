"""Reading what the services keep, past the services: PostgreSQL as administrator, Redis, JetStream, the card log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg
import httpx
import msgspec
from redis.asyncio import Redis

from actors.__main__ import ACTORS
from actors.mesh._actor import Happened, Projection
from actors.mesh._blueprint import Blueprint, consumers, draw, second_parameter, shapes, view_name
from actors.mesh._errors import MeshError
from actors.mesh._lifting import lift_stored
from actors.mesh._ports import StoredEvent, ViewRow
from actors.mesh._privacy import Privacy
from actors.mesh._read import aggregate_name, decided_at_ms
from actors.mesh._states import opened
from actors.mesh.adapters.nats import NatsBus, open_nats
from actors.mesh.adapters.postgres.connect import views_schema
from actors.mesh.adapters.postgres.data_keys import open_postgres_data_keys
from actors.mesh.adapters.redis import open_redis_views
from actors.mesh.adapters.world import SystemClock, SystemIds
from cli.check_facts import CardOperation, Domain, Fact, Facts, Posting, Row, View
from schemas.message import Event

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
OVERDUE_SECONDS = 30
UNREADABLE = b"unreadable: "

EVENTS = """SELECT key, version, name, body, headers, command_id::text AS command_id, private,
    (extract(epoch FROM at) * 1000)::bigint AS at_ms FROM {schema}.events ORDER BY key, version"""
COMMANDS = "SELECT command_id::text AS command_id, message FROM {schema}.commands"
UNPUBLISHED = "SELECT key || '@' || version AS id FROM {schema}.unpublished ORDER BY at, key"
SAGAS = "SELECT saga, key, status FROM {schema}.sagas ORDER BY saga, key"
EFFECTS = "SELECT event_id || ' ' || performer AS id FROM {schema}.effects WHERE NOT finished ORDER BY 1"
TIMERS = """SELECT timer_id AS id FROM {schema}.timers
WHERE due_at_ms < (extract(epoch FROM clock_timestamp()) - $1) * 1000"""
LETTERS = "SELECT letter_id, subject, reader, reason FROM {schema}.dead_letters ORDER BY at_ms"
LEDGER = "SELECT transaction_id, order_id, account, currency, amount_minor FROM payments.ledger ORDER BY id"
IS_THERE = "SELECT to_regclass($1) IS NOT NULL"
VIEW = 'SELECT key, version, document FROM "{schema}".view_{view} ORDER BY key'

AWAY = (OSError, MeshError, asyncpg.PostgresError, asyncpg.InterfaceError, httpx.HTTPError)
"""What reading raises where a store is away."""

Connection = Any  # asyncpg's is generic in its stubs only
Stored = Mapping[str, Sequence[StoredEvent]]


class Places(NamedTuple):
    """Where the stores are, as somebody who may read all of them."""

    postgres: str
    nats: str
    redis: str
    cards: str
    master_key: bytes
    hmac_key: bytes


async def read_facts(places: Places) -> Facts:
    """Read everything: PostgreSQL at one moment, then the streams and what is kept beside."""
    connection = await asyncpg.connect(places.postgres, timeout=CONNECT_SECONDS, command_timeout=READ_SECONDS)
    nats = open_nats(places.nats, name="check", clock=SystemClock(), ids=SystemIds())
    try:
        async with (
            nats as bus,
            open_postgres_data_keys(places.postgres) as keys,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            privacy = Privacy(keys, master_key=places.master_key, hmac_key=places.hmac_key, now_ms=SystemClock().now_ms)
            blueprints = [draw(actor) for actor in ACTORS.values()]
            domains = [await read_domain(places, connection, bus, privacy, blueprint) for blueprint in blueprints]
            ledger = [Posting(*row) for row in await connection.fetch(LEDGER)]
    finally:
        await connection.close()
    return Facts({domain.name: domain for domain in domains}, ledger, await read_cards(places.cards))


async def read_domain(
    places: Places, connection: Connection, bus: NatsBus, privacy: Privacy, blueprint: Blueprint
) -> Domain:
    name = blueprint.name

    async def rows(statement: str, *arguments: object) -> list[Any]:
        found: list[Any] = await connection.fetch(statement.format(schema=f'"{name}"'), *arguments)
        return found

    stored: dict[str, list[StoredEvent]] = {}
    for row in await rows(EVENTS):
        stored.setdefault(row["key"], []).append(StoredEvent(**dict(row)))
    return Domain(
        name=name,
        events={
            key: [fact_of(event, blueprint.events.get(event.name)) for event in of_key]
            for key, of_key in stored.items()
        },
        commands={row["command_id"]: row["message"] for row in await rows(COMMANDS)},
        unpublished=[row["id"] for row in await rows(UNPUBLISHED)],
        sagas=[(row["saga"], row["key"], row["status"]) for row in await rows(SAGAS)],
        open_effects=[row["id"] for row in await rows(EFFECTS)],
        overdue_timers=[row["id"] for row in await rows(TIMERS, OVERDUE_SECONDS)],
        dead_letters=[tuple(row) for row in await rows(LETTERS)],
        stream_ids=[message_id async for message_id in bus.stored_ids(blueprint.stream.name)],
        pending={consumer.name: await bus.pending(consumer) for consumer in consumers(blueprint)},
        views=await read_views(places, connection, privacy, blueprint, stored),
    )


def fact_of(event: StoredEvent, kind: type[Event] | None) -> Fact:
    """Return what the rules judge: the body as today's code reads it, sealed as it is."""
    body = event.body if kind is None else lift_stored(kind, event).body
    return Fact(event.key, event.version, event.name, event.command_id, event.at_ms, msgspec.json.decode(body))


async def read_views(
    places: Places, connection: Connection, privacy: Privacy, blueprint: Blueprint, stored: Stored
) -> dict[str, View]:
    """Return each view as it is held and as it must be."""
    views: dict[str, View] = {}
    for projection in blueprint.actor.projections:
        prefix = aggregate_name(blueprint.followed[projection]) + "/"
        mine = {key.removeprefix(prefix): of_key for key, of_key in stored.items() if key.startswith(prefix)}
        if projection.store == "redis":
            held = await from_redis(places.redis, blueprint, view_name(projection), mine)
        else:
            held = await from_postgres(connection, blueprint, view_name(projection))
        shown = {row.key: await as_shown(privacy, projection, row) for row in held}
        folded = {key: await folded_from_zero(blueprint, privacy, projection, mine[key]) for key in mine}
        views[view_name(projection)] = View(shown, folded)
    return views


async def from_postgres(connection: Connection, blueprint: Blueprint, view: str) -> list[ViewRow]:
    schema = views_schema(blueprint.name)
    if not await connection.fetchval(IS_THERE, f'"{schema}".view_{view}'):
        return []
    rows = await connection.fetch(VIEW.format(schema=schema, view=view))
    return [ViewRow(row["key"], row["version"], row["document"].encode()) for row in rows]


async def from_redis(url: str, blueprint: Blueprint, view: str, known: Stored) -> list[ViewRow]:
    """Read the rows of known entities, and look whether there are others."""
    prefix = f"{blueprint.name}:"
    async with Redis.from_url(url) as client, open_redis_views(url, prefix) as store:
        keys = [key.decode() async for key in client.scan_iter(match=f"{{{prefix}}}:view:{view}:*", count=1000)]
        await store.prepare(shapes(blueprint, "redis"))
        found = await store.get(view, [*known, *({key.rpartition(":")[2] for key in keys} - known.keys())])
    return list(found.values())


async def as_shown(privacy: Privacy, projection: Projection, row: ViewRow) -> Row:
    """Open a row; what does not open or decode is told as what it is, since a checker does not stop at it."""
    if row.document == b"null":
        return Row(row.version, b"null")
    try:
        return Row(row.version, msgspec.json.encode(await privacy.open(projection.view, row.document), order="sorted"))
    except (MeshError, msgspec.MsgspecError) as error:
        return Row(row.version, UNREADABLE + str(error).encode())


async def folded_from_zero(
    blueprint: Blueprint, privacy: Privacy, projection: Projection, stored: Sequence[StoredEvent]
) -> Row:
    known, state = second_parameter(projection.fold), None
    version = 0
    try:
        for kept, event in zip(stored, await opened(blueprint, privacy, stored), strict=True):
            version = kept.version
            if isinstance(event, known):
                state = projection.fold(state, event, Happened(kept.key, version, decided_at_ms(kept)))
    except (MeshError, msgspec.MsgspecError, AssertionError) as error:
        return Row(version, UNREADABLE + str(error).encode())
    return Row(version, msgspec.json.encode(state, order="sorted"))


async def read_cards(url: str) -> list[CardOperation]:
    """Ask the card processor for its own log."""

    class Log(msgspec.Struct):
        operations: list[CardOperation]

    async with httpx.AsyncClient(base_url=url, timeout=READ_SECONDS, trust_env=False) as http:
        response = await http.get("/v1/log")
    response.raise_for_status()
    return msgspec.json.decode(response.content, type=Log).operations


async def unrest(places: Places) -> list[str]:
    """Return what is still under way, cheaply: outboxes, sagas, effects, consumers."""
    connection = await asyncio.wait_for(asyncpg.connect(places.postgres), CONNECT_SECONDS)
    found: list[str] = []
    try:
        async with open_nats(places.nats, name="check", clock=SystemClock(), ids=SystemIds()) as bus:
            for blueprint in (draw(actor) for actor in ACTORS.values()):
                schema = f'"{blueprint.name}"'
                for what, table in (
                    ("commits unpublished", f"{schema}.unpublished"),
                    ("sagas unfinished", f"{schema}.sagas WHERE status IN ('running', 'undoing')"),
                    ("effects unfinished", f"{schema}.effects WHERE NOT finished"),
                ):
                    count = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  own names
                    found += [f"{blueprint.name}: {count} {what}"] if count else []
                for consumer in consumers(blueprint):
                    pending = await bus.pending(consumer)
                    found += [f"{consumer.name} has {pending} before it"] if pending else []
    finally:
        await connection.close()
    return found
