"""RequestCancel."""

from actors.mesh.testing.given import given
from actors.orders.model import evolve, request_cancel
from schemas.orders import OrderCancelRequested, OrderConfirmed, OrderPlaced, OrderReserved, RequestCancel
from schemas.values import Money, PricedLine

PLACED = OrderPlaced(
    order_id="o1",
    customer_id="c1",
    lines=(PricedLine(sku="tea", quantity=2, unit_price=Money(amount_minor=450, currency="EUR")),),
    total=Money(amount_minor=900, currency="EUR"),
    deliver_to="1 Example Street",
    payment_token="card-approved",
)

REQUEST = RequestCancel(order_id="o1", customer_id="c1", reason="too late")
REQUESTED = OrderCancelRequested(order_id="o1", reason="too late")


def test_a_placed_order_can_be_cancelled() -> None:
    given(evolve, PLACED).when(request_cancel, REQUEST).then(REQUESTED)


def test_a_reserved_order_can_be_cancelled() -> None:
    given(evolve, PLACED, OrderReserved(order_id="o1")).when(request_cancel, REQUEST).then(REQUESTED)


def test_asking_twice_changes_nothing() -> None:
    given(evolve, PLACED, REQUESTED).when(request_cancel, REQUEST).nothing()


def test_a_confirmed_order_only_goes_forward() -> None:
    past = (PLACED, OrderReserved(order_id="o1"), OrderConfirmed(order_id="o1"))
    given(evolve, *past).when(request_cancel, REQUEST).refused("order_confirmed", kind="conflict")


def test_somebody_elses_order_is_as_one_that_does_not_exist() -> None:
    theirs = RequestCancel(order_id="o1", customer_id="c2", reason="curious")
    elsewhere = given(evolve, PLACED).when(request_cancel, theirs)
    nowhere = given(evolve).when(request_cancel, theirs)
    elsewhere.refused("order_unknown", kind="not_found")
    assert elsewhere.refusal is not None
    assert nowhere.refusal is not None
    assert elsewhere.refusal.refusal() == nowhere.refusal.refusal()
