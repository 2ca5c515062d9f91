"""ExpireReservation."""

from actors import inventory
from actors.mesh.testing.given import given_actor
from schemas.inventory import (
    ExpireReservation,
    ItemAdded,
    ReservationReturned,
    StockCommitted,
    StockFreed,
    StockHeld,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockTaken,
)
from schemas.values import Line, Money

TEA = ItemAdded(sku="tea", title="Tea", price=Money(amount_minor=450, currency="EUR"), low_stock_at=2)
CUP = ItemAdded(sku="cup", title="Cup", price=Money(amount_minor=1_200, currency="EUR"), low_stock_at=0)
STOCK = (TEA, StockReceived(sku="tea", quantity=5), CUP, StockReceived(sku="cup", quantity=3))

TWO_LINES = (Line(sku="tea", quantity=2), Line(sku="cup", quantity=1))
HELD = (
    *STOCK,
    StockHeld(sku="tea", reservation_id="r1", quantity=2),
    StockHeld(sku="cup", reservation_id="r1", quantity=1),
    StockReserved(reservation_id="r1", lines=TWO_LINES),
)
FREED = (
    StockFreed(sku="tea", reservation_id="r1", quantity=2),
    StockFreed(sku="cup", reservation_id="r1", quantity=1),
)
TAKEN = (
    StockTaken(sku="tea", reservation_id="r1", quantity=2),
    StockTaken(sku="cup", reservation_id="r1", quantity=1),
)
RELEASED = StockReleased(reservation_id="r1", lines=TWO_LINES, reason="released")
EXPIRED = StockReleased(reservation_id="r1", lines=TWO_LINES, reason="expired")
TOMBSTONE = StockReleased(reservation_id="r1", lines=(), reason="released")
COMMITTED = StockCommitted(reservation_id="r1", lines=TWO_LINES)
EXPIRE = ExpireReservation(reservation_id="r1")


def test_what_is_still_held_is_given_back() -> None:
    given_actor(inventory.actor, *HELD).when(EXPIRE).then(*FREED, EXPIRED)


def test_expiring_twice_changes_nothing() -> None:
    given_actor(inventory.actor, *HELD, *FREED, EXPIRED).when(EXPIRE).nothing()


def test_what_was_committed_does_not_expire() -> None:
    given_actor(inventory.actor, *HELD, *TAKEN, COMMITTED).when(EXPIRE).nothing()


def test_what_was_released_does_not_expire() -> None:
    given_actor(inventory.actor, *HELD, *FREED, RELEASED).when(EXPIRE).nothing()


def test_what_was_returned_does_not_expire() -> None:
    back = [StockReturned(sku=line.sku, reservation_id="r1", quantity=line.quantity) for line in TWO_LINES]
    past = (*HELD, *TAKEN, COMMITTED, *back, ReservationReturned(reservation_id="r1", lines=TWO_LINES))
    given_actor(inventory.actor, *past).when(EXPIRE).nothing()


def test_an_unknown_reservation_does_not_expire() -> None:
    given_actor(inventory.actor, *STOCK).when(EXPIRE).refused("reservation_unknown", kind="not_found")


def test_a_reservation_expires_a_quarter_of_an_hour_after_it_was_made() -> None:
    (timer,) = inventory.actor.timers
    assert (timer.event, timer.delay_seconds) == (StockReserved, 900)
    assert timer.then(StockReserved(reservation_id="r1", lines=TWO_LINES)) == EXPIRE
