"""Random orders with declines, cancels, repeats and kills: whatever happens, money, stock and views add up."""

import logging

import pytest

from cli.simulate import Outcome, simulate
from infra.local.kills import kills
from tests.e2e.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

log = logging.getLogger(__name__)

VICTIMS = (
    *("users", "orders", "orders-2", "inventory", "inventory-2", "payments"),
    *("gateway", "cards", "nats", "postgres", "redis"),
)


async def stormy(running: Running, *, seed: int, orders: int, rate: float, every_seconds: float, most: int) -> Outcome:
    """Play a day while parts are killed; then everything must come to rest and add up."""
    storm = kills(running.platform, seed, victims=VICTIMS, every_seconds=every_seconds, kills_max=most)
    async with storm as struck:
        outcome = await simulate(running.platform.endpoints, seed, orders, concurrency=24, rate=rate)
    told = (outcome.answers, outcome.cancels, f"{outcome.tries_again} tries again", f"{outcome.seconds} s")
    log.info("killed: %s; clients saw %s", " ".join(struck), told)
    assert not outcome.wrong
    assert struck
    verdict = await running.checked(acknowledged=outcome.acknowledged)
    assert not verdict.problems
    return outcome


async def test_a_short_day_with_a_few_kills_ends_right(running: Running) -> None:
    outcome = await stormy(running, seed=11, orders=80, rate=12, every_seconds=2.0, most=3)
    assert sum(outcome.answers.values()) == outcome.orders + outcome.repeats


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_five_hundred_orders_in_a_storm_end_right(running: Running) -> None:
    outcome = await stormy(running, seed=29, orders=500, rate=8, every_seconds=2.5, most=30)
    assert sum(outcome.answers.values()) == outcome.orders + outcome.repeats
