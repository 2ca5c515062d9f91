"""Inventory: items with a price, and stock that can be received, reserved, released, taken and returned."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.message import Command, Event, Query
from schemas.values import Cursor, Line, Lines, Money, PageSize, Quantity, ReservationId, Sku, Text, Version

ReservationStatus = Literal["held", "committed", "returned", "released", "expired"]
ReleaseReason = Literal["released", "expired"]
Threshold = Annotated[int, Meta(ge=0, le=1_000_000)]


class AddItem(Command, frozen=True, kw_only=True):
    """Put an item into the catalogue; adding the same one again changes nothing."""

    sku: Sku
    title: Text
    price: Money
    low_stock_at: Threshold = 5


class ChangePrice(Command, frozen=True, kw_only=True):
    """Sell an item at another price from now on; orders placed before keep theirs."""

    sku: Sku
    price: Money


class ReceiveStock(Command, frozen=True, kw_only=True):
    """Book goods that have arrived."""

    sku: Sku
    quantity: Quantity


class ReserveStock(Command, frozen=True, kw_only=True):
    """Hold all lines or none, for fifteen minutes."""

    reservation_id: ReservationId
    lines: Lines


class ReleaseStock(Command, frozen=True, kw_only=True):
    """Give back what a reservation holds; one that comes before its reservation refuses it for ever."""

    reservation_id: ReservationId


class CommitStock(Command, frozen=True, kw_only=True):
    """Take what a reservation holds out of stock; from here it does not expire."""

    reservation_id: ReservationId


class ReturnStock(Command, frozen=True, kw_only=True):
    """Put back what a reservation has taken; one that comes before its commit refuses it for ever."""

    reservation_id: ReservationId


class ExpireReservation(Command, frozen=True, kw_only=True):
    """Give back what a reservation still holds when its time is over."""

    reservation_id: ReservationId


class ItemAdded(Event, frozen=True, kw_only=True):
    sku: Sku
    title: str
    price: Money
    low_stock_at: int


class PriceChanged(Event, frozen=True, kw_only=True):
    sku: Sku
    price: Money


class StockReceived(Event, frozen=True, kw_only=True):
    sku: Sku
    quantity: int


class StockHeld(Event, frozen=True, kw_only=True):
    """A reservation holds some of the item."""

    sku: Sku
    reservation_id: ReservationId
    quantity: int


class StockFreed(Event, frozen=True, kw_only=True):
    """A reservation no longer holds some of the item."""

    sku: Sku
    reservation_id: ReservationId
    quantity: int


class StockTaken(Event, frozen=True, kw_only=True):
    """What was held has left the stock."""

    sku: Sku
    reservation_id: ReservationId
    quantity: int


class StockReturned(Event, frozen=True, kw_only=True):
    """What was taken is back in the stock."""

    sku: Sku
    reservation_id: ReservationId
    quantity: int


class LowStockReached(Event, frozen=True, kw_only=True):
    sku: Sku
    available: int


class StockReserved(Event, frozen=True, kw_only=True):
    reservation_id: ReservationId
    lines: tuple[Line, ...]


class StockReleased(Event, frozen=True, kw_only=True):
    """The reservation is over; `lines` is empty where the release came before the reservation (a tombstone)."""

    reservation_id: ReservationId
    lines: tuple[Line, ...]
    reason: ReleaseReason


class StockCommitted(Event, frozen=True, kw_only=True):
    reservation_id: ReservationId
    lines: tuple[Line, ...]


class ReservationReturned(Event, frozen=True, kw_only=True):
    """The reservation is over: all that it had taken is back."""

    reservation_id: ReservationId
    lines: tuple[Line, ...]


class ItemView(msgspec.Struct, frozen=True, kw_only=True):
    """`on_hand` counts what is in the house, `reserved` what of it is promised; the rest is available."""

    sku: Sku
    title: str
    price: Money
    on_hand: int
    reserved: int

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved


class Price(msgspec.Struct, frozen=True, kw_only=True):
    sku: Sku
    price: Money


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of the items that exist; an unknown sku is simply not in it."""

    prices: tuple[Price, ...]


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    sku: Sku
    available: int


class ItemPage(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[ItemView, ...]
    next_cursor: str = ""


class GetItem(Query[ItemView], frozen=True, kw_only=True):
    """Show one item with its price and stock."""

    sku: Sku
    at_least_version: Version = 0


class ListItems(Query[ItemPage], frozen=True, kw_only=True):
    """List the catalogue by sku."""

    cursor: Cursor = ""
    limit: PageSize = 20


class GetAvailability(Query[Availability], frozen=True, kw_only=True):
    """Say how many of an item can be ordered; answered from the cache."""

    sku: Sku
    at_least_version: Version = 0


class GetPrices(Query[PriceList], frozen=True, kw_only=True):
    """Return what items cost now; as many at once as an order has lines."""

    skus: Annotated[tuple[Sku, ...], Meta(max_length=50)]
