"""ReturnStock."""

from actors import inventory
from actors.mesh.testing.given import given_actor
from schemas.inventory import (
    CommitStock,
    ItemAdded,
    LowStockReached,
    ReleaseStock,
    ReservationReturned,
    ReserveStock,
    ReturnStock,
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
RETURN = ReturnStock(reservation_id="r1")
BACK = (
    StockReturned(sku="tea", reservation_id="r1", quantity=2),
    StockReturned(sku="cup", reservation_id="r1", quantity=1),
)
RETURNED = ReservationReturned(reservation_id="r1", lines=TWO_LINES)
OVER = (*HELD, *TAKEN, COMMITTED, *BACK, RETURNED)


def test_what_was_taken_is_put_back() -> None:
    given_actor(inventory.actor, *HELD, *TAKEN, COMMITTED).when(RETURN).then(*BACK, RETURNED)


def test_returning_twice_changes_nothing() -> None:
    given_actor(inventory.actor, *OVER).when(RETURN).nothing()


def test_what_is_held_still_is_given_back_and_a_commit_on_its_way_finds_the_door_shut() -> None:
    given_actor(inventory.actor, *HELD).when(RETURN).then(*FREED, RELEASED)
    given_actor(inventory.actor, *HELD, *FREED, EXPIRED).when(RETURN).then(TOMBSTONE)
    given_actor(inventory.actor, *STOCK).when(RETURN).then(TOMBSTONE)
    late = CommitStock(reservation_id="r1")
    given_actor(inventory.actor, *HELD, *FREED, RELEASED).when(late).refused("reservation_released")


def test_what_was_released_is_not_put_back_again() -> None:
    given_actor(inventory.actor, *HELD, *FREED, RELEASED).when(RETURN).nothing()


def test_a_reservation_that_was_returned_stays_over() -> None:
    past = given_actor(inventory.actor, *OVER)
    past.when(CommitStock(reservation_id="r1")).refused("reservation_returned")
    past.when(ReserveStock(reservation_id="r1", lines=TWO_LINES)).refused("reservation_returned")
    past.when(ReleaseStock(reservation_id="r1")).nothing()


def test_what_came_back_can_be_ordered_again_and_low_stock_is_told_again() -> None:
    again = ReserveStock(reservation_id="r2", lines=(Line(sku="tea", quantity=3),))
    low = LowStockReached(sku="tea", available=2)
    held = StockHeld(sku="tea", reservation_id="r2", quantity=3)
    reserved = StockReserved(reservation_id="r2", lines=again.lines)
    given_actor(inventory.actor, *OVER).when(again).then(held, low, reserved)
    told = StockHeld(sku="tea", reservation_id="r3", quantity=1), LowStockReached(sku="tea", available=2)
    past = (*HELD, *TAKEN, COMMITTED, *told, *BACK, RETURNED)
    two = ReserveStock(reservation_id="r2", lines=(Line(sku="tea", quantity=2),))
    outcome = given_actor(inventory.actor, *past).when(two)
    assert LowStockReached(sku="tea", available=2) in outcome.events
