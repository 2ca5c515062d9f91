"""GetItem, ListItems, GetPrices and GetAvailability: one view of an item, and one for the hot path."""

from actors import inventory
from actors.mesh.testing.given import given_actor
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
from schemas.values import Money

EUR_450, EUR_500, EUR_1200 = (Money(amount_minor=minor, currency="EUR") for minor in (450, 500, 1_200))
PAST = given_actor(
    inventory.actor,
    ItemAdded(sku="tea", title="Tea", price=EUR_450, low_stock_at=2),
    ItemAdded(sku="cup", title="Cup", price=EUR_1200, low_stock_at=0),
    PriceChanged(sku="tea", price=EUR_500),
    StockReceived(sku="tea", quantity=10),
    StockHeld(sku="tea", reservation_id="r1", quantity=3),
    StockHeld(sku="tea", reservation_id="r2", quantity=2),
    StockTaken(sku="tea", reservation_id="r1", quantity=3),
    StockHeld(sku="tea", reservation_id="r3", quantity=1),
    StockFreed(sku="tea", reservation_id="r3", quantity=1),
    StockHeld(sku="tea", reservation_id="r4", quantity=4),
    StockTaken(sku="tea", reservation_id="r4", quantity=4),
    StockReturned(sku="tea", reservation_id="r4", quantity=4),
)
TEA = ItemView(sku="tea", title="Tea", price=EUR_500, on_hand=7, reserved=2)
CUP = ItemView(sku="cup", title="Cup", price=EUR_1200, on_hand=0, reserved=0)


def test_an_item_shows_what_is_in_the_house_and_what_of_it_is_promised() -> None:
    PAST.asked(GetItem(sku="tea")).answered(TEA)


def test_an_unknown_item_is_not_found() -> None:
    PAST.asked(GetItem(sku="yeti")).refused("item_unknown", kind="not_found")


def test_the_catalogue_is_listed_by_sku() -> None:
    PAST.asked(ListItems()).answered(ItemPage(items=(CUP, TEA)))


def test_a_page_of_the_catalogue_says_how_to_go_on() -> None:
    PAST.asked(ListItems(limit=1)).answered(ItemPage(items=(CUP,), next_cursor="1"))


def test_prices_are_those_of_the_items_that_exist() -> None:
    prices = PriceList(prices=(Price(sku="tea", price=EUR_500), Price(sku="cup", price=EUR_1200)))
    PAST.asked(GetPrices(skus=("tea", "yeti", "cup"))).answered(prices)


def test_available_is_what_is_there_and_not_promised() -> None:
    PAST.asked(GetAvailability(sku="tea")).answered(Availability(sku="tea", available=TEA.available))


def test_an_unknown_item_is_not_available() -> None:
    PAST.asked(GetAvailability(sku="yeti")).refused("item_unknown", kind="not_found")
