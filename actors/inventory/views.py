"""What can be asked about items and their stock."""

from __future__ import annotations

from typing import TypeAlias

from msgspec.structs import replace

from actors.mesh import Happened, Read, Refused
from schemas.inventory import (
    Availability,
    GetAvailability,
    GetItem,
    GetPrices,
    ItemAdded,
    ItemPage,
    ItemView,
    ListItems,
    Price,
    PriceChanged,
    PriceList,
    StockFreed,
    StockHeld,
    StockReceived,
    StockReturned,
    StockTaken,
)

Movement: TypeAlias = StockReceived | StockHeld | StockFreed | StockTaken | StockReturned


def item_view(view: ItemView | None, event: ItemAdded | PriceChanged | Movement, happened: Happened) -> ItemView:
    if isinstance(event, ItemAdded):
        return ItemView(sku=event.sku, title=event.title, price=event.price, on_hand=0, reserved=0)
    assert view is not None, "an item is added before anything else happens to it"
    match event:
        case PriceChanged():
            return replace(view, price=event.price)
        case StockReceived() | StockReturned():
            return replace(view, on_hand=view.on_hand + event.quantity)
        case StockHeld():
            return replace(view, reserved=view.reserved + event.quantity)
        case StockFreed():
            return replace(view, reserved=view.reserved - event.quantity)
        case StockTaken():
            return replace(view, on_hand=view.on_hand - event.quantity, reserved=view.reserved - event.quantity)


def availability(view: Availability | None, event: ItemAdded | Movement, happened: Happened) -> Availability:
    if isinstance(event, ItemAdded):
        return Availability(sku=event.sku, available=0)
    assert view is not None, "an item is added before anything else happens to it"
    match event:
        case StockReceived() | StockFreed() | StockReturned():
            return replace(view, available=view.available + event.quantity)
        case StockHeld():
            return replace(view, available=view.available - event.quantity)
        case StockTaken():
            return view  # it had left what is available when it was held


async def get_item(query: GetItem, read: Read) -> ItemView:
    return await read.one(ItemView, query.sku, at_least_version=query.at_least_version)


async def list_items(query: ListItems, read: Read) -> ItemPage:
    page = await read.page(ItemView, {}, cursor=query.cursor, limit=query.limit)
    return ItemPage(items=page.rows, next_cursor=page.next_cursor)


async def get_availability(query: GetAvailability, read: Read) -> Availability:
    try:
        return await read.one(Availability, query.sku, at_least_version=query.at_least_version)
    except Refused:
        raise Refused("item_unknown", f"no item {query.sku}", kind="not_found") from None


async def get_prices(query: GetPrices, read: Read) -> PriceList:
    items = await read.many(ItemView, query.skus)
    return PriceList(prices=tuple(Price(sku=sku, price=items[sku].price) for sku in query.skus if sku in items))
