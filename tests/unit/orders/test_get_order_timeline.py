"""GetOrderTimeline."""

from actors import orders
from actors.mesh.testing.given import FIRST_MS, given_actor
from schemas.orders import (
    GetOrderTimeline,
    OrderCancelled,
    OrderCancelRequested,
    OrderPaid,
    OrderPlaced,
    OrderRecalled,
    OrderRefunded,
    OrderRefundRequested,
    OrderTimelineView,
    TimelineEntry,
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
REQUESTED = OrderCancelRequested(order_id="o1", reason="too late")
CANCELLED = OrderCancelled(order_id="o1", customer_id="c1", reason_code="cancel_requested", detail="")


def test_what_happened_is_told_in_order() -> None:
    told = OrderTimelineView(
        order_id="o1",
        customer_id="c1",
        entries=(
            TimelineEntry(what="order_placed", at_ms=FIRST_MS),
            TimelineEntry(what="order_cancel_requested", at_ms=FIRST_MS + 1_000, detail="too late"),
            TimelineEntry(what="order_cancelled", at_ms=FIRST_MS + 2_000, detail="cancel_requested"),
        ),
    )
    given_actor(orders.actor, PLACED, REQUESTED, CANCELLED).asked(GetOrderTimeline(order_id="o1")).answered(told)


def test_a_wish_to_cancel_is_told_with_its_reason_however_late_it_came() -> None:
    recalled = OrderRecalled(order_id="o1", reason="too late")
    requested = OrderRefundRequested(
        order_id="o1", refund_id="o1", customer_id="c1", total=PLACED.total, reason="too late"
    )
    refunded = OrderRefunded(order_id="o1", customer_id="c1", total=PLACED.total)
    past = (PLACED, recalled, OrderPaid(order_id="o1", customer_id="c1"), requested, refunded)
    reply = given_actor(orders.actor, *past).asked(GetOrderTimeline(order_id="o1")).reply
    assert isinstance(reply, OrderTimelineView)
    assert [(entry.what, entry.detail) for entry in reply.entries[1:]] == [
        ("order_recalled", "too late"),
        ("order_paid", ""),
        ("order_refund_requested", "too late"),
        ("order_refunded", ""),
    ]


def test_somebody_elses_timeline_is_as_one_that_does_not_exist() -> None:
    elsewhere = given_actor(orders.actor, PLACED).asked(GetOrderTimeline(order_id="o1", customer_id="c2"))
    nowhere = given_actor(orders.actor).asked(GetOrderTimeline(order_id="o1", customer_id="c2"))
    elsewhere.refused("order_unknown", kind="not_found")
    assert elsewhere.refusal is not None
    assert nowhere.refusal is not None
    assert elsewhere.refusal.refusal() == nowhere.refusal.refusal()
