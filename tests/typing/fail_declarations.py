"""Declarations with a mistake each: mypy must name exactly the lines that are marked."""

# fmt: off  (a mistake and its mark stand on one line)

from collections.abc import Iterator

import msgspec

from actors.mesh import (
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
from actors.payments.provider import SimulatedCards, authorise, capture, find_authorisation, find_capture
from schemas.inventory import GetPrices, PriceList, ReserveStock, StockReserved
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    GetOrder,
    ListOrders,
    OrderPlaced,
    OrderReserved,
    OrderTimelineView,
    OrderView,
    PlaceOrder,
)
from schemas.payments import PaymentSubmitted
from schemas.users import GetUser, UserView


class Order(msgspec.Struct, frozen=True):
    order_id: str


class Item(msgspec.Struct, frozen=True):
    sku: str


def evolve(order: Order | None, event: OrderPlaced | OrderReserved) -> Order:
    return order or Order(event.order_id)


def evolve_item(item: Item | None, event: StockReserved) -> Item:
    return item or Item("tea")


def place(order: Order | None, command: PlaceOrder, who: UserView, prices: PriceList) -> Iterator[OrderPlaced]:
    yield from ()


def confirm(order: Order | None, command: ConfirmOrder) -> Iterator[OrderReserved]:
    yield OrderReserved(order_id=command.order_id)


def confirm_item(item: Item | None, command: ConfirmOrder) -> Iterator[OrderReserved]:
    yield OrderReserved(order_id=command.order_id)


def confirm_blindly(order: Order, command: ConfirmOrder) -> Iterator[OrderReserved]:
    yield OrderReserved(order_id=command.order_id)


def confirm_by_command(order: Order | None, command: ConfirmOrder) -> Iterator[ConfirmOrder]:
    yield command


def reserve(states: States, command: ReserveStock) -> Iterator[StockReserved]:
    yield from ()


def keys_of_order(command: ConfirmOrder) -> Iterator[Key]:
    yield Key(Order, command.order_id)


def customer_of(command: PlaceOrder) -> GetUser:
    return GetUser(user_id=command.customer_id)


def prices_of(command: PlaceOrder) -> GetPrices:
    return GetPrices(skus=())


# The function of a decision: of another command, without its needs, in their wrong order, of another state.
decides(PlaceOrder, confirm)  # want error
decides(PlaceOrder, place)  # want error
decides(PlaceOrder, place, needs=(prices_of, customer_of))  # want error
decides(PlaceOrder, place, needs=(customer_of,))  # want error
decides(ConfirmOrder, confirm_blindly)  # want error
decides(ConfirmOrder, confirm_by_command)  # want error
decides(ReserveStock, reserve, keys=keys_of_order)  # want error
decides(OrderPlaced, confirm)  # want error
Aggregate(state=Order, key="order_id", evolve=evolve, decisions=(decides(ConfirmOrder, confirm_item),))  # want error
Aggregate(state=Order, key="order_id", evolve=evolve_item)  # want error


async def get_timeline(query: GetOrder, read: Read) -> OrderTimelineView:
    return await read.one(OrderTimelineView, query.order_id)


async def get_order(query: GetOrder, read: Read) -> OrderView:
    return await read.one(OrderTimelineView, query.order_id)  # want error


def get_order_at_once(query: GetOrder, read: Read) -> OrderView:
    raise NotImplementedError


# The answer to a query: another reply, and one that is not awaited.
answers(GetOrder, get_timeline)  # want error
answers(ListOrders, get_order)  # want error
answers(GetOrder, get_order_at_once)  # want error
answers(PlaceOrder, get_order)  # want error


def order_view(view: OrderView | None, event: OrderPlaced, happened: Happened) -> OrderView:
    raise NotImplementedError


def order_view_without_time(view: OrderView | None, event: OrderPlaced) -> OrderView:
    raise NotImplementedError


# A view: folded by the fold of another, by one that does not take the time, kept where there is no store.
projects(OrderTimelineView, order_view)  # want error
projects(OrderView, order_view_without_time)  # want error
projects(OrderView, order_view, store="mongo")  # want error


class NoCards:
    """Is no card processor."""


# Work outside: for another event, on another port, with a question and a deed mistaken for each other.
performs(PaymentSubmitted, port=SimulatedCards, do=capture, ask=find_authorisation)  # want error
performs(PaymentSubmitted, port=SimulatedCards, do=authorise, ask=find_capture)  # want error
performs(PaymentSubmitted, port=SimulatedCards, do=find_authorisation, ask=authorise)  # want error
performs(PaymentSubmitted, port=NoCards, do=authorise, ask=find_authorisation)  # want error


def to_command(event: OrderPlaced) -> ConfirmOrder:
    return ConfirmOrder(order_id=event.order_id)


def to_rows(event: OrderPlaced) -> Iterator[dict[str, object]]:
    yield {}


def to_reaction(event: OrderPlaced, happened: Happened) -> ConfirmOrder:
    return ConfirmOrder(order_id=event.order_id)


# What follows an event: of another one.
reacts(StockReserved, to_reaction)  # want error
reacts(OrderPlaced, to_command)  # want error
after(StockReserved, 60, to_command)  # want error
posts(StockReserved, "ledger", to_rows)  # want error


def confirm_order(order: OrderPlaced, outcomes: Outcomes) -> ConfirmOrder:
    return ConfirmOrder(order_id=order.order_id)


def confirm_reserved(reserved: StockReserved, outcomes: Outcomes) -> ConfirmOrder:
    return ConfirmOrder(order_id=reserved.reservation_id)


def confirm_twice(order: OrderPlaced, outcomes: Outcomes) -> OrderReserved:
    return OrderReserved(order_id=order.order_id)


def cancel_order(order: OrderPlaced, outcomes: Outcomes, refused: Refused) -> CancelOrder:
    return CancelOrder(order_id=order.order_id, reason_code=refused.code, detail="")


# A saga: a step for another event, one that makes no command, an undo taken for the answer to a refusal.
Saga(name="s", key="k", starts_on=OrderPlaced, steps=(Step(confirm_reserved),), on_refusal=cancel_order)  # want error
Step(confirm_twice)  # want error
Saga(name="s", key="order_id", starts_on=OrderPlaced, steps=(), on_refusal=confirm_order)  # want error
Step(confirm_order, undo=cancel_order)  # want error
Step(confirm_order, until=ConfirmOrder)  # want error

# A test: of another state, and without what the decision needs.
given(evolve_item).when(confirm, ConfirmOrder(order_id="o1"))  # want error
given(evolve).when(place, PlaceOrder)  # want error
