"""The rules of an item. Pure: no clock, no network, no store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from actors.mesh import Refused
from schemas.inventory import (
    AddItem,
    ChangePrice,
    ItemAdded,
    LowStockReached,
    PriceChanged,
    ReceiveStock,
    StockFreed,
    StockHeld,
    StockReceived,
    StockReturned,
    StockTaken,
)
from schemas.values import Money

ItemEvent: TypeAlias = (
    ItemAdded | PriceChanged | StockReceived | StockHeld | StockFreed | StockTaken | StockReturned | LowStockReached
)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What the past of an item adds up to. `low`: it has been told, or stock never was above the threshold."""

    sku: str
    title: str
    price: Money
    low_stock_at: int
    on_hand: int = 0
    reserved: int = 0
    low: bool = True

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved


def add(item: Item | None, command: AddItem) -> Iterator[ItemEvent]:
    if item is None:
        yield ItemAdded(sku=command.sku, title=command.title, price=command.price, low_stock_at=command.low_stock_at)
        return
    if (item.title, item.price, item.low_stock_at) != (command.title, command.price, command.low_stock_at):
        raise Refused("item_exists", f"item {command.sku} is in the catalogue with another title, price or threshold")


def change_price(item: Item | None, command: ChangePrice) -> Iterator[ItemEvent]:
    if known(item, command.sku).price != command.price:
        yield PriceChanged(sku=command.sku, price=command.price)


def receive(item: Item | None, command: ReceiveStock) -> Iterator[ItemEvent]:
    known(item, command.sku)
    yield StockReceived(sku=command.sku, quantity=command.quantity)


def evolve(item: Item | None, event: ItemEvent) -> Item:
    if isinstance(event, ItemAdded):
        return Item(sku=event.sku, title=event.title, price=event.price, low_stock_at=event.low_stock_at)
    assert item is not None, "an item is added before anything else happens to it"
    match event:
        case PriceChanged():
            return replace(item, price=event.price)
        case StockReceived() | StockReturned():
            return rearmed(replace(item, on_hand=item.on_hand + event.quantity))
        case StockHeld():
            return replace(item, reserved=item.reserved + event.quantity)
        case StockFreed():
            return rearmed(replace(item, reserved=item.reserved - event.quantity))
        case StockTaken():
            return replace(item, on_hand=item.on_hand - event.quantity, reserved=item.reserved - event.quantity)
        case LowStockReached():
            return replace(item, low=True)


def rearmed(item: Item) -> Item:
    """Let low stock be told again once there is more than the threshold."""
    return replace(item, low=item.low and item.available <= item.low_stock_at)


def known(item: Item | None, sku: str, pointer: str = "") -> Item:
    if item is None:
        raise Refused("item_unknown", f"no item {sku}", kind="not_found", pointer=pointer)
    return item
