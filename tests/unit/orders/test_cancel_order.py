"""CancelOrder."""

from actors.mesh.testing.given import given
from actors.orders.model import cancel, evolve
from schemas.orders import (
    CancelOrder,
    OrderCancelled,
    OrderCancelRequested,
    OrderConfirmed,
    OrderPlaced,
    OrderReserved,
)
from schemas.values import Money, PricedLine

PLACED = OrderPlaced(
    order_id="o1",
    customer_id="c1",
    lines=(PricedLine(sku="tea", quantity=2, unit_price=Money(amount_minor=450, currency="EUR")),),
    total=Money(amount_minor=900, currency="EUR"),
    deliver_to="1 Example Street",
    payment_token="card-approved",
)

CANCEL = CancelOrder(order_id="o1", reason_code="stock_insufficient", detail="2 of tea wanted, 1 available")
CANCELLED = OrderCancelled(
    order_id="o1", customer_id="c1", reason_code="stock_insufficient", detail="2 of tea wanted, 1 available"
)


def test_a_placed_order_is_cancelled_for_a_reason() -> None:
    given(evolve, PLACED).when(cancel, CANCEL).then(CANCELLED)


def test_a_reserved_order_is_cancelled() -> None:
    given(evolve, PLACED, OrderReserved(order_id="o1")).when(cancel, CANCEL).then(CANCELLED)


def test_an_order_that_somebody_wants_cancelled_is_cancelled() -> None:
    requested = OrderCancelRequested(order_id="o1", reason="too late")
    given(evolve, PLACED, requested).when(cancel, CANCEL).then(CANCELLED)


def test_cancelling_twice_changes_nothing() -> None:
    given(evolve, PLACED, CANCELLED).when(cancel, CANCEL).nothing()


def test_a_confirmed_order_is_refunded_not_cancelled() -> None:
    confirmed = OrderConfirmed(order_id="o1", customer_id="c1", total=PLACED.total)
    given(evolve, PLACED, OrderReserved(order_id="o1"), confirmed).when(cancel, CANCEL).refused("order_confirmed")
