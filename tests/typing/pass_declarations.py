"""Declarations as a domain writes them: all of this is right."""

from collections.abc import Iterator
from typing import assert_type

import msgspec

from actors.mesh import (
    Actor,
    Aggregate,
    Happened,
    Key,
    Outcomes,
    Read,
    Refused,
    Saga,
    States,
    Step,
    after,
    answers,
    decides,
    performs,
    posts,
    projects,
    reacts,
)
from actors.mesh.testing.given import given
from actors.payments.provider import SimulatedCards, authorise, find_authorisation
from schemas.inventory import GetPrices, PriceList, ReserveStock, StockReserved
from schemas.orders import CancelOrder, ConfirmOrder, GetOrder, OrderPlaced, OrderReserved, OrderView, PlaceOrder
from schemas.payments import PaymentSubmitted
from schemas.users import GetUser, UserView


class Order(msgspec.Struct, frozen=True):
    order_id: str


def evolve(order: Order | None, event: OrderPlaced | OrderReserved) -> Order:
    return order or Order(event.order_id)


def place(order: Order | None, command: PlaceOrder, customer: UserView, prices: PriceList) -> Iterator[OrderPlaced]:
    yield from ()


def confirm(order: Order | None, command: ConfirmOrder) -> Iterator[OrderReserved]:
    if order is None:
        raise Refused("order_unknown", kind="not_found")
    yield OrderReserved(order_id=order.order_id)


def reserve(states: States, command: ReserveStock) -> Iterator[StockReserved]:
    assert_type(states.of(Order, "o1"), Order | None)
    yield StockReserved(reservation_id=command.reservation_id, lines=command.lines)


def keys(command: ReserveStock) -> Iterator[Key]:
    yield Key(Order, command.reservation_id)


def more_keys(states: States, command: ReserveStock) -> list[Key]:
    return []


def customer_of(command: PlaceOrder) -> GetUser:
    return GetUser(user_id=command.customer_id)


def prices_of(command: PlaceOrder) -> GetPrices:
    return GetPrices(skus=())


def order_view(view: OrderView | None, event: OrderPlaced, happened: Happened) -> OrderView:
    assert view is not None
    return view


async def get_order(query: GetOrder, read: Read) -> OrderView:
    order = await read.one(OrderView, query.order_id)
    assert_type(order, OrderView)
    assert_type(await read.many(OrderView, ["o1"]), dict[str, OrderView])
    return order


def confirm_order(order: OrderPlaced, outcomes: Outcomes) -> ConfirmOrder:
    assert_type(outcomes.of(OrderReserved), OrderReserved | None)
    return ConfirmOrder(order_id=order.order_id)


def cancel_order(order: OrderPlaced, outcomes: Outcomes, refused: Refused) -> CancelOrder:
    return CancelOrder(order_id=order.order_id, reason_code=refused.code, detail="")


def rows(event: OrderPlaced) -> Iterator[dict[str, object]]:
    yield {"order_id": event.order_id}


def later(event: OrderPlaced) -> ConfirmOrder:
    return ConfirmOrder(order_id=event.order_id)


def sometimes(event: StockReserved, happened: Happened) -> ConfirmOrder | None:
    return None


actor = Actor(
    name="orders",
    aggregates=(
        Aggregate(
            state=Order,
            key="order_id",
            evolve=evolve,
            decisions=(
                decides(PlaceOrder, place, needs=(customer_of, prices_of)),
                decides(ConfirmOrder, confirm),
                decides(ReserveStock, reserve, keys=keys, more_keys=more_keys),
            ),
        ),
    ),
    answers=(answers(GetOrder, get_order),),
    projections=(projects(OrderView, order_view, fields=("customer_id",), sort="placed_at_ms", store="redis"),),
    performances=(performs(PaymentSubmitted, port=SimulatedCards, do=authorise, ask=find_authorisation),),
    reactions=(reacts(StockReserved, sometimes),),
    postings=(posts(OrderPlaced, "ledger", rows),),
    timers=(after(OrderPlaced, 60, later),),
    sagas=(
        Saga(
            name="confirmation",
            key="order_id",
            starts_on=OrderPlaced,
            steps=(Step(confirm_order, until=OrderReserved, pivot=True),),
            on_refusal=cancel_order,
        ),
    ),
)

given(evolve).when(confirm, ConfirmOrder(order_id="o1")).refused("order_unknown")
