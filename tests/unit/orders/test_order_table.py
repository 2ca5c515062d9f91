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
    MarkOrderRefunded,
    MarkOrderReserved,
    OrderCancelled,
    OrderCancelRequested,
    OrderConfirmed,
    OrderPaid,
    OrderPlaced,
    OrderRecalled,
    OrderRefunded,
    OrderRefundRequested,
    OrderReserved,
    PlaceOrder,
    RequestCancel,
)
from schemas.users import UserView
from schemas.values import Line, Money, PricedLine

# '-' is nothing; 'a+b' are two events; a word in small letters is the code of a refusal.
EXPECTED = """
            place        mark_reserved    confirm           mark_paid
none        OrderPlaced  order_unknown    order_unknown     order_unknown
placed      -            OrderReserved    order_unreserved  order_unconfirmed
reserved    -            -                OrderConfirmed    order_unconfirmed
confirmed   -            -                -                 OrderPaid
recalled    -            -                -                 OrderPaid+OrderRefundRequested
paid        -            -                -                 -
refunding   -            -                -                 -
refunded    -            -                -                 -
cancelling  -            order_cancelled  order_cancelled   order_cancelled
cancelled   -            order_cancelled  order_cancelled   order_cancelled

            request_cancel        mark_refunded             cancel
none        order_unknown         order_unknown             order_unknown
placed      OrderCancelRequested  order_refund_unrequested  OrderCancelled
reserved    OrderCancelRequested  order_refund_unrequested  OrderCancelled
confirmed   OrderRecalled         order_refund_unrequested  order_confirmed
recalled    -                     order_refund_unrequested  order_confirmed
paid        OrderRefundRequested  order_refund_unrequested  order_confirmed
refunding   -                     OrderRefunded             order_confirmed
refunded    -                     -                         order_confirmed
cancelling  -                     order_cancelled           OrderCancelled
cancelled   -                     order_cancelled           -
"""

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
RECALLED = OrderRecalled(order_id="o1", reason="too late")
PAID = OrderPaid(order_id="o1", customer_id="c1")
REFUNDING = OrderRefundRequested(order_id="o1", refund_id="o1", customer_id="c1", total=PLACED.total, reason="too late")
REFUNDED = OrderRefunded(order_id="o1", customer_id="c1", total=PLACED.total)
REQUESTED = OrderCancelRequested(order_id="o1", reason="too late")
CANCELLED = OrderCancelled(order_id="o1", customer_id="c1", reason_code="cancel_requested", detail="")
PASTS: dict[str, tuple[model.OrderEvent, ...]] = {
    "none": (),
    "placed": (PLACED,),
    "reserved": (PLACED, RESERVED),
    "confirmed": (PLACED, RESERVED, CONFIRMED),
    "recalled": (PLACED, RESERVED, CONFIRMED, RECALLED),
    "paid": (PLACED, RESERVED, CONFIRMED, PAID),
    "refunding": (PLACED, RESERVED, CONFIRMED, PAID, REFUNDING),
    "refunded": (PLACED, RESERVED, CONFIRMED, PAID, REFUNDING, REFUNDED),
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
    "mark_refunded": (model.mark_refunded, MarkOrderRefunded(order_id="o1")),
    "cancel": (model.cancel, CancelOrder(order_id="o1", reason_code="payment_declined", detail="")),
}


def cells() -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for block in EXPECTED.strip().split("\n\n"):
        head, *rows = (line.split() for line in block.splitlines())
        found += [(status, name, cell) for status, *row in rows for name, cell in zip(head, row, strict=True)]
    return found


@pytest.mark.parametrize(("status", "name", "expected"), cells())
def test_each_command_in_each_status(status: str, name: str, expected: str) -> None:
    decide, command = COMMANDS[name]
    outcome = given(model.evolve, *PASTS[status]).when(decide, command)
    if expected.startswith("order_"):
        outcome.refused(expected, kind="not_found" if expected == "order_unknown" else "conflict")
    else:
        assert outcome.refusal is None
        assert [type(event).__name__ for event in outcome.events] == ([] if expected == "-" else expected.split("+"))


def test_no_cell_is_left_out() -> None:
    assert len(set(cells())) == len(COMMANDS) * len(model.TABLE)
    assert len(COMMANDS) == len(model.MOVES)
    assert {status for status, _, _ in cells()} == {status or "none" for status in model.TABLE}


@pytest.mark.parametrize("status", [status for status in PASTS if status != "none"])
def test_each_past_leads_to_its_status(status: str) -> None:
    order = given(model.evolve, *PASTS[status]).state
    assert order is not None
    assert order.status == status
