"""ReleaseStock."""

from actors import inventory
from actors.mesh.testing.given import given_actor
from schemas.inventory import (
    ItemAdded,
    ReleaseStock,
    StockCommitted,
    StockFreed,
    StockHeld,
    StockReceived,
    StockReleased,
    StockReserved,
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
RELEASE = ReleaseStock(reservation_id="r1")


def test_what_was_held_is_given_back() -> None:
    given_actor(inventory.actor, *HELD).when(RELEASE).then(*FREED, RELEASED)


def test_releasing_twice_changes_nothing() -> None:
    given_actor(inventory.actor, *HELD, *FREED, RELEASED).when(RELEASE).nothing()


def test_a_release_that_comes_first_leaves_a_tombstone() -> None:
    given_actor(inventory.actor, *STOCK).when(RELEASE).then(TOMBSTONE)


def test_a_tombstone_is_left_once() -> None:
    given_actor(inventory.actor, *STOCK, TOMBSTONE).when(RELEASE).nothing()


def test_what_has_left_the_stock_is_not_released() -> None:
    given_actor(inventory.actor, *HELD, *TAKEN, COMMITTED).when(RELEASE).refused("reservation_committed")


def test_after_its_expiry_nothing_is_freed_again_but_a_late_commit_is_shut_out() -> None:
    given_actor(inventory.actor, *HELD, *FREED, EXPIRED).when(RELEASE).then(TOMBSTONE)
