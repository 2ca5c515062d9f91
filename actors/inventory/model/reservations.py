"""The rules of a reservation over several items. Pure: no clock, no network, no store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from actors.inventory.model.items import Item, ItemEvent, known
from actors.mesh import Key, Refused, States
from schemas.inventory import (
    CommitStock,
    ExpireReservation,
    LowStockReached,
    ReleaseReason,
    ReleaseStock,
    ReservationReturned,
    ReservationStatus,
    ReserveStock,
    ReturnStock,
    StockCommitted,
    StockFreed,
    StockHeld,
    StockReleased,
    StockReserved,
    StockReturned,
    StockTaken,
)
from schemas.values import Line

ReservationEvent: TypeAlias = StockReserved | StockReleased | StockCommitted | ReservationReturned
StockEvent: TypeAlias = ReservationEvent | ItemEvent
Ending: TypeAlias = ReleaseStock | CommitStock | ReturnStock | ExpireReservation
"""The commands that name a reservation and not its lines."""

HELD_SECONDS = 900
"""How long a reservation holds without being committed: long for a payment, short for the next customer."""


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """What the past of a reservation adds up to; no lines where it was released before it came."""

    reservation_id: str
    lines: tuple[Line, ...]
    status: ReservationStatus


def reserve(states: States, command: ReserveStock) -> Iterator[StockEvent]:
    reservation = states.of(Reservation, command.reservation_id)
    if reservation is not None:
        refuse_unless_same(reservation, command)
        return
    yield from hold(states, command.reservation_id, command.lines)
    yield StockReserved(reservation_id=command.reservation_id, lines=command.lines)


def release(states: States, command: ReleaseStock) -> Iterator[StockEvent]:
    reservation = states.of(Reservation, command.reservation_id)
    if reservation is None:
        # A tombstone: the reservation may be on its way still, and must find the door shut.
        yield StockReleased(reservation_id=command.reservation_id, lines=(), reason="released")
        return
    match reservation.status:
        case "held":
            yield from free(reservation, "released")
        case "expired":
            # It holds nothing any more, but a commit that comes late must not take it up again.
            yield StockReleased(reservation_id=command.reservation_id, lines=(), reason="released")
        case "committed":
            raise Refused("reservation_committed", "what has left the stock cannot be released")
        case "released" | "returned":
            return


def put_back(states: States, command: ReturnStock) -> Iterator[StockEvent]:
    reservation = states.of(Reservation, command.reservation_id)
    if reservation is None or reservation.status != "committed":
        # The commit may be on its way still, and must find the door shut.
        yield from release(states, ReleaseStock(reservation_id=command.reservation_id))
        return
    for line in reservation.lines:
        yield StockReturned(sku=line.sku, reservation_id=command.reservation_id, quantity=line.quantity)
    yield ReservationReturned(reservation_id=command.reservation_id, lines=reservation.lines)


def commit(states: States, command: CommitStock) -> Iterator[StockEvent]:
    reservation = existing(states, command.reservation_id)
    match reservation.status:
        case "committed":
            return
        case "released":
            raise Refused("reservation_released", "a released reservation stays released")
        case "returned":
            raise Refused("reservation_returned", "what was put back is not taken again")
        case "expired":
            yield from hold(states, command.reservation_id, reservation.lines)
        case "held":
            pass
    for line in reservation.lines:
        yield StockTaken(sku=line.sku, reservation_id=command.reservation_id, quantity=line.quantity)
    yield StockCommitted(reservation_id=command.reservation_id, lines=reservation.lines)


def expire(states: States, command: ExpireReservation) -> Iterator[StockEvent]:
    reservation = existing(states, command.reservation_id)
    if reservation.status == "held":
        yield from free(reservation, "expired")


def expiry(reserved: StockReserved) -> ExpireReservation:
    return ExpireReservation(reservation_id=reserved.reservation_id)


def keys_of_lines(command: ReserveStock) -> Iterator[Key]:
    yield Key(Reservation, command.reservation_id)
    for sku in dict.fromkeys(line.sku for line in command.lines):
        yield Key(Item, sku)


def key_alone(command: Ending) -> Iterator[Key]:
    yield Key(Reservation, command.reservation_id)


def keys_held(states: States, command: Ending) -> Iterable[Key]:
    """Only the reservation itself knows which items it holds."""
    reservation = states.of(Reservation, command.reservation_id)
    return [Key(Item, line.sku) for line in reservation.lines] if reservation else []


def evolve(reservation: Reservation | None, event: ReservationEvent) -> Reservation:
    if isinstance(event, StockReserved):
        return Reservation(reservation_id=event.reservation_id, lines=event.lines, status="held")
    if reservation is None:
        assert isinstance(event, StockReleased), "only a release may come before its reservation"
        return Reservation(reservation_id=event.reservation_id, lines=(), status=event.reason)
    return replace(reservation, status=status_after(event))


def status_after(event: StockReleased | StockCommitted | ReservationReturned) -> ReservationStatus:
    match event:
        case StockReleased():
            return event.reason
        case StockCommitted():
            return "committed"
        case ReservationReturned():
            return "returned"


def hold(states: States, reservation_id: str, lines: tuple[Line, ...]) -> Iterator[ItemEvent]:
    """Hold all lines or, by refusing before the first event, none."""
    items = [available_item(states, lines, index) for index in range(len(lines))]
    for item, line in zip(items, lines, strict=True):
        yield StockHeld(sku=line.sku, reservation_id=reservation_id, quantity=line.quantity)
        available = item.available - line.quantity
        if available <= item.low_stock_at and not item.low:
            yield LowStockReached(sku=line.sku, available=available)


def available_item(states: States, lines: tuple[Line, ...], index: int) -> Item:
    sku, quantity = lines[index].sku, lines[index].quantity
    pointer = f"/lines/{index}/sku"
    if any(line.sku == sku for line in lines[:index]):
        raise Refused("line_duplicated", f"{sku} is in two lines", kind="invalid", pointer=pointer)
    item = known(states.of(Item, sku), sku, pointer)
    if item.available < quantity:
        detail = f"{quantity} of {sku} wanted, {item.available} available"
        raise Refused("stock_insufficient", detail, pointer=f"/lines/{index}/quantity")
    return item


def free(reservation: Reservation, reason: ReleaseReason) -> Iterator[StockEvent]:
    for line in reservation.lines:
        yield StockFreed(sku=line.sku, reservation_id=reservation.reservation_id, quantity=line.quantity)
    yield StockReleased(reservation_id=reservation.reservation_id, lines=reservation.lines, reason=reason)


def existing(states: States, reservation_id: str) -> Reservation:
    reservation = states.of(Reservation, reservation_id)
    if reservation is None:
        raise Refused("reservation_unknown", f"no reservation {reservation_id}", kind="not_found")
    return reservation


def refuse_unless_same(reservation: Reservation, command: ReserveStock) -> None:
    """Reserving again is nothing new where it is the same reservation and was not given back."""
    if reservation.status in ("released", "expired", "returned"):
        raise Refused(f"reservation_{reservation.status}", "a reservation given back is not held again")
    if reservation.lines != command.lines:
        raise Refused("reservation_exists", f"reservation {command.reservation_id} has other lines")
