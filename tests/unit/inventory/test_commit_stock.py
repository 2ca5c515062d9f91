"""CommitStock."""

from actors import inventory
from actors.mesh.testing.given import given_actor
from schemas.inventory import (
    CommitStock,
    ItemAdded,
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
COMMIT = CommitStock(reservation_id="r1")
HELD_BY_ANOTHER = StockHeld(sku="cup", reservation_id="r2", quantity=3)


def test_what_was_held_leaves_the_stock() -> None:
    given_actor(inventory.actor, *HELD).when(COMMIT).then(*TAKEN, COMMITTED)


def test_committing_twice_changes_nothing() -> None:
    given_actor(inventory.actor, *HELD, *TAKEN, COMMITTED).when(COMMIT).nothing()


def test_after_its_expiry_the_stock_is_taken_again_where_there_is_some() -> None:
    held_again = HELD[-3:-1]
    given_actor(inventory.actor, *HELD, *FREED, EXPIRED).when(COMMIT).then(*held_again, *TAKEN, COMMITTED)


def test_after_its_expiry_it_is_refused_where_others_hold_the_stock() -> None:
    past = given_actor(inventory.actor, *HELD, *FREED, EXPIRED, HELD_BY_ANOTHER)
    past.when(COMMIT).refused("stock_insufficient", naming="cup")


def test_a_released_reservation_is_not_committed() -> None:
    given_actor(inventory.actor, *HELD, *FREED, RELEASED).when(COMMIT).refused("reservation_released")


def test_a_reservation_released_after_its_expiry_is_not_committed() -> None:
    given_actor(inventory.actor, *HELD, *FREED, EXPIRED, TOMBSTONE).when(COMMIT).refused("reservation_released")


def test_an_unknown_reservation_is_not_committed() -> None:
    given_actor(inventory.actor, *STOCK).when(COMMIT).refused("reservation_unknown", kind="not_found")
