"""The loop, the plan and the shrinking that schedules are made of, each alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from actors.mesh._errors import TimedOut, Unavailable
from actors.mesh.adapters.memory.bus import MemoryBus
from actors.mesh.testing.clock import START_MS
from actors.mesh.testing.fault_plan import FaultPlan
from actors.mesh.testing.seeded_loop import LoopClock, SeededIds, SeededLoop, Stuck
from actors.mesh.testing.shrinking import shrunk
from actors.mesh.testing.weather import WeatherBus

Work = Callable[[LoopClock], Coroutine[Any, Any, Any]]


def run(work: Work, *, seed: int = 0, shuffled: bool = True) -> Any:
    loop = SeededLoop(seed, shuffled=shuffled)
    try:
        return loop.run_until_complete(work(LoopClock(loop)))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()


async def letters(_clock: LoopClock) -> str:
    told: list[str] = []

    async def tell(letter: str) -> None:
        told.append(letter)

    await asyncio.gather(*map(tell, "abcdef"))
    return "".join(told)


def test_who_runs_next_follows_from_the_seed() -> None:
    orders = [run(letters, seed=seed) for seed in range(8)]
    assert orders == [run(letters, seed=seed) for seed in range(8)]
    assert len(set(orders)) > 4
    assert {"".join(sorted(each)) for each in orders} == {"abcdef"}
    assert run(letters, shuffled=False) == "abcdef"


def test_an_hour_passes_at_once_and_sleepers_wake_when_they_are_due() -> None:
    async def naps(clock: LoopClock) -> list[int]:
        async def nap(seconds: float) -> int:
            await clock.sleep(seconds)
            return clock.now_ms() - START_MS

        return list(await asyncio.gather(nap(3600), nap(0.25), nap(0)))

    assert run(naps) == [3_600_000, 250, 0]


def test_what_waits_for_something_that_never_comes_is_told() -> None:
    async def forever(_clock: LoopClock) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck, match="nobody sleeps"):
        run(forever)


def test_ids_of_a_seed_are_the_same_and_rise() -> None:
    one, other = SeededIds(1), SeededIds(1)
    ids = [one.new() for _ in range(20)]
    assert ids == [other.new() for _ in range(20)] == sorted(set(ids))
    assert ids != [SeededIds(2).new() for _ in range(20)]


def struck(plan: FaultPlan, passes: Sequence[str]) -> list[str]:
    for what in passes:
        plan.hits(what)
    return plan.struck


def test_a_fault_is_the_same_whatever_else_is_left_out() -> None:
    both, alone = ["lost", "late"] * 50, ["late"] * 50
    drawn = struck(FaultPlan(7, rough=0.2, deadly=0), both)
    assert 5 < len(drawn) < 40
    assert [each for each in drawn if each.startswith("late")] == struck(FaultPlan(7, rough=0.2, deadly=0), alone)
    assert struck(FaultPlan(7, rough=1.0, deadly=0, faults=drawn), both) == drawn


def test_what_a_plan_focuses_on_goes_wrong_in_fair_weather() -> None:
    passes = ["lost", "late"] * 50
    assert {each.partition("#")[0] for each in struck(FaultPlan(7, rough=0, deadly=0, focus=["late"]), passes)} == {
        "late"
    }


@pytest.mark.parametrize("needed", [(), (3,), (0, 41), (5, 6, 7, 39)])
def test_all_faults_but_those_that_are_needed_are_left_out(needed: tuple[int, ...]) -> None:
    faults = [f"fault {number}" for number in range(42)]
    wanted = [faults[number] for number in needed]
    assert shrunk(faults, lambda kept: set(wanted) <= set(kept)) == wanted


def test_shrinking_ends_with_what_it_has() -> None:
    tries: list[int] = []

    def fails(kept: Sequence[str]) -> bool:
        tries.append(len(kept))
        return len(kept) == 100

    assert len(shrunk([str(number) for number in range(100)], fails, runs_max=50)) == 100
    assert len(tries) == 50


@pytest.mark.parametrize(("faults", "error"), [([], Unavailable), (["request doubled shop.command.open#1"], TimedOut)])
def test_who_has_sent_a_request_twice_does_not_say_that_nothing_was_done(
    faults: list[str], error: type[Exception]
) -> None:
    async def ask(clock: LoopClock) -> None:
        bus = WeatherBus(MemoryBus(clock), clock, FaultPlan(0, rough=1, deadly=0, faults=faults))
        await bus.request("shop.command.open.s1", b"{}", {}, timeout_seconds=1)

    with pytest.raises(error):
        run(ask)
