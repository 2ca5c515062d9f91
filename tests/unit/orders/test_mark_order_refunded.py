"""MarkOrderRefunded."""

from actors.mesh.testing.given import given
from actors.orders.model import evolve, mark_refunded
from schemas.orders import (
    MarkOrderRefunded,
    OrderConfirmed,
    OrderPaid,
    OrderPlaced,
    OrderRefunded,
    OrderRefundRequested,
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

PAID = (
    PLACED,
    OrderReserved(order_id="o1"),
    OrderConfirmed(order_id="o1", customer_id="c1", total=PLACED.total),
    OrderPaid(order_id="o1", customer_id="c1"),
)
REQUESTED = OrderRefundRequested(order_id="o1", refund_id="o1", customer_id="c1", total=PLACED.total, reason="too late")
REFUNDED = OrderRefunded(order_id="o1", customer_id="c1", total=Money(amount_minor=900, currency="EUR"))
MARK = MarkOrderRefunded(order_id="o1")


def test_an_order_whose_money_and_stock_are_back_is_refunded() -> None:
    given(evolve, *PAID, REQUESTED).when(mark_refunded, MARK).then(REFUNDED)


def test_marking_twice_changes_nothing() -> None:
    given(evolve, *PAID, REQUESTED, REFUNDED).when(mark_refunded, MARK).nothing()


def test_an_order_that_nobody_wants_refunded_is_not() -> None:
    given(evolve, *PAID).when(mark_refunded, MARK).refused("order_refund_unrequested")
