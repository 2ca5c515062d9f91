"""Orders: what may be asked of them, and what may be known about them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.message import Command, Event, Owner, Personal, Query
from schemas.values import Cursor, CustomerId, Lines, Money, OrderId, PageSize, PricedLine, RefundId, Text, Version

OrderStatus = Literal[
    "placed", "reserved", "confirmed", "recalled", "paid", "refunding", "refunded", "cancelling", "cancelled"
]


class PlaceOrder(Command, frozen=True, kw_only=True):
    """Order items at the prices of today; stock is reserved before the answer, payment follows."""

    order_id: OrderId
    customer_id: Annotated[CustomerId, Owner()]
    lines: Lines
    deliver_to: Annotated[Text, Personal("customer_id")]
    payment_token: Text


class RequestCancel(Command, frozen=True, kw_only=True):
    """Ask for an order to be cancelled; one that is confirmed is paid first, then refunded, its stock put back."""

    order_id: OrderId
    customer_id: Annotated[CustomerId, Owner()]
    reason: Text


class MarkOrderReserved(Command, frozen=True, kw_only=True):
    """Note that all of the order's stock is held."""

    order_id: OrderId


class ConfirmOrder(Command, frozen=True, kw_only=True):
    """Promise the order to the customer: from here it is no longer cancelled, only refunded."""

    order_id: OrderId


class MarkOrderPaid(Command, frozen=True, kw_only=True):
    """Note that the order's money has been captured."""

    order_id: OrderId


class MarkOrderRefunded(Command, frozen=True, kw_only=True):
    """Note that the order's money has been given back, and its stock put back."""

    order_id: OrderId


class CancelOrder(Command, frozen=True, kw_only=True):
    """End an order that cannot be fulfilled; what it held has been given back before."""

    order_id: OrderId
    reason_code: Text
    detail: str


class OrderPlaced(Event, frozen=True, kw_only=True):
    order_id: OrderId
    customer_id: CustomerId
    lines: tuple[PricedLine, ...]
    total: Money
    deliver_to: Annotated[str, Personal("customer_id")]
    payment_token: str


class OrderReserved(Event, frozen=True, kw_only=True):
    order_id: OrderId


class OrderConfirmed(Event, frozen=True, kw_only=True):
    order_id: OrderId
    customer_id: CustomerId
    total: Money


class OrderRecalled(Event, frozen=True, kw_only=True):
    """The customer wants a confirmed order cancelled, whose payment is under way: it is refunded as soon as paid."""

    order_id: OrderId
    reason: str


class OrderPaid(Event, frozen=True, kw_only=True):
    order_id: OrderId
    customer_id: CustomerId


class OrderRefundRequested(Event, frozen=True, kw_only=True):
    """All of the order's money is to be given back, as one refund, and all of its stock put back."""

    order_id: OrderId
    refund_id: RefundId
    customer_id: CustomerId
    total: Money
    reason: str


class OrderRefunded(Event, frozen=True, kw_only=True):
    order_id: OrderId
    customer_id: CustomerId
    total: Money


class OrderCancelRequested(Event, frozen=True, kw_only=True):
    order_id: OrderId
    reason: str


class OrderCancelled(Event, frozen=True, kw_only=True):
    order_id: OrderId
    customer_id: CustomerId
    reason_code: str
    detail: str


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    order_id: OrderId
    customer_id: CustomerId
    status: OrderStatus
    lines: tuple[PricedLine, ...]
    total: Money
    deliver_to: Annotated[str, Personal("customer_id")]
    placed_at_ms: int
    reason_code: str = ""


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an order; times are Unix milliseconds."""

    what: str
    at_ms: int
    detail: str = ""


class OrderTimelineView(msgspec.Struct, frozen=True, kw_only=True):
    order_id: OrderId
    customer_id: CustomerId
    entries: tuple[TimelineEntry, ...]


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; `next_cursor` is empty on the last page."""

    orders: tuple[OrderView, ...]
    next_cursor: str = ""


class GetOrder(Query[OrderView], frozen=True, kw_only=True):
    """Show one order."""

    order_id: OrderId
    customer_id: Annotated[CustomerId | None, Owner()] = None
    at_least_version: Version = 0


class GetOrderTimeline(Query[OrderTimelineView], frozen=True, kw_only=True):
    """Show what happened to an order, in order."""

    order_id: OrderId
    customer_id: Annotated[CustomerId | None, Owner()] = None
    at_least_version: Version = 0


class ListOrders(Query[OrderPage], frozen=True, kw_only=True):
    """List orders, newest first."""

    customer_id: Annotated[CustomerId | None, Owner()] = None
    status: OrderStatus | None = None
    cursor: Cursor = ""
    limit: PageSize = 20
