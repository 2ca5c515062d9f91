"""Composition root: settings read once, adapters opened, one pool run. `python -m actors orders`, or `provision`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import uvloop

from actors import inventory, orders, payments, users
from actors.health import health_port
from actors.mesh._actor import Actor
from actors.mesh._blueprint import Blueprint, consumers, draw, shapes
from actors.mesh._chaos import Chaos
from actors.mesh._client import Client
from actors.mesh._log import configure_logging, get_logger
from actors.mesh._pool import Pool, World
from actors.mesh._ports import ReadModelStore
from actors.mesh._principals import Signer, Verifier
from actors.mesh._privacy import Privacy
from actors.mesh._relay import Relay
from actors.mesh._settings import PoolSettings, ProvisionSettings, SettingsError, read_settings
from actors.mesh._telemetry import TelemetrySettings, open_telemetry
from actors.mesh.adapters.mongo import open_mongo_views
from actors.mesh.adapters.nats import NatsBus, open_nats
from actors.mesh.adapters.postgres.beside import provision_beside, views_schema
from actors.mesh.adapters.postgres.data_keys import open_postgres_data_keys
from actors.mesh.adapters.postgres.provision import provision
from actors.mesh.adapters.postgres.store import open_postgres
from actors.mesh.adapters.postgres.views import open_postgres_views
from actors.mesh.adapters.redis import open_redis_views
from actors.mesh.adapters.world import SystemClock, SystemIds
from actors.payments.provider import CardProcessor, HttpCardProcessor
from schemas.principal import Principal

ACTORS: dict[str, Actor] = {actor.name: actor for actor in (users.actor, orders.actor, inventory.actor, payments.actor)}
IN_MONGO = frozenset({"orders"})
"""Domains whose views live in MongoDB where one is configured, as the design document has it."""
CARDS_SECONDS = 2.0
"""How long a card processor may take: with the questions after an unknown outcome this stays within a lease."""
EXIT_USAGE = 64
EXIT_DEAD = 70
EXIT_SETTINGS = 78

log = get_logger()


async def run_pool(blueprint: Blueprint, settings: PoolSettings) -> int:
    """Serve one domain until SIGTERM or SIGINT, then drain."""
    over, code = asyncio.Event(), 0

    def dead() -> None:
        nonlocal code
        code = EXIT_DEAD
        over.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    async with AsyncExitStack() as opened:
        bus = await opened.enter_async_context(
            open_nats(
                settings.nats_url.reveal(), name=blueprint.name, clock=SystemClock(), ids=SystemIds(), on_dead=dead
            )
        )
        pool = await composed(blueprint, settings, bus, opened)
        await pool.start()
        await opened.enter_async_context(health_port(settings.health_port, pool.problems))
        gc.freeze()  # what is there now stays: the collector need not look at it again
        await over.wait()
        await pool.drain()
    return code


async def composed(blueprint: Blueprint, settings: PoolSettings, bus: NatsBus, opened: AsyncExitStack) -> Pool:
    """Open what a pool needs and put it together."""
    clock, ids, name, dsn = SystemClock(), SystemIds(), blueprint.name, settings.postgres_url.reveal()
    telemetry = open_telemetry(
        TelemetrySettings(
            service=name, endpoint=settings.otlp_endpoint, mode=settings.traces, ratio=settings.trace_ratio
        )
    )
    opened.push_async_callback(telemetry.close)
    fired = Path(settings.data_folder) if settings.data_folder else None
    chaos = Chaos(settings.chaos or "", fired)
    relay = Relay(blueprint, bus, clock, telemetry, chaos)
    store = await opened.enter_async_context(open_postgres(dsn, name, appended=relay.appended))
    keys = await opened.enter_async_context(open_postgres_data_keys(dsn))
    privacy = Privacy(
        keys,
        master_key=settings.master_key.reveal(),
        hmac_key=settings.hmac_key.reveal(),
        now_ms=clock.now_ms,
    )
    identity = Principal(subject=name, roles=("service",))
    signer = Signer(settings.signing_key.reveal(), settings.signing_issuer, clock)
    world = World(
        bus=bus,
        store=store,
        views=await opened.enter_async_context(views_of(blueprint, settings)),
        privacy=privacy,
        client=Client(bus, signer, identity, clock=clock, ids=ids, telemetry=telemetry),
        verifier=Verifier(settings.verify_keys, clock),
        clock=clock,
        ids=ids,
        telemetry=telemetry,
        outside=await opened.enter_async_context(outside_of(blueprint, settings)),
        chaos=chaos,
    )
    return Pool(blueprint, world, relay)


@asynccontextmanager
async def views_of(blueprint: Blueprint, settings: PoolSettings) -> AsyncIterator[Mapping[str, ReadModelStore]]:
    """Open the stores of a domain's views and prepare them."""
    name = blueprint.name
    async with AsyncExitStack() as opened:
        stores: dict[str, ReadModelStore] = {}
        if settings.mongo_url is not None and name in IN_MONGO:
            mongo = open_mongo_views(settings.mongo_url.reveal(), f"mesh_{name}")
            stores["default"] = await opened.enter_async_context(mongo)
        else:
            tables = open_postgres_views(settings.postgres_url.reveal(), views_schema(name))
            stores["default"] = await opened.enter_async_context(tables)
        if shapes(blueprint, "redis"):
            hot = open_redis_views(settings.redis_url.reveal(), f"{name}:")
            stores["redis"] = await opened.enter_async_context(hot)
        for kept, store in stores.items():
            await store.prepare(shapes(blueprint, kept))
        yield stores


