"""ReserveStock."""

from actors import inventory
from actors.mesh.testing.given import given_actor
from schemas.inventory import (
    ItemAdded,
    LowStockReached,
    ReserveStock,
    StockFreed,
    StockHeld,
    StockReceived,
    StockReleased,
    StockReserved,
)
from schemas.values import Line, Money

TEA = ItemAdded(sku="tea", title="Tea", price=Money(amount_minor=450, currency="EUR"), low_stock_at=2)
CUP = ItemAdded(sku="cup", title="Cup", price=Money(amount_minor=1_200, currency="EUR"), low_stock_at=0)
STOCK = (TEA, StockReceived(sku="tea", quantity=10), CUP, StockReceived(sku="cup", quantity=3))

TWO_LINES = (Line(sku="tea", quantity=2), Line(sku="cup", quantity=1))
RESERVE = ReserveStock(reservation_id="r1", lines=TWO_LINES)
TEA_HELD = StockHeld(sku="tea", reservation_id="r1", quantity=2)
CUP_HELD = StockHeld(sku="cup", reservation_id="r1", quantity=1)
RESERVED = StockReserved(reservation_id="r1", lines=TWO_LINES)


def reserve(*lines: tuple[str, int]) -> ReserveStock:
    return ReserveStock(reservation_id="r9", lines=tuple(Line(sku=sku, quantity=quantity) for sku, quantity in lines))


def test_all_lines_are_held() -> None:
    given_actor(inventory.actor, *STOCK).when(RESERVE).then(TEA_HELD, CUP_HELD, RESERVED)


def test_reserving_twice_changes_nothing() -> None:
    given_actor(inventory.actor, *STOCK, TEA_HELD, CUP_HELD, RESERVED).when(RESERVE).nothing()


def test_where_one_line_is_short_none_is_held() -> None:
    outcome = given_actor(inventory.actor, *STOCK).when(reserve(("tea", 1), ("cup", 4)))
    outcome.refused("stock_insufficient", kind="conflict", pointer="/lines/1/quantity", naming="cup")
    assert outcome.events == ()


def test_the_last_piece_can_be_held() -> None:
    outcome = given_actor(inventory.actor, *STOCK).when(reserve(("cup", 3)))
    assert outcome.refusal is None


def test_what_others_hold_is_not_available() -> None:
    past = given_actor(inventory.actor, *STOCK, TEA_HELD, CUP_HELD, RESERVED)
    past.when(reserve(("cup", 3))).refused("stock_insufficient", naming="2 available")


def test_an_unknown_item_is_named_by_its_line() -> None:
    outcome = given_actor(inventory.actor, *STOCK).when(reserve(("tea", 1), ("yeti", 1)))
    outcome.refused("item_unknown", kind="not_found", pointer="/lines/1/sku", naming="yeti")


def test_an_item_in_two_lines_is_refused() -> None:
    outcome = given_actor(inventory.actor, *STOCK).when(reserve(("tea", 6), ("tea", 6)))
    outcome.refused("line_duplicated", kind="invalid", pointer="/lines/1/sku")


def test_a_reservation_released_before_it_came_is_refused_for_ever() -> None:
    tombstone = StockReleased(reservation_id="r1", lines=(), reason="released")
    given_actor(inventory.actor, *STOCK, tombstone).when(RESERVE).refused("reservation_released")


def test_a_reservation_that_expired_is_not_held_again() -> None:
    expired = StockReleased(reservation_id="r1", lines=TWO_LINES, reason="expired")
    freed = (
        StockFreed(sku="tea", reservation_id="r1", quantity=2),
        StockFreed(sku="cup", reservation_id="r1", quantity=1),
    )
    past = given_actor(inventory.actor, *STOCK, TEA_HELD, CUP_HELD, RESERVED, *freed, expired)
    past.when(RESERVE).refused("reservation_expired")


def test_an_id_taken_by_other_lines_is_refused() -> None:
    past = given_actor(inventory.actor, *STOCK, TEA_HELD, CUP_HELD, RESERVED)
    past.when(ReserveStock(reservation_id="r1", lines=(Line(sku="tea", quantity=1),))).refused("reservation_exists")


def test_low_stock_is_told_when_it_falls_to_the_threshold() -> None:
    given_actor(inventory.actor, *STOCK).when(reserve(("tea", 8))).then(
        StockHeld(sku="tea", reservation_id="r9", quantity=8),
        LowStockReached(sku="tea", available=2),
        StockReserved(reservation_id="r9", lines=(Line(sku="tea", quantity=8),)),
    )


def test_low_stock_is_not_told_above_the_threshold() -> None:
    outcome = given_actor(inventory.actor, *STOCK).when(reserve(("tea", 7)))
    assert LowStockReached not in map(type, outcome.events)


LOW = (*STOCK, StockHeld(sku="tea", reservation_id="r2", quantity=8), LowStockReached(sku="tea", available=2))


def test_low_stock_is_told_once() -> None:
    outcome = given_actor(inventory.actor, *LOW).when(reserve(("tea", 1)))
    assert LowStockReached not in map(type, outcome.events)


def test_low_stock_is_told_again_after_it_rose_above() -> None:
    outcome = given_actor(inventory.actor, *LOW, StockReceived(sku="tea", quantity=1)).when(reserve(("tea", 1)))
    assert LowStockReached(sku="tea", available=2) in outcome.events


def test_low_stock_is_told_again_after_a_reservation_was_given_back() -> None:
    freed = StockFreed(sku="tea", reservation_id="r2", quantity=8)
    outcome = given_actor(inventory.actor, *LOW, freed).when(reserve(("tea", 9)))
    assert LowStockReached(sku="tea", available=1) in outcome.events


def test_low_stock_is_not_told_again_where_it_only_moved_below() -> None:
    up_and_down = (
        StockHeld(sku="tea", reservation_id="r3", quantity=1),
        StockFreed(sku="tea", reservation_id="r3", quantity=1),
    )
    outcome = given_actor(inventory.actor, *LOW, *up_and_down).when(reserve(("tea", 1)))
    assert LowStockReached not in map(type, outcome.events)
