"""A pool as the NATS service API sees it, so that stock tools find it, know what it takes, and how it fares."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import msgspec

from actors.mesh._blueprint import Blueprint, consumers
from actors.mesh._log import get_logger
from actors.mesh._perform import performer
from actors.mesh._ports import Bus, Clock, Ids, Received, Store, Subscription
from actors.mesh._service_api import (
    CONSUMERS,
    PREFIX,
    READY,
    EndpointInfo,
    EndpointStats,
    Info,
    Ping,
    PoolState,
    Stats,
    declared,
)
from actors.mesh._tally import Tallies
from schemas.history import EVENTS, HistoryPage, HistoryQuestion
from schemas.message import Message, kind_of, reply_type, subject_of
from schemas.principal import permission
from schemas.tells import TELL_OUTCOME, TellOutcome, TellQuestion

DISTRIBUTION = "actor-mesh"
LOOK_EVERY_SECONDS = 0.5
"""How old the numbers from the database may be: whoever may publish on `$SRV` must not be able to keep it busy."""
LOOK_WITHIN_SECONDS = 2.0
ANSWERING_MAX = 64
"""Questions answered at a time; who asks more often than that is not answered."""

log = get_logger()


class Endpoint(NamedTuple):
    """One message a pool takes; `subject` is without key."""

    name: str
    subject: str
    keyed: bool
    metadata: dict[str, str]

    @property
    def listens_on(self) -> str:
        return f"{self.subject}.*" if self.keyed else self.subject


def endpoints_of(blueprint: Blueprint) -> tuple[Endpoint, ...]:
    """Return every command and query of a domain, and what the mesh itself answers for it."""
    name = blueprint.name
    commands = (bound.decision.command for bound in blueprint.commands.values())
    queries = (binding.query for binding, _ in blueprint.queries.values())
    history = {"kind": "query", "request": HistoryQuestion.__name__, "reply": HistoryPage.__name__}
    outcome = {"kind": "query", "request": TellQuestion.__name__, "reply": TellOutcome.__name__}
    return (
        *(endpoint_of(wire, message) for wire, message in zip(blueprint.commands, commands, strict=True)),
        *(endpoint_of(wire, message) for wire, message in zip(blueprint.queries, queries, strict=True)),
        Endpoint(EVENTS, f"{name}.query.{EVENTS}", True, {**history, "permission": f"{name}:{EVENTS}"}),
        Endpoint(TELL_OUTCOME, f"{name}.query.{TELL_OUTCOME}", True, outcome),
        Endpoint(READY, f"{name}.{READY}", False, {"kind": "probe"}),
    )


def endpoint_of(name: str, message: type[Message]) -> Endpoint:
    reply: Any = reply_type(message)
    told = {"request": message.__name__, "reply": getattr(reply, "__name__", str(reply))}
    return Endpoint(
        name, subject_of(message), True, {"kind": kind_of(message), **told, "permission": permission(message)}
    )


def tallies_of(blueprint: Blueprint) -> Tallies:
    """Return fresh tallies for all that can be asked of a domain."""
    return Tallies(endpoint.subject for endpoint in endpoints_of(blueprint) if endpoint.keyed)


class Discovery:
    """Answers `$SRV` for one pool."""

    def __init__(
        self,
        blueprint: Blueprint,
        bus: Bus,
        clock: Clock,
        ids: Ids,
        tallies: Tallies,
        state: Callable[[], Awaitable[PoolState]],
    ) -> None:
        self._bus, self._clock, self._tallies, self._state = bus, clock, tallies, state
        self._name, self._id = blueprint.name, ids.new()
        self._version = installed_version()
        self._metadata = {
            "host": socket.gethostname(),
            "pid": str(os.getpid()),
            "stream": blueprint.stream.name,
            CONSUMERS: declared(consumers(blueprint)),
        }
        self._endpoints = endpoints_of(blueprint)
        self._started = moment(clock.now_ms())
        self._subscriptions: list[Subscription] = []
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Be found from now on."""
        for whom in (PREFIX + ".*", f"{PREFIX}.*.{self._name}", f"{PREFIX}.*.{self._name}.{self._id}"):
            self._subscriptions.append(await self._bus.listen(whom, self._asked))

    async def stop(self) -> None:
        """Be found no more; what was asked before is still answered."""
        await asyncio.gather(*(subscription.stop() for subscription in self._subscriptions))
        if self._answering:
            await asyncio.wait(tuple(self._answering), timeout=LOOK_WITHIN_SECONDS)

    def _asked(self, received: Received) -> None:
        if len(self._answering) >= ANSWERING_MAX:
            return
        task = asyncio.create_task(self._answer(received))
        self._answering.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a service question was not answered", error=repr(error))

    async def _answer(self, received: Received) -> None:
        who = {"name": self._name, "id": self._id, "version": self._version, "metadata": self._metadata}
        match received.subject.split(".")[1]:
            case "PING":
                answer: msgspec.Struct = Ping(**who)  # type: ignore[arg-type]
            case "INFO":
                answer = Info(**who, description=f"A pool of {self._name}", endpoints=list(self._infos()))  # type: ignore[arg-type]
            case "STATS":
                state = await self._state()
                answer = Stats(**who, started=self._started, endpoints=list(self._stats(state)))  # type: ignore[arg-type]
            case _:
                return  # a verb of tomorrow
        await received.respond(msgspec.json.encode(answer), {})

    def _infos(self) -> Iterator[EndpointInfo]:
        for each in self._endpoints:
            yield EndpointInfo(name=each.name, subject=each.listens_on, queue_group=self._name, metadata=each.metadata)

    def _stats(self, state: PoolState) -> Iterator[EndpointStats]:
        for each in self._endpoints:
            if not each.keyed:
                yield EndpointStats(name=each.name, subject=each.listens_on, queue_group=self._name, data=state)
                continue
            tally = self._tallies[each.subject]
            yield EndpointStats(
                name=each.name,
                subject=each.listens_on,
                queue_group=self._name,
                num_requests=tally.requests,
                num_errors=tally.errors,
                last_error=tally.last_error,
                processing_time=tally.spent_ns,
                average_processing_time=tally.spent_ns // tally.requests if tally.requests else 0,
                data={"refusals": tally.refusals},
            )


