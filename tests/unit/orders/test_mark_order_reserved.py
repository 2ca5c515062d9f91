"""MarkOrderReserved."""

from actors.mesh.testing.given import given
from actors.orders.model import evolve, mark_reserved
from schemas.orders import MarkOrderReserved, OrderCancelRequested, OrderPlaced, OrderReserved
from schemas.values import Money, PricedLine

PLACED = OrderPlaced(
    order_id="o1",
    customer_id="c1",
    lines=(PricedLine(sku="tea", quantity=2, unit_price=Money(amount_minor=450, currency="EUR")),),
    total=Money(amount_minor=900, currency="EUR"),
    deliver_to="1 Example Street",
    payment_token="card-approved",
)


def test_an_order_whose_stock_is_held_is_reserved() -> None:
    given(evolve, PLACED).when(mark_reserved, MarkOrderReserved(order_id="o1")).then(OrderReserved(order_id="o1"))


def test_marking_twice_changes_nothing() -> None:
    past = (PLACED, OrderReserved(order_id="o1"))
    given(evolve, *past).when(mark_reserved, MarkOrderReserved(order_id="o1")).nothing()


def test_an_order_that_is_being_cancelled_is_not_reserved_any_more() -> None:
    past = (PLACED, OrderCancelRequested(order_id="o1", reason="too late"))
    given(evolve, *past).when(mark_reserved, MarkOrderReserved(order_id="o1")).refused("order_cancelled")
