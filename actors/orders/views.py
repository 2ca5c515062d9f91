"""What can be asked about orders."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from actors.mesh import Happened, Read, Refused
from actors.orders.model import OrderEvent, status_after
from schemas.message import snake_case
from schemas.orders import (
    GetOrder,
    GetOrderTimeline,
    ListOrders,
    OrderCancelled,
    OrderCancelRequested,
    OrderPage,
    OrderPlaced,
    OrderRecalled,
    OrderRefundRequested,
    OrderTimelineView,
    OrderView,
    TimelineEntry,
)


def order_view(view: OrderView | None, event: OrderEvent, happened: Happened) -> OrderView:
    if isinstance(event, OrderPlaced):
        return OrderView(
            order_id=event.order_id,
            customer_id=event.customer_id,
            status="placed",
            lines=event.lines,
            total=event.total,
            deliver_to=event.deliver_to,
            placed_at_ms=happened.at_ms,
        )
    assert view is not None, "an order is placed before anything else happens to it"
    reason_code = event.reason_code if isinstance(event, OrderCancelled) else view.reason_code
    return replace(view, status=status_after(event), reason_code=reason_code)


def order_timeline(view: OrderTimelineView | None, event: OrderEvent, happened: Happened) -> OrderTimelineView:
    entry = TimelineEntry(what=snake_case(type(event).__name__), at_ms=happened.at_ms, detail=detail_of(event))
    if isinstance(event, OrderPlaced):
        return OrderTimelineView(order_id=event.order_id, customer_id=event.customer_id, entries=(entry,))
    assert view is not None, "an order is placed before anything else happens to it"
    return replace(view, entries=(*view.entries, entry))


async def get_order(query: GetOrder, read: Read) -> OrderView:
    return await own(OrderView, query, read)


async def get_order_timeline(query: GetOrderTimeline, read: Read) -> OrderTimelineView:
    return await own(OrderTimelineView, query, read)


async def list_orders(query: ListOrders, read: Read) -> OrderPage:
    where = {"customer_id": query.customer_id, "status": query.status}
    page = await read.page(OrderView, where, cursor=query.cursor, limit=query.limit, newest_first=True)
    return OrderPage(orders=page.rows, next_cursor=page.next_cursor)


V = TypeVar("V", OrderView, OrderTimelineView)


async def own(view: type[V], query: GetOrder | GetOrderTimeline, read: Read) -> V:
    """Answer somebody else's order exactly as one that does not exist, so that ids cannot be probed."""
    unknown = Refused("order_unknown", f"no order {query.order_id}", kind="not_found")
    try:
        row = await read.one(view, query.order_id, at_least_version=query.at_least_version)
    except Refused:
        raise unknown from None
    if query.customer_id not in (None, row.customer_id):
        raise unknown
    return row


def detail_of(event: OrderEvent) -> str:
    match event:
        case OrderCancelled():
            return event.reason_code
        case OrderCancelRequested() | OrderRecalled() | OrderRefundRequested():
            return event.reason
        case _:
            return ""
