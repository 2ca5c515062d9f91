"""A domain of counters: it counts, moves, asks, reacts, rings a bell outside, keeps a secret, and has a bug to show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Protocol, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from actors.mesh import (
    Actor,
    Aggregate,
    Happened,
    Key,
    Read,
    Refused,
    States,
    after,
    answers,
    decides,
    performs,
    projects,
    reacts,
)
from actors.mesh.testing.toys.limits import GetLimit, LimitSet, LimitView
from schemas.message import Command, Event, Id, Owner, Query
from schemas.values import Quantity, Version

MOST = 100
REOPENED_AFTER_SECONDS = 60.0


class Count(Command, frozen=True, kw_only=True):
    """Count on; refused past the most, and where the counter is closed. Nothing is counted for 0."""

    counter_id: Id
    amount: int


class CountWithin(Command, frozen=True, kw_only=True):
    """Count on, within the limit of the same name."""

    counter_id: Id
    amount: int


class Close(Command, frozen=True, kw_only=True):
    counter_id: Id


class Reopen(Command, frozen=True, kw_only=True):
    counter_id: Id


class Note(Command, frozen=True, kw_only=True):
    counter_id: Id
    secret: str


class Move(Command, frozen=True, kw_only=True):
    """Take from one and give to another."""

    counter_id: Id
    to_id: Id
    amount: Quantity


class Borrow(Command, frozen=True, kw_only=True):
    """Take from one, as long as both together still hold something afterwards."""

    counter_id: Id
    other_id: Id
    amount: Quantity


class Claim(Command, frozen=True, kw_only=True):
    """Count one for a customer."""

    counter_id: Id
    customer_id: Annotated[Id, Owner()]


class Stumble(Command, frozen=True, kw_only=True):
    """Meet a bug."""

    counter_id: Id


class RecordRung(Command, frozen=True, kw_only=True):
    counter_id: Id
    tone: str


class Counted(Event, frozen=True, kw_only=True):
    counter_id: Id
    amount: int


class CounterClosed(Event, frozen=True, kw_only=True):
    counter_id: Id


class CounterReopened(Event, frozen=True, kw_only=True):
    counter_id: Id


class SecretNoted(Event, frozen=True, kw_only=True):
    counter_id: Id
    secret: str


class BellRung(Event, frozen=True, kw_only=True):
    counter_id: Id
    tone: str


CounterEvent: TypeAlias = Counted | CounterClosed | CounterReopened | SecretNoted | BellRung


class Counter(Struct, frozen=True, kw_only=True):
    total: int = 0
    closed: bool = False
    tones: tuple[str, ...] = ()


class CounterView(Struct, frozen=True, kw_only=True):
    counter_id: Id
    total: int = 0
    closed: bool = False
    secrets: int = 0
    tones: tuple[str, ...] = ()


class GetCounter(Query[CounterView], frozen=True, kw_only=True):
    counter_id: Id
    at_least_version: Version = 0


class Bell(Protocol):
    """Something outside."""

    async def ring(self, key: str, counter_id: str) -> str: ...
    async def heard(self, key: str) -> str | None: ...


def limit_of(command: CountWithin) -> GetLimit:
    return GetLimit(limit_id=command.counter_id)


def count(counter: Counter | None, command: Count) -> Iterator[CounterEvent]:
    yield from counted(counter or Counter(), command.counter_id, command.amount, MOST)


def count_within(counter: Counter | None, command: CountWithin, limit: LimitView) -> Iterator[CounterEvent]:
    yield from counted(counter or Counter(), command.counter_id, command.amount, limit.most)


def counted(counter: Counter, counter_id: str, amount: int, most: int) -> Iterator[CounterEvent]:
    if counter.closed:
        raise Refused("counter_closed", "a closed counter counts no more")
    if counter.total + amount > most:
        raise Refused("counter_full", f"{counter.total} of {most} are counted", pointer="/amount")
    if amount:
        yield Counted(counter_id=counter_id, amount=amount)


def claim(counter: Counter | None, command: Claim) -> Iterator[CounterEvent]:
    yield Counted(counter_id=command.counter_id, amount=1)


def close(counter: Counter | None, command: Close) -> Iterator[CounterEvent]:
    if counter is None or not counter.closed:
        yield CounterClosed(counter_id=command.counter_id)


def reopen(counter: Counter | None, command: Reopen) -> Iterator[CounterEvent]:
    if counter is not None and counter.closed:
        yield CounterReopened(counter_id=command.counter_id)


def note(counter: Counter | None, command: Note) -> Iterator[CounterEvent]:
    yield SecretNoted(counter_id=command.counter_id, secret=command.secret)


def move(states: States, command: Move) -> Iterator[CounterEvent]:
    source = states.of(Counter, command.counter_id) or Counter()
    if source.total < command.amount:
        raise Refused("counter_empty", f"{source.total} are there")
    yield Counted(counter_id=command.counter_id, amount=-command.amount)
    yield Counted(counter_id=command.to_id, amount=command.amount)


def borrow(states: States, command: Borrow) -> Iterator[CounterEvent]:
    both = [states.of(Counter, name) or Counter() for name in (command.counter_id, command.other_id)]
    if sum(counter.total for counter in both) - command.amount < 1:
        raise Refused("counters_empty", "one of the two must hold something")
    yield Counted(counter_id=command.counter_id, amount=-command.amount)


def stumble(counter: Counter | None, command: Stumble) -> Iterator[CounterEvent]:
    raise ZeroDivisionError("a bug, on purpose")
    yield Counted(counter_id=command.counter_id, amount=1)


def record_rung(counter: Counter | None, command: RecordRung) -> Iterator[CounterEvent]:
    if counter is None or command.tone not in counter.tones:
        yield BellRung(counter_id=command.counter_id, tone=command.tone)


def keys_of_move(command: Move) -> Iterator[Key]:
    yield Key(Counter, command.counter_id)
    yield Key(Counter, command.to_id)


def keys_of_borrow(command: Borrow) -> Iterator[Key]:
    yield Key(Counter, command.counter_id)
    yield Key(Counter, command.other_id)


def evolve(counter: Counter | None, event: CounterEvent) -> Counter:
    counter = counter or Counter()
    match event:
        case Counted():
            return replace(counter, total=counter.total + event.amount)
        case CounterClosed() | CounterReopened():
            return replace(counter, closed=isinstance(event, CounterClosed))
        case BellRung():
            return replace(counter, tones=(*counter.tones, event.tone))
        case SecretNoted():
            return counter


def counter_view(view: CounterView | None, event: CounterEvent, happened: Happened) -> CounterView:
    view = view or CounterView(counter_id=event.counter_id)
    match event:
        case Counted():
            return replace(view, total=view.total + event.amount)
        case CounterClosed() | CounterReopened():
            return replace(view, closed=isinstance(event, CounterClosed))
        case BellRung():
            return replace(view, tones=(*view.tones, event.tone))
        case SecretNoted():
            return replace(view, secrets=view.secrets + 1)


async def get_counter(query: GetCounter, read: Read) -> CounterView:
    return await read.one(CounterView, query.counter_id, at_least_version=query.at_least_version)


async def ring(bell: Bell, event: CounterClosed, effect_id: str) -> RecordRung:
    return RecordRung(counter_id=event.counter_id, tone=await bell.ring(effect_id, event.counter_id))


async def find_ring(bell: Bell, event: CounterClosed, effect_id: str) -> RecordRung | None:
    tone = await bell.heard(effect_id)
    return None if tone is None else RecordRung(counter_id=event.counter_id, tone=tone)


def count_limit(event: LimitSet, happened: Happened) -> Count:
    return Count(counter_id="limits-set", amount=1)


def reopening(event: CounterClosed) -> Reopen:
    return Reopen(counter_id=event.counter_id)


BELL: type[Bell] = Bell  # type: ignore[type-abstract]  # which port it is, is all that is asked of it

actor = Actor(
    name="counters",
    aggregates=(
        Aggregate(
            state=Counter,
            key="counter_id",
            evolve=evolve,
            decisions=(
                decides(Count, count),
                decides(CountWithin, count_within, needs=(limit_of,)),
                decides(Claim, claim),
                decides(Close, close),
                decides(Reopen, reopen),
                decides(Note, note),
                decides(Move, move, keys=keys_of_move),
                decides(Borrow, borrow, keys=keys_of_borrow),
                decides(Stumble, stumble),
                decides(RecordRung, record_rung),
            ),
        ),
    ),
    answers=(answers(GetCounter, get_counter),),
    projections=(projects(CounterView, counter_view, fields=("closed",)),),
    performances=(performs(CounterClosed, port=BELL, do=ring, ask=find_ring),),
    reactions=(reacts(LimitSet, count_limit),),
    timers=(after(CounterClosed, REOPENED_AFTER_SECONDS, reopening),),
    private=(SecretNoted,),
)
