"""One reader a stream, and how those who stand elsewhere are brought to it: no gap, no duplicate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from actors.mesh import Unavailable
from actors.mesh._ports.bus import Delivered, StreamState
from actors.mesh.adapters.memory.bus import MemoryBus
from actors.mesh.testing.clock import FakeClock
from gateway.live.feeds import Feed
from gateway.live.listeners import Listener
from gateway.live.positions import Position, mark_of
from gateway.live.topics import TOPICS, Topic, by_subject
from tests.unit.gateway.listening import EventReader, happened, streams

ORDERS = [topic for topic in TOPICS if topic.name == "orders"]


class LateStreams:
    """The streams of a bus, of which a feed hears only when it is let; who catches up is not held back."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self.lets = asyncio.Event()
        self.tails = 0

    async def stream_state(self, stream: str) -> StreamState:
        return await self._bus.stream_state(stream)

    async def tail(
        self, stream: str, subjects: Sequence[str], *, after_sequence: int | None = None
    ) -> AsyncGenerator[Delivered, None]:
        self.tails += 1
        is_the_feeds = self.tails == 1
        async for message in self._bus.tail(stream, subjects, after_sequence=after_sequence):
            if is_the_feeds:
                await self.lets.wait()
            yield message


class House:
    def __init__(self, clock: FakeClock, bus: MemoryBus) -> None:
        self.clock, self.bus, self.streams = clock, bus, LateStreams(bus)
        self.feed = Feed("orders", by_subject(TOPICS), self.streams, clock, asyncio.Semaphore(1))
        self.told = 0

    async def tell(self, count: int) -> None:
        for _ in range(count):
            self.told += 1
            await happened(self.bus, "orders.order_paid", "order/o-1", self.told)
        await self.clock.settle()

    async def position(self, sequence: int) -> Position:
        return Position(mark_of((await self.bus.stream_state("ORDERS")).born), sequence)

    async def heard(self, listener: Listener) -> list[int]:
        await self.clock.settle()
        reader = EventReader()
        reader.feed(listener.take())
        return [one["version"] for one in reader.named("orders")]


@asynccontextmanager
async def held_house() -> AsyncIterator[House]:
    clock = FakeClock()
    house = House(clock, MemoryBus(clock))
    await streams(house.bus)
    await house.tell(2)
    with house.feed.held():
        await house.feed.ready()
        await clock.settle()
        yield house
    await house.bus.close()


def listener_at(position: Position, topics: Sequence[Topic] = ORDERS) -> Listener:
    return Listener(topics, "", frozenset(), {"orders": position})


async def test_one_that_is_ahead_of_the_feed_hears_nothing_twice() -> None:
    """Another gateway had read further than this one has yet."""
    async with held_house() as house:
        await house.tell(3)
        start = await house.position(4)
        assert house.feed.position.sequence == 2, "the feed is held back"
        listener = listener_at(start)
        await house.feed.bring(listener, start)
        house.streams.lets.set()
        assert await house.heard(listener) == [5]
        await house.tell(1)
        assert await house.heard(listener) == [6]


async def test_one_that_is_behind_a_feed_that_is_behind_hears_everything_once() -> None:
    async with held_house() as house:
        await house.tell(5)
        start = await house.position(0)
        listener = listener_at(start)
        await house.feed.bring(listener, start)
        assert await house.heard(listener) == [1, 2], "as far as the feed has come; the rest comes from there"
        house.streams.lets.set()
        assert await house.heard(listener) == [3, 4, 5, 6, 7]


async def test_what_comes_while_one_catches_up_is_heard_once() -> None:
    async with held_house() as house:
        house.streams.lets.set()
        await house.tell(600)
        start = await house.position(1)
        listener = listener_at(start)
        bringing = asyncio.create_task(house.feed.bring(listener, start))
        heard: list[int] = []
        while not bringing.done():
            heard += await house.heard(listener)
            await house.tell(20)
        heard += await house.heard(listener)
        assert heard == list(range(2, house.told + 1))


async def test_one_catches_up_at_a_time() -> None:
    async with held_house() as house:
        house.streams.lets.set()
        await house.tell(600)
        start = await house.position(0)
        first, second = listener_at(start), listener_at(start)
        bringing = [asyncio.create_task(house.feed.bring(one, start)) for one in (first, second)]
        await house.clock.settle()
        assert await house.heard(second) == [], "the first does not read, and it is its turn"
        bringing[0].cancel()
        assert await house.heard(second) != []
        bringing[1].cancel()
        await asyncio.wait(bringing)


async def test_one_who_catches_up_too_slowly_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.live.feeds.CATCH_UP_SECONDS", 0.01)
    async with held_house() as house:
        house.streams.lets.set()
        await house.tell(600)
        start = await house.position(0)
        listener = listener_at(start)
        await house.feed.bring(listener, start)
        assert listener.ending == "dropped"


async def test_a_stream_made_anew_under_one_who_catches_up_ends_the_catching_up() -> None:
    async with held_house() as house:
        house.streams.lets.set()
        await house.tell(600)
        start = await house.position(0)
        listener = listener_at(start)
        bringing = asyncio.create_task(house.feed.bring(listener, start))
        await house.clock.settle()
        house.bus.lose("ORDERS")
        await streams(house.bus)
        await house.clock.advance(2)
        await house.heard(listener)
        with pytest.raises(Unavailable):
            await bringing


async def test_a_feed_that_fails_sends_its_listeners_to_come_back_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with held_house() as house:
        house.streams.lets.set()
        start = house.feed.position
        listener = listener_at(start)
        house.feed.join(listener)

        def fail(self: Listener, *_: object) -> None:
            raise ZeroDivisionError("on purpose")

        with monkeypatch.context() as patched:
            patched.setattr(Listener, "offer", fail)
            await house.tell(2)
        assert listener.ending == "interrupted"
        await house.clock.advance(1)
        again = listener_at(start)
        await house.feed.bring(again, start)
        assert await house.heard(again) == [3, 4]
