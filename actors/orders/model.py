"""The rules of an order. Pure: no clock, no network, no store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from actors.mesh import Refused
from schemas.inventory import GetPrices, PriceList
from schemas.message import Command
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
    OrderStatus,
    PlaceOrder,
    RequestCancel,
)
from schemas.users import GetUser, UserView
from schemas.values import Line, Money, PricedLine

OrderEvent: TypeAlias = OrderPlaced | OrderReserved | OrderConfirmed | OrderPaid | OrderCancelRequested | OrderCancelled
Outcome: TypeAlias = tuple[type[OrderEvent], ...] | str

TOTAL_MINOR_MAX = 10**12
"""The most that `Money` holds: a larger total could be written, and then read by nobody."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the past of an order adds up to."""

    order_id: str
    customer_id: str
    lines: tuple[Line, ...]
    status: OrderStatus


NOTHING = ()
PLACE, RESERVE, CONFIRM, PAY = (OrderPlaced,), (OrderReserved,), (OrderConfirmed,), (OrderPaid,)
REQUEST, CANCEL = (OrderCancelRequested,), (OrderCancelled,)
UNKNOWN, UNRESERVED, UNCONFIRMED = "order_unknown", "order_unreserved", "order_unconfirmed"
CONFIRMED, CANCELLED = "order_confirmed", "order_cancelled"

# The whole life of an order: what a command (row) does to an order in a status (column; None: there is no order yet).
STATUSES: tuple[OrderStatus | None, ...] = (
                        None,    "placed",    "reserved",  "confirmed", "paid",    "cancelling", "cancelled",
)  # fmt: skip
TABLE: Mapping[type[Command[Any]], tuple[Outcome, ...]] = {
    PlaceOrder:        (PLACE,   NOTHING,     NOTHING,     NOTHING,     NOTHING,   NOTHING,      NOTHING),
    MarkOrderReserved: (UNKNOWN, RESERVE,     NOTHING,     NOTHING,     NOTHING,   CANCELLED,    CANCELLED),
    ConfirmOrder:      (UNKNOWN, UNRESERVED,  CONFIRM,     NOTHING,     NOTHING,   CANCELLED,    CANCELLED),
    MarkOrderPaid:     (UNKNOWN, UNCONFIRMED, UNCONFIRMED, PAY,         NOTHING,   CANCELLED,    CANCELLED),
    RequestCancel:     (UNKNOWN, REQUEST,     REQUEST,     CONFIRMED,   CONFIRMED, NOTHING,      NOTHING),
    CancelOrder:       (UNKNOWN, CANCEL,      CANCEL,      CONFIRMED,   CONFIRMED, CANCEL,       NOTHING),
}  # fmt: skip

WHY = {
    UNKNOWN: "there is no such order",
    UNRESERVED: "an order is confirmed only when its stock is held",
    UNCONFIRMED: "an order is paid only after it was confirmed",
    CONFIRMED: "a confirmed order only goes forward",
    CANCELLED: "a cancelled order stays cancelled",
}


def customer_of(command: PlaceOrder) -> GetUser:
    return GetUser(user_id=command.customer_id)


def prices_of(command: PlaceOrder) -> GetPrices:
    return GetPrices(skus=tuple(dict.fromkeys(line.sku for line in command.lines)))


def place(order: Order | None, command: PlaceOrder, customer: UserView, price_list: PriceList) -> Iterator[OrderEvent]:
    if order is not None and (order.customer_id, order.lines) != (command.customer_id, command.lines):
        raise Refused("order_exists", f"order {command.order_id} was placed with other lines or by somebody else")
    if not happens(order, command):
        return
    if customer.status == "deactivated":
        raise Refused("customer_deactivated", "a closed account cannot order", kind="forbidden")
    lines = priced(command.lines, price_list)
    yield OrderPlaced(
        order_id=command.order_id,
        customer_id=command.customer_id,
        lines=lines,
        total=total_of(lines),
        deliver_to=command.deliver_to,
        payment_token=command.payment_token,
    )


