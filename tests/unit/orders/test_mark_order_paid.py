"""MarkOrderPaid."""

from actors.mesh.testing.given import given
from actors.orders.model import evolve, mark_paid
from schemas.orders import (
    MarkOrderPaid,
    OrderConfirmed,
    OrderPaid,
    OrderPlaced,
    OrderRecalled,
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

CONFIRMED = (
    PLACED,
    OrderReserved(order_id="o1"),
    OrderConfirmed(order_id="o1", customer_id="c1", total=PLACED.total),
)
PAID = OrderPaid(order_id="o1", customer_id="c1")
RECALLED = OrderRecalled(order_id="o1", reason="too late")
REFUND = OrderRefundRequested(
    order_id="o1", refund_id="o1", customer_id="c1", total=Money(amount_minor=900, currency="EUR"), reason="too late"
)


def test_a_confirmed_order_is_paid() -> None:
    given(evolve, *CONFIRMED).when(mark_paid, MarkOrderPaid(order_id="o1")).then(PAID)


def test_a_recalled_order_is_paid_and_its_refund_requested_for_the_customers_reason() -> None:
    given(evolve, *CONFIRMED, RECALLED).when(mark_paid, MarkOrderPaid(order_id="o1")).then(PAID, REFUND)


def test_paying_twice_changes_nothing() -> None:
    given(evolve, *CONFIRMED, PAID).when(mark_paid, MarkOrderPaid(order_id="o1")).nothing()
    given(evolve, *CONFIRMED, RECALLED, PAID, REFUND).when(mark_paid, MarkOrderPaid(order_id="o1")).nothing()


def test_an_order_is_not_paid_before_it_is_confirmed() -> None:
    given(evolve, PLACED).when(mark_paid, MarkOrderPaid(order_id="o1")).refused("order_unconfirmed")
