"""ListOrders."""

from actors import orders
from actors.mesh.testing.given import given_actor
from schemas.orders import ListOrders, OrderPage, OrderPlaced, OrderReserved
from schemas.values import Money, PricedLine


def placed(order_id: str, customer_id: str) -> OrderPlaced:
    return OrderPlaced(
        order_id=order_id,
        customer_id=customer_id,
        lines=(PricedLine(sku="tea", quantity=2, unit_price=Money(amount_minor=450, currency="EUR")),),
        total=Money(amount_minor=900, currency="EUR"),
        deliver_to="1 Example Street",
        payment_token="card-approved",
    )


PAST = (placed("o1", "c1"), placed("o2", "c2"), placed("o3", "c1"), OrderReserved(order_id="o3"))


def listed(query: ListOrders) -> tuple[list[str], str]:
    reply = given_actor(orders.actor, *PAST).asked(query).reply
    assert isinstance(reply, OrderPage)
    return [order.order_id for order in reply.orders], reply.next_cursor


def test_the_newest_order_comes_first() -> None:
    assert listed(ListOrders()) == (["o3", "o2", "o1"], "")


def test_a_customer_sees_only_their_own() -> None:
    assert listed(ListOrders(customer_id="c1")) == (["o3", "o1"], "")


def test_orders_can_be_listed_by_status() -> None:
    assert listed(ListOrders(status="placed")) == (["o2", "o1"], "")


def test_a_page_says_how_to_go_on() -> None:
    first, cursor = listed(ListOrders(limit=2))
    assert first == ["o3", "o2"]
    assert listed(ListOrders(limit=2, cursor=cursor)) == (["o1"], "")
