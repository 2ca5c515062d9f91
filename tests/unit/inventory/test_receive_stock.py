"""ReceiveStock."""

from actors.inventory.model.items import evolve, receive
from actors.mesh.testing.given import given
from schemas.inventory import ItemAdded, ReceiveStock, StockReceived
from schemas.values import Money

ADDED = ItemAdded(sku="tea", title="Tea", price=Money(amount_minor=450, currency="EUR"), low_stock_at=2)
RECEIVE = ReceiveStock(sku="tea", quantity=10)
RECEIVED = StockReceived(sku="tea", quantity=10)


def test_goods_that_arrived_are_booked() -> None:
    given(evolve, ADDED).when(receive, RECEIVE).then(RECEIVED)


def test_another_delivery_is_booked_as_well() -> None:
    past = given(evolve, ADDED, RECEIVED)
    past.when(receive, RECEIVE).then(RECEIVED)
    assert past.state is not None
    assert past.state.available == 20


def test_an_unknown_item_is_not_received() -> None:
    given(evolve).when(receive, RECEIVE).refused("item_unknown", kind="not_found")
