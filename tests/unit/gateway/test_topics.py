"""What leaves the house is named, belongs to one topic, and says nothing about a person."""

from __future__ import annotations

from typing import get_type_hints

import pytest

from gateway.live.positions import Position, read_positions, written
from gateway.live.topics import TOPICS, Topic, by_subject
from schemas import inventory, orders
from schemas.message import Event, Personal, marks


def named(topic: Topic) -> str:
    return topic.name


def personal(event: type[Event]) -> set[str]:
    hints = get_type_hints(event, include_extras=True)
    return {name for name, hint in hints.items() if any(isinstance(mark, Personal) for mark in marks(hint))}


@pytest.mark.parametrize("topic", TOPICS, ids=named)
def test_nothing_personal_is_shown(topic: Topic) -> None:
    for event in topic.events:
        assert not personal(event) & set(topic.shows), f"{topic.name} shows what {event.__name__} marks Personal"


@pytest.mark.parametrize("topic", TOPICS, ids=named)
def test_every_field_that_is_shown_is_there(topic: Topic) -> None:
    fields = {field for event in topic.events for field in event.__struct_fields__}
    assert set(topic.shows) <= fields


def test_a_test_of_personal_fields_that_finds_none_would_prove_nothing() -> None:
    assert personal(orders.OrderPlaced) == {"deliver_to"}


def test_items_are_shown_without_the_reservations_behind_them() -> None:
    (items,) = (topic for topic in TOPICS if topic.name == "items")
    assert inventory.StockHeld in items.events
    assert inventory.StockReserved not in items.events
    assert items.shows == ("sku", "quantity")


def test_a_topic_is_of_one_domain_and_an_event_in_one_topic() -> None:
    mixed = Topic("mixed", (orders.OrderPaid, inventory.StockHeld), orders.GetOrder, ("order_id",))
    with pytest.raises(ValueError, match="mixed has events of orders and of inventory"):
        by_subject([mixed])
    twice = Topic("twice", (orders.OrderPaid,), orders.GetOrder, ("order_id",))
    with pytest.raises(ValueError, match="OrderPaid is in two topics"):
        by_subject([*TOPICS, twice])


def test_positions_are_read_as_they_were_written() -> None:
    positions = {"inventory": Position("9f86d081", 55), "orders": Position("2c26b46b", 0)}
    assert written(positions) == "inventory:55@9f86d081,orders:0@2c26b46b"
    assert read_positions(written(positions)) == positions
    assert read_positions("") == {}
