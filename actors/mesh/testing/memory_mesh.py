"""A whole mesh in one process: the same pools, relays, readers and sagas, over memory and a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from types import TracebackType
from typing import Any, Self, cast

from actors.mesh._actor import Actor
from actors.mesh._blueprint import Blueprint, consumers, draw, shapes
from actors.mesh._chaos import NO_CHAOS, Chaos
from actors.mesh._client import Client
from actors.mesh._errors import Fault
from actors.mesh._pool import Pool, World
from actors.mesh._ports import Bus, Clock, Ids
from actors.mesh._principals import Signer, Verifier
from actors.mesh._privacy import Privacy
from actors.mesh._relay import Relay
from actors.mesh._telemetry import FinishedSpan, Telemetry
from actors.mesh.adapters.memory.bus import MemoryBus
from actors.mesh.adapters.memory.data_keys import MemoryDataKeys
from actors.mesh.adapters.memory.outbox import MemoryOutbox
from actors.mesh.adapters.memory.store import memory_store
from actors.mesh.adapters.memory.truth import MemoryTruth
from actors.mesh.adapters.memory.views import MemoryViews
from actors.mesh.adapters.world import SystemIds
from actors.mesh.testing.clock import FakeClock
from actors.mesh.testing.processes import Process, count_tasks
from actors.mesh.testing.weather import Weather, WeatherBus, perilous
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
        actors: Iterable[Actor | Blueprint],
        *,
        outside: Mapping[type[Any], Any] | None = None,
        clock: Clock | None = None,
        pools_per_domain: int = 1,
        chaos: Chaos = NO_CHAOS,
        weather: Weather | None = None,
        ids: Ids | None = None,
        traced: bool = True,
    ) -> None:
        self.blueprints = tuple(actor if isinstance(actor, Blueprint) else draw(actor) for actor in actors)
        self.consumers = {blueprint.name: consumers(blueprint) for blueprint in self.blueprints}
        self.clock: Clock = clock if clock is not None else FakeClock(auto=True)
        self.truth = MemoryTruth()
        self.bus = MemoryBus(self.clock)
        self.ids: Ids = ids if ids is not None else SystemIds()
        self._traced = traced
        self.spans: list[FinishedSpan] = []
        self.data_keys = MemoryDataKeys()
        self.views = {blueprint.name: MemoryViews() for blueprint in self.blueprints}
        self.hot = {blueprint.name: MemoryViews() for blueprint in self.blueprints}
        self.signer = Signer(SEED, "test", self.clock)
        self.verifier = Verifier({"test": self.signer.public_key}, self.clock)
        self.pools: list[Pool] = []
        self.processes: dict[Pool, Process] = {}
        self.on_death: Callable[[Blueprint], None] | None = None
        self._weather = weather
        self.failed_starts: list[Fault] = []
        self._later: set[asyncio.Task[None]] = set()
        self._outside, self._chaos, self._count = outside or {}, chaos, pools_per_domain
        self.client = self.client_of(TESTER)

    def client_of(self, principal: Principal, telemetry: Telemetry | None = None, bus: Bus | None = None) -> Client:
        """Return a client that asks in the name of this principal."""
        return Client(
            bus or self.bus,
            self.signer,
            principal,
            clock=self.clock,
            ids=self.ids,
            telemetry=telemetry or self.telemetry(principal.subject),
        )

    def telemetry(self, service: str) -> Telemetry:
        """Return a recorder whose spans all end in `spans`; one that records nothing where nobody looks at them."""
        return Telemetry(service, collect=self.spans if self._traced else None, now_ns=self.clock.now_ns)

    def privacy(self) -> Privacy:
        """Return a fresh view of the personal data, as another process would have."""
        return Privacy(self.data_keys, master_key=MASTER_KEY, hmac_key=HMAC_KEY, now_ms=self.clock.now_ms)

    async def __aenter__(self) -> Self:
        count_tasks(asyncio.get_running_loop())
        await self.bus.provision(
            [stream for blueprint in self.blueprints for stream in blueprint.streams],
            [spec for specs in self.consumers.values() for spec in specs],
        )
        for blueprint in self.blueprints:
            await self.views[blueprint.name].prepare(shapes(blueprint, "default"))
            await self.hot[blueprint.name].prepare(shapes(blueprint, "redis"))
            for _ in range(self._count):
                await self.start_pool(blueprint)
        return self

    async def start_pool(self, blueprint: Blueprint, *, chaos: Chaos | None = None) -> Pool:
        """Start one more pool of a domain, in a process of its own; `kill` ends it."""
        chaos = chaos or self._chaos
        process, telemetry = Process(blueprint.name), self.telemetry(blueprint.name)
        bus: Bus = self.bus
        if self._weather is not None:
            bus = WeatherBus(self.bus, self.clock, self._weather)
        relay = Relay(blueprint, bus, self.clock, telemetry, chaos)
        store = memory_store(self.truth, blueprint.name, self.clock, relay.appended)
        world = World(
            bus=bus,
            store=perilous(store, chaos) if self._weather else store,
            views={"default": self.views[blueprint.name], "redis": self.hot[blueprint.name]},
            privacy=self.privacy(),
            client=self.client_of(Principal(subject=blueprint.name, roles=("service",)), telemetry, bus),
            verifier=self.verifier,
            clock=self.clock,
            ids=self.ids,
            telemetry=telemetry,
            outside=self._outside,
            chaos=chaos,
        )
        pool = Pool(blueprint, world, relay)
        process.at_end.append(lambda: self._buried(pool, blueprint, cast("MemoryOutbox", store.outbox)))
        self.pools.append(pool)
        self.processes[pool] = process
        with process.entered():
            starting = asyncio.create_task(pool.start())
        await asyncio.wait((starting,))
        if process.alive:
            starting.result()
        return pool

    def kill(self, pool: Pool) -> None:
        """End a pool's process at once: it finishes nothing, and its memory is gone."""
        self.processes[pool].end()

    def _buried(self, pool: Pool, blueprint: Blueprint, outbox: MemoryOutbox) -> None:
        """Let go of what the broker and the database held for a process that is gone."""
        outbox.resign()
        self.pools.remove(pool)
        outside = Context()  # not within the process that has just ended
        for subscription in pool._subscriptions:
            self._keep(asyncio.get_running_loop().create_task(subscription.stop(), context=outside))
        if self.on_death is not None:
            outside.run(self.on_death, blueprint)

    def revive(self, after_seconds: Callable[[], float] = lambda: 1.0) -> None:
        """From now on start a pool anew for each that dies, as a supervisor would."""

        def bury(blueprint: Blueprint) -> None:
            self._keep(asyncio.get_running_loop().create_task(self._start_anew(blueprint, after_seconds)))

        self.on_death = bury

    async def _start_anew(self, blueprint: Blueprint, after_seconds: Callable[[], float]) -> None:
        while True:
            await self.clock.sleep(after_seconds())
            try:
                await self.start_pool(blueprint)
            except Fault as fault:
                self.failed_starts.append(fault)
            else:
                return

    async def revived(self) -> None:
        """Wait until every pool that died has its successor."""
        while self._later:
            await asyncio.wait(tuple(self._later))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.on_death = None
        for pool in tuple(self.pools):
            await pool.drain()
        await self.bus.close()
