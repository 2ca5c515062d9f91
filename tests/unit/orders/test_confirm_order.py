"""ConfirmOrder."""

from actors.mesh.testing.given import given
from actors.orders.model import confirm, evolve
from schemas.orders import ConfirmOrder, OrderCancelRequested, OrderConfirmed, OrderPlaced, OrderReserved
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
CONFIRMED = OrderConfirmed(order_id="o1", customer_id="c1", total=Money(amount_minor=900, currency="EUR"))


def test_a_reserved_order_is_confirmed_with_all_that_others_tell_the_customer() -> None:
    given(evolve, PLACED, RESERVED).when(confirm, ConfirmOrder(order_id="o1")).then(CONFIRMED)


def test_confirming_twice_changes_nothing() -> None:
    given(evolve, PLACED, RESERVED, CONFIRMED).when(confirm, ConfirmOrder(order_id="o1")).nothing()


def test_a_wish_to_cancel_that_came_first_wins() -> None:
    past = (PLACED, RESERVED, OrderCancelRequested(order_id="o1", reason="too late"))
    given(evolve, *past).when(confirm, ConfirmOrder(order_id="o1")).refused("order_cancelled")


def test_an_order_without_stock_is_not_promised() -> None:
    given(evolve, PLACED).when(confirm, ConfirmOrder(order_id="o1")).refused("order_unreserved")
