"""Composition root: settings read once, adapters opened, one pool run. `python -m actors orders`, or `provision`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import uvloop

from actors import inventory, notifications, orders, payments, users
from actors.health import health_port
from actors.mesh._actor import Actor
from actors.mesh._blueprint import Blueprint, consumers, draw, shapes, view_name
from actors.mesh._chaos import Chaos
from actors.mesh._client import Client
from actors.mesh._dead_letters import DeadLetters
from actors.mesh._errors import Unavailable
from actors.mesh._follow import Following
from actors.mesh._log import configure_logging, get_logger
from actors.mesh._pool import Pool, World
from actors.mesh._ports import ReadModelStore
from actors.mesh._principals import Signer, Verifier
from actors.mesh._privacy import Privacy
from actors.mesh._read import Views
from actors.mesh._rebuild import rebuild
from actors.mesh._relay import Relay
from actors.mesh._settings import PoolSettings, ProvisionSettings, SettingsError, read_settings
from actors.mesh._telemetry import Telemetry, TelemetrySettings, open_telemetry
from actors.mesh.adapters.nats import NatsBus, open_nats
from actors.mesh.adapters.postgres.connect import domain_dsn, views_schema
from actors.mesh.adapters.postgres.data_keys import open_postgres_data_keys
from actors.mesh.adapters.postgres.provision import provision
from actors.mesh.adapters.postgres.store import open_postgres
from actors.mesh.adapters.postgres.views import open_postgres_views
from actors.mesh.adapters.world import SystemClock, SystemIds
from actors.outside import outside_of
from schemas.principal import Principal

ACTORS: dict[str, Actor] = {
    actor.name: actor for actor in (users.actor, orders.actor, inventory.actor, payments.actor, notifications.actor)
}
IN_MONGO = frozenset({"orders"})
"""Domains whose views live in MongoDB where one is configured, as the design document has it."""
# LAZY: the drivers of MongoDB and Redis are two thirds of a pool's import time and a third of its memory, and most
# pools need neither; so these two are imported where they are opened.
EXIT_USAGE = 64
USAGE = f"usage: python -m actors {' | '.join(ACTORS)} | provision | rebuild <domain> <view>"
EXIT_UNAVAILABLE = 69
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
                settings.nats_url.reveal(),
                name=blueprint.name,
                clock=SystemClock(),
                ids=SystemIds(),
                client=settings.nats_client,
                on_dead=dead,
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
    clock, ids, name, dsn = SystemClock(), SystemIds(), blueprint.name, own_dsn(blueprint, settings)
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
    privacy = await opened.enter_async_context(privacy_of(blueprint, settings))
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


def own_dsn(blueprint: Blueprint, settings: PoolSettings) -> str:
    """Return the address at which this domain's own role logs in."""
    if settings.domain_password is None:
        return settings.postgres_url.reveal()
    return domain_dsn(settings.postgres_url.reveal(), blueprint.name, settings.domain_password.reveal())


@asynccontextmanager
async def views_of(blueprint: Blueprint, settings: PoolSettings) -> AsyncIterator[Mapping[str, ReadModelStore]]:
    """Open the stores of a domain's views and prepare them."""
    name = blueprint.name
    async with AsyncExitStack() as opened:
        stores: dict[str, ReadModelStore] = {}
        if settings.mongo_url is not None and name in IN_MONGO:
            from actors.mesh.adapters.mongo import open_mongo_views  # here: see LAZY

            mongo = open_mongo_views(settings.mongo_url.reveal(), f"mesh_{name}")
            stores["default"] = await opened.enter_async_context(mongo)
        else:
            tables = open_postgres_views(own_dsn(blueprint, settings), views_schema(name))
            stores["default"] = await opened.enter_async_context(tables)
        if shapes(blueprint, "redis"):
            from actors.mesh.adapters.redis import open_redis_views  # here: see LAZY

            hot = open_redis_views(settings.redis_url.reveal(), f"{name}:")
            stores["redis"] = await opened.enter_async_context(hot)
        for kept, store in stores.items():
            await store.prepare(shapes(blueprint, kept))
        yield stores


