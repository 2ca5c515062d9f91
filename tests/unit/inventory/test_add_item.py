"""AddItem."""

import msgspec
import pytest

from actors.inventory.model.items import add, evolve
from actors.mesh.testing.given import given
from schemas.inventory import AddItem, ItemAdded, PriceChanged
from schemas.values import Money

EUR_450, EUR_500 = Money(amount_minor=450, currency="EUR"), Money(amount_minor=500, currency="EUR")
ADD = AddItem(sku="tea", title="Tea", price=EUR_450, low_stock_at=2)
ADDED = ItemAdded(sku="tea", title="Tea", price=EUR_450, low_stock_at=2)


def test_an_item_is_added() -> None:
    given(evolve).when(add, ADD).then(ADDED)


def test_adding_the_same_item_twice_changes_nothing() -> None:
    given(evolve, ADDED).when(add, ADD).nothing()


def test_an_item_that_differs_is_refused() -> None:
    given(evolve, ADDED, PriceChanged(sku="tea", price=EUR_500)).when(add, ADD).refused("item_exists")


def test_a_threshold_below_nothing_is_no_threshold() -> None:
    body = b'{"sku":"tea","title":"Tea","price":{"amount_minor":450,"currency":"EUR"},"low_stock_at":-1}'
    with pytest.raises(msgspec.ValidationError, match="low_stock_at"):
        msgspec.json.decode(body, type=AddItem)
