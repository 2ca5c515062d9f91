"""ChangePrice."""

from actors.inventory.model.items import change_price, evolve
from actors.mesh.testing.given import given
from schemas.inventory import ChangePrice, ItemAdded, PriceChanged
from schemas.values import Money

EUR_450, EUR_500 = Money(amount_minor=450, currency="EUR"), Money(amount_minor=500, currency="EUR")
ADDED = ItemAdded(sku="tea", title="Tea", price=EUR_450, low_stock_at=2)
CHANGE = ChangePrice(sku="tea", price=EUR_500)
CHANGED = PriceChanged(sku="tea", price=EUR_500)


def test_an_item_is_sold_at_another_price() -> None:
    given(evolve, ADDED).when(change_price, CHANGE).then(CHANGED)


def test_the_price_it_has_already_changes_nothing() -> None:
    given(evolve, ADDED, CHANGED).when(change_price, CHANGE).nothing()


def test_an_unknown_item_has_no_price() -> None:
    given(evolve).when(change_price, CHANGE).refused("item_unknown", kind="not_found")
