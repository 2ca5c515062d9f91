"""A domain of the benches alone: an order document to check, answered from memory, and a tally to count up."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from actors.mesh import Actor, Aggregate, Read, answers, decides
from schemas.message import Command, Event, Id, Query

ORDER_ID = "0192f1c4-7b7e-7cc0-9c1e-5f2f3a8d1b11"


class Item(Struct, frozen=True, gc=False):
    sku: Annotated[str, Meta(min_length=1, max_length=40)]
    qty: Annotated[int, Meta(ge=1, le=1000)]
    unit_price_cents: Annotated[int, Meta(ge=0)]


class Address(Struct, frozen=True, gc=False):
    name: str
    street: str
    city: str
    zip: str
    country: Annotated[str, Meta(min_length=2, max_length=2)]


class Line(Struct, frozen=True, gc=False):
    sku: str
    qty: int
    total_cents: int


class Checked(Struct, frozen=True):
    """What an order comes to."""

    order_id: str
    status: str
    total_cents: int
    lines: tuple[Line, ...]


class CheckOrder(Query[Checked], frozen=True, kw_only=True):
    """The order document of the yardsticks: 377 bytes of JSON, three lines."""

    order_id: Id
    customer_id: str
    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    items: Annotated[tuple[Item, ...], Meta(min_length=1, max_length=100)]
    shipping: Address


class Count(Command, frozen=True, kw_only=True):
    """Count a tally up."""

    tally_id: Id
    amount: int


class Counted(Event, frozen=True, kw_only=True):
    tally_id: Id
    amount: int


class Tally(Struct, frozen=True, kw_only=True):
    total: int


def count(tally: Tally | None, command: Count) -> tuple[Counted, ...]:
    return (Counted(tally_id=command.tally_id, amount=command.amount),)


def evolve(tally: Tally | None, event: Counted) -> Tally:
    return Tally(total=(tally.total if tally is not None else 0) + event.amount)


async def check_order(query: CheckOrder, read: Read) -> Checked:
    return checked(query)


def checked(order: CheckOrder) -> Checked:
    """Work out what an order comes to."""
    lines = tuple(Line(item.sku, item.qty, item.qty * item.unit_price_cents) for item in order.items)
    return Checked(order.order_id, "accepted", sum(line.total_cents for line in lines), lines)


ORDER = CheckOrder(
    order_id=ORDER_ID,
    customer_id="cus_01HZX3J4T8",
    currency="EUR",
    items=(Item("SKU-100234", 2, 1999), Item("SKU-100777", 1, 45900), Item("SKU-200018", 5, 349)),
    shipping=Address("Ada Lovelace", "12 St James Sq", "London", "SW1Y 4JH", "GB"),
)
ORDER_JSON = msgspec.json.encode(ORDER)

actor = Actor(
    name="tallies",
    aggregates=(Aggregate(state=Tally, key="tally_id", evolve=evolve, decisions=(decides(Count, count),)),),
    answers=(answers(CheckOrder, check_order),),
)
