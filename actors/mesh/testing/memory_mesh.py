"""A whole mesh in one process: the same pools, relays, readers and sagas, over memory and a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from actors.mesh._actor import Actor
from actors.mesh._blueprint import Blueprint, consumers, draw, shapes
from actors.mesh._chaos import NO_CHAOS, Chaos
from actors.mesh._client import Client
from actors.mesh._pool import Pool, World
from actors.mesh._ports import Clock
from actors.mesh._principals import Signer, Verifier
from actors.mesh._privacy import Privacy
from actors.mesh._relay import Relay
from actors.mesh._telemetry import FinishedSpan, Telemetry
from actors.mesh.adapters.memory.bus import MemoryBus
from actors.mesh.adapters.memory.data_keys import MemoryDataKeys
from actors.mesh.adapters.memory.store import memory_store
from actors.mesh.adapters.memory.truth import MemoryTruth
from actors.mesh.adapters.memory.views import MemoryViews
from actors.mesh.adapters.world import SystemIds
from actors.mesh.testing.clock import FakeClock
from schemas.principal import Principal

SEED = bytes(range(32))
MASTER_KEY = bytes(range(32, 64))
HMAC_KEY = bytes(range(64, 96))
TESTER = Principal(subject="tester", roles=("service",))


class MemoryMesh:
    """Runs actors in memory. Everything that outlives a process is a public attribute.

    `pools_per_domain` pools share the work of a domain, as processes would.
    """

    def __init__(
        self,
        actors: Iterable[Actor],
        *,
        outside: Mapping[type[Any], Any] | None = None,
        clock: Clock | None = None,
        pools_per_domain: int = 1,
        chaos: Chaos = NO_CHAOS,
    ) -> None:
        self.blueprints = tuple(draw(actor) for actor in actors)
        self.clock: Clock = clock if clock is not None else FakeClock(auto=True)
        self.truth = MemoryTruth()
        self.bus = MemoryBus(self.clock)
        self.ids = SystemIds()
        self.spans: list[FinishedSpan] = []
        self.data_keys = MemoryDataKeys()
        self.views = {blueprint.name: MemoryViews() for blueprint in self.blueprints}
        self.hot = {blueprint.name: MemoryViews() for blueprint in self.blueprints}
        self.signer = Signer(SEED, "test", self.clock)
        self.verifier = Verifier({"test": self.signer.public_key}, self.clock)
        self.pools: list[Pool] = []
        self._outside, self._chaos, self._count = outside or {}, chaos, pools_per_domain
        self.client = self.client_of(TESTER)

    def client_of(self, principal: Principal, telemetry: Telemetry | None = None) -> Client:
        """Return a client that asks in the name of this principal."""
        return Client(
            self.bus,
            self.signer,
            principal,
            clock=self.clock,
            ids=self.ids,
            telemetry=telemetry or self.telemetry(principal.subject),
        )

    def telemetry(self, service: str) -> Telemetry:
        """Return a recorder whose spans all end in `spans`."""
        return Telemetry(service, collect=self.spans, now_ns=self.clock.now_ns)

    def privacy(self) -> Privacy:
        """Return a fresh view of the personal data, as another process would have."""
        return Privacy(self.data_keys, master_key=MASTER_KEY, hmac_key=HMAC_KEY, now_ms=self.clock.now_ms)

    async def __aenter__(self) -> Self:
        await self.bus.provision(
            [blueprint.stream for blueprint in self.blueprints],
            [spec for blueprint in self.blueprints for spec in consumers(blueprint)],
        )
        for blueprint in self.blueprints:
            await self.views[blueprint.name].prepare(shapes(blueprint, "default"))
            await self.hot[blueprint.name].prepare(shapes(blueprint, "redis"))
            for _ in range(self._count):
                await self.start_pool(blueprint)
        return self

    async def start_pool(self, blueprint: Blueprint) -> Pool:
        """Start one more pool of a domain."""
        telemetry = self.telemetry(blueprint.name)
        relay = Relay(blueprint, self.bus, self.clock, telemetry, self._chaos)
        world = World(
            bus=self.bus,
            store=memory_store(self.truth, blueprint.name, self.clock, relay.appended),
            views={"default": self.views[blueprint.name], "redis": self.hot[blueprint.name]},
            privacy=self.privacy(),
            client=self.client_of(Principal(subject=blueprint.name, roles=("service",)), telemetry),
            verifier=self.verifier,
            clock=self.clock,
            ids=self.ids,
            telemetry=telemetry,
            outside=self._outside,
            chaos=self._chaos,
        )
        pool = Pool(blueprint, world, relay)
        self.pools.append(pool)
        await pool.start()
        return pool

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pool in self.pools:
            await pool.drain()
        await self.bus.close()