def mark_reserved(order: Order | None, command: MarkOrderReserved) -> Iterator[OrderEvent]:
    if happens(order, command):
        yield OrderReserved(order_id=command.order_id)


def confirm(order: Order | None, command: ConfirmOrder) -> Iterator[OrderEvent]:
    if happens(order, command):
        yield OrderConfirmed(order_id=command.order_id)


def mark_paid(order: Order | None, command: MarkOrderPaid) -> Iterator[OrderEvent]:
    if happens(order, command):
        yield OrderPaid(order_id=command.order_id)


def request_cancel(order: Order | None, command: RequestCancel) -> Iterator[OrderEvent]:
    # Somebody else's order is answered as one that does not exist, so that ids cannot be probed.
    own = order if order is not None and order.customer_id == command.customer_id else None
    if happens(own, command):
        yield OrderCancelRequested(order_id=command.order_id, reason=command.reason)


def cancel(order: Order | None, command: CancelOrder) -> Iterator[OrderEvent]:
    if happens(order, command):
        yield OrderCancelled(order_id=command.order_id, reason_code=command.reason_code, detail=command.detail)


def evolve(order: Order | None, event: OrderEvent) -> Order:
    if isinstance(event, OrderPlaced):
        lines = tuple(Line(sku=line.sku, quantity=line.quantity) for line in event.lines)
        return Order(order_id=event.order_id, customer_id=event.customer_id, lines=lines, status="placed")
    assert order is not None, "an order is placed before anything else happens to it"
    return replace(order, status=status_after(event))


def status_after(event: OrderEvent) -> OrderStatus:
    match event:
        case OrderPlaced():
            return "placed"
        case OrderReserved():
            return "reserved"
        case OrderConfirmed():
            return "confirmed"
        case OrderPaid():
            return "paid"
        case OrderCancelRequested():
            return "cancelling"
        case OrderCancelled():
            return "cancelled"


def happens(order: Order | None, command: Command[Any]) -> bool:
    """Look the command up in the table: whether its event is due; refuses where the table says a code."""
    outcome = TABLE[type(command)][STATUSES.index(order.status if order else None)]
    if isinstance(outcome, str):
        raise Refused(outcome, WHY[outcome], kind="not_found" if outcome == UNKNOWN else "conflict")
    return outcome != NOTHING


def priced(lines: tuple[Line, ...], price_list: PriceList) -> tuple[PricedLine, ...]:
    """Freeze the prices of today; refuses a line that has none, is there twice, or is in another currency."""
    prices = {price.sku: price.price for price in price_list.prices}
    seen: set[str] = set()
    frozen: list[PricedLine] = []
    for index, line in enumerate(lines):
        pointer = f"/lines/{index}/sku"
        if line.sku in seen:
            raise Refused("line_duplicated", f"{line.sku} is in two lines", kind="invalid", pointer=pointer)
        if line.sku not in prices:
            raise Refused("item_unknown", f"no item {line.sku}", kind="not_found", pointer=pointer)
        if frozen and prices[line.sku].currency != frozen[0].unit_price.currency:
            raise Refused("currency_mixed", "an order is in one currency", kind="invalid", pointer=pointer)
        seen.add(line.sku)
        frozen.append(PricedLine(sku=line.sku, quantity=line.quantity, unit_price=prices[line.sku]))
    return tuple(frozen)


def total_of(lines: tuple[PricedLine, ...]) -> Money:
    total_minor = sum(line.quantity * line.unit_price.amount_minor for line in lines)
    if total_minor > TOTAL_MINOR_MAX:
        raise Refused("total_too_large", f"{total_minor} is over {TOTAL_MINOR_MAX}", kind="invalid", pointer="/lines")
    return Money(amount_minor=total_minor, currency=lines[0].unit_price.currency)