@asynccontextmanager
async def outside_of(blueprint: Blueprint, settings: PoolSettings) -> AsyncIterator[Mapping[type[Any], Any]]:
    """Open the clients of the outside services a domain performs with."""
    if not blueprint.actor.performances:
        yield {}
        return
    if settings.cards_url is None:
        raise SettingsError((f"MESH_CARDS_URL is missing: {blueprint.name} works with a card processor",))
    cards = HttpCardProcessor(settings.cards_url, CARDS_SECONDS)
    try:
        yield {CardProcessor: cards}
    finally:
        await cards.aclose()


async def run_provision(settings: ProvisionSettings) -> int:
    """Make schemas, roles, streams and consumers where they are not there yet; never done on the request path."""
    admin, blueprints = settings.postgres_url.reveal(), [draw(actor) for actor in ACTORS.values()]
    for blueprint in blueprints:
        password = settings.domain_passwords.reveal().get(blueprint.name)
        await provision(admin, blueprint.name, inline_sql(blueprint), password)
    await provision_beside(admin, [blueprint.name for blueprint in blueprints])
    nats = open_nats(settings.nats_url.reveal(), name="provision", clock=SystemClock(), ids=SystemIds())
    async with nats as bus:
        await bus.provision(
            [blueprint.stream for blueprint in blueprints],
            [spec for blueprint in blueprints for spec in consumers(blueprint)],
        )
    log.info("provisioned", domains=[blueprint.name for blueprint in blueprints])
    return 0


def inline_sql(blueprint: Blueprint) -> list[tuple[str, str]]:
    """Read the files that make a domain's inline tables."""
    folder = resources.files(f"actors.{blueprint.name}")
    names = dict.fromkeys(f"{posting.table}.sql" for posting in blueprint.actor.postings)
    texts = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}
    return [(name, text.replace("{schema}", blueprint.name)) for name, text in texts.items()]


def main(words: list[str]) -> int:
    """Run one process of the services; return its exit code."""
    if len(words) != 1 or words[0] not in (*ACTORS, "provision"):
        print(f"usage: python -m actors {' | '.join(ACTORS)} | provision", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    name = words[0]
    configure_logging(name)
    try:
        if name == "provision":
            return uvloop.run(run_provision(read_settings(ProvisionSettings, os.environ)))
        return uvloop.run(run_pool(draw(ACTORS[name]), read_settings(PoolSettings, os.environ)))
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_SETTINGS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
