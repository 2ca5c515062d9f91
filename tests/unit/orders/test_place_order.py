"""PlaceOrder."""

import msgspec
import pytest

from actors.mesh.testing.given import given
from actors.orders.model import TOTAL_MINOR_MAX, customer_of, evolve, place, prices_of
from schemas.inventory import GetPrices, Price, PriceList
from schemas.orders import OrderCancelled, OrderPlaced, PlaceOrder
from schemas.users import GetUser, UserView
from schemas.values import Line, Money, PricedLine

ADA = UserView(
    user_id="c1", status="active", name="Ada", email="ada@example.org", roles=("customer",), registered_at_ms=1
)
PRICES = PriceList(
    prices=(
        Price(sku="tea", price=Money(amount_minor=450, currency="EUR")),
        Price(sku="cup", price=Money(amount_minor=1_200, currency="EUR")),
        Price(sku="jam", price=Money(amount_minor=700, currency="GBP")),
        Price(sku="gold", price=Money(amount_minor=10**12, currency="EUR")),
    )
)
PLACED = OrderPlaced(
    order_id="o1",
    customer_id="c1",
    lines=(
        PricedLine(sku="tea", quantity=2, unit_price=Money(amount_minor=450, currency="EUR")),
        PricedLine(sku="cup", quantity=1, unit_price=Money(amount_minor=1_200, currency="EUR")),
    ),
    total=Money(amount_minor=2_100, currency="EUR"),
    deliver_to="1 Example Street",
    payment_token="card-approved",
)


def order(*lines: tuple[str, int], customer_id: str = "c1") -> PlaceOrder:
    return PlaceOrder(
        order_id="o1",
        customer_id=customer_id,
        lines=tuple(Line(sku=sku, quantity=quantity) for sku, quantity in lines),
        deliver_to="1 Example Street",
        payment_token="card-approved",
    )


def test_an_order_is_placed_at_the_prices_of_today() -> None:
    given(evolve).when(place, order(("tea", 2), ("cup", 1)), ADA, PRICES).then(PLACED)


def test_placing_twice_changes_nothing() -> None:
    given(evolve, PLACED).when(place, order(("tea", 2), ("cup", 1)), ADA, PRICES).nothing()


def test_placing_again_after_the_end_changes_nothing() -> None:
    cancelled = OrderCancelled(order_id="o1", customer_id="c1", reason_code="stock_insufficient", detail="")
    given(evolve, PLACED, cancelled).when(place, order(("tea", 2), ("cup", 1)), ADA, PRICES).nothing()


def test_placing_again_needs_no_price_that_still_holds() -> None:
    given(evolve, PLACED).when(place, order(("tea", 2), ("cup", 1)), ADA, PriceList(prices=())).nothing()


def test_an_id_taken_by_other_lines_is_refused() -> None:
    given(evolve, PLACED).when(place, order(("tea", 3)), ADA, PRICES).refused("order_exists")


def test_an_id_taken_by_somebody_else_is_refused() -> None:
    again = order(("tea", 2), ("cup", 1), customer_id="c2")
    given(evolve, PLACED).when(place, again, ADA, PRICES).refused("order_exists")


def test_a_deactivated_customer_cannot_order() -> None:
    closed = UserView(
        user_id="c1", status="deactivated", name="Ada", email="ada@example.org", roles=("customer",), registered_at_ms=1
    )
    given(evolve).when(place, order(("tea", 1)), closed, PRICES).refused("customer_deactivated", kind="forbidden")


def test_an_unknown_item_is_named_by_its_line() -> None:
    outcome = given(evolve).when(place, order(("tea", 1), ("yeti", 1)), ADA, PRICES)
    outcome.refused("item_unknown", kind="not_found", pointer="/lines/1/sku", naming="yeti")


def test_an_item_in_two_lines_is_refused() -> None:
    outcome = given(evolve).when(place, order(("tea", 1), ("tea", 2)), ADA, PRICES)
    outcome.refused("line_duplicated", kind="invalid", pointer="/lines/1/sku", naming="tea")


def test_an_order_is_in_one_currency() -> None:
    outcome = given(evolve).when(place, order(("tea", 1), ("jam", 1)), ADA, PRICES)
    outcome.refused("currency_mixed", kind="invalid", pointer="/lines/1/sku")


def test_the_largest_total_can_be_ordered() -> None:
    outcome = given(evolve).when(place, order(("gold", 1)), ADA, PRICES)
    assert isinstance(outcome.events[0], OrderPlaced)
    assert outcome.events[0].total == Money(amount_minor=TOTAL_MINOR_MAX, currency="EUR")


def test_a_total_above_it_is_refused() -> None:
    given(evolve).when(place, order(("gold", 1), ("tea", 1)), ADA, PRICES).refused("total_too_large", kind="invalid")


def test_the_largest_total_is_the_largest_money() -> None:
    largest = b'{"amount_minor": %d, "currency": "EUR"}'
    assert msgspec.json.decode(largest % TOTAL_MINOR_MAX, type=Money).amount_minor == TOTAL_MINOR_MAX
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(largest % (TOTAL_MINOR_MAX + 1), type=Money)


def test_it_needs_the_customer_and_each_price_once() -> None:
    assert customer_of(order(("tea", 1))) == GetUser(user_id="c1")
    assert prices_of(order(("tea", 1), ("cup", 1), ("tea", 1))) == GetPrices(skus=("tea", "cup"))
