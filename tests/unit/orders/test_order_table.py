"""Every command on an order in every status: the whole life, cell by cell."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from actors.mesh.testing.given import given
from actors.orders import model
from schemas.inventory import Price, PriceList
from schemas.message import Command, Event
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    MarkOrderPaid,
    MarkOrderReserved,
    OrderCancelled,
    OrderCancelRequested,
    OrderConfirmed,
    OrderPaid,
    OrderPlaced,
    OrderReserved,
    PlaceOrder,
    RequestCancel,
)
from schemas.users import UserView
from schemas.values import Line, Money, PricedLine

EXPECTED = """
            place        mark_reserved    confirm           mark_paid          request_cancel        cancel
none        OrderPlaced  order_unknown    order_unknown     order_unknown      order_unknown         order_unknown
placed      -            OrderReserved    order_unreserved  order_unconfirmed  OrderCancelRequested  OrderCancelled
reserved    -            -                OrderConfirmed    order_unconfirmed  OrderCancelRequested  OrderCancelled
confirmed   -            -                -                 OrderPaid          order_confirmed       order_confirmed
paid        -            -                -                 -                  order_confirmed       order_confirmed
cancelling  -            order_cancelled  order_cancelled   order_cancelled    -                     OrderCancelled
cancelled   -            order_cancelled  order_cancelled   order_cancelled    -                     -
"""

PLACED = OrderPlaced(
    order_id="o1",
    customer_id="c1",
    lines=(PricedLine(sku="tea", quantity=2, unit_price=Money(amount_minor=450, currency="EUR")),),
    total=Money(amount_minor=900, currency="EUR"),
    deliver_to="1 Example Street",
    payment_token="card-approved",
)
RESERVED, CONFIRMED, PAID = OrderReserved(order_id="o1"), OrderConfirmed(order_id="o1"), OrderPaid(order_id="o1")
REQUESTED = OrderCancelRequested(order_id="o1", reason="too late")
CANCELLED = OrderCancelled(order_id="o1", reason_code="cancel_requested", detail="")
PASTS: dict[str, tuple[model.OrderEvent, ...]] = {
    "none": (),
    "placed": (PLACED,),
    "reserved": (PLACED, RESERVED),
    "confirmed": (PLACED, RESERVED, CONFIRMED),
    "paid": (PLACED, RESERVED, CONFIRMED, PAID),
    "cancelling": (PLACED, REQUESTED),
    "cancelled": (PLACED, REQUESTED, CANCELLED),
}

ADA = UserView(
    user_id="c1", status="active", name="Ada", email="ada@example.org", roles=("customer",), registered_at_ms=1
)
PRICES = PriceList(prices=(Price(sku="tea", price=Money(amount_minor=450, currency="EUR")),))
PLACE = PlaceOrder(
    order_id="o1",
    customer_id="c1",
    lines=(Line(sku="tea", quantity=2),),
    deliver_to="1 Example Street",
    payment_token="card-approved",
)


def place(order: model.Order | None, command: PlaceOrder) -> Iterable[Event]:
    return model.place(order, command, ADA, PRICES)


COMMANDS: dict[str, tuple[Callable[..., Iterable[Event]], Command[Any]]] = {
    "place": (place, PLACE),
    "mark_reserved": (model.mark_reserved, MarkOrderReserved(order_id="o1")),
    "confirm": (model.confirm, ConfirmOrder(order_id="o1")),
    "mark_paid": (model.mark_paid, MarkOrderPaid(order_id="o1")),
    "request_cancel": (model.request_cancel, RequestCancel(order_id="o1", customer_id="c1", reason="too late")),
    "cancel": (model.cancel, CancelOrder(order_id="o1", reason_code="payment_declined", detail="")),
}


def cells() -> list[tuple[str, str, str]]:
    head, *rows = (line.split() for line in EXPECTED.strip().splitlines())
    return [(status, name, cell) for status, *row in rows for name, cell in zip(head, row, strict=True)]


@pytest.mark.parametrize(("status", "name", "expected"), cells())
def test_each_command_in_each_status(status: str, name: str, expected: str) -> None:
    decide, command = COMMANDS[name]
    outcome = given(model.evolve, *PASTS[status]).when(decide, command)
    if expected.startswith("order_"):
        outcome.refused(expected, kind="not_found" if expected == "order_unknown" else "conflict")
    else:
        assert outcome.refusal is None
        assert [type(event).__name__ for event in outcome.events] == ([] if expected == "-" else [expected])


def test_no_cell_is_left_out() -> None:
    assert len(cells()) == len(model.TABLE) * len(model.STATUSES)
    assert {status for status, _, _ in cells()} == {status or "none" for status in model.STATUSES}


@pytest.mark.parametrize("status", [status for status in PASTS if status != "none"])
def test_each_past_leads_to_its_status(status: str) -> None:
    order = given(model.evolve, *PASTS[status]).state
    assert order is not None
    assert order.status == status
