"""The mesh itself: `pool` serves the tallies, `client` loads it with queries. Keys are the same in both."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actors.mesh._blueprint import consumers, draw
from actors.mesh._chaos import NO_CHAOS
from actors.mesh._client import Client
from actors.mesh._log import configure_logging
from actors.mesh._pool import Pool, World
from actors.mesh._ports import Store
from actors.mesh._principals import Signer, Verifier
from actors.mesh._privacy import Privacy
from actors.mesh._relay import Relay
from actors.mesh._spans import SpanKind
from actors.mesh._telemetry import Telemetry, TelemetrySettings, open_telemetry
from actors.mesh.adapters.memory.data_keys import MemoryDataKeys
from actors.mesh.adapters.memory.store import memory_store
from actors.mesh.adapters.memory.truth import MemoryTruth
from actors.mesh.adapters.nats.bus import NatsBus, open_nats
from actors.mesh.adapters.postgres.provision import provision
from actors.mesh.adapters.postgres.store import open_postgres
from actors.mesh.adapters.world import SystemClock, SystemIds
from bench.load import run, steer
from bench.tallies import ORDER, actor
from schemas.principal import Principal

CLOCK, IDS = SystemClock(), SystemIds()
SIGNER = Signer(bytes(range(32)), "bench", CLOCK)
BENCH = Principal(subject="bench", roles=("service",))
BLUEPRINT = draw(actor)


def telemetry(service: str) -> Telemetry:
    """Return the process' tracing; `BENCH_RATIO` of the traces that begin here are recorded, 0 where it is not set."""
    endpoint, ratio = os.environ.get("BENCH_SPANS"), float(os.environ.get("BENCH_RATIO", "0"))
    return open_telemetry(TelemetrySettings(service=service, endpoint=endpoint, ratio=ratio))


@asynccontextmanager
async def open_client(name: str, tracing: Telemetry) -> AsyncIterator[tuple[NatsBus, Client]]:
    """Open the bus and a client on it, as every process of the platform does."""
    async with open_nats(os.environ["BENCH_NATS"], name=name, clock=CLOCK, ids=IDS) as bus:
        yield bus, Client(bus, SIGNER, BENCH, clock=CLOCK, ids=IDS, telemetry=tracing)


@asynccontextmanager
async def open_store(relay: Relay) -> AsyncIterator[Store]:
    """Open PostgreSQL where `BENCH_POSTGRES` names one, else memory: queries answered from memory need no other."""
    dsn = os.environ.get("BENCH_POSTGRES")
    if dsn is None:
        yield memory_store(MemoryTruth(), actor.name, CLOCK, relay.appended)
        return
    await provision(dsn, actor.name)
    async with open_postgres(dsn, actor.name, appended=relay.appended) as store:
        yield store


async def pool() -> None:
    """Serve the tallies until killed."""
    tracing = telemetry(actor.name)
    async with open_client(actor.name, tracing) as (bus, client):
        await bus.provision(BLUEPRINT.streams, consumers(BLUEPRINT))
        relay = Relay(BLUEPRINT, bus, CLOCK, tracing, NO_CHAOS)
        async with open_store(relay) as store:
            keys = bytes(32)
            world = World(
                bus=bus, store=store, views={}, client=client, clock=CLOCK, ids=IDS, telemetry=tracing, outside={},
                privacy=Privacy(MemoryDataKeys(), master_key=keys, hmac_key=keys, now_ms=CLOCK.now_ms),
                verifier=Verifier({"bench": SIGNER.public_key}, CLOCK),
            )  # fmt: skip
            await Pool(BLUEPRINT, world, relay).start()
            gc.freeze()
            await asyncio.Event().wait()


async def client() -> None:
    """Ask about the order document, within a trace that somebody has begun, as behind the gateway."""
    tracing = telemetry("bench")
    async with open_client("bench", tracing) as (_, asking):

        async def call() -> object:
            with tracing.span("bench", SpanKind.SERVER, parent=None):
                return await asking.ask(ORDER)

        await steer(call)


if __name__ == "__main__":
    configure_logging("bench")
    run({"pool": pool, "client": client}[sys.argv[1]])
