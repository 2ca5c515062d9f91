"""Bad weather on the wire, drawn from a seed: lost, late, doubled and disordered messages, until it clears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any

from actors.mesh._chaos import Chaos
from actors.mesh._errors import MeshError, TimedOut, Unavailable
from actors.mesh._ports import (
    Again,
    BrokerSurvey,
    Bus,
    BusReply,
    Clock,
    ConsumerSpec,
    Delivered,
    Received,
    Store,
    StreamSpec,
    StreamState,
    Subscription,
    Verdict,
)
from actors.mesh.testing.processes import die

LATE_SECONDS_MAX = 8.0
"""Later than the deadline of what is late, so that copies come when nobody waits for them any more."""


class Weather:
    """How often what goes wrong; `cleared` ends it."""

    def __init__(self, seed: int, *, rough: float = 0.05, deadly: float = 0.0) -> None:
        self.random = Random(seed)  # noqa: S311 - a simulation is repeated by its seed
        self.rough, self.deadly = rough, deadly
        self.cleared = False
        self.happened: dict[str, int] = {}

    def hits(self, what: str, factor: float = 1.0, *, about: str = "") -> bool:
        """Tell whether it goes wrong this time; `about` says with what, for those who keep a list."""
        return self._drawn(what, self.rough * factor)

    def kills(self, point: str) -> bool:
        return self._drawn(f"killed at {point}", self.deadly)

    def _drawn(self, what: str, chance: float) -> bool:
        if self.cleared or self.random.random() >= chance:
            return False
        self.happened[what] = self.happened.get(what, 0) + 1
        return True

    def seconds(self, most: float) -> float:
        return self.random.random() * most


class StrayChaos(Chaos):
    """Ends the process at any point, as the weather has it."""

    def __init__(self, weather: Weather) -> None:
        super().__init__()
        self._weather = weather

    def point(self, name: str) -> None:
        if self._weather.kills(name):
            die()


class WeatherBus:
    """Implements `Bus` for one process or many, over the bus that all share."""

    def __init__(self, bus: Bus, clock: Clock, weather: Weather) -> None:
        self._bus, self._clock, self._weather = bus, clock, weather
        self._strays: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        return self._bus.connected

    async def request(
        self, subject: str, body: bytes, headers: Mapping[str, str], *, timeout_seconds: float
    ) -> BusReply:
        weather, about = self._weather, subject.rpartition(".")[0]
        if weather.hits("request unanswered: nobody there", about=about):
            raise Unavailable(f"nobody serves {subject}")
        if weather.hits("request lost", about=about):
            await self._clock.sleep(timeout_seconds)
            raise TimedOut(f"no answer from {subject}")
        doubled = weather.hits("request doubled", about=about)
        if doubled:
            stray = asyncio.create_task(self._stray(subject, body, headers), name=f"stray {subject}")
            self._strays.add(stray)
            stray.add_done_callback(self._strays.discard)
        if weather.hits("request late", about=about):
            late = weather.seconds(timeout_seconds * 0.9)
            await self._clock.sleep(late)
            timeout_seconds -= late
        try:
            reply = await self._bus.request(subject, body, headers, timeout_seconds=timeout_seconds)
        except Unavailable:
            if not doubled:
                raise
            # "Nobody there" promises that nothing was done, and whoever has sent twice may promise no such thing.
            raise TimedOut(f"a copy for {subject} is under way") from None
        if weather.hits("reply lost", about=about):
            await self._clock.sleep(timeout_seconds)
            raise TimedOut(f"no answer from {subject}")
        return reply

    async def _stray(self, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Bring a copy of a request, perhaps when it is long too late."""
        await self._clock.sleep(self._weather.seconds(LATE_SECONDS_MAX))
        try:
            await self._bus.request(subject, body, headers, timeout_seconds=5)
        except MeshError:
            return

    async def gather(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_seconds: float,
        stall_seconds: float,
        replies_max: int,
    ) -> Sequence[BusReply]:
        return await self._bus.gather(
            subject,
            body,
            headers,
            timeout_seconds=timeout_seconds,
            stall_seconds=stall_seconds,
            replies_max=replies_max,
        )

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
        await self._bus.publish(subject, body, headers)

    async def serve(self, subject: str, queue: str, handler: Callable[[Received], None]) -> Subscription:
        return await self._bus.serve(subject, queue, handler)

    async def listen(self, subject: str, handler: Callable[[Received], None]) -> Subscription:
        return await self._bus.listen(subject, handler)

    async def store(self, subject: str, body: bytes, headers: Mapping[str, str], *, message_id: str) -> int:
        about = subject.rpartition(".")[0]
        if self._weather.hits("store refused", about=about):
            raise Unavailable("the broker is away")
        if self._weather.hits("store late", about=about):
            await self._clock.sleep(self._weather.seconds(2))
        sequence = await self._bus.store(subject, body, headers, message_id=message_id)
        if self._weather.hits("acknowledgement lost", about=about):
            raise TimedOut("stored, but nobody knows")
        return sequence

    async def follow(
        self,
        consumer: ConsumerSpec,
        handler: Callable[[Sequence[Delivered]], Awaitable[Sequence[Verdict]]],
        *,
        batch_max: int = 100,
    ) -> Subscription:
        async def handle(batch: Sequence[Delivered]) -> Sequence[Verdict]:
            weather = self._weather
            verdicts: dict[int, Verdict] = {
                message.sequence: Again(weather.seconds(4))
                for message in batch
                if weather.hits("delivery withheld", 2, about=consumer.name)
            }
            order = [message for message in batch if message.sequence not in verdicts]
            if weather.hits("deliveries disordered", 4, about=consumer.name):
                weather.random.shuffle(order)
            if order:
                found = await handler(order)
                if weather.hits("deliveries doubled", 2, about=consumer.name):
                    found = await handler(order)
                verdicts |= {message.sequence: verdict for message, verdict in zip(order, found, strict=True)}
            if weather.kills(f"acknowledge.before.{consumer.name}"):
                die()
            return [verdicts[message.sequence] for message in batch]

        return await self._bus.follow(consumer, handle, batch_max=batch_max)

    async def provision(self, streams: Sequence[StreamSpec], consumers: Sequence[ConsumerSpec]) -> None:
        await self._bus.provision(streams, consumers)

    async def reset_consumer(self, consumer: ConsumerSpec) -> None:
        await self._bus.reset_consumer(consumer)

    async def forget_consumer(self, consumer: ConsumerSpec) -> None:
        await self._bus.forget_consumer(consumer)

    async def pending(self, consumer: ConsumerSpec) -> int:
        return await self._bus.pending(consumer)

    async def stream_state(self, stream: str) -> StreamState:
        return await self._bus.stream_state(stream)

    async def survey(self) -> BrokerSurvey:
        return await self._bus.survey()

    def stored_ids(self, stream: str) -> AsyncIterator[str]:
        return self._bus.stored_ids(stream)

    def tail(
        self, stream: str, subjects: Sequence[str], *, after_sequence: int | None = None
    ) -> AsyncGenerator[Delivered, None]:
        return self._bus.tail(stream, subjects, after_sequence=after_sequence)

    async def close(self) -> None:
        """The shared bus is closed by its owner."""


WRITES = frozenset({"append", "clear", "put_back", "save", "begin", "lease", "finish", "park", "put", "keep", "forget"})


class Perilous:
    """A port whose writes are each between two chaos points, so that a process may end between any two of them."""

    def __init__(self, port: Any, name: str, chaos: Chaos) -> None:
        self._port, self._name, self._chaos = port, name, chaos

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in WRITES:
            return found

        async def write(*arguments: Any, **named: Any) -> Any:
            self._chaos.point(f"{self._name}.{name}.before")
            result = await found(*arguments, **named)
            self._chaos.point(f"{self._name}.{name}.after")
            return result

        return write


def perilous(store: Store, chaos: Chaos) -> Store:
    """Return the store with a chaos point before and after each write."""
    return Store(**{name: Perilous(port, name, chaos) for name, port in store._asdict().items()})
