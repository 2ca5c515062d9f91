"""The sagas there are, their steps, and how an order must end whatever became of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from actors.mesh import Outcomes, Saga
from actors.mesh.testing.quiet import at_rest, differing_views
from schemas.message import Event, subject_of
from schemas.orders import OrderPlaced, OrderRefundRequested, RequestCancel
from schemas.values import Money, PricedLine
from tests.sim.shop import ACTORS, Shop, order

SAGAS = {saga.name: saga for actor in ACTORS for saga in actor.sagas}
EXAMPLES: dict[str, Event] = {
    "order_fulfilment": OrderPlaced(
        order_id="o1",
        customer_id="ada",
        lines=(PricedLine(sku="tea", quantity=2, unit_price=Money(amount_minor=450, currency="EUR")),),
        total=Money(amount_minor=900, currency="EUR"),
        deliver_to="1 Example Street",
        payment_token="card-approved",
    ),
    "order_refund": OrderRefundRequested(
        order_id="o1",
        refund_id="o1",
        customer_id="ada",
        total=Money(amount_minor=900, currency="EUR"),
        reason="changed my mind",
    ),
}
ENDS = {"order_fulfilment": "paid", "order_refund": "refunded"}
"""How an order ends whose saga goes on to its own end."""
CANCEL = RequestCancel(order_id="o1", customer_id="ada", reason="changed my mind")


class Place(NamedTuple):
    """A step of a saga, by where it stands."""

    saga: Saga[Any]
    index: int

    @property
    def command(self) -> str:
        return subject_of(type(self.saga.steps[self.index].do(EXAMPLES[self.saga.name], Outcomes({}))))

    @property
    def undo(self) -> str | None:
        undo = self.saga.steps[self.index].undo
        return None if undo is None else subject_of(type(undo(EXAMPLES[self.saga.name], Outcomes({}))))

    @property
    def forward_only(self) -> bool:
        return self.saga.past_pivot(self.index)

    def earlier(self) -> list[Place]:
        return [Place(self.saga, index) for index in range(self.index)]


def pivot_of(saga: Saga[Any]) -> int:
    return next(index for index, step in enumerate(saga.steps) if step.pivot)


async def start(shop: Shop, saga: Saga[Any]) -> None:
    """Do what starts a saga: place an order, and to be refunded it is cancelled when it is paid."""
    await shop.mesh.client.ask(order("o1"))
    if saga.name == "order_refund":
        assert await ends_clean(shop) == "paid"
        await shop.mesh.client.ask(CANCEL)


async def ends_clean(shop: Shop) -> str:
    """Wait until nothing is under way; say how it ended, after checking that it is one or the other and not between."""
    await at_rest(shop.mesh)
    shown, item, done = await shop.order("o1"), await shop.item(), shop.operations("o1")
    if shown.status == "paid":
        assert (item.on_hand, item.reserved) == (8, 0)
        assert (done["authorisation"], done["capture"], done["void"], done["refund"]) == (1, 1, 0, 0)
    elif shown.status == "refunded":
        assert (item.on_hand, item.reserved) == (10, 0)
        assert (done["authorisation"], done["capture"], done["void"], done["refund"]) == (1, 1, 0, 1)
    else:
        assert shown.status == "cancelled"
        assert (item.on_hand, item.reserved) == (10, 0)
        assert shop.held_minor("o1") == 0
        assert done["capture"] == 0
    assert done["authorisation"] <= 1
    assert await differing_views(shop.mesh) == []
    assert shop.dead_letters == []
    return shown.status
