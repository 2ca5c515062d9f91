"""Whatever is asked in whatever order: stock adds up, and is never promised twice."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from actors import inventory
from actors.inventory.model.items import Item
from actors.inventory.model.reservations import Reservation
from actors.mesh.testing.given import GivenActor, given_actor
from schemas.inventory import (
    Availability,
    CommitStock,
    ExpireReservation,
    GetAvailability,
    GetItem,
    ItemAdded,
    ItemView,
    LowStockReached,
    ReceiveStock,
    ReleaseStock,
    ReserveStock,
    ReturnStock,
    StockReceived,
    StockReturned,
    StockTaken,
)
from schemas.message import Command, Event
from schemas.values import Line, Money

SKUS = ("tea", "cup", "jam")
RESERVATIONS = ("r1", "r2", "r3", "r4")
ADDED = [
    ItemAdded(sku=sku, title=sku, price=Money(amount_minor=100, currency="EUR"), low_stock_at=at)
    for sku, at in zip(SKUS, (0, 2, 5), strict=True)
]
RECEIVED = [StockReceived(sku=sku, quantity=6) for sku in SKUS]
ids = st.sampled_from(RESERVATIONS)
lines = st.lists(
    st.builds(Line, sku=st.sampled_from(SKUS), quantity=st.integers(1, 4)),
    min_size=1,
    max_size=3,
    unique_by=lambda line: line.sku,
).map(tuple)


class Warehouse(RuleBasedStateMachine):
    """Keeps its own books beside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.stock: GivenActor = given_actor(inventory.actor, *ADDED, *RECEIVED)
        self.received = Counter({event.sku: event.quantity for event in RECEIVED})
        self.taken: Counter[str] = Counter()
        self.shut: set[str] = set()
        self.armed = set(SKUS)

    @rule(sku=st.sampled_from(SKUS), quantity=st.integers(1, 10))
    def receive(self, sku: str, quantity: int) -> None:
        self.ask(ReceiveStock(sku=sku, quantity=quantity))
        self.received[sku] += quantity

    @rule(reservation_id=ids, lines=lines)
    def reserve(self, reservation_id: str, lines: tuple[Line, ...]) -> None:
        events = self.ask(ReserveStock(reservation_id=reservation_id, lines=lines))
        assert not (events and reservation_id in self.shut), "reserved after it was released"

    @rule(reservation_id=ids)
    def release(self, reservation_id: str) -> None:
        command = ReleaseStock(reservation_id=reservation_id)
        self.ask(command)
        if self.stock.when(command).refusal is None:
            self.shut.add(reservation_id)

    @rule(reservation_id=ids)
    def commit(self, reservation_id: str) -> None:
        events = self.ask(CommitStock(reservation_id=reservation_id))
        assert not (events and reservation_id in self.shut), "committed after it was released"

    @rule(reservation_id=ids)
    def put_back(self, reservation_id: str) -> None:
        self.ask(ReturnStock(reservation_id=reservation_id))
        self.shut.add(reservation_id)

    @rule(reservation_id=ids)
    def expire(self, reservation_id: str) -> None:
        self.ask(ExpireReservation(reservation_id=reservation_id))

    def ask(self, command: Command[Any]) -> tuple[Event, ...]:
        events = self.stock.when(command).events
        for event in events:
            if isinstance(event, StockTaken):
                self.taken[event.sku] += event.quantity
            if isinstance(event, StockReturned):
                self.taken[event.sku] -= event.quantity
                assert self.taken[event.sku] >= 0, "more came back than was taken"
            if isinstance(event, LowStockReached):
                assert event.sku in self.armed, "told twice without having risen above the threshold"
                self.armed.remove(event.sku)
        self.armed |= {sku for sku in SKUS if self.item(sku).available > self.item(sku).low_stock_at}
        if not isinstance(command, ReceiveStock):  # a second delivery is a second command
            assert self.stock.when(command).events == (), "asked twice, done twice"
        return events

    def item(self, sku: str) -> Item:
        item = self.stock.state(Item, sku)
        assert item is not None
        return item

    @invariant()
    def nothing_is_promised_twice(self) -> None:
        assert all(self.item(sku).available >= 0 for sku in SKUS)

    @invariant()
    def what_came_and_did_not_leave_is_there(self) -> None:
        for sku in SKUS:
            assert self.item(sku).on_hand == self.received[sku] - self.taken[sku]

    @invariant()
    def what_is_reserved_is_what_live_reservations_hold(self) -> None:
        held: Counter[str] = Counter()
        for reservation_id in RESERVATIONS:
            reservation = self.stock.state(Reservation, reservation_id)
            if reservation is not None and reservation.status == "held":
                held.update({line.sku: line.quantity for line in reservation.lines})
        assert {sku: self.item(sku).reserved for sku in SKUS} == {sku: held[sku] for sku in SKUS}

    @invariant()
    def low_stock_has_been_told(self) -> None:
        for sku in SKUS:
            item = self.item(sku)
            assert item.low == (sku not in self.armed)

    def teardown(self) -> None:
        """In the end both views show what the events add up to."""
        for sku in SKUS:
            view, hot = self.stock.asked(GetItem(sku=sku)).reply, self.stock.asked(GetAvailability(sku=sku)).reply
            assert isinstance(view, ItemView)
            assert (view.on_hand, view.reserved) == (self.item(sku).on_hand, self.item(sku).reserved)
            assert hot == Availability(sku=sku, available=view.available)


def test_stock_adds_up_in_any_order() -> None:
    few_but_long = settings(
        max_examples=50,
        stateful_step_count=30,
        phases=[Phase.generate],  # thirty steps can be read; making them fewer takes a minute
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Warehouse, settings=few_but_long)
