"""The rules of an order. Pure: no clock, no network, no store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from actors.mesh import Refused
from schemas.inventory import GetPrices, PriceList
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
    OrderStatus,
    PlaceOrder,
    RequestCancel,
)
from schemas.users import GetUser, UserView
from schemas.values import Line, Money, PricedLine

OrderEvent: TypeAlias = (
    OrderPlaced
    | OrderReserved
    | OrderConfirmed
    | OrderRecalled
    | OrderPaid
    | OrderRefundRequested
    | OrderRefunded
    | OrderCancelRequested
    | OrderCancelled
)
Outcome: TypeAlias = tuple[type[OrderEvent], ...] | str
"""The events that are due, none where it is so already, or the code of the refusal."""
Move = Literal["place", "reserve", "confirm", "pay", "request", "refund", "cancel"]
"""What a command wants: `request` is the customer's wish to cancel, the others are what the order is to be next."""

TOTAL_MINOR_MAX = 10**12
"""The most that `Money` holds: a larger total could be written, and then read by nobody."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the past of an order adds up to; `recall_reason` is the customer's, from `recalled` on."""

    order_id: str
    customer_id: str
    lines: tuple[Line, ...]
    total: Money
    status: OrderStatus
    recall_reason: str = ""


NOTHING: Outcome = ()
PLACE, RESERVE, CONFIRM, PAY = (OrderPlaced,), (OrderReserved,), (OrderConfirmed,), (OrderPaid,)
REQUEST, RECALL, REFUND = (OrderCancelRequested,), (OrderRecalled,), (OrderRefundRequested,)
BOTH, REFUNDED, CANCEL = (OrderPaid, OrderRefundRequested), (OrderRefunded,), (OrderCancelled,)
UNKNOWN, UNRESERVED, UNCONFIRMED = "order_unknown", "order_unreserved", "order_unconfirmed"
CONFIRMED, CANCELLED, UNREQUESTED = "order_confirmed", "order_cancelled", "order_refund_unrequested"

# The whole life of an order: what becomes of one in a status (row; None: there is no order yet) by a move (column).
MOVES: tuple[Move, ...] = (
                   "place", "reserve", "confirm",  "pay",       "request", "refund",    "cancel",
)  # fmt: skip
TABLE: Mapping[OrderStatus | None, tuple[Outcome, ...]] = {
    None:         (PLACE,   UNKNOWN,   UNKNOWN,    UNKNOWN,     UNKNOWN,   UNKNOWN,     UNKNOWN),
    "placed":     (NOTHING, RESERVE,   UNRESERVED, UNCONFIRMED, REQUEST,   UNREQUESTED, CANCEL),
    "reserved":   (NOTHING, NOTHING,   CONFIRM,    UNCONFIRMED, REQUEST,   UNREQUESTED, CANCEL),
    "confirmed":  (NOTHING, NOTHING,   NOTHING,    PAY,         RECALL,    UNREQUESTED, CONFIRMED),
    "recalled":   (NOTHING, NOTHING,   NOTHING,    BOTH,        NOTHING,   UNREQUESTED, CONFIRMED),
    "paid":       (NOTHING, NOTHING,   NOTHING,    NOTHING,     REFUND,    UNREQUESTED, CONFIRMED),
    "refunding":  (NOTHING, NOTHING,   NOTHING,    NOTHING,     NOTHING,   REFUNDED,    CONFIRMED),
    "refunded":   (NOTHING, NOTHING,   NOTHING,    NOTHING,     NOTHING,   NOTHING,     CONFIRMED),
    "cancelling": (NOTHING, CANCELLED, CANCELLED,  CANCELLED,   NOTHING,   CANCELLED,   CANCEL),
    "cancelled":  (NOTHING, CANCELLED, CANCELLED,  CANCELLED,   NOTHING,   CANCELLED,   NOTHING),
}  # fmt: skip

WHY = {
    UNKNOWN: "there is no such order",
    UNRESERVED: "an order is confirmed only when its stock is held",
    UNCONFIRMED: "an order is paid only after it was confirmed",
    UNREQUESTED: "an order is refunded only after that was asked for",
    CONFIRMED: "a confirmed order is refunded, not cancelled",
    CANCELLED: "a cancelled order stays cancelled",
}


def customer_of(command: PlaceOrder) -> GetUser:
    return GetUser(user_id=command.customer_id)