async def run_provision(settings: ProvisionSettings) -> int:
    """Make schemas, roles, streams and consumers where they are not there yet; never done on the request path."""
    admin, blueprints = settings.postgres_url.reveal(), [draw(actor) for actor in ACTORS.values()]
    for blueprint in blueprints:
        password = settings.domain_passwords.reveal().get(blueprint.name)
        await provision(admin, blueprint.name, inline_sql(blueprint), password)
    async with open_postgres_data_keys(admin) as keys:
        await keys.prepare([blueprint.name for blueprint in blueprints])
    url, client = settings.nats_url.reveal(), settings.nats_client
    nats = open_nats(url, name="provision", clock=SystemClock(), ids=SystemIds(), client=client)
    async with nats as bus:
        await bus.provision(
            [stream for blueprint in blueprints for stream in blueprint.streams],
            [spec for blueprint in blueprints for spec in consumers(blueprint)],
        )
    log.info("provisioned", domains=[blueprint.name for blueprint in blueprints])
    return 0


async def run_rebuild(blueprint: Blueprint, settings: PoolSettings, *, view: str) -> int:
    """Make a view again from the first event on, beside the live one; pools go on meanwhile."""
    clock, name = SystemClock(), blueprint.name
    async with AsyncExitStack() as opened:
        url, client = settings.nats_url.reveal(), settings.nats_client
        nats = open_nats(url, name=f"{name}-rebuild", clock=clock, ids=SystemIds(), client=client)
        bus = await opened.enter_async_context(nats)
        store = await opened.enter_async_context(open_postgres(own_dsn(blueprint, settings), name))
        privacy = await opened.enter_async_context(privacy_of(blueprint, settings))
        stores = await opened.enter_async_context(views_of(blueprint, settings))
        following = Following(bus, Telemetry(name), DeadLetters(store.dead_letters, privacy, clock))
        views = Views(blueprint, store.journal, stores, privacy)
        projection = next(each for each in blueprint.actor.projections if view_name(each) == view)
        events = await rebuild(following, views, projection, clock)
    log.info("view rebuilt", domain=name, view=view, events=events)
    return 0


def views_named(domain: str) -> frozenset[str]:
    """Return the names of a domain's views; none where there is no such domain."""
    return frozenset(view_name(each) for each in ACTORS[domain].projections) if domain in ACTORS else frozenset()


@asynccontextmanager
async def privacy_of(blueprint: Blueprint, settings: PoolSettings) -> AsyncIterator[Privacy]:
    """Open what seals and opens personal data."""
    async with open_postgres_data_keys(own_dsn(blueprint, settings)) as keys:
        yield Privacy(
            keys,
            master_key=settings.master_key.reveal(),
            hmac_key=settings.hmac_key.reveal(),
            now_ms=SystemClock().now_ms,
        )


def inline_sql(blueprint: Blueprint) -> list[tuple[str, str]]:
    """Read the files that make a domain's inline tables."""
    folder = resources.files(f"actors.{blueprint.name}")
    names = dict.fromkeys(f"{posting.table}.sql" for posting in blueprint.actor.postings)
    texts = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}
    return [(name, text.replace("{schema}", blueprint.name)) for name, text in texts.items()]


def main(words: list[str]) -> int:
    """Run one process of the services; return its exit code."""
    work: Callable[[Blueprint, PoolSettings], Coroutine[Any, Any, int]] = run_pool
    match words:
        case ["rebuild", domain, view] if view in views_named(domain):
            name, work = domain, partial(run_rebuild, view=view)
        case [domain] if domain in ACTORS:
            name = domain
        case ["provision"]:
            name = "provision"
        case _:
            print(USAGE, file=sys.stderr)  # noqa: T201
            return EXIT_USAGE
    configure_logging(name)
    try:
        if name == "provision":
            return uvloop.run(run_provision(read_settings(ProvisionSettings, os.environ)))
        return uvloop.run(work(draw(ACTORS[name]), read_settings(PoolSettings, os.environ)))
    except Unavailable as error:
        log.error("start failed", reason=str(error), remedy="it is started again; look at what it names")
        return EXIT_UNAVAILABLE
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_SETTINGS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
