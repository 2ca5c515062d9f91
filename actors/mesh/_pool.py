"""A pool: one process serving one domain. Takes messages, bounds them, supervises what runs beside, drains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import msgspec

from actors.mesh._blueprint import Blueprint, consumers, queues, shapes
from actors.mesh._chaos import NO_CHAOS, Chaos
from actors.mesh._client import Client
from actors.mesh._commit import Deciding
from actors.mesh._dead_letters import DeadLetters
from actors.mesh._discovery import Discovery, Outlook, tallies_of
from actors.mesh._follow import Following, Inbound, follow_each
from actors.mesh._log import get_logger
from actors.mesh._mailbox import Mailboxes
from actors.mesh._perform import Performer, Performing
from actors.mesh._ports import Bus, Clock, Ids, ReadModelStore, Received, Store, Subscription, ViewShape
from actors.mesh._privacy import Privacy
from actors.mesh._project import follow_views
from actors.mesh._react import Reactions
from actors.mesh._read import Views
from actors.mesh._relay import Relay
from actors.mesh._saga_runner import SagaRunner
from actors.mesh._serve import OVERLOADED, Serving, Verifies, say, serve
from actors.mesh._service_api import PoolState
from actors.mesh._states import StateCache
from actors.mesh._telemetry import Telemetry
from actors.mesh._tell_outcomes import TellOutcomes
from actors.mesh._tells import Tells
from actors.mesh._timers import Timers

IN_FLIGHT_MAX = 512
"""Messages a pool works on at a time; the next one is told at once that the pool is full."""
DRAIN_SECONDS = 15.0
NO_COMMAND = "00000000-0000-0000-0000-000000000000"
NO_KEY = "_"
RESTART_FIRST_SECONDS = 0.2
RESTART_MAX_SECONDS = 5.0

log = get_logger()


class World(NamedTuple):
    """All that a pool is given; each part is a port, so that a pool runs in memory as it does in a cluster."""

    bus: Bus
    store: Store
    views: Mapping[str, ReadModelStore]
    privacy: Privacy
    client: Client
    verifier: Verifies
    clock: Clock
    ids: Ids
    telemetry: Telemetry
    outside: Mapping[type[Any], Any]
    chaos: Chaos = NO_CHAOS


class Pool:
    """Runs one domain until it is drained. The relay is given, because the store tells it of every commit."""

    def __init__(self, blueprint: Blueprint, world: World, relay: Relay) -> None:
        self._blueprint, self._world, self._relay = blueprint, world, relay
        views = Views(blueprint, world.store.journal, world.views, world.privacy)
        letters = DeadLetters(world.store.dead_letters, world.privacy, world.clock)
        self._views, self._tallies = views, tallies_of(blueprint)
        self._following = Following(world.bus, world.telemetry, letters)
        self._serving = Serving(
            deciding=self._deciding(), views=views, verifier=world.verifier, telemetry=world.telemetry,
            on_bug=self._parked(letters), tallies=self._tallies,
            tell_outcomes=TellOutcomes(world.store.tells, world.store.journal, world.privacy, world.clock),
        )  # fmt: skip
        self._tells = Tells(self._serving, letters)
        shared = (world.client, world.privacy, world.clock)
        self._reactions = Reactions(blueprint, world.client, world.privacy)
        self._timers = Timers(blueprint, world.store.timers, *shared)
        self._sagas = SagaRunner(blueprint, world.store.sagas, *shared, world.telemetry, world.chaos)
        performing = Performing(
            blueprint.name,
            world.store.journal,
            world.store.effects,
            letters,
            world.outside,
            *shared,
            world.ids,
            world.telemetry,
            world.chaos,
        )
        self._performers = {
            queue: Performer(performing, queue, performances) for queue, performances in queues(blueprint.actor).items()
        }
        self._outlook = Outlook(blueprint, world.store, world.clock)
        self._discovery = Discovery(blueprint, world.bus, world.clock, world.ids, self._tallies, self.state)
        self._subscriptions: list[Subscription] = []
        self._readers: list[Subscription] = []
        self._beside: list[asyncio.Task[None]] = []
        self._in_flight: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self.started = False
        self.restarts = 0

    def _deciding(self) -> Deciding:
        world, blueprint = self._world, self._blueprint
        return Deciding(
            blueprint, world.store.journal, StateCache(blueprint, world.store.journal, world.privacy), Mailboxes(),
            world.privacy, world.client, world.clock, world.ids, world.telemetry, world.chaos, world.outside,
        )  # fmt: skip

    def _parked(self, letters: DeadLetters) -> Callable[[Received, BaseException], Coroutine[Any, Any, None]]:
        async def park(received: Received, bug: BaseException) -> None:
            await letters.park(
                received.subject, received.headers, received.body, reader=self._blueprint.name, error=bug
            )

        return park

    async def start(self) -> None:
        """Repair, then read streams, then take requests."""
        name, bus = self._blueprint.name, self._world.bus
        await self._relay.start(self._world.store.outbox)
        await self._follow()
        self._beside = [asyncio.create_task(self._kept_up(work)) for work in self._work_beside()]
        for kind in ("command", "query"):
            self._subscriptions.append(await bus.serve(f"{name}.{kind}.>", name, self._take))
        self._subscriptions.append(await bus.serve(f"{name}.ready", name, self._answer_ready))
        await self._discovery.start()
        self.started = True
        log.info("pool ready", domain=name)

    async def _follow(self) -> None:
        handlers: dict[str, Callable[[Inbound], Coroutine[Any, Any, None]]] = {
            **{queue: performer.handle for queue, performer in self._performers.items()},
            "sagas": self._sagas.handle,
            "reactions": self._reactions.handle,
        }
        for consumer in consumers(self._blueprint):
            reader = consumer.name.removeprefix(f"{self._blueprint.name}_")
            if reader == "tells":
                await self._tells.start(self._world.bus, consumer)
            elif reader == "views":
                self._readers.append(await follow_views(self._following, consumer, self._views))
            else:
                self._readers.append(await follow_each(self._following, consumer, handlers[reader]))

    def _work_beside(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        actor = self._blueprint.actor
        declared = ((actor.timers, self._timers.scan), (actor.sagas, self._sagas.scan))
        work = [scan for rows, scan in declared if rows]
        performing = (performer.scan for performer in self._performers.values())
        return (*work, self._serving.tell_outcomes.forget, *performing)

    async def _kept_up(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run work that never ends; start it again, ever later, when it fails all the same."""
        pause = RESTART_FIRST_SECONDS
        while True:
            try:
                await work()
            except Exception:
                self.restarts += 1
                log.exception("work beside the pool failed and is started again", work=work.__qualname__)
            await self._world.clock.sleep(pause)
            pause = min(RESTART_MAX_SECONDS, pause * 2)

    def _take(self, received: Received) -> None:
        """Take one message up, or say at once that there is no room."""
        if len(self._in_flight) >= IN_FLIGHT_MAX:
            self._tallies.count(received.subject, OVERLOADED.body, OVERLOADED.headers, 0)
            self._run(self._answering, say, received, OVERLOADED)
        else:
            self._run(self._in_flight, serve, self._serving, received)

    def _run(
        self, among: set[asyncio.Task[None]], work: Callable[..., Coroutine[Any, Any, None]], *given: object
    ) -> None:
        # No `asyncio.create_task` and no call-back at its end: a message costs little more than these.
        among.add(asyncio.get_running_loop().create_task(self._taken(among, work, *given)))

    async def _taken(
        self, among: set[asyncio.Task[None]], work: Callable[..., Coroutine[Any, Any, None]], *given: object
    ) -> None:
        try:
            await work(*given)  # made only here: a task that is cancelled before it begins leaves nothing unawaited
        except Exception as error:
            log.warning("a reply could not be sent", error=repr(error))
        finally:
            if (task := asyncio.current_task()) is not None:
                among.discard(task)

    def _answer_ready(self, received: Received) -> None:
        self._run(self._answering, self._say_ready, received)

    async def _say_ready(self, received: Received) -> None:
        problems = await self.problems()
        await received.respond("; ".join(problems).encode() or b"ok", {})

    async def state(self) -> PoolState:
        """Return how this pool stands, and what waits in its domain."""
        rows = await self._outlook.state()
        return msgspec.structs.replace(
            rows,
            in_flight=len(self._in_flight),
            mailboxes=len(self._serving.deciding.mailboxes),
            relay_backlog=self._relay.backlog,
            restarts=self.restarts,
            problems=(*rows.problems, *([] if self._world.bus.connected else ["nats: disconnected"])),
        )

    async def problems(self) -> list[str]:
        """Return what keeps this pool from working: nothing, when all is well."""
        problems = [] if self._world.bus.connected else ["nats: disconnected"]
        for part, check in (
            ("journal", self._world.store.journal.confirm(NO_COMMAND, ())),
            *((f"{name} views", store.get(shape.name, [NO_KEY])) for name, store, shape in self._first_views()),
        ):
            try:
                await asyncio.wait_for(check, 1.0)
            except Exception as error:
                problems.append(f"{part}: {error or type(error).__name__}")
        return problems

    def _first_views(self) -> list[tuple[str, ReadModelStore, ViewShape]]:
        """Return one view of each store, to see whether the store answers."""
        kept = ((name, store, shapes(self._blueprint, name)) for name, store in self._world.views.items())
        return [(name, store, of_store[0]) for name, store, of_store in kept if of_store]

    async def drain(self) -> None:
        """Take nothing more, finish what was taken, publish what was written."""
        self.started = False
        await self._discovery.stop()
        readers = (*self._readers, self._tells)
        await asyncio.gather(*(subscription.stop() for subscription in (*self._subscriptions, *readers)))
        if self._in_flight:
            await asyncio.wait(tuple(self._in_flight), timeout=DRAIN_SECONDS)
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self._sagas.stop()
        await asyncio.gather(*(performer.stop() for performer in self._performers.values()))
        await self._relay.stop(timeout_seconds=2)
        log.info("pool drained", domain=self._blueprint.name)