class Outlook:
    """What waits in a domain's rows, looked at again only when the last look is old."""

    def __init__(self, blueprint: Blueprint, store: Store, clock: Clock) -> None:
        self._blueprint, self._store, self._clock = blueprint, store, clock
        self._last = PoolState()
        self._looked_ms = -1
        self._looking = asyncio.Lock()

    async def state(self) -> PoolState:
        """Return the numbers of the domain; what keeps them from being known is among the problems."""
        async with self._looking:
            now_ms = self._clock.now_ms()
            if self._looked_ms < 0 or not 0 <= now_ms - self._looked_ms < LOOK_EVERY_SECONDS * 1000:
                self._last, self._looked_ms = await self._look(), now_ms
        return self._last

    async def _look(self) -> PoolState:
        try:
            return await asyncio.wait_for(self._counted(), LOOK_WITHIN_SECONDS)
        except Exception as error:  # noqa: BLE001 - a pool that cannot count still says that it is there
            return PoolState(problems=(f"what waits cannot be counted: {error or type(error).__name__}",))

    async def _counted(self) -> PoolState:
        store, actor = self._store, self._blueprint.actor
        return PoolState(
            unpublished=await store.outbox.count(),
            sagas={
                saga.name: {str(status): count for status, count in (await store.sagas.unfinished(saga.name)).items()}
                for saga in actor.sagas
            },
            effects={performer(each): await store.effects.count(performer(each)) for each in actor.performances},
            dead_letters=await store.dead_letters.count(),
        )


@cache
def installed_version() -> str:
    """Return the version of what is installed: `$SRV` asks for a semantic one."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0.0.0"


def moment(at_ms: int) -> str:
    """Return a time as ADR-32 has it: `2026-11-27T13:48:01.123Z`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
