"""The bus in memory knows no time but its clock's: minutes pass in no time, and always in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from actors.mesh._errors import TimedOut
from actors.mesh._ports.bus import Acknowledge, Again, ConsumerSpec, Delivered, StreamSpec, Verdict
from actors.mesh.adapters.memory.bus import MemoryBus
from actors.mesh.adapters.memory.following import MemoryFollower
from actors.mesh.testing.clock import START_MS, FakeClock

STREAM = StreamSpec("THINGS", ("things.event.>",))
CONSUMER = ConsumerSpec("THINGS", "things_all", ("things.event.>",), acknowledge_within_seconds=30)


async def test_a_request_times_out_when_the_clock_says_so() -> None:
    clock = FakeClock()
    bus = MemoryBus(clock)
    await bus.serve("things.slow", "things", lambda _: None)
    request = asyncio.ensure_future(bus.request("things.slow", b"", {}, timeout_seconds=60))
    await clock.advance(59.9)
    assert not request.done()
    await clock.advance(0.1)
    with pytest.raises(TimedOut):
        await request
    assert clock.sleeping == 0


async def test_a_message_comes_again_after_its_delay() -> None:
    clock = FakeClock()
    bus = MemoryBus(clock)
    await bus.provision([STREAM], [CONSUMER])
    seen: list[tuple[int, int]] = []

    async def handle(batch: Sequence[Delivered]) -> Sequence[Verdict]:
        seen.extend((clock.now_ms() - START_MS, message.deliveries) for message in batch)
        return [Again(60) if message.deliveries < 3 else Acknowledge() for message in batch]

    await bus.follow(CONSUMER, handle)
    await bus.store("things.event.made", b"", {}, message_id="1")
    await clock.advance(3600)
    assert seen == [(0, 1), (60_000, 2), (120_000, 3)]
    assert await bus.pending(CONSUMER) == 0
    await bus.close()


async def test_what_a_crashed_follower_held_goes_to_another_when_its_time_is_over() -> None:
    clock = FakeClock()
    bus = MemoryBus(clock)
    await bus.provision([STREAM], [CONSUMER])
    await bus.store("things.event.made", b"", {}, message_id="1")
    seen: list[int] = []

    async def hang(batch: Sequence[Delivered]) -> Sequence[Verdict]:
        await clock.sleep(1e9)
        raise AssertionError

    async def handle(batch: Sequence[Delivered]) -> Sequence[Verdict]:
        seen.extend(message.deliveries for message in batch)
        return [Acknowledge()] * len(batch)

    first = await bus.follow(CONSUMER, hang)
    await clock.advance(300)  # it is at work, and says so
    await bus.follow(CONSUMER, handle)
    await clock.advance(1)
    assert seen == []
    assert isinstance(first, MemoryFollower)
    await first.crash()
    await clock.advance(29)
    assert seen == []
    await clock.advance(2)
    assert seen == [2]
    await bus.close()


async def test_with_an_automatic_clock_nothing_has_to_be_advanced() -> None:
    clock = FakeClock(auto=True)
    bus = MemoryBus(clock)
    await bus.serve("things.slow", "things", lambda _: None)
    with pytest.raises(TimedOut):
        await asyncio.wait_for(bus.request("things.slow", b"", {}, timeout_seconds=86_400), 5)
    assert clock.now_ms() == START_MS + 86_400_000


async def test_a_stream_that_is_lost_is_provisioned_as_another_one() -> None:
    bus = MemoryBus(FakeClock())
    await bus.provision([STREAM], [CONSUMER])
    await bus.store("things.event.made", b"", {}, message_id="1")
    before = await bus.stream_state("THINGS")
    bus.lose("THINGS")
    await bus.provision([STREAM], [CONSUMER])
    after = await bus.stream_state("THINGS")
    assert before.born != after.born
    assert after.last_sequence == 0
