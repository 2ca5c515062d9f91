"""The clocks and the ids keep what the ports promise."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from actors.mesh.adapters.world import SystemClock, SystemIds
from actors.mesh.testing.clock import START_MS, FakeClock


def test_ids_are_version_seven_and_each_is_greater_than_the_one_before() -> None:
    ids = SystemIds()
    made = [ids.new() for _ in range(20_000)]
    assert made == sorted(set(made))
    assert {uuid.UUID(one).version for one in made} == {7}
    assert {uuid.UUID(one).variant for one in made} == {uuid.RFC_4122}


def test_an_id_tells_when_it_was_made() -> None:
    before = SystemClock().now_ms()
    made = uuid.UUID(SystemIds().new())
    assert before <= made.int >> 80 <= SystemClock().now_ms()


def test_jitter_is_a_fraction() -> None:
    ids = SystemIds()
    assert all(0 <= ids.jitter() < 1 for _ in range(1000))


async def test_a_fake_clock_stands_still_until_it_is_advanced() -> None:
    clock = FakeClock()
    woken: list[tuple[str, int]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now_ms() - START_MS))

    tasks = [asyncio.ensure_future(sleep(name, seconds)) for name, seconds in (("b", 2), ("a", 1), ("c", 60))]
    await clock.advance(0.5)
    assert woken == []
    await clock.advance(5)
    assert woken == [("a", 1000), ("b", 2000)]
    assert clock.now_ms() == START_MS + 5500
    assert clock.sleeping == 1
    tasks[2].cancel()
    await clock.settle()
    assert clock.sleeping == 0


async def test_what_is_woken_may_sleep_again_within_the_same_advance() -> None:
    clock = FakeClock()
    ticks: list[int] = []

    async def tick() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.now_ms() - START_MS)

    task = asyncio.ensure_future(tick())
    await clock.advance(3)
    task.cancel()
    assert ticks == [1000, 2000, 3000]


async def test_an_automatic_clock_jumps_when_nothing_else_can_run() -> None:
    clock = FakeClock(auto=True)
    seen: list[str] = []

    async def work() -> None:
        for turn in range(300):  # longer than any fixed number of turns one would think of
            await asyncio.sleep(0)
            seen.append(f"work {turn}")

    async def wait() -> None:
        await clock.sleep(3600)
        seen.append("an hour later")

    await asyncio.wait_for(asyncio.gather(wait(), work()), 5)
    assert seen[-1] == "an hour later"
    assert clock.now_ms() == START_MS + 3_600_000


async def test_a_task_that_spins_is_named_instead_of_hanging_the_test() -> None:
    clock = FakeClock()

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - what it is about
            await asyncio.sleep(0)

    task = asyncio.ensure_future(spin())
    with pytest.raises(AssertionError, match="spins"):
        await clock.advance(1)
    task.cancel()


async def test_two_clocks_on_one_loop_do_not_wait_for_each_others_rest() -> None:
    first, second = FakeClock(auto=True), FakeClock(auto=True)
    slept: list[float] = []

    async def sleep(clock: FakeClock, seconds: float) -> None:
        for _ in range(3):
            await clock.sleep(seconds)
            slept.append(seconds)

    await asyncio.gather(sleep(first, 60), sleep(second, 3600))
    assert sorted(slept) == [60, 60, 60, 3600, 3600, 3600]
    await asyncio.gather(first.settle(), second.settle())
