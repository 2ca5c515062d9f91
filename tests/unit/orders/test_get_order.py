"""GetOrder."""

from actors import orders
from actors.mesh.testing.given import FIRST_MS, given_actor
from schemas.orders import GetOrder, OrderCancelled, OrderPlaced, OrderReserved, OrderView
from schemas.values import Money, PricedLine

PLACED = OrderPlaced(
    order_id="o1",
    customer_id="c1",
    lines=(PricedLine(sku="tea", quantity=2, unit_price=Money(amount_minor=450, currency="EUR")),),
    total=Money(amount_minor=900, currency="EUR"),
    deliver_to="1 Example Street",
    payment_token="card-approved",
)
VIEW = OrderView(
    order_id="o1",
    customer_id="c1",
    status="placed",
    lines=PLACED.lines,
    total=PLACED.total,
    deliver_to="1 Example Street",
    placed_at_ms=FIRST_MS,
)


def test_an_order_is_shown_to_its_customer() -> None:
    given_actor(orders.actor, PLACED).asked(GetOrder(order_id="o1", customer_id="c1")).answered(VIEW)


def test_an_order_is_shown_to_who_asks_for_nobody_in_particular() -> None:
    given_actor(orders.actor, PLACED).asked(GetOrder(order_id="o1")).answered(VIEW)


def test_a_cancelled_order_says_why() -> None:
    past = (
        PLACED,
        OrderReserved(order_id="o1"),
        OrderCancelled(order_id="o1", customer_id="c1", reason_code="gone", detail=""),
    )
    answer = given_actor(orders.actor, *past).asked(GetOrder(order_id="o1"))
    assert isinstance(answer.reply, OrderView)
    assert (answer.reply.status, answer.reply.reason_code) == ("cancelled", "gone")


def test_somebody_elses_order_is_as_one_that_does_not_exist() -> None:
    elsewhere = given_actor(orders.actor, PLACED).asked(GetOrder(order_id="o1", customer_id="c2"))
    nowhere = given_actor(orders.actor).asked(GetOrder(order_id="o1", customer_id="c2"))
    elsewhere.refused("order_unknown", kind="not_found")
    assert elsewhere.refusal is not None
    assert nowhere.refusal is not None
    assert elsewhere.refusal.refusal() == nowhere.refusal.refusal()
