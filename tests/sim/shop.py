"""The shop in memory: the four domains, a customer, an item on the shelf, and questions that a test asks of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from actors import inventory, orders, payments, users
from actors.mesh import Actor
from actors.mesh._blueprint import Blueprint
from actors.mesh._chaos import NO_CHAOS, Chaos
from actors.mesh._ports import Clock, Ids
from actors.mesh.testing.memory_mesh import HMAC_KEY, SEED, MemoryMesh
from actors.mesh.testing.weather import Weather
from actors.payments.provider import CardProcessor, SimulatedCards
from actors.users.provider import CountedPasswords, Credentials, Tokens
from schemas.inventory import AddItem, GetItem, ItemView, ReceiveStock
from schemas.orders import GetOrder, OrderView, PlaceOrder
from schemas.users import AddUser
from schemas.values import Line, Money

CARDS: type[CardProcessor] = CardProcessor  # type: ignore[type-abstract]  # which port it is, is all that is asked
ACTORS = (users.actor, orders.actor, inventory.actor, payments.actor)
PRICE = Money(amount_minor=450, currency="EUR")


def credentials() -> Credentials:
    """Return what log-ins consult, at the least cost."""
    return Credentials(CountedPasswords(), Tokens(signing_key=SEED, key_id="test", hmac_key=HMAC_KEY))


class Shop:
    """A mesh of the four domains over simulated cards, whose log is what really happened to the money."""

    def __init__(
        self,
        *,
        actors: Iterable[Actor | Blueprint] = ACTORS,
        pools_per_domain: int = 1,
        chaos: Chaos = NO_CHAOS,
        weather: Weather | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
        traced: bool = True,
    ) -> None:
        self.cards = SimulatedCards()
        outside = {CARDS: self.cards, Credentials: credentials()}
        self.mesh = MemoryMesh(
            actors,
            outside=outside,
            pools_per_domain=pools_per_domain,
            chaos=chaos,
            weather=weather,
            clock=clock,
            ids=ids,
            traced=traced,
        )

    async def open(self, *, stock: int = 10, sku: str = "tea") -> None:
        """Register the customer ada and put an item on the shelf."""
        ask = self.mesh.client.ask
        ada = {"user_id": "ada", "name": "Ada", "email": "ada@example.org", "password": "correct horse"}
        await ask(AddUser(**ada, roles=("customer",)))
        await ask(AddItem(sku=sku, title=sku.title(), price=PRICE))
        await ask(ReceiveStock(sku=sku, quantity=stock))

    async def item(self, sku: str = "tea") -> ItemView:
        version = self.mesh.truth.domain("inventory").version(f"item/{sku}")
        return await self.mesh.client.ask(GetItem(sku=sku, at_least_version=version))

    async def order(self, order_id: str) -> OrderView:
        version = self.mesh.truth.domain("orders").version(f"order/{order_id}")
        return await self.mesh.client.ask(GetOrder(order_id=order_id, at_least_version=version))

    def operations(self, payment_id: str) -> Counter[str]:
        """Return how often the card processor approved what for a payment."""
        return Counter(
            done.instruction.kind
            for done in self.cards.books.operations
            if done.instruction.payment_id == payment_id and done.answer.approved
        )

    def held_minor(self, payment_id: str) -> int:
        """Return the money that is held or taken at the card processor, by its own log."""
        done = self.operations(payment_id)
        return 0 if done["void"] else done["authorisation"] - done["refund"]

    @property
    def dead_letters(self) -> list[Any]:
        return [letter for actor in ACTORS for letter in self.mesh.truth.domain(actor.name).dead_letters.values()]


def order(order_id: str, *, quantity: int = 2, token: str = "card-approved", sku: str = "tea") -> PlaceOrder:
    """Return an order of ada's."""
    lines = (Line(sku=sku, quantity=quantity),)
    return PlaceOrder(
        order_id=order_id, customer_id="ada", lines=lines, deliver_to="1 Example Street", payment_token=token
    )
