"""Orders through everything that can go wrong at once, from a seed; then calm, and the books must be right."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from actors.mesh._errors import Fault
from actors.mesh.testing.clock import FakeClock
from actors.mesh.testing.quiet import at_rest, differing_views
from actors.mesh.testing.weather import StrayChaos, Weather, WeatherBus
from schemas.envelope import Envelope, derived_id
from schemas.message import Command
from schemas.orders import RequestCancel
from tests.sim.shop import Shop, order

TOKENS = (
    "card-approved",
    "card-approved",
    "card-declined",
    "card-timeout-then-success",
    "card-error-then-success",
    "card-error-before",
)
STOCK = 40
"""Less than all orders want, so that some must do without."""


class Simulation:
    """A shop in bad weather, and a customer who asks until she is answered."""

    def __init__(self, seed: int, *, orders: int, rough: float, deadly: float) -> None:
        self.seed = seed
        self.weather = Weather(seed, rough=rough, deadly=deadly)
        self.shop = Shop(pools_per_domain=2, weather=self.weather, chaos=StrayChaos(self.weather))
        self.mesh = self.shop.mesh
        self.order_ids = [f"order-{number}" for number in range(orders)]
        self.ends: Counter[str] = Counter()
        self.client = self.mesh.client_of(
            self.mesh.client._identity, bus=WeatherBus(self.mesh.bus, self.mesh.clock, self.weather)
        )

    async def run(self) -> None:
        self.weather.cleared = True
        async with self.mesh:
            await self.shop.open(stock=STOCK)
            self.mesh.revive(lambda: self.weather.seconds(2))
            self.weather.cleared = False
            await asyncio.gather(*map(self._customer, self.order_ids))
            await self.mesh.clock.sleep(self.weather.seconds(10))
            self.weather.cleared = True
            await self.mesh.revived()
            await at_rest(self.mesh, within_seconds=300)
            await self._check()

    async def _customer(self, order_id: str) -> None:
        draw = self.weather.random
        await self.mesh.clock.sleep(draw.random() * 10)
        token, quantity = draw.choice(TOKENS), draw.randint(1, 4)
        await self._insist(order(order_id, quantity=quantity, token=token), order_id)
        if draw.random() < 0.6:
            await self.mesh.clock.sleep(draw.random() * 30)
            cancel = RequestCancel(order_id=order_id, customer_id="ada", reason="changed my mind")
            await self._insist(cancel, f"cancel {order_id}")

    async def _insist(self, command: Command, what: str) -> None:
        """Ask under one id until there is an answer."""
        while True:
            try:
                await self.client.ask(command, Envelope(command_id=derived_id(str(self.seed), what)))
            except Fault:
                await self.mesh.clock.sleep(0.3)
            else:
                return

    async def _check(self) -> None:
        shop, truth = self.shop, self.mesh.truth
        found = Counter([(await shop.order(order_id)).status for order_id in self.order_ids])
        assert set(found) <= {"paid", "cancelled", "refunded"}, found
        captured = refunded = taken = 0
        for order_id in self.order_ids:
            shown, done = await shop.order(order_id), shop.operations(order_id)
            assert done["authorisation"] <= 1, (order_id, done)
            captured += done["capture"] * shown.total.amount_minor
            refunded += done["refund"] * shown.total.amount_minor
            if shown.status == "cancelled":
                assert shop.held_minor(order_id) == 0, (order_id, done)
                assert done["capture"] == 0, (order_id, done)
            else:
                given_back = int(shown.status == "refunded")
                assert (done["capture"], done["void"], done["refund"]) == (1, 0, given_back), (order_id, done)
            taken += sum(line.quantity for line in shown.lines) if shown.status == "paid" else 0
        item = await shop.item()
        assert (item.on_hand, item.reserved) == (STOCK - taken, 0)
        postings = truth.domain("payments").inlines.get("ledger", [])
        amounts = [int(str(row["amount_minor"])) for row in postings]
        assert sum(amounts) == 0
        assert sum(amount for amount in amounts if amount > 0) == captured + refunded
        assert await differing_views(self.mesh) == []
        assert shop.dead_letters == []
        self.ends = found


async def simulated(seed: int, *, orders: int = 12, rough: float = 0.05, deadly: float = 0.01) -> Simulation:
    simulation = Simulation(seed, orders=orders, rough=rough, deadly=deadly)
    try:
        await simulation.run()
    except BaseException as error:
        error.add_note(f"seed {seed}, rough {rough}, deadly {deadly}: {simulation.weather.happened}")
        raise
    assert isinstance(simulation.mesh.clock, FakeClock)
    return simulation


@pytest.mark.parametrize("seed", range(6))
async def test_every_order_ends_paid_cancelled_or_refunded_and_the_books_are_right(seed: int) -> None:
    simulation = await simulated(seed)
    assert sum(simulation.weather.happened.values()) > 50, f"this was fair weather: {simulation.weather.happened}"
    assert simulation.ends["refunded"], f"nobody changed her mind late: {simulation.ends}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 250))
async def test_many_seeds_end_with_the_books_right(seed: int) -> None:
    await simulated(seed, orders=20, rough=0.02 + seed % 10 * 0.02, deadly=seed % 7 * 0.004)
