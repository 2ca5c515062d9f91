"""RequestCancel."""

from actors.mesh.testing.given import given
from actors.orders.model import evolve, request_cancel
from schemas.orders import (
    OrderCancelRequested,
    OrderConfirmed,
    OrderPaid,
    OrderPlaced,
    OrderRecalled,
    OrderRefundRequested,
    OrderReserved,
    RequestCancel,
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

RESERVED = OrderReserved(order_id="o1")
CONFIRMED = OrderConfirmed(order_id="o1", customer_id="c1", total=PLACED.total)
PAID = OrderPaid(order_id="o1", customer_id="c1")
REQUEST = RequestCancel(order_id="o1", customer_id="c1", reason="too late")
REQUESTED = OrderCancelRequested(order_id="o1", reason="too late")
RECALLED = OrderRecalled(order_id="o1", reason="too late")
REFUND = OrderRefundRequested(
    order_id="o1", refund_id="o1", customer_id="c1", total=Money(amount_minor=900, currency="EUR"), reason="too late"
)


def test_a_placed_order_can_be_cancelled() -> None:
    given(evolve, PLACED).when(request_cancel, REQUEST).then(REQUESTED)


def test_a_reserved_order_can_be_cancelled() -> None:
    given(evolve, PLACED, RESERVED).when(request_cancel, REQUEST).then(REQUESTED)


def test_a_confirmed_order_whose_payment_is_under_way_is_recalled() -> None:
    given(evolve, PLACED, RESERVED, CONFIRMED).when(request_cancel, REQUEST).then(RECALLED)


def test_a_paid_order_is_to_be_refunded() -> None:
    given(evolve, PLACED, RESERVED, CONFIRMED, PAID).when(request_cancel, REQUEST).then(REFUND)


def test_asking_twice_changes_nothing() -> None:
    given(evolve, PLACED, REQUESTED).when(request_cancel, REQUEST).nothing()
    given(evolve, PLACED, RESERVED, CONFIRMED, RECALLED).when(request_cancel, REQUEST).nothing()
    given(evolve, PLACED, RESERVED, CONFIRMED, PAID, REFUND).when(request_cancel, REQUEST).nothing()


def test_somebody_elses_order_is_as_one_that_does_not_exist() -> None:
    theirs = RequestCancel(order_id="o1", customer_id="c2", reason="curious")
    elsewhere = given(evolve, PLACED).when(request_cancel, theirs)
    nowhere = given(evolve).when(request_cancel, theirs)
    elsewhere.refused("order_unknown", kind="not_found")
    assert elsewhere.refusal is not None
    assert nowhere.refusal is not None
    assert elsewhere.refusal.refusal() == nowhere.refusal.refusal()