def prices_of(command: PlaceOrder) -> GetPrices:
    return GetPrices(skus=tuple(dict.fromkeys(line.sku for line in command.lines)))


def place(order: Order | None, command: PlaceOrder, customer: UserView, price_list: PriceList) -> Iterator[OrderEvent]:
    if order is not None and (order.customer_id, order.lines) != (command.customer_id, command.lines):
        raise Refused("order_exists", f"order {command.order_id} was placed with other lines or by somebody else")
    if not due(order, "place"):
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
    if due(order, "reserve"):
        yield OrderReserved(order_id=command.order_id)


def confirm(order: Order | None, command: ConfirmOrder) -> Iterator[OrderEvent]:
    if due(order, "confirm"):
        mine = known(order)
        yield OrderConfirmed(order_id=mine.order_id, customer_id=mine.customer_id, total=mine.total)


def mark_paid(order: Order | None, command: MarkOrderPaid) -> Iterator[OrderEvent]:
    events = due(order, "pay")
    if OrderPaid in events:
        yield OrderPaid(order_id=command.order_id, customer_id=known(order).customer_id)
    if OrderRefundRequested in events:
        yield refund_requested(known(order), known(order).recall_reason)


def request_cancel(order: Order | None, command: RequestCancel) -> Iterator[OrderEvent]:
    # Somebody else's order is answered as one that does not exist, so that ids cannot be probed.
    own = order if order is not None and order.customer_id == command.customer_id else None
    events = due(own, "request")
    if OrderCancelRequested in events:
        yield OrderCancelRequested(order_id=command.order_id, reason=command.reason)
    if OrderRecalled in events:
        yield OrderRecalled(order_id=command.order_id, reason=command.reason)
    if OrderRefundRequested in events:
        yield refund_requested(known(own), command.reason)


def mark_refunded(order: Order | None, command: MarkOrderRefunded) -> Iterator[OrderEvent]:
    if due(order, "refund"):
        mine = known(order)
        yield OrderRefunded(order_id=mine.order_id, customer_id=mine.customer_id, total=mine.total)


def cancel(order: Order | None, command: CancelOrder) -> Iterator[OrderEvent]:
    if due(order, "cancel"):
        yield OrderCancelled(
            order_id=command.order_id,
            customer_id=known(order).customer_id,
            reason_code=command.reason_code,
            detail=command.detail,
        )


def refund_requested(order: Order, reason: str) -> OrderRefundRequested:
    # The whole of an order is refunded at most once, so that refund goes by the order's id, as its payment does.
    return OrderRefundRequested(
        order_id=order.order_id,
        refund_id=order.order_id,
        customer_id=order.customer_id,
        total=order.total,
        reason=reason,
    )


def evolve(order: Order | None, event: OrderEvent) -> Order:
    if isinstance(event, OrderPlaced):
        return Order(
            order_id=event.order_id,
            customer_id=event.customer_id,
            lines=tuple(Line(sku=line.sku, quantity=line.quantity) for line in event.lines),
            total=event.total,
            status="placed",
        )
    assert order is not None, "an order is placed before anything else happens to it"
    recall_reason = event.reason if isinstance(event, OrderRecalled) else order.recall_reason
    return replace(order, status=status_after(event), recall_reason=recall_reason)


def status_after(event: OrderEvent) -> OrderStatus:
    match event:
        case OrderPlaced():
            return "placed"
        case OrderReserved():
            return "reserved"
        case OrderConfirmed():
            return "confirmed"
        case OrderRecalled():
            return "recalled"
        case OrderPaid():
            return "paid"
        case OrderRefundRequested():
            return "refunding"
        case OrderRefunded():
            return "refunded"
        case OrderCancelRequested():
            return "cancelling"
        case OrderCancelled():
            return "cancelled"


def due(order: Order | None, move: Move) -> tuple[type[OrderEvent], ...]:
    """Look a move up: the events that are due; refuses where the table says a code."""
    outcome = TABLE[order.status if order else None][MOVES.index(move)]
    if isinstance(outcome, str):
        raise Refused(outcome, WHY[outcome], kind="not_found" if outcome == UNKNOWN else "conflict")
    return outcome


def known(order: Order | None) -> Order:
    assert order is not None, "the table refuses what needs an order where there is none"
    return order


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
